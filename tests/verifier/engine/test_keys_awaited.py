"""Records that are seen while there is no key: committed as seen, completed by the key, or looked at anew."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from lookout import ACCOUNT, PACE, PATIENT, REGION, Lookout, easy_dkim, run, until
from nameserver import NameServer, Trick

from indicia.domain.identities.identity import Facet, Identity, Status
from indicia.domain.proofs.transitions import start
from indicia.domain.time import MINUTE, SECOND
from indicia.domain.verification.asking import AskedBy
from indicia.domain.verification.key_sight import FRESH
from indicia.store.dkim import key_requests, keys
from indicia.store.engine.database import Database
from indicia.store.engine.sharding import shard_of
from indicia.store.events import events
from indicia.store.identities import identities
from indicia.store.proofs import facets, listed
from indicia.store.verification import checks

NAME = "example.com"


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server with one zone."""
    with NameServer() as running:
        running.zone(NAME, minimum=5)
        yield running


def keyless(lookout: Lookout, name: str = NAME, **given: Any) -> Identity:
    """Store an identity whose token set has no key, with its records published."""
    identity = lookout.add(name, dkim=easy_dkim(has_key=False), **given)
    lookout.publish(identity)
    return identity


def waits(lookout: Lookout) -> bool:
    """Say whether somebody waits for a key."""
    return lookout.database.read(key_requests.anybody_waits)


def live(lookout: Lookout, identity: Identity) -> list[keys.PublishedKey]:
    """Return the keys of its set."""
    set_id = identity.token_set_id or 0
    return lookout.database.read(lambda s: keys.published(s, set_id))


def told(lookout: Lookout, identity: Identity) -> list[str]:
    """Return the types of the events about it, the oldest first."""
    stored = lookout.database.read(lambda s: events.of_identity(s, identity.id, limit=99))
    return [json.loads(each.body)["type"] for each in reversed(stored)]


def test_what_is_seen_without_a_key_is_committed_and_held_by_nobody(
    database: Database, server: NameServer
) -> None:
    """The check is over, its evidence is kept, and only the age of the sight asks for another look."""

    async def story(lookout: Lookout) -> None:
        identity = keyless(lookout)
        await lookout.settled()
        (verdict,) = lookout.trail(identity)

        assert lookout.status(NAME) is Status.PENDING
        assert (lookout.engine.in_hand, waits(lookout)) == (0, True)
        assert (verdict.finding, verdict.status_after) == ("OK", Status.PENDING)
        assert lookout.view(NAME).error is None
        due_in = lookout.due_in(NAME)
        assert due_in is not None
        assert PACE.largest // 2 < due_in <= PACE.largest * 3 // 4  # random is 0.5
        assert not live(lookout, identity)

    run(database, story, server, budget=PATIENT)


def test_the_key_completes_it_without_another_look(database: Database, server: NameServer) -> None:
    """SUCCESS with the publication of the key, told and kept as evidence; nobody was asked for it."""

    async def story(lookout: Lookout) -> None:
        identity = keyless(lookout)
        await lookout.settled()
        asked = len(server.questions)
        lookout.clock.advance(MINUTE)
        public = lookout.stock()
        await lookout.settled()
        newest, seen = lookout.trail(identity)
        view = lookout.view(NAME)

        assert lookout.status(NAME) is Status.SUCCESS
        assert len(server.questions) == asked
        assert [key.public_key for key in live(lookout, identity)] == [public]
        assert view.last_checked_at is not None
        assert view.last_success_at is not None
        assert view.last_success_at >= view.last_checked_at + MINUTE
        assert view.due_at == view.last_success_at + FRESH  # the key itself is to be seen
        assert (newest.asked_by, newest.status_before, newest.status_after) == (
            AskedBy.KEY,
            Status.PENDING,
            Status.SUCCESS,
        )
        assert json.loads(newest.body)["records"] == json.loads(seen.body)["records"]
        assert json.loads(newest.body)["cause"] == "proved"
        assert told(lookout, identity) == ["dkim.verified", "identity.verified"]
        shown = lookout.database.read(lambda s: listed.statuses(s, ACCOUNT, REGION, [NAME]))
        assert shown == {NAME: Status.SUCCESS}
        await lookout.advance(FRESH)
        assert lookout.status(NAME) is Status.SUCCESS

    run(database, story, server, budget=PATIENT)


def test_what_was_seen_too_long_ago_is_looked_at_first(database: Database, server: NameServer) -> None:
    """A key that comes after CHECK_MAX is published, and the records are looked at again before it counts."""

    async def story(lookout: Lookout) -> None:
        identity = keyless(lookout)
        await lookout.settled()
        lookout.withdraw(identity)
        silence(lookout, identity)
        lookout.clock.advance(PACE.largest + 1)
        lookout.stock()
        await lookout.settled()

        assert len(live(lookout, identity)) == 1
        assert lookout.status(NAME) is Status.PENDING
        lookout.publish(identity)
        await lookout.advance(PACE.largest)
        assert lookout.status(NAME) is Status.SUCCESS

    run(database, story, server, budget=PATIENT)


def silence(lookout: Lookout, identity: Identity) -> None:
    """Let the identity not be looked at by itself, as if the verifier were behind."""
    far = lookout.clock.now() + 10 * PACE.largest
    lookout.database.write(
        lambda s: checks.schedule(s, identity.id, shard_of(identity.name), far, interval=PACE.first)
    )


def test_records_that_went_meanwhile_get_no_key(database: Database, server: NameServer) -> None:
    """A look that misses a record takes the set out of the queue; seen again, it queues up again."""

    async def story(lookout: Lookout) -> None:
        identity = keyless(lookout)
        await lookout.settled()
        lookout.withdraw(identity)
        await lookout.advance(PACE.largest)
        assert not waits(lookout)
        lookout.stock()
        await lookout.settled()
        assert (live(lookout, identity), lookout.status(NAME)) == ([], Status.PENDING)

        lookout.publish(identity)
        await lookout.advance(PACE.largest)
        assert lookout.status(NAME) is Status.SUCCESS

    run(database, story, server, budget=PATIENT)


def test_trouble_meanwhile_is_evidence_of_nothing(database: Database, server: NameServer) -> None:
    """A look that finds nothing out leaves the set in the queue, with the sight it had."""

    async def story(lookout: Lookout) -> None:
        identity = keyless(lookout)
        await lookout.settled()
        server.misbehave(Trick.SERVFAIL)
        await lookout.advance(PACE.largest * 3 // 4)
        assert waits(lookout)
        lookout.stock()
        await lookout.settled()

        assert lookout.status(NAME) is Status.SUCCESS
        assert len(live(lookout, identity)) == 1

    run(database, story, server, budget=PATIENT)


def test_a_sight_of_another_expectation_completes_nothing(database: Database, server: NameServer) -> None:
    """The owner began anew after the sight: the key is published, and the records are looked at again."""

    async def story(lookout: Lookout) -> None:
        identity = keyless(lookout)
        await lookout.settled()
        token_set = lookout.view(NAME).token_set
        assert token_set is not None
        now = lookout.clock.now()

        def begin_anew(s: Any) -> None:
            newer = identities.by_id(s, identity.id)
            assert newer is not None
            identities.update(s, replace(newer, generation=2), newer.version)
            facets.put(s, identity.id, start(Facet.DKIM, 2, now, MINUTE))

        lookout.database.write(begin_anew)
        silence(lookout, identity)
        asked = len(server.questions)
        lookout.stock()
        await lookout.settled()

        assert len(server.questions) > asked
        assert lookout.status(NAME) is Status.SUCCESS
        assert lookout.trail(identity)[0].asked_by is AskedBy.SCHEDULE

    run(database, story, server, budget=PATIENT)


def test_a_look_that_runs_while_the_key_comes_takes_nothing_away(
    database: Database, server: NameServer
) -> None:
    """What it saw is of a state that is over: it lands nowhere, and another look follows."""

    async def story(lookout: Lookout) -> None:
        identity = keyless(lookout)
        await lookout.settled()
        lookout.withdraw(identity)
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

        assert lookout.state(NAME).absent_since is None
        assert lookout.status(NAME) is Status.SUCCESS

    run(database, story, server, budget=PATIENT)


def test_those_who_wait_cost_nothing_while_they_wait(database: Database, server: NameServer) -> None:
    """Nothing is written and nobody is asked for the sake of those who wait, however long they do.

    What they cost in all is some transactions for each batch of them, not some for each of them.
    """
    count = 300
    written = counted(database)

    async def story(lookout: Lookout) -> None:
        for number in range(count):
            keyless(lookout, f"d{number}.{NAME}")
        before = written[0]
        await lookout.settled()
        seen = written[0] - before
        lookout.clock.advance(SECOND)
        asked, before = len(server.questions), written[0]
        for _ in range(50):
            lookout.engine.wake()
            lookout.assigner.wake()
            await lookout.engine.settled()
        idle = written[0] - before
        before = written[0]
        for _ in range(count):
            lookout.stock()
        stocked = written[0] - before
        await lookout.settled()
        served = written[0] - before - stocked

        assert (idle, len(server.questions)) == (0, asked)
        assert lookout.proved() == count
        assert seen < count
        assert served < count / 10

    run(database, story, server, budget=PATIENT)


def counted(database: Database) -> list[int]:
    """Return how many transactions have written from now on."""
    found = [0]
    writing, write = database.writing, database.write

    async def counting(work: Any) -> Any:
        found[0] += 1
        return await writing(work)

    def counting_here(work: Any) -> Any:
        found[0] += 1
        return write(work)

    database.writing = counting  # type: ignore[method-assign]
    database.write = counting_here  # type: ignore[method-assign]
    return found
