"""Findings are told apart by looking: other names, other types, the zone's own servers, what is included."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pytest
from nameserver import NameServer, Trick

from indicia.domain.check import RecordVerdict, judge_record
from indicia.domain.explanation import explain
from indicia.domain.findings import Finding
from indicia.domain.observation import RecordType
from indicia.domain.probing import Refined
from indicia.domain.records import ExpectedRecord, Purpose
from indicia.settings.places import public_only
from indicia.verifier.client import Budget
from indicia.verifier.investigation import Investigator
from indicia.verifier.perspectives import Perspective, Perspectives

DOMAIN = "example.com"
TARGET = "tok.dkim.mail.example"
CNAME = ExpectedRecord(Purpose.DKIM, f"tok._domainkey.{DOMAIN}", RecordType.CNAME, TARGET, required=True)
TOKEN = "bm90IGEgcmVhbCB0b2tlbiwgYnV0IDQ0IGxldHRlcnM="
TXT = ExpectedRecord(
    Purpose.OWNERSHIP, f"_amazonses.{DOMAIN}", RecordType.TXT, TOKEN, required=True, also=(DOMAIN,)
)
SPF = ExpectedRecord(
    Purpose.MAIL_FROM, f"bounce.{DOMAIN}", RecordType.TXT, "v=spf1 include:mail.example ~all", required=False
)


@dataclass
class World:
    """A resolver, and the two servers that the zone has."""

    resolver: NameServer
    first: NameServer
    second: NameServer


@pytest.fixture
def world() -> Iterator[World]:
    """A zone on two servers behind a resolver, all on one port of three loopback addresses."""
    with NameServer() as resolver:
        resolver.zone(DOMAIN)
        resolver.zone("com")
        resolver.put(DOMAIN, "NS", ["ns1.example.com", "ns2.example.com"])
        resolver.put("ns1.example.com", "A", "127.0.0.2")
        resolver.put("ns2.example.com", "A", "127.0.0.3")
        with (
            NameServer(resolver.data, host="127.0.0.2", port=resolver.port) as first,
            NameServer(resolver.data, host="127.0.0.3", port=resolver.port) as second,
        ):
            yield World(resolver, first, second)


def _investigate(
    world: World, record: ExpectedRecord, issued: Callable[[Sequence[str]], bool] = lambda _: False
) -> tuple[RecordVerdict, Refined | None]:
    """Return the verdict on the record as the resolver shows it, and what looking further makes of it."""

    async def issued_to_another(_name: str, _rtype: RecordType, values: Sequence[str]) -> bool:
        return issued(values)

    async def look() -> tuple[RecordVerdict, Refined | None]:
        budget = Budget(exchange=0.2, tries=1, question=1.0, control=1.0)
        async with Perspectives(
            [Perspective("local", (world.resolver.address,))], clock=lambda: 0, budget=budget
        ) as eyes:
            investigator = Investigator(
                eyes,
                clock=lambda: 0,
                port=world.resolver.port,
                may_ask=public_only((), everything=True),
                issued_to_another=issued_to_another,
            )
            observations = await eyes.observe(record.questions)
            verdict = judge_record(record, observations, 1, [])
            refined = await investigator.investigate(DOMAIN, [verdict], [])
            return verdict, refined.get(verdict)

    return asyncio.run(look())


def _finding(world: World, record: ExpectedRecord, **more: Callable[[Sequence[str]], bool]) -> Finding:
    verdict, refined = _investigate(world, record, **more)
    found = refined or Refined(verdict.finding)
    words = explain(record, found.finding, verdict.observations, found.detail)
    assert words.explanation.endswith(".")
    assert "{" not in words.explanation
    return found.finding


def test_nothing_anywhere_is_missing(world: World) -> None:
    """A record that is nowhere is MISSING."""
    assert Finding.MISSING is _finding(world, CNAME)


@pytest.mark.parametrize("target", [TARGET, f"{TARGET}.{DOMAIN}"])
def test_the_zone_appended_to_the_name(world: World, target: str) -> None:
    """The record at the name with the zone once more is DOUBLED_ZONE, whatever became of its target."""
    world.resolver.put(f"{CNAME.name}.{DOMAIN}", "CNAME", target)

    assert Finding.DOUBLED_ZONE is _finding(world, CNAME)


def test_the_underscore_lost(world: World) -> None:
    """The record at `domainkey` is UNDERSCORE_LOST."""
    world.resolver.put(f"tok.domainkey.{DOMAIN}", "CNAME", TARGET)

    assert Finding.UNDERSCORE_LOST is _finding(world, CNAME)


@pytest.mark.parametrize(
    ("rtype", "value", "finding"),
    [
        ("A", "192.0.2.1", Finding.FLATTENED),
        ("AAAA", "2001:db8::1", Finding.FLATTENED),
        ("TXT", "something else", Finding.WRONG_TYPE),
        ("MX", "10 mx.example.com", Finding.WRONG_TYPE),
    ],
)
def test_another_type_in_place_of_the_cname(world: World, rtype: str, value: str, finding: Finding) -> None:
    """Addresses in place of a CNAME are a proxy's or a flattening's; other types are a mistake."""
    world.resolver.put(CNAME.name, rtype, value)

    assert finding is _finding(world, CNAME)


def test_the_resolver_holds_its_earlier_answer(world: World) -> None:
    """All of the zone's servers have it and the resolver has not: NOT_YET_VISIBLE, with the time."""
    world.resolver.put(CNAME.name, "CNAME", TARGET)
    world.resolver.lie(CNAME.name, "CNAME", None)
    verdict, refined = _investigate(world, CNAME)

    assert refined is not None
    assert Finding.NOT_YET_VISIBLE is refined.finding
    assert verdict.negative_ttl == refined.detail.seconds_left
    assert refined.detail.seconds_left is not None


def test_one_server_has_it_and_the_other_has_not(world: World) -> None:
    """NOT_EVERYWHERE names the servers on either side."""
    world.resolver.put(CNAME.name, "CNAME", TARGET)
    world.resolver.lie(CNAME.name, "CNAME", None)
    world.second.lie(CNAME.name, "CNAME", None)
    _, refined = _investigate(world, CNAME)

    assert refined is not None
    assert Finding.NOT_EVERYWHERE is refined.finding
    assert (("ns1.example.com",), ("ns2.example.com",)) == (refined.detail.having, refined.detail.lacking)


@pytest.mark.parametrize(
    ("trick", "finding"),
    [
        (Trick.REFUSED, Finding.LAME),
        (Trick.SERVFAIL, Finding.SERVER_FAILURE),
        (Trick.SILENT, Finding.UNREACHABLE),
    ],
)
def test_how_the_zones_servers_fail(world: World, trick: Trick, finding: Finding) -> None:
    """A failing zone is told by what its own servers do: refuse, fail, say nothing."""
    world.resolver.misbehave(Trick.SERVFAIL, CNAME.name)
    world.first.misbehave(trick, CNAME.name)
    world.second.misbehave(trick, CNAME.name)

    assert finding is _finding(world, CNAME)


def test_a_value_of_another_identity(world: World) -> None:
    """A target that this service issued to somebody else is OTHER_IDENTITY; it is not said whose."""
    other = "other.dkim.mail.example"
    world.resolver.put(CNAME.name, "CNAME", other)

    assert Finding.OTHER_IDENTITY is _finding(world, CNAME, issued=lambda values: other in values)
    assert Finding.WRONG_TARGET is _finding(world, CNAME)


def test_spf_counts_through_its_includes(world: World) -> None:
    """Look-ups are counted through every include; eleven are too many, though our include is there."""
    world.resolver.put(SPF.name, "TXT", '"v=spf1 include:many.example.com include:mail.example -all"')
    world.resolver.put("mail.example", "TXT", '"v=spf1 ip4:192.0.2.1 -all"')
    many = " ".join(f"a:h{number}.example.com" for number in range(9))
    world.resolver.put("many.example.com", "TXT", f'"v=spf1 {many} -all"')

    assert Finding.SPF_TOO_MANY_LOOKUPS is _finding(world, SPF)


def test_two_thousand_includes_are_not_looked_at(world: World) -> None:
    """A record that anybody may publish makes nobody ask two thousand questions of somebody else's zone."""
    names = " ".join(f"include:n{number}.victim.test" for number in range(2000))
    world.resolver.put(SPF.name, "TXT", f"v=spf1 {names} -all")

    assert Finding.SPF_TOO_MANY_LOOKUPS is _finding(world, SPF)
    assert not any(each.name.endswith("victim.test") for each in world.resolver.questions)


def test_an_include_that_is_gone_is_named(world: World) -> None:
    """Receivers take it for an error of the whole record, so it is told, with the name that is to go."""
    world.resolver.put(SPF.name, "TXT", '"v=spf1 include:gone.example.com include:mail.example -all"')

    _, refined = _investigate(world, SPF)

    assert refined is not None
    assert (refined.finding, refined.detail.place) == (Finding.SPF_INVALID, "gone.example.com")


@pytest.mark.parametrize(
    ("value", "finding"),
    [
        ("v=spf1 include:mail.example ~all", Finding.OK),
        ("v=spf1 -all", Finding.SPF_MISSING_INCLUDE),
        ("v=spf1 nonsense:x -all", Finding.SPF_INVALID),
    ],
)
def test_what_spf_amounts_to(world: World, value: str, finding: Finding) -> None:
    """The SPF record is judged by its terms, and never decides a status."""
    world.resolver.put(SPF.name, "TXT", f'"{value}"')

    assert finding is _finding(world, SPF)


def test_private_servers_are_not_asked(world: World) -> None:
    """Name servers that a tenant puts at private addresses are not asked unless the operator allows it."""
    may_ask = public_only((), everything=False)

    assert not may_ask("127.0.0.2")
    assert not may_ask("10.0.0.1")
    assert not may_ask("::1")
    assert not may_ask("not an address")
    assert may_ask("8.8.8.8")
