"""One look has one budget for all that it does: it ends before its lease, and says what it had to give up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from lookout import PATIENT, Lookout, easy_dkim, run
from nameserver import NameServer, Trick

from indicia.domain.dkim.replication import ParentSeen
from indicia.domain.identities.identity import ErrorType, Facet, KeyLength, Status
from indicia.store.dkim import keys
from indicia.store.engine.database import Database
from indicia.store.engine.sharding import shard_of
from indicia.store.verification import checks
from indicia.store.verification.checks import Claim
from indicia.vault import rsa
from indicia.verifier.dns.deadline import Deadline
from indicia.verifier.engine.engine import EngineLimits

ZONE = "example.com"
NAME = "shop.example.com"
BUDGET = 1500  # milliseconds of real time; a lease is twice that
HALF = 0.6 * BUDGET / 1000
KEY = rsa.generate(1024).public_key
LIMITS = EngineLimits(budget=BUDGET, poll=20)


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server with one zone."""
    with NameServer() as running:
        running.zone(ZONE, minimum=5)
        yield running


class Hand:
    """A monotonic clock that stands until it is moved."""

    seconds = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.seconds


@pytest.mark.parametrize(
    ("moved", "left", "outcome"),
    [(0.0, 3.0, "done"), (2.5, 0.5, "done"), (3.0, 0.0, "late"), (9.0, 0.0, "late")],
)
def test_what_is_late_is_not_begun(moved: float, left: float, outcome: str) -> None:
    """Every part has what the others have left; with nothing left its work is not begun."""
    hand = Hand()
    deadline = Deadline(3.0, hand)
    begun: list[str] = []

    async def work() -> str:
        begun.append("work")
        return "done"

    hand.seconds += moved

    assert deadline.left == left
    assert asyncio.run(deadline.spend(work, "late")) == outcome
    assert begun == (["work"] if outcome == "done" else [])


def test_what_does_not_end_in_time_is_cancelled() -> None:
    """Work that outlasts the deadline is stopped, and the other result stands for it."""
    ended: list[str] = []

    async def work() -> str:
        try:
            return await asyncio.Future()
        finally:
            ended.append("stopped")

    async def story() -> str:
        return await Deadline(0.01).spend(work, "late")

    assert asyncio.run(story()) == "late"
    assert ended == ["stopped"]


def test_a_parent_that_never_answers_takes_nothing_from_the_records(
    database: Database, server: NameServer
) -> None:
    """The replica's parent is unknown, its records are proved, and all of that in one look that lands."""

    async def replicate(_: Claim) -> ParentSeen:
        return await asyncio.Future()

    async def story(lookout: Lookout) -> None:
        identity = lookout.add(
            NAME, starts=(Facet.DKIM, Facet.REPLICATION), origin="AWS_SES_US_EAST_1", due=False
        )
        lookout.publish(identity)
        make_due(lookout)
        await lookout.settled()

        assert lookout.status(NAME) is Status.SUCCESS
        assert lookout.state(NAME, Facet.REPLICATION).error is ErrorType.SERVICE_ERROR
        assert lookout.status(NAME, Facet.REPLICATION) is Status.PENDING
        assert server.asked(rtype="CNAME") == 3

    run(database, story, server, limits=LIMITS, replicate=replicate)


def test_a_key_that_is_never_made_ends_no_lease(database: Database, server: NameServer) -> None:
    """Records that came late in the budget and a key that does not come: one look, and it lands without."""

    async def story(lookout: Lookout) -> None:
        server.misbehave(Trick.SLOW, rtype="CNAME", delay=HALF)
        dkim = easy_dkim(lookout.clock.now(), has_key=False)
        lookout.publish(lookout.add(NAME, dkim=dkim, due=False))
        make_due(lookout)
        await lookout.settled()

        assert lookout.view(NAME).last_checked_at is not None
        assert lookout.status(NAME) is Status.PENDING
        assert server.asked(rtype="CNAME") == 3

    run(database, story, server, limits=LIMITS, budget=PATIENT)


def test_a_control_question_has_what_the_records_left(database: Database, server: NameServer) -> None:
    """Absences that came late leave it no more than the rest of the budget."""
    given: list[float] = []

    async def unbelieved(_: str, within: float) -> frozenset[str]:
        given.append(within)
        return frozenset()

    async def story(lookout: Lookout) -> None:
        identity = lookout.add_verified(NAME)
        await lookout.settled()
        lookout.withdraw(identity)
        server.misbehave(Trick.SLOW, rtype="CNAME", delay=HALF)
        make_due(lookout)
        await lookout.settled()

        assert given
        assert max(given) <= BUDGET / 1000 - HALF

    run(database, story, server, limits=LIMITS, budget=PATIENT, unbelieved=unbelieved)


def test_records_key_and_zone_share_one_budget(database: Database, server: NameServer) -> None:
    """Slow records prove; the key and the zone, for which nothing is left, are given up in the same look."""

    async def story(lookout: Lookout) -> None:
        server.put(NAME, "CNAME", "elsewhere.test")
        server.misbehave(Trick.SILENT, rtype="TXT")
        server.misbehave(Trick.SILENT, ZONE, "SOA")
        server.misbehave(Trick.SLOW, rtype="CNAME", delay=HALF)
        now = lookout.clock.now()
        dkim = easy_dkim(now, has_key=False, wanted_length=KeyLength.RSA_2048_BIT)
        identity = lookout.add(NAME, dkim=dkim, due=False)
        lookout.publish(identity)
        key = keys.PooledKey(now, 2048, KEY, b"sealed", 0)
        database.write(lambda s: keys.publish(s, dkim.id, dkim.zone, dkim.tokens[0], key, now))
        make_due(lookout)
        await lookout.settled()

        assert lookout.status(NAME) is Status.SUCCESS
        assert lookout.view(NAME).soa is None
        (published,) = database.read(lambda s: keys.published(s, token_set_id=dkim.id))
        assert published.seen_at is None
        assert server.asked(rtype="CNAME") == 3
        assert server.asked(ZONE, "SOA") == 0

    run(database, story, server, limits=LIMITS, budget=PATIENT)


def make_due(lookout: Lookout) -> None:
    """Let the identity be looked at now."""
    view, now = lookout.view(NAME), lookout.clock.now()
    lookout.database.write(
        lambda s: checks.schedule(s, view.identity.id, shard_of(NAME), now, interval=10_000)
    )
