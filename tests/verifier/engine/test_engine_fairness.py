"""Whose trouble delays whom: tarpits, crowds, rates of zones, resolvers of ours that fail."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest
import sqlalchemy as sa
from lookout import ACCOUNT, PACE, PATIENT, Lookout, run, until
from nameserver import Asked, NameServer, Trick

from indicia.domain.fairness import Lane, ZoneRates
from indicia.domain.identities.identity import ErrorType, Facet, Identity, Status
from indicia.domain.time import DAY, SECOND
from indicia.store.engine.database import Database
from indicia.store.engine.prepared import Prepared
from indicia.store.proofs import facets
from indicia.store.verification import checks, tables
from indicia.verifier.dns.client import Budget
from indicia.verifier.engine.engine import EngineLimits

OTHER = "444455556666"
# A tarpit holds a question for as long as it is let; a lookup of a sound zone takes a few milliseconds.
TARPIT = Budget(exchange=3.0, tries=1, question=3.0)
SMALL = EngineLimits(at_once=32, slow=32, batch=16, patience=200, poll=20, grace=0)


CROWD = 3000


def _verified(database: Database, identity: Identity) -> bool:
    found = database.read(lambda s: facets.get_all(s, identity.id))
    return found[Facet.DKIM].status is Status.SUCCESS


def _stand(database: Database, lane: Lane, due_at: int) -> None:
    """Let those that are never due stand in a lane from now on, due at an instant."""
    v = tables.verification
    stand = Prepared(
        sa.update(v)
        .where(v.c.due_at.is_(None))
        .values(lane=sa.bindparam("new_lane"), due_at=sa.bindparam("at"))
    )
    database.write(lambda s: s.run(stand, new_lane=int(lane), at=due_at))


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server; zones under tarpit.example are silent on it, whatever is asked."""
    with NameServer() as running:
        running.zone("example.com")
        running.zone("tarpit.example")
        running.misbehave(Trick.SILENT, when=_in_tarpit)
        yield running


def _in_tarpit(asked: Asked) -> bool:
    return asked.name.endswith(".tarpit.example")


@pytest.mark.parametrize("account", [ACCOUNT, OTHER])
def test_hundreds_of_zones_on_a_tarpit_delay_nobody_else(
    database: Database, server: NameServer, account: str
) -> None:
    """Twenty times as many as there are slots, all new: who comes after them is verified within moments.

    In another account, and in the very account that has the tarpits.
    """

    async def story(lookout: Lookout) -> None:
        for number in range(640):
            lookout.add(f"z{number}.tarpit.example")
        await until(lambda: server.asked(rtype="SOA") >= 32)
        for number in range(5):
            identity = lookout.add(f"late{number}.example.com", account=account)
            lookout.publish(identity)
            await until(lambda of=identity: _verified(database, of), within=PACE.first / SECOND / 2)

    run(database, story, server, limits=SMALL, budget=TARPIT)


def test_a_tarpit_that_is_known_takes_its_share_and_no_more(database: Database, server: NameServer) -> None:
    """What was slow stands apart: due with a crowd of others, all of those are looked at meanwhile."""
    with_others = 400

    async def story(lookout: Lookout) -> None:
        for number in range(200):
            lookout.add(f"z{number}.tarpit.example", due=False)
        _stand(database, Lane.SLOW, lookout.clock.now() - DAY)
        good = [lookout.add(f"d{number}.example.com") for number in range(with_others)]
        for identity in good:
            lookout.publish(identity)
        lookout.engine.wake()
        await until(lambda: lookout.proved() == with_others, within=50)

        assert lookout.engine.in_hand <= SMALL.slow // 4  # the share of an account

    # Who is known to be slow is told by its lane; a busy machine is not to be taken for another.
    run(database, story, server, limits=replace(SMALL, patience=2500), budget=TARPIT)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_slow_zones_on_the_same_name_servers_share_one_part(database: Database, server: NameServer) -> None:
    """Zones of many accounts, silent, whose SOA names one primary: an eighth of the room is all they get."""
    v = tables.verification
    on_one_primary = Prepared(
        sa.update(v).values(
            soa_zone="tarpit.example",
            soa_primary="ns1.tarpit.example",
            soa_admin="h",
            soa_serial=1,
            soa_minimum=5,
        )
    )

    async def story(lookout: Lookout) -> None:
        for number in range(60):
            lookout.add(f"z{number}.tarpit.example", due=False, account=f"{number % 6}" * 12)
        database.write(lambda s: s.run(on_one_primary))
        _stand(database, Lane.SLOW, lookout.clock.now() - DAY)
        lookout.engine.wake()
        most = 0

        def enough_asked() -> bool:
            nonlocal most
            most = max(most, lookout.engine.in_hand)
            lookout.clock.advance(SECOND // 4)  # who has to wait comes back in some seconds
            return len({each.name for each in server.questions if each.rtype == "SOA"}) >= 12

        await until(enough_asked)

        assert most == SMALL.slow // 8

    run(database, story, server, limits=SMALL, budget=Budget(exchange=0.5, tries=1, question=0.5))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_is_verified_together_is_not_looked_at_together(database: Database, server: NameServer) -> None:
    """Fifty looked at within a moment: the next looks are spread over the second half of the interval."""
    chance = Random(4711)

    async def story(lookout: Lookout) -> None:
        names = [lookout.add_verified(f"d{number}.example.com").name for number in range(50)]
        await lookout.settled()
        due = sorted(lookout.due_in(name) or 0 for name in names)

        assert DAY // 2 - 60 * SECOND <= due[0] < DAY * 5 // 8
        assert DAY * 7 // 8 < due[-1] <= DAY
        assert max(after - before for before, after in itertools.pairwise(due)) < DAY // 8

    run(database, story, server, random=chance.random)


def test_what_a_tarpit_holds_is_found_out_in_the_end(database: Database, server: NameServer) -> None:
    """Nobody starves: what was given back for its slowness is looked at, to the end, when there is room."""

    async def story(lookout: Lookout) -> None:
        names = [f"z{number}.tarpit.example" for number in range(24)]
        for name in names:
            lookout.add(name)
        for _ in range(40):
            await lookout.advance(PACE.largest)
            if all(lookout.view(name).last_checked_at for name in names):
                break

        assert {lookout.error(name) for name in names} == {ErrorType.SERVICE_ERROR}
        assert {lookout.status(name) for name in names} == {Status.PENDING}

    quick = Budget(exchange=0.2, tries=1, question=0.2)
    limits = EngineLimits(at_once=8, slow=8, batch=8, patience=50, poll=20)
    run(database, story, server, limits=limits, budget=quick)


def test_a_crowd_that_is_slow_is_verified_and_delays_nobody(database: Database, server: NameServer) -> None:
    """Every question of theirs takes longer than one exchange: all are verified, no more at once than may be.

    Whoever comes meanwhile, in a zone that is quick, is verified before them.
    """
    crowd = 3 * (SMALL.at_once + SMALL.slow)
    most = [0]

    async def story(lookout: Lookout) -> None:
        found = [lookout.add(f"d{number}.slow.example") for number in range(crowd)]
        for identity in found:
            lookout.publish(identity)
        lookout.engine.wake()
        await until(lambda: lookout.engine.in_hand >= SMALL.at_once)
        new = lookout.add("new.example.com")
        lookout.publish(new)
        while not _verified(lookout.database, new):
            lookout.clock.advance(PACE.first)  # its first look may have been before it was published
            lookout.engine.wake()
            await asyncio.sleep(0.02)
        before = lookout.proved()

        async def look() -> bool:
            most[0] = max(most[0], lookout.engine.in_hand)
            lookout.clock.advance(PACE.first)
            lookout.engine.wake()
            await asyncio.sleep(0.02)
            return lookout.proved() == crowd + 1

        while not await look():
            pass

        assert before <= crowd // 2
        assert most[0] <= SMALL.at_once + SMALL.slow
        assert lookout.error("d0.slow.example") is None

    server.zone("slow.example")
    server.misbehave(Trick.SLOW, when=lambda asked: asked.name.endswith(".slow.example"), delay=0.5)
    run(database, story, server, limits=SMALL, budget=Budget(exchange=0.2, tries=3, question=10.0))


def test_a_zone_is_asked_at_its_rate(database: Database, server: NameServer) -> None:
    """Forty identities of one zone: the burst at once, the others one after the other, each of them once."""
    rate = 40.0

    async def story(lookout: Lookout) -> None:
        server.zone("sub.example.com")
        found = [lookout.add_verified(f"d{number}.sub.example.com") for number in range(40)]
        now = lookout.clock.now()
        await until(lambda: all(lookout.view(each.name).last_checked_at for each in found))
        # The first look shows which zone they are of; until then each is a zone of its own.
        server.questions.clear()
        for identity in found:
            database.write(lambda s, of=identity.id: checks.bring_forward(s, [of], now))
        lookout.engine.wake()
        await until(lambda: server.asked() > 0)
        began = asyncio.get_running_loop().time()
        asked_at: dict[int, float] = {}

        def complete() -> bool:
            asked = server.asked()
            asked_at.setdefault(asked, asyncio.get_running_loop().time() - began)
            return asked >= 160

        await until(complete)

        assert server.asked() == 160
        for asked, at in asked_at.items():
            assert asked <= 2 * rate + rate * (at + 0.3) + 4

    run(database, story, server, limits=EngineLimits(poll=20), zone_rates=ZoneRates(rate), budget=PATIENT)


def test_other_zones_are_not_held_up_by_the_rate_of_one(database: Database, server: NameServer) -> None:
    """A zone with a thousand questions to come, and a new one beside it: that one is looked at now."""

    async def story(lookout: Lookout) -> None:
        crowd = [lookout.add_verified(f"d{number}.example.com") for number in range(100)]
        await until(lambda: all(lookout.view(each.name).last_checked_at for each in crowd))
        now = lookout.clock.now()
        for identity in crowd:
            database.write(lambda s, of=identity.id: checks.bring_forward(s, [of], now))
        lookout.engine.wake()
        server.zone("elsewhere.example")
        lookout.publish(lookout.add("elsewhere.example"))
        lookout.engine.wake()
        await until(lambda: lookout.status("elsewhere.example") is Status.SUCCESS, within=5)

    run(database, story, server, limits=EngineLimits(poll=20), zone_rates=ZoneRates(1.0))


def test_a_crowd_that_is_due_drains_while_new_ones_are_looked_at(
    database: Database, server: NameServer
) -> None:
    """Thousands due at once, and every now and then a new identity: each of these is verified at once."""

    async def story(lookout: Lookout) -> None:
        for number in range(CROWD):
            lookout.add(f"c{number}.example.com", due=False)
        _stand(database, Lane.ROUTINE, lookout.clock.now() - DAY)
        lookout.engine.wake()
        await until(lambda: server.asked(rtype="SOA") > 100)
        waits = []
        loop = asyncio.get_running_loop()
        for number in range(5):
            before = server.asked(rtype="SOA")
            began = loop.time()
            identity = lookout.add(f"new{number}.example.com")
            lookout.publish(identity)
            await until(lambda name=identity.name: lookout.status(name) is Status.SUCCESS)
            waits.append((loop.time() - began, before))

        assert all(before < CROWD for _, before in waits)  # there was a crowd all the while
        assert max(wait for wait, _ in waits) < PACE.first / SECOND / 2

    run(database, story, server, limits=EngineLimits(at_once=16, batch=16, poll=20, grace=0))


def test_while_our_resolvers_fail_there_are_fewer_checks_at_once(
    database: Database, server: NameServer
) -> None:
    """Trouble of our own is met with patience; when it is over, everything is looked at and right."""

    async def story(lookout: Lookout) -> None:
        found = [lookout.add(f"d{number}.example.com") for number in range(300)]
        for identity in found:
            lookout.publish(identity)
        server.misbehave(Trick.SERVFAIL)
        await lookout.settled()
        throttled = lookout.engine.slots
        server.behave()
        for _ in range(5):
            await lookout.advance(2 * PACE.largest)

        assert throttled < 64
        assert lookout.engine.slots == 64
        assert {lookout.status(each.name) for each in found} == {Status.SUCCESS}

    run(database, story, server, limits=EngineLimits(at_once=64, poll=20))
