"""What the engine tells of, and what it does not let fall: real checks, on both databases."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from lookout import ACCOUNT, NEGATIVE_TTL, PACE, REGION, WINDOW, Lookout, run
from nameserver import NameServer, Trick

from indicia.announcements.event_recorder import EventRecorder, NoticeMails
from indicia.domain.identities.identity import Identity, Status
from indicia.domain.time import DAY, HOUR, SECOND
from indicia.mail.notices.notice import NOTICE, Notice, letter
from indicia.store.accounts import access
from indicia.store.accounts.access import Account
from indicia.store.engine.database import Database
from indicia.store.engine.queue import Lease
from indicia.store.engine.sharding import shard_of
from indicia.store.events import events
from indicia.store.verification import checks
from indicia.store.verification_mail import outbox
from indicia.vault.keyring import Keyring
from indicia.verifier.engine.commit import CheckCommit

NAME = "example.com"
KEYRING = Keyring((bytes(range(32)),))


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server with one zone."""
    with NameServer() as running:
        running.zone(NAME, minimum=NEGATIVE_TTL // SECOND)
        yield running


def told(lookout: Lookout, identity: Identity) -> list[dict[str, Any]]:
    """The events of an identity, the oldest first."""
    stored = lookout.database.read(lambda s: events.of_identity(s, identity.id, limit=99))
    return [json.loads(each.body) for each in reversed(stored)]


def types(lookout: Lookout, identity: Identity) -> list[str]:
    """Their types."""
    return [each["type"] for each in told(lookout, identity)]


def test_each_transition_is_told_once_with_what_was_seen(database: Database, server: NameServer) -> None:
    """Proved, lost, restored, lost, revoked: one event for the facet and one for the identity each."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add(NAME)
        lookout.publish(identity)
        await lookout.settled()
        lookout.withdraw(identity)
        await lookout.advance(DAY)
        await lookout.advance(PACE.largest)
        lookout.publish(identity)
        await lookout.advance(PACE.largest)
        lookout.withdraw(identity)
        await lookout.advance(DAY)
        await lookout.advance(PACE.largest)
        lost = told(lookout, identity)[-2]["data"]
        await lookout.advance(WINDOW)
        await lookout.advance(PACE.largest)

        expected = [
            f"{subject}.{what}"
            for what in ("verified", "lost", "restored", "lost", "failed")
            for subject in ("dkim", "identity")
        ]
        assert types(lookout, identity) == expected
        assert (lost["before"], lost["after"], lost["cause"]) == ("SUCCESS", "TEMPORARY_FAILURE", "lost")
        assert "does not exist in the DNS" in lost["seen"]
        assert lost["next"]["status"] == "FAILED"

    run(database, story, server)


def test_what_did_not_land_is_not_told(database: Database, server: NameServer) -> None:
    """A result of before beside one that counts, in one batch: the one that counts is told, once."""

    async def story() -> None:
        lookout = Lookout(database, server)  # nobody looks but we
        identity = lookout.add(NAME)
        lookout.publish(identity)
        landing = CheckCommit(
            now=lookout.clock.now, patience=DAY, window=WINDOW, again=HOUR, announce=EventRecorder().announce
        )
        found = []
        for lease in ("before", "now"):
            now, shard = lookout.clock.now(), shard_of(NAME)
            database.write(lambda s, now=now, shard=shard: checks.schedule(s, identity.id, shard, now))
            (claim,) = database.write(
                lambda s, now=now, lease=lease: checks.claim(
                    s, now=now, owner=lease, lease_until=now + HOUR, lease_now=now, limit=9
                )
            )
            found.append(await lookout.engine._checker.check(claim, lease))
        landed = database.write(lambda s: landing.land(s, found))
        await lookout.eyes.close()

        assert landed.found == (found[1],)
        assert types(lookout, identity) == ["dkim.verified", "identity.verified"]

    asyncio.run(story())


def test_long_unknown_is_told_once_and_takes_nothing_away(database: Database, server: NameServer) -> None:
    """After twice the interval in which nothing could be learnt there is one event, and SUCCESS stands."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add_verified(NAME)
        await lookout.settled()
        server.misbehave(Trick.SERVFAIL)
        for _ in range(12):
            await lookout.advance(DAY // 2)

        assert types(lookout, identity) == ["identity.unknown_for_long"]
        assert lookout.status(NAME) is Status.SUCCESS

    run(database, story, server)


def test_the_contact_is_written_to_about_what_ses_writes_about(
    database: Database, server: NameServer
) -> None:
    """Setup, warning and cancellation are mailed under the subjects of SES; without a contact nothing is."""
    mails = NoticeMails(
        sender="no-reply@mail.example.org",
        service="mail.example.org",
        keyring=KEYRING,
        random=secrets.token_bytes,
    )

    async def story(lookout: Lookout) -> None:
        quiet = lookout.add("quiet.example.com")
        lookout.publish(quiet)
        await lookout.settled()
        account = Account(ACCOUNT, "team@example.net", lookout.clock.now(), True, True)
        lookout.database.write(lambda s: access.create_account(s, account))
        identity = lookout.add(NAME)
        lookout.publish(identity)
        await lookout.settled()
        lookout.withdraw(identity)
        await lookout.advance(DAY)
        await lookout.advance(PACE.largest)
        lookout.publish(identity)
        await lookout.advance(PACE.largest)
        now = lookout.clock.now()
        lease = Lease("t", now, now, now + 1)
        parcels = lookout.database.write(lambda s: outbox.take(s, ACCOUNT, lease, limit=99))
        letters = [letter(Notice.opened(KEYRING, parcel.payload)) for parcel in parcels]
        subjects = [
            line.removeprefix("Subject: ")
            for each in letters
            for line in each.message.decode().split("\r\n")
            if line.startswith("Subject: ")
        ]

        assert {parcel.kind for parcel in parcels} == {NOTICE}
        assert {each.recipient for each in letters} == {"team@example.net"}
        assert subjects == [
            f"{what} for {NAME} ({REGION})"
            for what in ("DKIM Setup Successful", "DKIM REVOCATION WARNING", "DKIM REVOCATION CANCELLATION")
        ]

    run(database, story, server, announcer=EventRecorder(mails))
