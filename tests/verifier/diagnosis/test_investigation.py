"""Findings are told apart by looking: other names, other types, the zone's own servers, what is included."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pytest
from nameserver import NameServer, Trick

from indicia.domain.diagnosis.explanation import explain
from indicia.domain.diagnosis.probing import Refined
from indicia.domain.records.expected import ExpectedRecord, Purpose
from indicia.domain.records.observation import RecordType
from indicia.domain.verification.check import RecordVerdict, judge_record
from indicia.domain.verification.findings import Finding
from indicia.settings.places import public_only
from indicia.verifier.diagnosis.investigation import Investigator
from indicia.verifier.dns import chains
from indicia.verifier.dns.client import Budget
from indicia.verifier.dns.perspectives import Perspective, Perspectives

DOMAIN = "example.com"
TARGET = "tok.dkim.mail.example"
CNAME = ExpectedRecord(Purpose.DKIM, f"tok._domainkey.{DOMAIN}", RecordType.CNAME, TARGET, required=True)
TOKEN = "bm90IGEgcmVhbCB0b2tlbiwgYnV0IDQ0IGxldHRlcnM="
TXT = ExpectedRecord(
    Purpose.OWNERSHIP, f"_amazonses.{DOMAIN}", RecordType.TXT, TOKEN, required=True, also=(DOMAIN,)
)
MX = ExpectedRecord(
    Purpose.MAIL_FROM,
    f"bounce.{DOMAIN}",
    RecordType.MX,
    "10 feedback-smtp.us-east-1.mail.example",
    required=True,
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
    world: World,
    record: ExpectedRecord,
    issued: Callable[[Sequence[str]], bool] = lambda _: False,
    *,
    domain: str = DOMAIN,
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
            observations = await chains.observe(eyes, [record], record.questions)
            verdict = judge_record(record, observations, 1, [])
            refined = await investigator.investigate(domain, [verdict], [])
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


@pytest.mark.parametrize(
    ("record", "rtype", "value"),
    [
        (MX, "TXT", "v=spf1 include:mail.example ~all"),  # right, and its own record
        (MX, "TXT", "verification=1"),
        (MX, "A", "192.0.2.7"),
        (MX, "AAAA", "2001:db8::7"),
        (SPF, "MX", MX.value),
        (SPF, "TXT", "verification=1"),
        (SPF, "A", "192.0.2.7"),
        (TXT, "MX", "10 mx.example.net"),
        (TXT, "A", "192.0.2.7"),
    ],
)
def test_a_neighbour_is_not_in_the_way(world: World, record: ExpectedRecord, rtype: str, value: str) -> None:
    """Only a CNAME excludes other types (RFC 1034 §3.6.2): the record is missing, and to be published."""
    world.resolver.put(record.name, rtype, value)
    verdict, refined = _investigate(world, record)
    words = explain(record, verdict.finding, verdict.observations)

    assert (verdict.finding, refined) == (Finding.MISSING, None)
    assert words.explanation.startswith(f"{record.name} has no ")
    assert words.fix == f"Publish {record.name} {record.rtype.name} {record.value}"


def test_the_value_of_an_mx_in_a_txt(world: World) -> None:
    """WRONG_TYPE says where the value stands; the TXT does no harm, and nobody is told to remove it."""
    world.resolver.put(MX.name, "TXT", f"{MX.value}.")
    verdict, refined = _investigate(world, MX)

    assert refined is not None
    words = explain(MX, refined.finding, verdict.observations, refined.detail)
    assert refined.finding is Finding.WRONG_TYPE
    assert f"as TXT {MX.value}." in words.explanation
    assert words.fix == f"Publish {MX.name} MX {MX.value}"


@pytest.mark.parametrize(
    ("record", "rtype", "value"),
    [
        (CNAME, "A", "192.0.2.7"),
        (CNAME, "AAAA", "2001:db8::7"),
        (CNAME, "TXT", "v=spf1 -all"),
        (CNAME, "MX", "10 mx.example.net"),
        (CNAME, "CNAME", "www.example.net"),
        (MX, "A", "192.0.2.7"),
        (MX, "MX", "10 mx.example.net"),
        (MX, "CNAME", "www.example.net"),
        (TXT, "TXT", "v=spf1 -all"),
        (TXT, "CNAME", "www.example.net"),
        (SPF, "TXT", "v=spf1 -all"),
    ],
)
@pytest.mark.parametrize("at", [DOMAIN, "parent"])
def test_what_a_wildcard_answers_is_no_record(
    world: World, record: ExpectedRecord, rtype: str, value: str, at: str
) -> None:
    """MISSING, with the wildcard by its name; publishing the record is the whole remedy."""
    above = record.name.partition(".")[2] if at == "parent" else at
    world.resolver.put(f"*.{above}", rtype, value)
    verdict, refined = _investigate(world, record)

    assert refined is not None
    words = explain(record, refined.finding, verdict.observations, refined.detail)
    assert (refined.finding, refined.detail.wildcard) == (Finding.MISSING, f"*.{above}")
    assert f"the wildcard *.{above} answers for it" in words.explanation
    assert words.fix.startswith(
        f"Publish {record.name} {record.rtype.name} {record.value}. The wildcard is not"
    )
    world.resolver.put(record.name, record.rtype.name, record.value)
    assert _investigate(world, record)[0].finding is Finding.OK


def test_the_closest_wildcard_is_named(world: World) -> None:
    """Of two with the same data it is the one below the closest encloser (RFC 4592 §3.3.1)."""
    world.resolver.put(f"*.{DOMAIN}", "CNAME", "www.example.net")
    world.resolver.put(f"*._domainkey.{DOMAIN}", "CNAME", "www.example.net")
    _, refined = _investigate(world, CNAME)

    assert refined is not None
    assert refined.detail.wildcard == f"*._domainkey.{DOMAIN}"


@pytest.mark.parametrize(
    ("rtype", "value", "finding"),
    [("A", "192.0.2.1", Finding.FLATTENED), ("CNAME", "other.example.net", Finding.WRONG_TARGET)],
)
def test_what_is_published_beside_a_wildcard_is_told(
    world: World, rtype: str, value: str, finding: Finding
) -> None:
    """A record of the name's own that is wrong is no wildcard's."""
    world.resolver.put(f"*.{DOMAIN}", "A", "192.0.2.7")
    world.resolver.put(CNAME.name, rtype, value)

    assert _finding(world, CNAME) is finding


def test_the_right_answer_of_a_wildcard_is_an_answer(world: World) -> None:
    """It is present: nobody who asks could tell it from a record of the name's own."""
    world.resolver.put(f"*.{DOMAIN}", "MX", MX.value)

    assert _investigate(world, MX)[0].finding is Finding.OK


def test_a_misplaced_record_is_told_beside_a_wildcard(world: World) -> None:
    """What was published at the name with the zone once more is DOUBLED_ZONE, whatever a wildcard has."""
    world.resolver.put(f"*.{DOMAIN}", "CNAME", "www.example.net")
    world.resolver.put(f"{CNAME.name}.{DOMAIN}", "CNAME", TARGET)

    assert _finding(world, CNAME) is Finding.DOUBLED_ZONE


def test_a_zone_that_denies_compactly_has_no_wildcard(world: World) -> None:
    """NODATA for a name that does not exist (RFC 9824) is MISSING, and not said to exist."""
    world.resolver.misbehave(Trick.COMPACT_DENIAL)
    verdict, refined = _investigate(world, CNAME)

    assert refined is None
    assert explain(CNAME, verdict.finding, verdict.observations).explanation == (
        f"{CNAME.name} has no CNAME record."
    )


@pytest.mark.parametrize("record", [MX, SPF, TXT], ids=["MX", "SPF", "ownership"])
@pytest.mark.parametrize(
    "at_end",
    [[], [("A", "192.0.2.7")], [("MX", "10 mx.example.net"), ("TXT", "v=spf1 -all")]],
    ids=["nothing", "another type", "another value"],
)
def test_a_name_that_is_an_alias(world: World, record: ExpectedRecord, at_end: list[tuple[str, str]]) -> None:
    """ALIASED, whatever stands at its end: the record cannot be published beside the CNAME."""
    world.resolver.zone("example.net")
    world.resolver.put(record.name, "CNAME", "www.example.net")
    for rtype, value in at_end:
        world.resolver.put("www.example.net", rtype, value)
    verdict, refined = _investigate(world, record)
    words = explain(record, verdict.finding, verdict.observations)

    assert (verdict.finding, refined) == (Finding.ALIASED, None)
    assert f"{record.name} is an alias of www.example.net, beside which no {record.rtype.name} can stand" in (
        words.explanation
    )
    assert "remove the CNAME, if nothing else needs it, and publish" in words.fix


def test_the_right_record_at_the_end_of_an_alias_is_right(world: World) -> None:
    """An MX is looked up through aliases (RFC 5321 §5.1), and so is everything else."""
    world.resolver.zone("example.net")
    world.resolver.put(MX.name, "CNAME", "www.example.net")
    world.resolver.put("www.example.net", "MX", MX.value)

    assert _investigate(world, MX)[0].finding is Finding.OK


@pytest.mark.parametrize("record", [CNAME, MX], ids=["CNAME", "MX"])
def test_a_name_below_a_dname(world: World, record: ExpectedRecord) -> None:
    """Nothing can be published there (RFC 6672 §2.3): ALIASED, with where everything is redirected."""
    world.resolver.put(DOMAIN, "DNAME", "other.example.net")
    verdict, refined = _investigate(world, record)

    assert refined is not None
    words = explain(record, refined.finding, verdict.observations, refined.detail)
    parent = record.name.partition(".")[2].removesuffix(DOMAIN)
    assert (refined.finding, refined.detail.dname) == (Finding.ALIASED, f"{parent}other.example.net")
    assert "no record can stand (RFC 6672 §2.3)" in words.explanation
    assert "remove the DNAME, if nothing else needs it" in words.fix


def test_servers_that_have_the_first_of_two_links_have_the_record(world: World) -> None:
    """Where the chain leads on is seen through the resolvers; here they still hold that there is nothing."""
    world.resolver.zone("example.net")
    world.resolver.put(CNAME.name, "CNAME", "hop.example.net")
    world.resolver.put("hop.example.net", "CNAME", TARGET)
    world.resolver.lie(CNAME.name, "CNAME", None)

    assert _finding(world, CNAME) is Finding.NOT_YET_VISIBLE


def _below(record: ExpectedRecord) -> ExpectedRecord:
    """The record as it is wanted for a subdomain."""
    also = tuple(f"news.{name}" for name in record.also)
    return replace(record, name=record.name.replace(DOMAIN, f"news.{DOMAIN}"), also=also)


@pytest.mark.parametrize(
    ("record", "place"),
    [
        (CNAME, CNAME.name),
        (CNAME, f"tok._domainkey.news.news.{DOMAIN}"),
        (MX, MX.name),
        (SPF, SPF.name),
        (TXT, TXT.name),
        (TXT, DOMAIN),
    ],
)
def test_a_record_one_level_off(world: World, record: ExpectedRecord, place: str) -> None:
    """WRONG_LEVEL says where it stands, and how its name is entered in the panel of the zone."""
    wanted = _below(record)
    world.resolver.put(place, record.rtype.name, record.value)
    verdict, refined = _investigate(world, wanted, domain=f"news.{DOMAIN}")

    assert refined is not None
    words = explain(wanted, refined.finding, verdict.observations, refined.detail)
    assert (refined.finding, refined.detail.place) == (Finding.WRONG_LEVEL, place)
    assert f"A record with this value stands at {place};" in words.explanation
    assert words.fix.endswith(f"{DOMAIN} wants the name as {wanted.name.removesuffix(f'.{DOMAIN}')}")


def test_a_level_that_a_wildcard_answers_for_is_none(world: World) -> None:
    """The MX that the wildcard of the organisation has was not published for this name."""
    world.resolver.put(f"*.{DOMAIN}", "MX", MX.value)
    world.resolver.put(f"news.{DOMAIN}", "A", "192.0.2.7")
    _, refined = _investigate(world, _below(MX), domain=f"news.{DOMAIN}")

    assert refined is None


def test_a_policy_of_the_organisation_is_at_no_wrong_level(world: World) -> None:
    """DMARC is searched there too (RFC 7489 §6.6.3)."""
    dmarc = ExpectedRecord(
        Purpose.DMARC, f"_dmarc.news.{DOMAIN}", RecordType.TXT, "v=DMARC1; p=none;", required=False
    )
    world.resolver.put(f"_dmarc.{DOMAIN}", "TXT", "v=DMARC1; p=reject")
    _, refined = _investigate(world, dmarc, domain=f"news.{DOMAIN}")

    assert refined is None
