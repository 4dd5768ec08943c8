"""Replacing an uploaded key (BYODKIM) leaves no mail that receivers cannot check, whoever dies meanwhile.

The new key is proved like a new one: until it was seen and has settled mail goes unsigned, and never with a
key that is not published. The processes are those of `test_kill`.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from nameserver import NameServer
from operation_contexts import made_context
from outside import DOMAIN, RealKeyZone, Receiver, Sender, World
from test_kill import ACCOUNT, PACE, REGION, ZONE, Scene

from indicia.domain.call import Call
from indicia.domain.dkim.rotation import Stage
from indicia.operations.dispatch import Dispatch
from indicia.runtime.clock import real_now
from indicia.store.dkim import zones
from indicia.store.engine import schema
from indicia.store.engine.opening import open_database
from indicia.vault import rsa
from indicia.vault.keyring import Keyring
from indicia.wire.shapes import operations, sesv2

SERVICE = "mail.example.org"


class NobodyToWake:
    """The other process looks by itself."""

    def engine(self) -> None:
        """Nothing."""

    outbox = pool = engine


@dataclass
class Owner:
    """Whoever has the domain and its keys: calls the API, and publishes what belongs to a key."""

    stage: Scene
    keyring: Keyring
    keys: dict[str, rsa.KeyPair] = field(default_factory=dict)

    def call(self, operation: str, **members: object) -> None:
        """Have an operation of API v2 answered."""
        house = made_context(self.keyring, NobodyToWake(), regions=frozenset({REGION}))
        principal = f"arn:aws:iam::{ACCOUNT}:root"
        who = Call(
            "sesv2", operation, ACCOUNT, REGION, principal, "AKIA", "192.0.2.7", "id", self.stage.now(), None
        )
        request = operations("sesv2")[operation].request(**members)

        async def answered() -> None:
            await Dispatch(self.stage.database, house)(who, request)

        asyncio.run(answered())

    def signing(self, selector: str) -> sesv2.DkimSigningAttributes:
        """A key of its own under this selector, published, as the API takes it."""
        pair = self.keys[selector] = rsa.generate(1024)
        self.stage.server.put(f"{selector}._domainkey.{DOMAIN}", "TXT", f'"p={pair.public_key}"')
        private = base64.b64encode(pair.private_key).decode()
        return sesv2.DkimSigningAttributes(DomainSigningSelector=selector, DomainSigningPrivateKey=private)

    def signs(self) -> str | None:
        """With the key under which selector mail goes out, None where unsigned; receivers accept it."""
        message = self.stage.sender.send()
        if message is None:
            return None
        assert all(receiver.accepts(message) for receiver in self.stage.receivers)
        return next(selector for selector in self.keys if f"s={selector};".encode() in message)


@contextmanager
def owned(url: str) -> Iterator[Owner]:
    """A domain that signs with a key of its own, and nobody who keeps it yet."""
    database, keyring = open_database(url), Keyring((bytes(32),))
    database.write(lambda s: zones.add(s, ZONE, real_now()))
    with RealKeyZone(database) as key_zone, NameServer(World(key_zone, ZONE)) as server:
        server.zone(DOMAIN)
        sender = Sender(database, keyring, ACCOUNT, REGION)
        stage = Scene(url, database, server, sender, None)  # type: ignore[arg-type]  # no tokens: one selector
        stage.receivers = [Receiver(server, stage.now, holds=holds) for holds in (True, False)]
        owner = Owner(stage, keyring)
        owner.call("CreateEmailIdentity", EmailIdentity=DOMAIN, DkimSigningAttributes=owner.signing("first"))
        try:
            yield owner
        finally:
            stage.end()
    database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh database, once of each kind."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    found = f"sqlite:///{tmp_path / 'indicia.db'}"
    schema.migrate(found)
    return found


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("dies_at", [Stage.SEEN, Stage.SIGNING], ids=lambda stage: stage.value)
def test_a_replaced_key_survives_a_kill_at_every_step(url: str, dies_at: Stage, when: str) -> None:
    """Killed when the new key is seen or begins to sign: no signature fails, and then the new key signs."""
    with owned(url) as owner:
        stage = owner.stage
        assert stage.begin()
        assert stage.advance(PACE.settle)
        assert owner.signs() == "first"
        stage.end()

        owner.call(
            "PutEmailIdentityDkimSigningAttributes",
            EmailIdentity=DOMAIN,
            SigningAttributesOrigin="EXTERNAL",
            SigningAttributes=owner.signing("second"),
        )
        stage.server.remove(f"first._domainkey.{DOMAIN}", "TXT")
        assert owner.signs() is None

        # No negative answer of our zone is in the way of a key in theirs: it signs as soon as it was seen.
        assert not stage.begin(dies_at.value, when)
        assert owner.signs() in {None, "second"}
        stage.end()
        assert stage.begin()
        assert stage.advance(PACE.settle)
        assert owner.signs() == "second"
