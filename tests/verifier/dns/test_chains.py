"""Aliases of aliases are followed to their end, by each perspective for itself, and count for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from lookout import NEGATIVE_TTL, ZONE, Lookout, run
from nameserver import NameServer, Trick, Zone

from indicia.domain.identities.identity import ErrorType, Facet, Identity, Status
from indicia.domain.proofs.transitions import Sight
from indicia.domain.records.expected import ExpectedRecord, Purpose
from indicia.domain.records.observation import RecordType
from indicia.domain.time import DAY, SECOND
from indicia.domain.verification.check import judge_record
from indicia.domain.verification.findings import Finding
from indicia.store.engine.database import Database
from indicia.verifier.dns import chains
from indicia.verifier.dns.client import Budget
from indicia.verifier.dns.perspectives import Perspective, Perspectives

NAME = "example.com"
CNAME = ExpectedRecord(
    Purpose.DKIM, f"tok._domainkey.{NAME}", RecordType.CNAME, "tok.dkim.mail.example", required=True
)
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server with a zone, and another one to go through."""
    with NameServer() as running:
        running.zone(NAME, minimum=NEGATIVE_TTL // SECOND)
        running.zone("example.net")
        yield running


def through(lookout: Lookout, identity: Identity, *hops: str) -> None:
    """Publish each record through these names of `example.net`."""
    for record in lookout.records(identity)[Facet.DKIM]:
        token = record.name.partition(".")[0]
        names = [record.name, *(f"{token}.{hop}.example.net" for hop in hops)]
        for name, target in zip(names, [*names[1:], record.value], strict=True):
            for server in lookout.servers:
                server.put(name, "CNAME", target)


@pytest.mark.parametrize("hops", [["a"], ["a", "b", "c", "d", "e", "f", "g"]])
def test_a_chain_that_ends_at_ours_grants(database: Database, server: NameServer, hops: list[str]) -> None:
    """Two links and eight verify; and once a link is gone, it counts as an absence."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add(NAME)
        through(lookout, identity, *hops)
        await lookout.settled()
        granted = lookout.status(NAME)
        for record in lookout.records(identity)[Facet.DKIM]:
            server.remove(f"{record.name.partition('.')[0]}.{hops[-1]}.example.net")
        await lookout.advance(DAY)
        await lookout.advance(DAY)

        assert granted is Status.SUCCESS
        assert lookout.status(NAME) is Status.TEMPORARY_FAILURE
        assert lookout.error(NAME) is ErrorType.INVALID_VALUE

    run(database, story, server)


def test_a_dname_grants(database: Database, server: NameServer) -> None:
    """One DNAME at `_domainkey` stands for the three CNAMEs: whoever answers makes them of it."""

    async def story(lookout: Lookout) -> None:
        lookout.add(NAME)
        server.put(f"_domainkey.{NAME}", "DNAME", ZONE)
        await lookout.settled()

        assert lookout.status(NAME) is Status.SUCCESS

    run(database, story, server)


def test_a_link_that_nobody_answers_for_takes_nothing_away(database: Database, server: NameServer) -> None:
    """Where the chain ends is then unknown: the status stays, and the trail says whose servers failed."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add_verified(NAME)
        through(lookout, identity, "a")
        server.misbehave(Trick.SERVFAIL, when=lambda asked: asked.name.endswith(".a.example.net"))
        for _ in range(4):
            await lookout.advance(DAY)

        assert lookout.status(NAME) is Status.SUCCESS
        assert lookout.state(NAME).absent_since is None
        assert lookout.error(NAME) is ErrorType.DNS_SERVER_ERROR
        assert lookout.trail(identity)[0].finding == "SERVER_FAILURE"

    run(database, story, server)


def test_each_perspective_follows_what_it_sees(database: Database) -> None:
    """Two resolvers with two different chains, both of which end at ours."""
    data = Zone()
    data.zone(NAME)
    with NameServer(data) as one, NameServer(data) as other:
        for server, hop in ((one, "a.example.net"), (other, "b.example.net")):
            server.lie(CNAME.name, "CNAME", hop)
            data.put(hop, "CNAME", CNAME.value)

        async def look() -> tuple[Sight, list[str]]:
            views = [Perspective("one", (one.address,)), Perspective("other", (other.address,))]
            async with Perspectives(views, clock=lambda: 0) as eyes:
                seen = await chains.observe(eyes, [CNAME], CNAME.questions)
            verdict = judge_record(CNAME, seen, 2, ())
            return verdict.sight, [each.question.name for each in verdict.observations]

        assert asyncio.run(look()) == (
            Sight.PRESENT,
            [CNAME.name, CNAME.name, "a.example.net", "b.example.net"],
        )


def test_a_link_that_comes_too_late_is_unknown(database: Database, server: NameServer) -> None:
    """What was seen before counts; the rest is nobody's absence."""
    server.put(CNAME.name, "CNAME", "a.example.net")
    server.misbehave(Trick.SILENT, "a.example.net")

    async def look() -> tuple[Sight, Finding]:
        budget = Budget(exchange=20.0, tries=1, question=20.0)
        async with Perspectives(
            [Perspective("local", (server.address,))], clock=lambda: 0, budget=budget
        ) as eyes:
            seen = await chains.observe(eyes, [CNAME], CNAME.questions, 2.0)
        verdict = judge_record(CNAME, seen, 1, ())
        return verdict.sight, verdict.finding

    assert asyncio.run(look()) == (Sight.UNKNOWN, Finding.OUR_RESOLVER)
