"""A proof that is carried, in the real engine: told and mailed, shown, held by the brake, ended by a key."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace

import msgspec
import pytest
from lookout import ACCOUNT, NEGATIVE_TTL, PACE, PATIENT, REGION, WINDOW, Lookout, easy_dkim, run, until
from nameserver import NameServer, Trick
from test_diagnosis import diagnose
from test_mass_demotion import MANY, Watch, watch

from indicia.announcements.event_recorder import EventRecorder, NoticeMails
from indicia.domain.identities.identity import ErrorType, Facet, FacetState, Identity, Status
from indicia.domain.proofs.transitions import own_status, start
from indicia.domain.time import DAY, HOUR, SECOND, Instant
from indicia.domain.verification.brake import AT_LEAST, EACH
from indicia.mail.notices.notice import Notice, letter
from indicia.operations.proofs.carrying import carry_on
from indicia.store.accounts import access
from indicia.store.accounts.access import Account
from indicia.store.dkim import keys, rotation
from indicia.store.engine.database import Database
from indicia.store.engine.queue import Lease
from indicia.store.engine.session import Session
from indicia.store.events import events
from indicia.store.identities import identities
from indicia.store.proofs import carried, facets, listed
from indicia.store.verification import brakes, checks
from indicia.store.verification_mail import outbox
from indicia.vault.keyring import Keyring

NAME = "example.com"
KEYRING = Keyring((bytes(range(32)),))
MAILS = NoticeMails(
    sender="no-reply@mail.example.org",
    service="mail.example.org",
    keyring=KEYRING,
    random=secrets.token_bytes,
)


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server with one zone."""
    with NameServer() as running:
        running.zone(NAME, minimum=NEGATIVE_TTL // SECOND)
        yield running


def change(database: Database, identity: Identity, now: Instant, *, has_key: bool = True) -> Identity:
    """Publish the identity under another token set, as its owner's call does; its records are looked for."""
    token_set = easy_dkim(now, has_key=has_key)

    def changed(s: Session) -> Identity:
        keys.insert_token_set(s, token_set, now, domain=identity.name)
        newer = replace(identity, generation=identity.generation + 1, token_set_id=token_set.id)
        stored = identities.update(s, newer, identity.version)
        carry_on(s, identity)
        facets.put(s, identity.id, start(Facet.DKIM, stored.generation, now, WINDOW))
        checks.begin_anew(s, identity.id, now, interval=PACE.first)
        return stored

    return database.write(changed)


async def changed(lookout: Lookout, *, has_key: bool = True) -> tuple[Identity, Identity]:
    """A verified domain whose tokens are changed: as it was, and as it is."""
    before = lookout.add_verified(NAME)
    await lookout.settled()
    return before, change(lookout.database, lookout.view(NAME).identity, lookout.clock.now(), has_key=has_key)


def proof(lookout: Lookout) -> FacetState | None:
    """How what is carried stands."""
    return lookout.view(NAME).facets.get(Facet.CARRIED_DKIM)


def told(lookout: Lookout, identity: Identity) -> list[str]:
    """The types of the events about it, the oldest first."""
    stored = lookout.database.read(lambda s: events.of_identity(s, identity.id, limit=99))
    return [json.loads(each.body)["type"] for each in reversed(stored)]


def mailed(lookout: Lookout) -> list[tuple[str, str]]:
    """The subject and the text of each mail that waits for the account's contact, the oldest first."""
    now = lookout.clock.now()
    lease = Lease("t", now, now, now + 1)
    parcels = lookout.database.write(lambda s: outbox.take(s, ACCOUNT, lease, limit=99))
    whole = [letter(Notice.opened(KEYRING, parcel.payload)).message.decode() for parcel in parcels]
    heads = [each.partition("\r\n\r\n") for each in whole]
    return [
        (
            next(line[9:] for line in head.split("\r\n") if line.startswith("Subject: ")),
            " ".join(text.split()),
        )
        for head, _, text in heads
    ]


def test_each_step_of_what_is_carried_is_told_and_mailed(database: Database, server: NameServer) -> None:
    """Lost, restored, lost and revoked, under the subjects of DKIM's own; the new records do not come."""

    async def story(lookout: Lookout) -> None:
        row = Account(ACCOUNT, "team@example.net", lookout.clock.now(), True, True)
        lookout.database.write(lambda s: access.create_account(s, row))
        before, identity = await changed(lookout)
        await lookout.settled()
        kept = proof(lookout)
        assert kept is not None
        assert (kept.status, kept.generation) == (Status.SUCCESS, 1)
        lookout.withdraw(before)
        await lookout.advance(PACE.largest)
        await lookout.advance(PACE.largest)
        lost = proof(lookout)
        assert lost is not None
        assert lost.deadline == lost.since + WINDOW
        lookout.publish(before)
        await lookout.advance(PACE.largest)
        back = proof(lookout)
        assert back is not None
        assert (back.status, back.deadline, back.absent_since) == (Status.SUCCESS, None, None)
        lookout.withdraw(before)
        for _ in range(8):
            await lookout.advance(WINDOW // 6)

        view = lookout.view(NAME)
        assert (view.carried, own_status(view.facets)) == (None, Status.FAILED)
        assert told(lookout, identity) == [
            "carried_dkim.lost",
            "identity.lost",
            "carried_dkim.restored",
            "identity.restored",
            "carried_dkim.lost",
            "identity.lost",
            "dkim.failed",
            "carried_dkim.failed",
            "identity.failed",
        ]
        mails = mailed(lookout)
        assert [subject for subject, _ in mails] == [
            f"DKIM REVOCATION{what} for {NAME} ({REGION})"
            for what in (" WARNING", " CANCELLATION", " WARNING", "")
        ]
        name = lookout.records(before)[Facet.DKIM][0].name
        first, second, _, last = (text for _, text in mails)
        assert first.startswith(
            f"The records that proved {NAME} before its DKIM was changed are gone. They count until the grace"
            f" period ends, unless the new ones are there by then. {name} does not exist in the DNS."
        )
        assert "If the records are not back by" in first
        assert second.startswith(
            f"The records of before prove {NAME} until the new ones are there; no deadline runs any more."
            " Every record is as expected."
        )
        assert last.startswith(
            f"The records of before prove {NAME} no more. It is verified again once the new ones are there."
        )
        assert "Status: FAILED" in last

    run(database, story, server, announcer=EventRecorder(MAILS))


def test_a_fall_is_told_while_new_records_are_waited_for(database: Database, server: NameServer) -> None:
    """From the grace period back to PENDING: what is carried fell before the new window ended."""

    async def story(lookout: Lookout) -> None:
        before = lookout.add_verified(NAME)
        await lookout.settled()
        lookout.withdraw(before)
        await lookout.advance(DAY)
        await lookout.advance(PACE.largest)
        assert lookout.status(NAME) is Status.TEMPORARY_FAILURE
        lookout.clock.advance(DAY)
        identity = change(lookout.database, lookout.view(NAME).identity, lookout.clock.now())
        for _ in range(5):
            await lookout.advance(DAY // 2)

        view = lookout.view(NAME)
        assert (view.carried, own_status(view.facets)) == (None, Status.PENDING)
        assert told(lookout, identity)[-2:] == ["carried_dkim.failed", "identity.failed"]

    run(database, story, server)


def test_a_diagnosis_shows_the_records_of_before(database: Database, server: NameServer) -> None:
    """Beside those that are waited for, as `carried_dkim`: what is there of them, and what to do."""

    async def story(lookout: Lookout) -> None:
        before, identity = await changed(lookout)
        await lookout.settled()
        seen = await diagnose(lookout)
        left = lookout.records(before)[Facet.DKIM]
        shown = [record for record in seen.records if record.facet == "carried_dkim"]
        waited_for = [record.finding for record in seen.records if record.facet == "dkim"]

        assert (seen.verdict, waited_for) == ("verified", ["MISSING"] * 3)
        assert [(each.name, each.type, each.expected, each.finding, each.fix) for each in shown] == [
            (each.name, "CNAME", each.value, "OK", "") for each in left
        ]
        assert "carried_dkim" in msgspec.json.encode(seen).decode()

        lookout.withdraw(before)
        await lookout.advance(PACE.largest)
        await lookout.advance(PACE.largest)
        gone = await diagnose(lookout)
        first = next(record for record in gone.records if record.facet == "carried_dkim")
        assert gone.verdict == "at_risk"
        assert (first.finding, first.explanation) == (
            "MISSING",
            f"{left[0].name} does not exist in the DNS.",
        )

        lookout.publish(identity)
        await lookout.advance(PACE.largest)
        after = await diagnose(lookout)
        assert after.verdict == "verified"
        assert {record.facet for record in after.records} == {"dkim", "dmarc"}

    run(database, story, server)


# -- the key that comes late


@pytest.mark.parametrize("gone", [False, True])
def test_a_late_key_takes_the_place_of_what_is_carried(
    database: Database, server: NameServer, gone: bool
) -> None:
    """The new records were seen without a key, those of before stand or are gone: with it nothing is carried.

    The keys of before begin to be withdrawn, and lists say what the new proof says.
    """

    async def story(lookout: Lookout) -> None:
        before, identity = await changed(lookout, has_key=False)
        if gone:
            lookout.withdraw(before)
            await lookout.settled()
            await lookout.advance(PACE.largest)
            await lookout.advance(PACE.largest)
        lookout.publish(identity)
        await lookout.advance(PACE.largest)
        kept = proof(lookout)
        assert kept is not None
        assert kept.status is (Status.TEMPORARY_FAILURE if gone else Status.SUCCESS)
        assert lookout.status(NAME) is Status.PENDING
        already = told(lookout, identity)

        lookout.stock()
        await lookout.settled()

        view = lookout.view(NAME)
        assert (view.carried, lookout.status(NAME)) == (None, Status.SUCCESS)
        news = told(lookout, identity)[len(already) :]
        assert news == ["dkim.verified", *(["identity.restored"] if gone else [])]
        shown = lookout.database.read(lambda s: listed.statuses(s, ACCOUNT, REGION, [NAME]))
        assert shown == {NAME: Status.SUCCESS}
        left = lookout.database.read(lambda s: rotation.read(s, before.token_set_id or 0))
        assert left is not None
        assert left.life.abandoned_at is not None
        lookout.withdraw(before)
        for _ in range(4):
            await lookout.advance(DAY)
        assert lookout.status(NAME) is Status.SUCCESS

    run(database, story, server, budget=PATIENT)


def test_a_look_at_what_was_carried_lands_nowhere_once_the_key_has_come(
    database: Database, server: NameServer
) -> None:
    """It runs while the key comes: what it saw of the records of before is of a proof that has ended."""

    async def story(lookout: Lookout) -> None:
        before, identity = await changed(lookout, has_key=False)
        lookout.publish(identity)
        await lookout.settled()
        lookout.withdraw(before)
        server.misbehave(Trick.SLOW, delay=1.0)
        lookout.clock.advance(PACE.largest * 3 // 4)
        lookout.engine.wake()
        await until(lambda: lookout.engine.in_hand == 1)
        lookout.stock()
        lookout.assigner.wake()
        await until(lambda: lookout.status(NAME) is Status.SUCCESS)
        assert lookout.engine.in_hand == 1
        server.behave()
        await until(lambda: lookout.engine.in_hand == 0)
        await lookout.settled()

        assert lookout.view(NAME).carried is None
        assert Facet.CARRIED_DKIM not in {verdict.facet for verdict in lookout.trail(identity)[:1]}
        assert told(lookout, identity) == ["dkim.verified"]

    run(database, story, server, budget=PATIENT)


# -- the brake


def carrying(watching: Watch, count: int, account: str = ACCOUNT) -> list[Identity]:
    """Verified domains whose tokens were changed, with nothing published; the absence was seen before."""
    made = watching.verified(count, account)
    now = watching.clock.now()
    return [change(watching.database, identity, now) for identity in made]


def standing(watching: Watch, made: Sequence[Identity]) -> list[FacetState | None]:
    """What is carried of each."""
    kept = [watching.database.read(lambda s, i=each.id: carried.get(s, i)) for each in made]
    return [None if each is None else each.state for each in kept]


def statuses(watching: Watch, made: Sequence[Identity]) -> set[Status | None]:
    """The statuses of what is carried."""
    return {None if state is None else state.status for state in standing(watching, made)}


def test_the_brake_holds_what_is_carried_for_one_window(database: Database, server: NameServer) -> None:
    """As it holds any proof: once in a run of absences, whatever its owner changes meanwhile."""

    async def story(watching: Watch) -> None:
        made = carrying(watching, MANY)
        await watching.look()
        held, until_then = standing(watching, made), watching.clock.now() + WINDOW
        assert {state and state.status for state in held} == {Status.SUCCESS}
        assert all(state and abs((state.held_until or 0) - until_then) < HOUR for state in held)

        for _ in range(3):
            now = watching.clock.now()
            made = [change(database, identity, now) for identity in made]
            await watching.pass_by(WINDOW // 4)
            assert statuses(watching, made) == {Status.SUCCESS}
        assert [state and state.held_until for state in standing(watching, made)] == [
            state and state.held_until for state in held
        ]
        await watching.pass_by(WINDOW // 4 + HOUR)
        assert statuses(watching, made) == {Status.TEMPORARY_FAILURE}
        await watching.pass_by(WINDOW + HOUR)
        assert statuses(watching, made) == {None}

    watch(database, server, story)


def test_what_is_carried_waits_for_a_person_where_all_accounts_lose(
    database: Database, server: NameServer
) -> None:
    """Kept with our own trouble as its error, for as long as it takes; let through it falls and ends."""

    async def story(watching: Watch) -> None:
        accounts = [f"22220000000{number}" for number in range(AT_LEAST // EACH + 1)]
        made = [each for account in accounts for each in carrying(watching, EACH, account)]
        await watching.look()
        assert watching.paused
        assert statuses(watching, made) == {Status.SUCCESS}
        assert {state and state.error for state in standing(watching, made)} == {ErrorType.SERVICE_ERROR}
        await watching.pass_by(2 * WINDOW)
        assert statuses(watching, made) == {Status.SUCCESS}

        database.write(lambda s: brakes.resume(s, watching.clock.now() + DAY))
        await watching.pass_by(PACE.largest)
        assert statuses(watching, made) == {Status.TEMPORARY_FAILURE}
        await watching.pass_by(WINDOW + HOUR)
        assert statuses(watching, made) == {None}

    watch(database, server, story)


def test_the_running_engine_holds_what_is_carried(database: Database, server: NameServer) -> None:
    """But for the first fifty all of it waits, and nobody who waits has lost anything."""

    async def story() -> None:
        watching = Watch(database, server)
        made = carrying(watching, MANY)
        async with watching.lookout as lookout:
            await asyncio.wait_for(lookout.settled(), 60)
        held = [state for state in standing(watching, made) if state and state.held_until is not None]

        assert len(held) >= MANY - AT_LEAST
        assert {state.status for state in held} == {Status.SUCCESS}

    asyncio.run(story())
