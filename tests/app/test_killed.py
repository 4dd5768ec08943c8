"""What `indicia serve` has acknowledged is there after `kill -9`, whenever that came."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError
from nameserver import NameServer, Trick
from serving import Running, serve, until

ROUNDS = 20
CALLERS = 3
PENDING = "pending.example.com"


@dataclass
class Acknowledged:
    """What callers were told is so: a name is there, or is not; a name that was asked for last is unknown."""

    there: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)

    def call(self, client: Any, chance: random.Random, prefix: str, number: int) -> None:
        """Make one change, and note what was acknowledged. Raises when nothing was."""
        if self.there and chance.random() < 0.3:
            name = chance.choice(sorted(self.there))
            self.there.discard(name)
            self.unknown.add(name)
            client.delete_email_identity(EmailIdentity=name)
            self.unknown.discard(name)
            self.gone.add(name)
            return
        name = f"{prefix}-{number}.example.com"
        self.unknown.add(name)
        client.create_email_identity(
            EmailIdentity=name, DkimSigningAttributes={"NextSigningKeyLength": "RSA_1024_BIT"}
        )
        self.unknown.discard(name)
        self.there.add(name)


def calling(house: Running, chance: random.Random, known: Acknowledged, prefix: str) -> None:
    """Call until nobody answers any more."""
    client = house.client()
    with contextlib.suppress(BotoCoreError):
        for number in range(10_000):
            known.call(client, chance, prefix, number)


def _acknowledged(known: list[Acknowledged]) -> int:
    """Return how many changes were acknowledged so far: what is there, and twice what is gone."""
    return sum(len(each.there) + 2 * len(each.gone) for each in known)


def listed(house: Running) -> dict[str, str]:
    """Return the status of every identity, by name."""
    found: dict[str, str] = {}
    token: dict[str, str] = {}
    while True:
        page = house.client().list_email_identities(PageSize=1000, **token)
        found |= {each["IdentityName"]: each["VerificationStatus"] for each in page["EmailIdentities"]}
        if "NextToken" not in page:
            return found
        token = {"NextToken": page["NextToken"]}


@pytest.mark.timeout(600)
def test_what_was_acknowledged_survives_a_kill_at_any_moment(tmp_path: Path, dns: NameServer) -> None:
    """Twenty times killed while it creates and deletes: nothing acknowledged is lost, the work goes on.

    Every identity can be read in full, one that was being looked at when its verifier died is verified soon
    after the next start, and the database is intact.
    """
    chance = random.Random(20261122)
    known = [Acknowledged() for _ in range(CALLERS)]
    settings = {"INDICIA_RESOLVERS": "{}:{}".format(*dns.address), "INDICIA_LIMITS": "off"}
    with serve(tmp_path, **settings) as house:
        _create_pending(house, dns)
        house.process.kill()
    for turn in range(ROUNDS):
        with serve(tmp_path, **settings) as house:
            assert house.client()
            threads = [
                threading.Thread(target=calling, args=(house, random.Random(turn), each, f"r{turn}c{at}"))
                for at, each in enumerate(known)
            ]
            before = _acknowledged(known)
            for thread in threads:
                thread.start()
            if chance.random() < 0.75:  # else it may die before it has answered anybody
                until(lambda before=before: _acknowledged(known) > before, "an acknowledgement")
            time.sleep(chance.uniform(0.0, 0.3))  # the moment is left to chance; nothing is waited for
            house.process.kill()
            for thread in threads:
                thread.join(30)
                assert not thread.is_alive()
    with serve(tmp_path, **settings) as house:
        until(lambda: house.metric("indicia_checks_in_hand") >= 1, "a check that does not end")
        house.process.kill()

    dns.behave()
    with serve(tmp_path, **settings) as house:
        found = listed(house)
        for each in known:
            assert each.there <= found.keys()
            assert not each.gone & found.keys()
        assert found.keys() <= {PENDING}.union(*(each.there | each.unknown for each in known))
        assert _acknowledged(known) > ROUNDS
        # The lease of the dead would run for a minute.
        until(lambda: listed(house)[PENDING] == "SUCCESS", "SUCCESS of what was pending", 20)
        for name in random.Random(1).sample(sorted(found), min(20, len(found))):
            detail = house.client().get_email_identity(EmailIdentity=name)
            assert len(detail["DkimAttributes"]["Tokens"]) == 3
        assert house.stop() == 0
    with contextlib.closing(sqlite3.connect(house.data_dir / "indicia.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def _create_pending(house: Running, dns: NameServer) -> None:
    """Create an identity whose records are published, in a DNS that does not answer for them yet."""
    attributes = house.client().create_email_identity(EmailIdentity=PENDING)["DkimAttributes"]
    dns.zone("example.com")
    for token in attributes["Tokens"]:
        name = f"{token}._domainkey.{PENDING}"
        dns.put(name, "CNAME", f"{token}.{attributes['SigningHostedZone']}")
        dns.misbehave(Trick.SILENT, name)
