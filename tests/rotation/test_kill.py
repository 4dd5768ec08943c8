"""No step of a rotation, and no death in the middle of one, signs mail with a key that receivers do not see.

The verifier and the keeper run in a process that is killed at each step, before its commit and after. Mail is
sent all the while, and checked by dkimpy through the domain's CNAMEs and the real key zone: by a receiver
that asks every time, and by one whose resolver holds each answer as long as it may.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from nameserver import NameServer
from outside import DOMAIN, RealKeyZone, Receiver, Sender, World, txt

from indicia.domain.dkim.key_record import new_tokens
from indicia.domain.dkim.rotation import KeyPace, Stage
from indicia.domain.dkim.signing import Unsigned
from indicia.domain.identities.identity import (
    Facet,
    Identity,
    IdentityKind,
    KeyLength,
    MxFailureBehavior,
    TokenSet,
    TokenSetKind,
)
from indicia.domain.proofs.transitions import start
from indicia.domain.time import DAY, HOUR, MINUTE, SECOND
from indicia.runtime.clock import real_now
from indicia.store.dkim import keys, zones
from indicia.store.dkim import rotation as rotations
from indicia.store.engine import schema
from indicia.store.engine.database import Database
from indicia.store.engine.ids import new_id
from indicia.store.engine.opening import open_database
from indicia.store.engine.session import Session
from indicia.store.engine.sharding import shard_of
from indicia.store.identities import identities
from indicia.store.proofs import facets
from indicia.store.verification import checks
from indicia.vault import rsa
from indicia.vault.keyring import Keyring
from indicia.vault.purposes import PRIVATE_KEY

ACCOUNT, REGION, ZONE = "111122223333", "eu-west-1", "dkim.mail.example.org"
KEEPING = Path(__file__).parent / "keeping.py"
PACE = KeyPace()
# Past the interval of any set: a tenth of it comes on top at most.
ROTATES = 200 * DAY
# What happens, by how far the clock is moved for it.
STORY: list[tuple[Stage, int]] = [
    (Stage.PUBLISHED, ROTATES),
    (Stage.SEEN, 2 * SECOND),
    (Stage.SIGNING, PACE.settle),
    (Stage.WITHDRAWN, PACE.linger),
]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh database, once of each kind."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    found = f"sqlite:///{tmp_path / 'indicia.db'}"
    schema.migrate(found)
    return found


def store(s: Session, keyring: Keyring, now: int) -> TokenSet:
    """An identity that was created just now, its key from a pool that has two more."""
    for _ in range(3):
        pair = rsa.generate(1024)
        sealed = keyring.seal(pair.private_key, PRIVATE_KEY)
        keys.add_pooled(s, keys.PooledKey(new_id(), pair.bits, pair.public_key, sealed, now))
    length = KeyLength.RSA_1024_BIT
    (key,) = keys.hold_pooled(s, length.bits, 1)
    token_set = TokenSet(
        new_id(), TokenSetKind.EASY, new_tokens(secrets.token_bytes, now), ZONE, length, now, has_key=True,
        public_key=key.public_key, wanted_length=length, awaited=True,
    )  # fmt: skip
    zones.add(s, ZONE, now)
    keys.insert_token_set(s, token_set, now, domain=DOMAIN)
    keys.publish_first(s, token_set, key, now)
    keys.remove_pooled(s, [key])
    identity = Identity(
        id=new_id(), account=ACCOUNT, region=REGION, kind=IdentityKind.DOMAIN, name=DOMAIN, created_at=now,
        version=1, generation=1, origin="AWS_SES", signing_enabled=True, next_key_length=length,
        token_set_id=token_set.id, legacy_token="", legacy_requested=False, mail_from_domain="",
        mail_from_behavior=MxFailureBehavior.USE_DEFAULT_VALUE, feedback_forwarding=True,
        configuration_set="",
    )  # fmt: skip
    identities.insert(s, identity)
    facets.put(s, identity.id, start(Facet.DKIM, 1, now, 72 * HOUR))
    checks.schedule(s, identity.id, shard_of(DOMAIN), now, interval=10 * SECOND)
    return token_set


@dataclass
class Scene:
    """Everything there is, and the mail that was sent."""

    url: str
    database: Database
    server: NameServer
    sender: Sender
    token_set: TokenSet
    offset: int = 0
    queue: list[tuple[int, bytes]] = field(default_factory=list)
    receivers: list[Receiver] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    def now(self) -> int:
        """The time in this world."""
        return real_now() + self.offset

    def begin(self, *die: str) -> bool:
        """Start the keeping process; it dies at the step that is named, if one is. False when it did."""
        command = [sys.executable, str(KEEPING), self.url, str(self.server.port), str(self.offset), *die]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self.settle()

    def settle(self) -> bool:
        """Wait until the process says that all is settled. False when it died instead."""
        assert self.process is not None
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if line:
            assert int(line) == self.offset
        return bool(line)

    def advance(self, span: int) -> bool:
        """Let time pass for everybody. False when the process died of it."""
        assert self.process is not None
        assert self.process.stdin is not None
        self.offset += span
        self.process.stdin.write(b"advance %d\n" % span)
        self.process.stdin.flush()
        return self.settle()

    def end(self) -> None:
        """Kill the process, if it lives."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None:
                    pipe.close()
            self.process = None

    def selectors(self) -> list[str]:
        """The names under which receivers look for keys."""
        return [f"{token}._domainkey.{DOMAIN}" for token in self.token_set.tokens]

    def live(self) -> list[keys.PublishedKey]:
        """The keys that are published."""
        return self.database.read(partial(keys.published, token_set_id=self.token_set.id))

    def stages(self) -> list[Stage]:
        """Where each of them is."""
        stored = self.database.read(partial(rotations.read, token_set_id=self.token_set.id))
        assert stored is not None
        return [key.stage for key in stored.life.keys]

    def mail(self) -> bool:
        """Send a message and have every receiver check it, and all that may still be on its way.

        Returns whether it was signed.
        """
        now = self.now()
        message = self.sender.send()
        if message is not None:
            self.queue.append((now, message))
        for receiver in self.receivers:
            for sent, each in self.queue:
                # A queue keeps mail for less than the grace: the TTL is part of it.
                if now - sent < PACE.linger - HOUR:
                    assert receiver.accepts(each), (self.stages(), receiver.holds, now - sent)
            for name in self.selectors():  # a curious resolver, that knows every answer of this moment
                receiver.look(name)
        return message is not None

    def shows(self, position: int, public_key: str | None) -> None:
        """Wait until the key zone, which is another process's, answers so."""
        wanted = None if public_key is None else f"p={public_key}".encode()
        until(lambda: txt(self.server, self.selectors()[position])[0] == wanted)


def until(condition: Callable[[], bool], within: float = 30.0) -> None:
    """Return when the condition holds."""
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


@contextmanager
def world(url: str) -> Iterator[Scene]:
    """An identity with its records published, and nobody who keeps its keys yet."""
    database = open_database(url)
    keyring = Keyring((bytes(32),))
    token_set = database.write(partial(store, keyring=keyring, now=real_now()))
    with RealKeyZone(database) as key_zone, NameServer(World(key_zone, ZONE)) as server:
        server.zone(DOMAIN)
        for token in token_set.tokens:
            server.put(f"{token}._domainkey.{DOMAIN}", "CNAME", f"{token}.{ZONE}")
        stage = Scene(url, database, server, Sender(database, keyring, ACCOUNT, REGION), token_set)
        stage.receivers = [Receiver(server, stage.now, holds=holds) for holds in (True, False)]
        try:
            yield stage
        finally:
            stage.end()
    database.close()


@contextmanager
def mail_all_the_while(stage: Scene) -> Iterator[None]:
    """Mail is sent and checked at every moment, from another thread, whatever happens here."""
    stop, troubles, sent = threading.Event(), [], []

    def send() -> None:
        receiver = Receiver(stage.server, stage.now, holds=False)
        while not stop.is_set():
            message = stage.sender.send()
            sent.append(message)
            if message is None or not receiver.accepts(message):
                troubles.append(stage.stages())

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert sent
    assert troubles == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("dies_at", [stage for stage, _ in STORY], ids=lambda stage: stage.value)
def test_a_rotation_survives_a_kill_at_every_step(url: str, dies_at: Stage, when: str) -> None:
    """Killed at the commit of a step, before it or after: every mail verifies, and the rotation goes on."""
    with world(url) as stage:
        first, token = stage.live()[0].public_key, 0
        stage.begin()
        assert not stage.mail()  # seen, but not settled
        assert stage.advance(PACE.settle)
        assert stage.mail()
        stage.end()

        with mail_all_the_while(stage):
            stage.begin(dies_at.value, when)
            died = False
            for reached, span in STORY:
                alive = stage.advance(span)
                if not alive:
                    assert reached is dies_at
                    assert not died
                    died = True
                    stage.mail()
                    stage.end()
                    stage.begin()
                assert stage.mail()
                if reached is Stage.PUBLISHED:
                    second = stage.live()[1]
                    token = stage.token_set.tokens.index(second.token)
                    stage.shows(token, second.public_key)
                if reached is dies_at is Stage.WITHDRAWN:
                    stage.shows(0, None)
            assert died

        assert [(key.token, at) for key, at in zip(stage.live(), stage.stages(), strict=True)] == [
            (stage.token_set.tokens[1], Stage.SIGNING)
        ]
        assert token == 1
        assert stage.live()[0].public_key != first


def test_a_key_that_is_missed_signs_no_more(url: str) -> None:
    """Its CNAME is withdrawn: once that is corroborated mail goes unsigned; once it is back, signed again."""
    with world(url) as stage:
        stage.begin()
        assert stage.advance(PACE.settle)
        assert stage.mail()

        (name, *_) = stage.selectors()
        stage.server.remove(name, "CNAME")
        assert stage.advance(DAY)
        assert stage.advance(15 * MINUTE)
        assert stage.sender.key() is Unsigned.NOT_VISIBLE

        stage.server.put(name, "CNAME", f"{stage.token_set.tokens[0]}.{ZONE}")
        assert stage.advance(15 * MINUTE)
        assert stage.sender.send() is not None


def test_another_records_loss_does_not_stop_the_signature(url: str) -> None:
    """The CNAME of a token without a key is withdrawn: TEMPORARY_FAILURE, and the key that is seen signs."""
    with world(url) as stage:
        stage.begin()
        assert stage.advance(PACE.settle)
        stage.server.remove(stage.selectors()[2], "CNAME")
        assert stage.advance(DAY)
        assert stage.advance(15 * MINUTE)

        assert stage.mail()
