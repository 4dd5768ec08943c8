"""How the engine does its work: who looks at what, what it survives, how it waits and how it ends."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from lookout import LIMITS, PACE, PATIENT, WINDOW, Lookout, run, until
from nameserver import NameServer, Trick
from postgres import PostgresServer

from indicia.domain.identities.identity import Status
from indicia.domain.time import DAY, HOUR, SECOND
from indicia.domain.verification.check import Conclusion
from indicia.runtime.clock import Clock
from indicia.store.engine import schema
from indicia.store.engine.database import Database
from indicia.store.engine.opening import open_database
from indicia.store.engine.sharding import shard_of
from indicia.store.engine.sqlite import connect
from indicia.store.verification import checks
from indicia.verifier.engine.engine import EngineLimits

NAME = "example.com"
NEVER = EngineLimits(poll=HOUR)  # an engine that is not told looks again when the test is long over


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server with one zone."""
    with NameServer() as running:
        running.zone(NAME, minimum=5)
        yield running


def names(count: int) -> list[str]:
    """So many domains of the zone."""
    return [f"d{number}.{NAME}" for number in range(count)]


def test_two_engines_never_look_at_the_same_identity(database: Database, server: NameServer) -> None:
    """Two hundred identities due at once, two engines: every question is asked once, every state is right."""
    crowded = EngineLimits(at_once=8, poll=5, patience=HOUR)

    async def story(one: Lookout) -> None:
        clock = one.clock
        found = [one.add(name) for name in names(200)]
        for identity in found:
            one.publish(identity)
        async with Lookout(database, server, clock=clock, limits=crowded, budget=PATIENT) as two:
            await asyncio.gather(one.settled(), two.settled())
            await until(lambda: one.proved() == 200)

        asked = Counter(each.name for each in server.questions if each.rtype == "CNAME")
        assert len(asked) == 600
        assert [name for name, times in asked.items() if times > 1] == []

    run(database, story, server, limits=crowded, budget=PATIENT)


def test_the_work_of_a_dead_engine_is_taken_over(database: Database, server: NameServer) -> None:
    """Nobody looks while its lease runs; when it has ended, another does, and nothing was lost."""

    async def story(dead: Lookout) -> None:
        server.misbehave(Trick.SILENT, rtype="CNAME")
        identity = dead.add(NAME)
        dead.publish(identity)
        await until(lambda: server.asked(rtype="CNAME") == 3)
        await dead.die()
        server.behave()
        loop = asyncio.get_running_loop()
        died = loop.time()
        async with Lookout(database, server, clock=dead.clock, limits=EngineLimits(poll=20)) as heir:
            await heir.settled()
            while_leased = heir.status(NAME)
            await until(lambda: heir.status(NAME) is Status.SUCCESS)

        assert while_leased is Status.PENDING
        assert loop.time() - died > 0.2
        assert server.asked(rtype="CNAME") == 6

    run(database, story, server, limits=EngineLimits(budget=250, poll=20), budget=PATIENT)


def test_a_moved_clock_ends_no_lease(database: Database, server: NameServer) -> None:
    """Leases keep real time: an engine that is at work is not overtaken because the clock was moved."""

    async def story(one: Lookout) -> None:
        server.misbehave(Trick.SLOW, rtype="CNAME", delay=0.3)
        identity = one.add(NAME)
        one.publish(identity)
        await until(lambda: server.asked(rtype="CNAME") == 3)
        async with Lookout(database, server, clock=one.clock, limits=LIMITS) as two:
            one.clock.advance(HOUR)
            await two.settled()
            await one.settled()

        assert server.asked(rtype="CNAME") == 3
        assert one.status(NAME) is Status.SUCCESS

    run(database, story, server, budget=PATIENT)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_start_voids_the_leases_of_the_dead(database: Database, server: NameServer) -> None:
    """On SQLite there is one verifier: what a dead one held is looked at when the next one starts."""

    async def story(dead: Lookout) -> None:
        server.misbehave(Trick.SILENT, rtype="CNAME")
        identity = dead.add(NAME)
        dead.publish(identity)
        await until(lambda: server.asked(rtype="CNAME") == 3)
        await dead.die()
        server.behave()
        now = dead.clock.now()
        database.write(lambda s: checks.void_leases(s, now))
        async with Lookout(database, server, clock=dead.clock) as heir:
            await heir.settled()

        assert dead.status(NAME) is Status.SUCCESS

    run(database, story, server, budget=PATIENT)


def test_a_result_that_was_held_up_lands_under_no_later_lease(database: Database, server: NameServer) -> None:
    """A look that outlived its lease says nothing any more, not even where the same engine looked again."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add_verified(NAME)
        lookout.withdraw(identity)
        server.misbehave(Trick.SLOW, rtype="CNAME", delay=0.2)
        await until(lambda: server.asked(rtype="CNAME") == 3)  # these three will say: absent
        lookout.publish(identity)
        server.misbehave(Trick.SLOW, rtype="CNAME", delay=0.6)
        now = lookout.clock.now()
        database.write(lambda s: checks.void_leases(s, now))
        await until(lambda: server.asked(rtype="CNAME") == 6)  # these: present, and later
        await lookout.settled()

        assert lookout.state(NAME).absent_since is None
        assert lookout.view(NAME).last_success_at is not None
        assert lookout.trail(identity) == []

    run(database, story, server, budget=PATIENT)


def test_pending_work_goes_on_after_a_restart(tmp_path: Path, database: Database, server: NameServer) -> None:
    """A window that began before the restart ends after it, at the instant it would have ended anyway."""
    clock = Clock()

    async def before(lookout: Lookout) -> None:
        lookout.add("pending.example.com")
        lookout.publish(lookout.add("right.example.com"))
        await lookout.settled()

    async def after(lookout: Lookout) -> None:
        await lookout.settled()
        assert lookout.status("right.example.com") is Status.SUCCESS
        assert lookout.status("pending.example.com") is Status.PENDING
        await lookout.advance(WINDOW)
        assert lookout.status("pending.example.com") is Status.FAILED

    run(database, before, server, clock=clock)
    run(database, after, server, clock=Clock(clock.offset))


def test_downtime_fails_nobody(database: Database, server: NameServer) -> None:
    """An engine that was down past the end of a window fails what it sees absent then, twice; not before."""
    clock = Clock()

    async def before(lookout: Lookout) -> None:
        lookout.add(NAME)

    async def after(lookout: Lookout) -> None:
        await lookout.settled()
        first = lookout.status(NAME)
        await lookout.advance(PACE.largest)

        assert first is Status.PENDING
        assert lookout.status(NAME) is Status.FAILED

    async def nothing(_: Lookout) -> None:
        """Be there, and gone."""

    server.misbehave(Trick.SERVFAIL)
    run(database, before, server, clock=clock)
    server.behave()
    run(database, nothing, server, clock=clock)
    clock.advance(2 * WINDOW)
    run(database, after, server, clock=clock)


def test_stopping_commits_what_is_on_its_way(database: Database, server: NameServer) -> None:
    """A check that ends within the grace is committed before `stop` returns."""

    async def story(lookout: Lookout) -> None:
        server.misbehave(Trick.SLOW, rtype="CNAME", delay=0.2)
        lookout.publish(lookout.add(NAME))
        await until(lambda: server.asked(rtype="CNAME") == 3)
        await lookout.engine.stop()

        assert lookout.status(NAME) is Status.SUCCESS

    run(database, story, server, limits=NEVER, budget=PATIENT)


def test_stopping_gives_back_what_does_not_end(database: Database, server: NameServer) -> None:
    """A check that would take longer is dropped, and its identity is due for the next engine at once."""

    async def story(lookout: Lookout) -> None:
        server.misbehave(Trick.SILENT, rtype="CNAME")
        lookout.publish(lookout.add(NAME))
        await until(lambda: server.asked(rtype="CNAME") == 3)
        await asyncio.wait_for(lookout.engine.stop(), 5)
        server.behave()
        async with Lookout(database, server, clock=lookout.clock) as heir:
            await heir.settled()

        assert lookout.status(NAME) is Status.SUCCESS

    run(database, story, server, limits=EngineLimits(grace=50), budget=PATIENT)


def test_an_engine_that_was_stopped_settles_and_stops_again(database: Database, server: NameServer) -> None:
    """Nobody waits for an engine that is gone."""

    async def story(lookout: Lookout) -> None:
        await lookout.engine.stop()
        lookout.add(NAME)
        await asyncio.wait_for(lookout.engine.settled(), 5)
        await asyncio.wait_for(lookout.engine.stop(), 5)

        assert lookout.status(NAME) is Status.PENDING

    run(database, story, server)


def test_a_postgresql_that_is_away_is_waited_for(postgres_server: PostgresServer, server: NameServer) -> None:
    """Checks that ended meanwhile are committed when it is back, and the engine goes on."""
    name = postgres_server.create_migrated()
    database = open_database(postgres_server.url(name))

    async def story(lookout: Lookout) -> None:
        server.misbehave(Trick.SLOW, rtype="CNAME", delay=0.3)
        lookout.publish(lookout.add(NAME))
        await until(lambda: server.asked(rtype="CNAME") == 3)
        postgres_server.refuse(name)
        await until(lambda: lookout.engine.away)
        server.behave()
        postgres_server.accept(name)
        await until(lambda: lookout.status(NAME) is Status.SUCCESS)
        lookout.publish(lookout.add("later.example.com"))
        await lookout.settled()

        assert server.asked(rtype="CNAME") == 6  # nothing was asked again
        assert lookout.status("later.example.com") is Status.SUCCESS

    try:
        run(database, story, server, budget=PATIENT)
    finally:
        database.close()
        postgres_server.drop(name)


def test_a_sqlite_that_cannot_write_is_waited_for(tmp_path: Path, server: NameServer) -> None:
    """A file that is locked by another for longer than we wait is trouble of the database, not an end."""
    path = tmp_path / "indicia.db"
    schema.migrate(f"sqlite:///{path}")
    database = open_database(f"sqlite:///{path}")
    intruder = connect(str(path))

    async def story(lookout: Lookout) -> None:
        server.misbehave(Trick.SLOW, rtype="CNAME", delay=0.2)
        lookout.publish(lookout.add(NAME))
        await until(lambda: server.asked(rtype="CNAME") == 3)
        intruder.execute("BEGIN IMMEDIATE")
        await until(lambda: lookout.engine.away)
        intruder.execute("ROLLBACK")
        await until(lambda: lookout.status(NAME) is Status.SUCCESS)

        assert server.asked(rtype="CNAME") == 3

    try:
        run(database, story, server, budget=PATIENT)
    finally:
        intruder.close()
        database.close()


def test_a_check_that_breaks_is_given_back_and_tried_again_later(
    database: Database, server: NameServer
) -> None:
    """A mistake of ours says nothing about the DNS: no state moves, and the next look comes after a while."""
    broken: list[int] = []

    def observe(conclusion: Conclusion, _: float) -> None:
        if broken and conclusion.identity_id in broken:
            raise RuntimeError("a mistake of ours")

    async def story(lookout: Lookout) -> None:
        identity = lookout.add(NAME, due=False)
        broken.append(identity.id)
        lookout.publish(identity)
        lookout.publish(lookout.add("other.example.com"))
        now = lookout.clock.now()
        lookout.database.write(
            lambda s: checks.schedule(s, identity.id, shard_of(NAME), now, interval=PACE.first)
        )
        await lookout.settled()
        first = lookout.status(NAME), lookout.due_in(NAME)
        broken.clear()
        await lookout.advance(PACE.first)

        assert first[0] is Status.PENDING
        assert first[1] is not None
        assert 0 < first[1] <= PACE.first
        assert lookout.status("other.example.com") is Status.SUCCESS
        assert lookout.status(NAME) is Status.SUCCESS

    run(database, story, server, observe=observe)


def test_a_result_that_cannot_be_stored_takes_no_other_with_it(
    database: Database, server: NameServer
) -> None:
    """One of fifty results does not fit into a column: the other forty-nine are committed."""
    numbers = iter([1e30] + [0.5] * 1000)

    async def story(lookout: Lookout) -> None:
        found = [lookout.add(name) for name in names(50)]
        for identity in found:
            lookout.publish(identity)
        lookout.engine.wake()
        await until(lambda: lookout.proved() == 49)
        await lookout.settled()

        assert Counter(lookout.status(each.name) for each in found) == {Status.SUCCESS: 49, Status.PENDING: 1}

    run(database, story, server, random=lambda: next(numbers))


def test_settled_means_committed(database: Database, server: NameServer) -> None:
    """What was due when it was called can be read when it returns, at whatever moment it was called."""

    async def story(lookout: Lookout) -> None:
        async def wait_and_look(name: str, moment: int) -> Status:
            await asyncio.sleep(moment * 0.0003)
            await lookout.engine.settled()
            return lookout.status(name)

        for name in names(40):
            lookout.publish(lookout.add(name))
            lookout.engine.wake()
            seen = await asyncio.gather(*[wait_and_look(name, moment) for moment in range(30)])
            assert set(seen) == {Status.SUCCESS}

    run(database, story, server, limits=NEVER)


def test_settled_waits_for_what_is_asked_for_during_the_check(database: Database, server: NameServer) -> None:
    """Somebody asks while the check runs: the look they asked for is made before it is settled."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add(NAME)
        asked: list[bool] = []

        def ask(_: object) -> None:
            if not asked:
                now = lookout.clock.now()
                asked.append(database.write(lambda s: checks.due_now(s, identity.id, now)))

        server.on_question = ask
        await lookout.settled()

        assert asked == [True]
        assert server.asked(rtype="SOA") == 2

    run(database, story, server, limits=NEVER, budget=PATIENT)


def test_it_is_woken_from_any_thread(database: Database, server: NameServer) -> None:
    """What is due now is looked at when somebody says so, not when the poll comes round."""

    async def story(lookout: Lookout) -> None:
        await lookout.settled()
        lookout.publish(lookout.add(NAME))
        threading.Thread(target=lookout.engine.wake).start()
        await until(lambda: lookout.status(NAME) is Status.SUCCESS)

    run(database, story, server, limits=NEVER)


def test_what_another_process_made_due_is_found(database: Database, server: NameServer) -> None:
    """Nobody wakes it: it looks by itself."""

    async def story(lookout: Lookout) -> None:
        await lookout.settled()
        lookout.publish(lookout.add(NAME))
        await until(lambda: lookout.status(NAME) is Status.SUCCESS)

    run(database, story, server, limits=EngineLimits(poll=20))


def test_it_comes_when_something_is_due(database: Database, server: NameServer) -> None:
    """Without being told and without a poll: the next look is a moment away, and is made then."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add(NAME)
        lookout.publish(identity)
        soon = lookout.clock.now() + 300
        database.write(lambda s: checks.schedule(s, identity.id, shard_of(NAME), soon))
        await lookout.settled()
        early = server.asked(rtype="CNAME")
        await until(lambda: lookout.status(NAME) is Status.SUCCESS)

        assert early == 0
        assert lookout.clock.now() >= soon

    run(database, story, server, limits=NEVER)


def test_a_moved_clock_is_noticed(database: Database, server: NameServer) -> None:
    """What was due tomorrow is looked at when the clock is moved, from another thread, past it."""

    async def story(lookout: Lookout) -> None:
        lookout.publish(lookout.add(NAME))
        await lookout.settled()
        checked = lookout.view(NAME).last_checked_at
        threading.Thread(target=lookout.clock.advance, args=(DAY,)).start()
        await until(lambda: lookout.view(NAME).last_checked_at != checked)

    run(database, story, server, limits=NEVER)


def test_no_more_are_in_hand_than_allowed(database: Database, server: NameServer) -> None:
    """Slow DNS holds back the claiming: what is not in hand is free for other engines."""

    async def story(lookout: Lookout) -> None:
        server.misbehave(Trick.SILENT, rtype="CNAME")
        for name in names(20):
            lookout.add(name)
        await until(lambda: server.asked(rtype="SOA") >= 4)
        now = lookout.clock.now()
        await asyncio.sleep(0)
        others = database.write(
            lambda s: checks.claim(s, now=now, owner="other", lease_until=now + SECOND, limit=100)
        )

        assert len(others) == 16
        assert server.asked(rtype="SOA") == 4

    run(database, story, server, limits=EngineLimits(at_once=4, grace=0, patience=HOUR), budget=PATIENT)


def test_one_slow_identity_holds_up_no_other(database: Database, server: NameServer) -> None:
    """With all but a few slots taken by the slow, the others go through those few, and quickly."""

    async def story(lookout: Lookout) -> None:
        slow = [lookout.add(f"slow{number}.{NAME}") for number in range(28)]
        suffixes = tuple(each.name for each in slow)
        server.misbehave(Trick.SILENT, rtype="CNAME", when=lambda asked: asked.name.endswith(suffixes))
        await until(lambda: server.asked(rtype="SOA") == 28)
        quick = [lookout.add(name) for name in names(40)]
        for identity in quick:
            lookout.publish(identity)
        await until(lambda: all(lookout.status(each.name) is Status.SUCCESS for each in quick), within=5)

    run(database, story, server, limits=EngineLimits(at_once=32, poll=20, grace=0), budget=PATIENT)
