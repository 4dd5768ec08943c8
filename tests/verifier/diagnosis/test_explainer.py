"""The trail says why: a look further at the first failure and on a change, and at no other time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

import pytest
from lookout import LIMITS, PACE, Lookout, run, until
from nameserver import NameServer, Trick

from indicia.domain.identities.identity import Facet, Identity, Status
from indicia.domain.time import DAY
from indicia.domain.verification.check import Conclusion
from indicia.settings.places import public_only
from indicia.store.engine.database import Database
from indicia.verifier.diagnosis.explainer import Explainer
from indicia.verifier.diagnosis.investigation import Investigator
from indicia.verifier.diagnosis.issuance import issued_in

NAME = "example.com"
# Why a record is not there is asked for at these names, and nobody else asks there.
ELSEWHERE = ".example.com.example.com"


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server with one zone."""
    with NameServer() as running:
        running.zone(NAME, minimum=5)
        yield running


def investigating(lookout: Lookout, server: NameServer) -> Investigator:
    """What tells findings apart, with the eyes of the engine."""
    return Investigator(
        lookout.eyes,
        clock=lookout.clock.now,
        port=server.port,
        may_ask=public_only((), everything=True),
        issued_to_another=issued_in(lookout.database),
    )


def explained(
    database: Database,
    story: Callable[[Lookout, Explainer], Awaitable[None]],
    server: NameServer,
    *,
    rate: float | None = None,
) -> None:
    """Tell a story with an engine whose verdicts are explained."""
    explainers: list[Explainer] = []

    def landed(conclusion: Conclusion) -> None:
        explainers[0].offer(conclusion)

    async def told(lookout: Lookout) -> None:
        investigator = investigating(lookout, server)
        explainer = Explainer(database, investigator, lookout.clock, part=lookout.asking_at(rate).aside)
        explainers.append(explainer)
        running = asyncio.create_task(explainer.run())
        try:
            await story(lookout, explainer)
        finally:
            explainer.stop()
            await running

    run(database, told, server, limits=LIMITS, landed=landed)


def newest(lookout: Lookout, identity: Identity) -> tuple[str, list[str]]:
    """The finding of the newest verdict, and those of its records."""
    verdict = lookout.trail(identity)[0]
    return verdict.finding, [record["finding"] for record in json.loads(verdict.body)["records"]]


def looked_elsewhere(server: NameServer) -> int:
    """How often it was asked why."""
    return sum(each.name.endswith(ELSEWHERE) for each in list(server.questions))


def test_the_trail_says_where_the_record_is_instead(database: Database, server: NameServer) -> None:
    """All three stand at the name with the zone once more: DOUBLED_ZONE, with the place, not MISSING."""

    async def story(lookout: Lookout, explainer: Explainer) -> None:
        identity = lookout.add(NAME)
        records = lookout.records(identity)[Facet.DKIM]
        for record in records:
            server.put(f"{record.name}.{NAME}", "CNAME", record.value)
        await lookout.settled()
        await explainer.settled()

        assert newest(lookout, identity) == ("DOUBLED_ZONE", ["DOUBLED_ZONE"] * 3)
        body = json.loads(lookout.trail(identity)[0].body)
        assert body["records"][0]["detail"] == {"place": f"{records[0].name}.{NAME}", "zone": NAME}
        assert lookout.status(NAME) is Status.PENDING

    explained(database, story, server)


def test_what_is_wrong_as_it_was_is_not_looked_at_again(database: Database, server: NameServer) -> None:
    """The second check sees the same and asks its own questions only; the trail keeps its explanation."""

    async def story(lookout: Lookout, explainer: Explainer) -> None:
        identity = lookout.add(NAME)
        record = lookout.records(identity)[Facet.DKIM][0]
        server.put(f"{record.name}.{NAME}", "CNAME", record.value)
        await lookout.settled()
        await explainer.settled()
        once, trail = looked_elsewhere(server), lookout.trail(identity)
        await lookout.advance(PACE.largest)
        await explainer.settled()

        assert once > 0
        assert looked_elsewhere(server) == once
        assert lookout.trail(identity) == trail
        assert newest(lookout, identity)[1] == ["DOUBLED_ZONE", "MISSING", "MISSING"]

    explained(database, story, server)


def test_an_edit_of_the_zone_is_looked_at(database: Database, server: NameServer) -> None:
    """First nothing is there, then something in the wrong place: to the check both are missing.

    The serial of the zone tells that it was edited, and the trail gets a line; then nothing changes, and
    nobody looks.
    """

    async def story(lookout: Lookout, explainer: Explainer) -> None:
        identity = lookout.add(NAME)
        await lookout.settled()
        await explainer.settled()
        for record in lookout.records(identity)[Facet.DKIM]:
            server.put(f"{record.name}.{NAME}", "CNAME", record.value)
        server.zone(NAME, minimum=5, serial=2)
        await lookout.advance(PACE.largest)
        await explainer.settled()
        findings, asked = [each.finding for each in lookout.trail(identity)], looked_elsewhere(server)
        server.zone(NAME, minimum=5, serial=3)
        await lookout.advance(PACE.largest)
        await explainer.settled()
        edited = looked_elsewhere(server)
        await lookout.advance(PACE.largest)
        await explainer.settled()

        assert findings == ["DOUBLED_ZONE", "MISSING"]
        assert [each.finding for each in lookout.trail(identity)] == findings
        assert asked < edited
        assert looked_elsewhere(server) == edited

    explained(database, story, server)


def test_a_change_is_looked_at(database: Database, server: NameServer) -> None:
    """A record that is now wrong in another way gets an explanation of its own."""

    async def story(lookout: Lookout, explainer: Explainer) -> None:
        identity = lookout.add(NAME)
        first = lookout.records(identity)[Facet.DKIM][0]
        await lookout.settled()
        await explainer.settled()
        nowhere = newest(lookout, identity)
        server.put(first.name, "A", "192.0.2.1")
        await lookout.advance(PACE.largest)
        await explainer.settled()

        assert nowhere == ("MISSING", ["MISSING"] * 3)
        assert newest(lookout, identity)[1] == ["FLATTENED", "MISSING", "MISSING"]
        assert [each.finding for each in lookout.trail(identity)][-1] == "MISSING"

    explained(database, story, server)


def test_what_is_well_costs_no_question_more(database: Database, server: NameServer) -> None:
    """A verified identity is asked for its records and its SOA, check after check, and for nothing else."""

    async def story(lookout: Lookout, explainer: Explainer) -> None:
        lookout.add_verified(NAME)
        await lookout.settled()
        await lookout.advance(DAY)
        await explainer.settled()

        assert len(server.questions) == 2 * 4

    explained(database, story, server)


def test_only_what_is_wrong_is_taken(database: Database, server: NameServer) -> None:
    """A conclusion in which all is well is let go at once; one that puzzles waits for its turn."""
    landed: list[Conclusion] = []

    async def story(lookout: Lookout) -> None:
        lookout.add_verified(NAME)
        await lookout.settled()
        lookout.add(f"other.{NAME}")
        await lookout.settled()
        investigator = investigating(lookout, server)
        idle = Explainer(database, investigator, lookout.clock, part=None)
        taken = []
        for conclusion in landed:
            idle.offer(conclusion)
            taken.append(idle.waiting)

        assert taken == [0, 1]

    run(database, story, server, limits=LIMITS, landed=landed.append)


def test_how_a_zone_fails_is_seen_from_its_servers(database: Database, server: NameServer) -> None:
    """The resolver's SERVFAIL says little; that the zone's own servers refuse is LAME, and moves nothing."""

    async def story(lookout: Lookout, explainer: Explainer) -> None:
        identity = lookout.add_verified(NAME)
        server.put(NAME, "NS", "ns1.example.com")
        server.put("ns1.example.com", "A", server.host)
        await lookout.settled()
        server.misbehave(Trick.SERVFAIL, rtype="CNAME", when=lambda asked: asked.recursion)
        server.misbehave(Trick.REFUSED, rtype="CNAME", when=lambda asked: not asked.recursion)
        await lookout.advance(DAY)
        await explainer.settled()

        assert newest(lookout, identity) == ("LAME", ["LAME"] * 3)
        assert lookout.status(NAME) is Status.SUCCESS

    explained(database, story, server)


def test_a_zone_is_asked_why_no_faster_than_its_rate(database: Database, server: NameServer) -> None:
    """Of many identities of one zone that fail at once, those wait for whom the zone was asked enough."""

    async def story(lookout: Lookout, explainer: Explainer) -> None:
        for number in range(20):
            lookout.add(f"d{number}.{NAME}")
        await lookout.settled()
        await until(lambda: (explainer.in_hand, explainer.waiting) == (0, 19))

        assert looked_elsewhere(server) == 3  # for the records of one, and the zone's burst is spent

    explained(database, story, server, rate=0.01)


def test_an_account_whose_servers_say_nothing_delays_no_other(database: Database, server: NameServer) -> None:
    """Forty zones of an account whose name servers are silent have a quarter of what is in hand.

    What another account's record is taken for is found beside them, long before it would be their turn.
    """

    async def story(lookout: Lookout, explainer: Explainer) -> None:
        server.misbehave(Trick.SILENT, when=lambda asked: ".tarpit.z" in asked.name)
        for number in range(40):
            server.zone(f"tarpit.z{number}.example", minimum=5)
            lookout.add(f"tarpit.z{number}.example", account="444455556666")
        await lookout.settled()
        await until(lambda: (explainer.in_hand, explainer.waiting) == (4, 36))
        identity = lookout.add(NAME)
        for record in lookout.records(identity)[Facet.DKIM]:
            server.put(f"{record.name}.{NAME}", "CNAME", record.value)
        await lookout.settled()
        await until(lambda: newest(lookout, identity)[0] == "DOUBLED_ZONE")

        assert explainer.waiting > 20

    explained(database, story, server)


def test_of_a_crowd_most_are_left_to_their_next_look(database: Database, server: NameServer) -> None:
    """A few of the hundreds that are created at once are looked at further; the rest may be right soon."""

    async def story(lookout: Lookout, explainer: Explainer) -> None:
        for number in range(200):
            lookout.add(f"d{number}.{NAME}")
        await lookout.settled()
        await until(lambda: explainer.in_hand == 0)

        assert explainer.waiting > 100
        assert looked_elsewhere(server) < 3 * 100  # for the three records of each

    explained(database, story, server)


def test_of_what_waits_an_account_has_its_part(database: Database, server: NameServer) -> None:
    """However much puzzles of one account, there is room for what puzzles of others."""
    landed: list[Conclusion] = []

    async def story(lookout: Lookout) -> None:
        lookout.add(NAME)
        await lookout.settled()
        (conclusion,) = landed
        idle = Explainer(database, investigating(lookout, server), lookout.clock, part=None)
        for _ in range(2_000):
            idle.offer(conclusion)
        assert idle.waiting == 1_024
        idle.offer(replace(conclusion, account="444455556666"))
        assert idle.waiting == 1_025

    run(database, story, server, limits=LIMITS, landed=landed.append)
