"""Several verifiers on one database: who looks at what, and who takes over when one is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from lookout import Lookout, run, until
from nameserver import NameServer, Trick

from indicia.domain.identities.identity import Status
from indicia.domain.time import HOUR
from indicia.store.engine.database import Database
from indicia.store.engine.sharding import ALL_SHARDS, shard_of
from indicia.store.installation import verifiers
from indicia.verifier.dns.client import Budget
from indicia.verifier.engine.engine import EngineLimits
from indicia.verifier.engine.membership import Membership

PATIENT = Budget(exchange=20.0, tries=1, question=20.0)
# A lease that lasts longer than the test: only who knows that its owner is dead takes over.
LONG = EngineLimits(budget=HOUR, poll=20, grace=0)


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server with one zone."""
    with NameServer() as running:
        running.zone("example.com")
        yield running


def test_who_is_silent_is_dead_once_and_lives_again(database: Database) -> None:
    """One of those who look finds a dead verifier; who says that it is alive is among the living again."""

    def beat(owner: str, now: int) -> tuple[list[str], list[str]]:
        return database.write(lambda s: verifiers.beat(s, owner, now, now - 100))

    assert beat("one", 1000) == (["one"], [])
    assert beat("two", 1050) == (["one", "two"], [])
    assert beat("two", 1101) == (["two"], ["one"])
    assert beat("three", 1102) == (["three", "two"], [])
    assert beat("one", 1103) == (["one", "three", "two"], [])
    database.write(lambda s: verifiers.leave(s, "three"))
    assert beat("two", 1104) == (["one", "two"], [])


@asynccontextmanager
async def on_the_roster(lookout: Lookout, owner: str) -> AsyncIterator[list[tuple[int, ...]]]:
    """Let an engine be one of several; its ranges so far, the last one last."""
    ranges: list[tuple[int, ...]] = []

    def told(shards: tuple[int, ...], _: int) -> None:
        ranges.append(tuple(shards))
        lookout.engine.share(shards)

    roster = Membership(lookout.database, lookout.clock, owner, told, beat=20, silent=600)
    beating = asyncio.create_task(roster.run())
    try:
        yield ranges
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)


def test_two_verifiers_share_the_work_by_ranges(database: Database, server: NameServer) -> None:
    """Each looks at its half of the shards, and together they look at everything."""

    async def story(one: Lookout) -> None:
        async with (
            Lookout(database, server, clock=one.clock, limits=LONG) as two,
            on_the_roster(one, "one") as first,
            on_the_roster(two, "two") as second,
        ):
            await until(lambda: bool(first and second) and len(first[-1]) == len(second[-1]) == 32)
            assert sorted(first[-1] + second[-1]) == list(ALL_SHARDS)
            found = [one.add(f"d{number}.example.com") for number in range(40)]
            for identity in found:
                one.publish(identity)
            await until(lambda: all(one.status(each.name) is Status.SUCCESS for each in found))

    run(database, story, server, limits=LONG)


def test_a_verifier_that_is_killed_is_replaced(database: Database, server: NameServer) -> None:
    """What it held, and its range, are the others' within moments, though its leases have long to run."""

    async def story(one: Lookout) -> None:
        async with (
            Lookout(database, server, clock=one.clock, limits=LONG) as two,
            on_the_roster(two, two.owner) as second,
        ):
            await until(lambda: len(second) == 1)
            async with on_the_roster(one, one.owner) as first:
                await until(lambda: bool(first) and len(first[-1]) == len(second[-1]) == 32)
                server.misbehave(Trick.SILENT, rtype="CNAME")
                found = [one.add(f"d{number}.example.com") for number in range(40)]
                for identity in found:
                    one.publish(identity)
                ours = [each for each in found if shard_of(each.name) in first[-1]]
                await until(lambda: server.asked(rtype="SOA") == 40)
            assert 0 < len(ours) < 40
            await one.die()  # and it says nothing any more
            server.behave()
            await until(lambda: all(two.status(each.name) is Status.SUCCESS for each in ours))

            assert second[-1] == ALL_SHARDS

    run(database, story, server, limits=LONG, budget=PATIENT)


def test_a_verifier_that_leaves_is_not_waited_for(database: Database, server: NameServer) -> None:
    """Who ends as it should is off the roster at once."""

    async def story(one: Lookout) -> None:
        ranges: list[int] = []
        roster = Membership(database, one.clock, "one", lambda shards, _: ranges.append(len(shards)), beat=20)
        leaving = Membership(database, one.clock, "two", lambda *_: None, beat=20)
        beating, other = asyncio.create_task(roster.run()), asyncio.create_task(leaving.run())
        await until(lambda: ranges[-1:] == [32])
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)
        await leaving.leave()
        await until(lambda: ranges[-1] == 64)
        beating.cancel()

    run(database, story, server)
