"""Questions and the answers they get, read by dnspython."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsigkeyring
import pytest
from zonedata import (
    KEYLESS,
    KEYS,
    LONG,
    LONG_KEY,
    NAMESERVERS,
    NEVER,
    OLD_ZONE,
    SHORT,
    SHORT_KEY,
    ZONE,
    ask,
    lookup,
    question,
    responder,
)

from indicia.domain.verification.controls import CONTROL_TEXT, control_zone
from indicia.keyzone.lookup import NO_KEY_YET, Found
from indicia.keyzone.responder import NEGATIVE_AGE, POSITIVE_AGE, STALE_AGE, Responder


@pytest.mark.parametrize(
    ("name", "rtype", "rcode", "answers", "negative"),
    [
        (f"{LONG}.{ZONE}", "TXT", "NOERROR", ["TXT"], False),
        (f"{SHORT}.{ZONE}", "TXT", "NOERROR", ["TXT"], False),
        (f"{LONG.upper()}.Dkim.SERVICE.example", "TXT", "NOERROR", ["TXT"], False),
        (f"{LONG}.{OLD_ZONE}", "TXT", "NOERROR", ["TXT"], False),
        (f"{LONG}.{ZONE}", "A", "NOERROR", [], True),
        (f"{LONG}.{ZONE}", "CNAME", "NOERROR", [], True),
        (f"{LONG}.{ZONE}", "TYPE65400", "NOERROR", [], True),
        (f"{LONG}.{ZONE}", "ANY", "NOERROR", ["HINFO"], False),
        (f"{KEYLESS}.{ZONE}", "TXT", "NOERROR", [], True),
        (f"{KEYLESS}.{ZONE}", "ANY", "NOERROR", ["HINFO"], False),
        (f"{NEVER}.{ZONE}", "TXT", "NXDOMAIN", [], True),
        (f"{NEVER}.{ZONE}", "A", "NXDOMAIN", [], True),
        (f"{NEVER}.{ZONE}", "ANY", "NXDOMAIN", [], True),
        (f"{SHORT}.{OLD_ZONE}", "TXT", "NXDOMAIN", [], True),
        (f"www.{ZONE}", "TXT", "NXDOMAIN", [], True),
        (f"{'1' * 32}.{ZONE}", "TXT", "NXDOMAIN", [], True),
        (f"below.{LONG}.{ZONE}", "TXT", "NXDOMAIN", [], True),
        (f"{LONG}.{LONG}.{ZONE}", "TXT", "NXDOMAIN", [], True),
        (f"_domainkey.{ZONE}", "TXT", "NOERROR", [], True),
        (f"control._domainkey.{ZONE}", "TXT", "NOERROR", [], True),
        (f"never-asked.control._domainkey.{ZONE}", "TXT", "NOERROR", ["TXT"], False),
        (f"a.b.Control._DomainKey.{OLD_ZONE}", "TXT", "NOERROR", ["TXT"], False),
        (f"{NEVER}.control._domainkey.{ZONE}", "A", "NOERROR", [], True),
        (f"never-asked.control._domainkey.{ZONE}", "ANY", "NOERROR", ["HINFO"], False),
        (f"x._domainkey.{ZONE}", "TXT", "NXDOMAIN", [], True),
        (f"xcontrol._domainkey.{ZONE}", "TXT", "NXDOMAIN", [], True),
        (f"control.{ZONE}", "TXT", "NXDOMAIN", [], True),
        (ZONE, "SOA", "NOERROR", ["SOA"], False),
        (ZONE, "NS", "NOERROR", ["NS"], False),
        (ZONE, "TXT", "NOERROR", [], True),
        (ZONE, "A", "NOERROR", [], True),
        (ZONE, "ANY", "NOERROR", ["HINFO"], False),
        (ZONE.upper(), "SOA", "NOERROR", ["SOA"], False),
    ],
)
@pytest.mark.parametrize("edns", [None, 1232])
def test_authoritative_answers(
    name: str, rtype: str, rcode: str, answers: list[str], negative: bool, edns: int | None
) -> None:
    """Inside a zone every answer is authoritative: what there is, or a short-lived SOA when there is none."""
    query = question(name, rtype, edns=edns)
    answer = ask(responder(), query)

    asked = dns.message.from_wire(query)
    assert answer.id == asked.id
    assert answer.question == asked.question
    assert answer.question[0].name.to_wire() == asked.question[0].name.to_wire()  # RFC 4343: case is echoed
    assert answer.rcode() == dns.rcode.from_text(rcode)
    assert answer.flags & ~0xF == dns.flags.QR | dns.flags.AA | dns.flags.RD
    assert [dns.rdatatype.to_text(rrset.rdtype) for rrset in answer.answer] == answers
    assert all(rrset.name == asked.question[0].name for rrset in answer.answer)
    assert answer.edns == (-1 if edns is None else 0)
    if not negative:
        assert not answer.authority
        return
    (soa,) = answer.authority
    assert soa.rdtype == dns.rdatatype.SOA
    assert soa.name == dns.name.from_text(OLD_ZONE if name.endswith(OLD_ZONE) else ZONE)
    assert soa.ttl == soa[0].minimum == 60


def test_key_text() -> None:
    """The strings of the TXT are at most 255 octets each and join to `p=` and the key."""
    for token, key in ((LONG, LONG_KEY), (SHORT, SHORT_KEY)):
        (rrset,) = ask(responder(), question(f"{token}.{ZONE}")).answer
        (rdata,) = rrset
        assert all(len(string) <= 255 for string in rdata.strings)
        assert b"".join(rdata.strings).decode() == f"p={key}"
        assert rrset.ttl == 1800


def test_control_names() -> None:
    """Every name below the control zone has the same text, which no resolver holds for long."""
    (rrset,) = ask(responder(), question(f"neverasked.{control_zone(ZONE)}")).answer

    assert [rdata.strings for rdata in rrset] == [(CONTROL_TEXT.encode(),)]
    assert rrset.ttl == 60


def test_apex_records() -> None:
    """The SOA names the first server and the serial; the NS records name every server."""
    server = responder()
    (soa,) = ask(server, question(ZONE, "SOA")).answer[0]
    servers = {
        record.target.to_text(omit_final_dot=True) for record in ask(server, question(ZONE, "NS")).answer[0]
    }

    assert (soa.mname.to_text(), soa.rname.to_text(), soa.serial) == (
        "ns1.service.example.",
        "hostmaster.service.example.",
        7,
    )
    assert servers == set(NAMESERVERS)


@pytest.mark.parametrize(
    ("name", "rtype", "rclass", "rcode"),
    [
        ("service.example", "TXT", "IN", "REFUSED"),
        (".", "NS", "IN", "REFUSED"),
        ("xdkim.service.example", "SOA", "IN", "REFUSED"),
        ("www.google.com", "A", "IN", "REFUSED"),
        ("version.bind", "TXT", "CH", "REFUSED"),
        (f"{LONG}.{ZONE}", "TXT", "CH", "REFUSED"),
        (f"{LONG}.{ZONE}", "TXT", "ANY", "REFUSED"),
        (ZONE, "AXFR", "IN", "REFUSED"),
        (ZONE, "IXFR", "IN", "REFUSED"),
        (ZONE, "MAILB", "IN", "NOTIMP"),
        (ZONE, "TKEY", "IN", "NOTIMP"),
    ],
)
def test_refused(name: str, rtype: str, rclass: str, rcode: str) -> None:
    """What is not ours, not for the internet, or no data is refused, without AA and without records."""
    answer = ask(responder(), question(name, rtype, rclass=rclass))

    assert answer.rcode() == dns.rcode.from_text(rcode)
    assert not answer.flags & dns.flags.AA
    assert not answer.answer + answer.authority


def test_hot_name_in_another_class() -> None:
    """A name that is held in memory is held for the internet class only."""
    server = responder()
    ask(server, question(f"{LONG}.{ZONE}"))

    assert ask(server, question(f"{LONG}.{ZONE}", rclass="CH")).rcode() == dns.rcode.REFUSED


def test_hot_name_of_another_type() -> None:
    """What is held for a name answers other types rightly too: type 97 is not taken for type 65."""
    server = responder()
    for rtype in ("TXT", "TYPE65", "TYPE97", "A", "TXT"):
        answer = ask(server, question(f"{LONG}.{ZONE}", rtype))
        assert len(answer.answer) == (rtype == "TXT")


@pytest.mark.parametrize(
    "opcode", [dns.opcode.IQUERY, dns.opcode.STATUS, dns.opcode.NOTIFY, dns.opcode.UPDATE]
)
def test_other_opcodes(opcode: dns.opcode.Opcode) -> None:
    """Only questions are answered; every other operation is not implemented (RFC 1035 §4.1.1)."""
    query = bytearray(question(ZONE, "SOA"))
    query[2] |= opcode << 3
    answer = responder().respond(bytes(query), 0.0, datagram=True)

    assert isinstance(answer, bytes)
    assert (answer[:2], answer[2] & 0x78, answer[3] & 15) == (query[:2], opcode << 3, dns.rcode.NOTIMP)


def test_answers_get_no_answer() -> None:
    """A message with QR set is dropped: two servers never talk to each other for ever."""
    query = bytearray(question(ZONE, "SOA"))
    query[2] |= 0x80

    assert responder().respond(bytes(query), 0.0, datagram=True) is None
    assert responder().truncated(bytes(query)) is None


@pytest.mark.parametrize(
    "query",
    [
        question(f"{LONG}.{ZONE}", edns=None)[:-1],
        question(f"{LONG}.{ZONE}")[:-1],
        question(f"{LONG}.{ZONE}") + b"\0",
        b"\0\1\0\0\0\0\0\0\0\0\0\0",
        b"\0\1\0\0\0\2\0\0\0\0\0\0" + question(ZONE, edns=None)[12:] * 2,
        b"\0\1\0\0\0\1\0\0\0\0\0\0" + b"\xc0\x0c\0\x10\0\1",
        b"\0\1\0\0\0\1\0\0\0\0\0\0" + b"\x40" + b"a" * 64 + b"\0\0\x10\0\1",
        b"\0\1\0\0\0\1\0\0\0\0\0\0" + (b"\x3f" + b"a" * 63) * 4 + b"\0\0\x10\0\1",
        question(ZONE)[:11] + b"\2" + question(ZONE)[12:] + question(ZONE)[-11:],
    ],
    ids=["short", "short-opt", "trailing", "none", "two", "loop", "label", "name", "two-opts"],
)
def test_malformed(query: bytes) -> None:
    """A message that breaks the standard is told so (RFC 1035 §4.1.1: FORMERR)."""
    answer = responder().respond(query, 0.0, datagram=True)

    assert isinstance(answer, bytes)
    assert dns.message.from_wire(answer).rcode() == dns.rcode.FORMERR


def test_newer_edns() -> None:
    """A later version of EDNS is answered with BADVERS and ours (RFC 6891 §6.1.3)."""
    message = dns.message.make_query(f"{LONG}.{ZONE}", "TXT")
    message.use_edns(1)
    answer = ask(responder(), message.to_wire())

    assert (answer.rcode(), answer.edns, answer.answer) == (dns.rcode.BADVERS, 0, [])


def test_signed_question() -> None:
    """A question signed with a key is not authenticated: we share none with anybody (RFC 8945 §5.2.1)."""
    message = dns.message.make_query(ZONE, "SOA")
    message.use_tsig(dns.tsigkeyring.from_text({"somebody": "c2VjcmV0"}))
    answer = responder().respond(message.to_wire(), 0.0, datagram=True)

    assert isinstance(answer, bytes)
    assert answer[3] & 15 == dns.rcode.NOTAUTH


def test_odd_but_right() -> None:
    """Options, the DO flag and further records change nothing about the answer; DO is copied."""
    message = dns.message.make_query(f"{LONG}.{ZONE}", "TXT")
    message.use_edns(0, dns.flags.DO, 4096, options=[dns.edns.GenericOption(10, b"12345678")])
    with_cookie = ask(responder(), message.to_wire())
    message.authority.append(dns.rrset.from_text(f"{ZONE}.", 0, "IN", "SOA", "a. b. 1 1 1 1 1"))
    with_more = ask(responder(), message.to_wire())

    for answer in (with_cookie, with_more):
        assert answer.answer[0].rdtype == dns.rdatatype.TXT
        assert answer.ednsflags & dns.flags.DO
        assert answer.payload == 1232


def test_flags_of_the_client() -> None:
    """RD is copied, and nothing else of what a client may set comes back (RFC 1035 §4.1.1)."""
    query = bytearray(question(f"{LONG}.{ZONE}", edns=None))
    for flags, expected in ((0x0000, 0x8400), (0x0100, 0x8500), (0x07FF, 0x8500)):
        query[2:4] = flags.to_bytes(2)
        answer = responder().respond(bytes(query), 0.0, datagram=True)
        assert isinstance(answer, bytes)
        assert int.from_bytes(answer[2:4]) == expected


def test_truncation() -> None:
    """An answer without room says so and holds no record (RFC 2181 §9); over TCP it is whole."""
    zone = f"dkim.{'x' * 60}.example"
    server = Responder(lambda _zone, _token: LONG_KEY, NAMESERVERS, lambda: 1)
    server.serve([zone])
    name = f"{LONG}.{zone}"

    for edns, whole in ((None, False), (0, False), (512, False), (530, False), (1232, True), (65535, True)):
        query = question(name, edns=edns)
        answer = server.respond(query, 0.0, datagram=True)
        assert isinstance(answer, bytes)
        assert len(answer) <= min(max(edns or 0, 512), 1232)
        message = dns.message.from_wire(answer)
        assert bool(message.flags & dns.flags.TC) is not whole
        assert bool(message.answer) is whole
        assert ask(server, query, datagram=False).answer


def test_zones_within_each_other() -> None:
    """A question belongs to the deepest zone; a name between two zones exists, and has nothing (RFC 8020)."""
    inner = f"dkim.x.{ZONE}"
    server = Responder(lookup, NAMESERVERS, lambda: 1)
    server.serve([ZONE, inner])

    assert ask(server, question(inner, "SOA")).answer[0].name == dns.name.from_text(inner)
    between = ask(server, question(f"x.{ZONE}"))
    assert (between.rcode(), between.authority[0].name) == (dns.rcode.NOERROR, dns.name.from_text(ZONE))
    assert ask(server, question(f"y.{ZONE}")).rcode() == dns.rcode.NXDOMAIN
    assert ask(server, question(f"y.{inner}")).authority[0].name == dns.name.from_text(inner)


def test_served_zones_change() -> None:
    """A zone that is served from now on is answered for from now on."""
    server = responder()
    assert ask(server, question("dkim.new.example", "SOA")).rcode() == dns.rcode.REFUSED
    server.serve([ZONE, OLD_ZONE, "dkim.new.example."])

    assert ask(server, question("dkim.new.example", "SOA")).rcode() == dns.rcode.NOERROR


@pytest.mark.parametrize(
    ("zones", "nameservers"),
    [
        (["dkim..example"], NAMESERVERS),
        (["x" * 64], NAMESERVERS),
        (["dkim.a.example"], ["ns1.dkim.a.example"]),
    ],
)
def test_impossible_zones(zones: list[str], nameservers: list[str]) -> None:
    """A zone that is no name, or that holds its own name servers, is refused when it is set up."""
    with pytest.raises(ValueError, match=r"domain name|lies inside"):
        Responder(lookup, nameservers, lambda: 1).serve(zones)


def test_held_for_a_while() -> None:
    """The store is asked once while an answer is fresh, and again after; an absence is fresh for less."""
    asked: list[str] = []

    def counting(zone: str, token: str) -> Found:
        asked.append(token)
        return lookup(zone, token)

    server = Responder(counting, NAMESERVERS, lambda: 1)
    server.serve([ZONE])
    for token, age in ((LONG, POSITIVE_AGE), (KEYLESS, NEGATIVE_AGE)):
        asked.clear()
        for now, expected in ((100.0, 1), (100.0 + age - 0.1, 1), (100.0 + age, 2)):
            ask(server, question(f"{token}.{ZONE}"), now)
            assert len(asked) == expected


def test_forget() -> None:
    """A key published in this process is served at once, also where its absence was held."""
    keys = dict(KEYS)
    server = Responder(lambda zone, token: keys.get((zone, token)), NAMESERVERS, lambda: 1)
    server.serve([ZONE])
    asked = question(f"{KEYLESS}.{ZONE}")
    assert not ask(server, asked).answer
    keys[ZONE, KEYLESS] = SHORT_KEY
    server.forget(ZONE, KEYLESS)
    assert ask(server, asked).answer
    keys[ZONE, KEYLESS] = NO_KEY_YET
    server.forget(ZONE, KEYLESS)

    assert not ask(server, asked).answer


def test_unknown_names_are_not_held() -> None:
    """Names that do not exist, of which there is no end, take no memory and push nothing out."""
    server = responder()
    ask(server, question(f"{LONG}.{ZONE}"))
    held = server.hot.octets
    for number in range(500):
        token = f"{number:032d}".translate(str.maketrans("0189", "efgh"))
        assert ask(server, question(f"{token}.{ZONE}")).rcode() == dns.rcode.NXDOMAIN

    assert (len(server.hot), server.hot.octets) == (1, held)


def test_store_fails() -> None:
    """While the store is away, what it said last is served, for an hour; else SERVFAIL, never a denial."""
    working = True

    def failing(zone: str, token: str) -> Found:
        if not working:
            raise OSError("the store is away")
        return lookup(zone, token)

    server = Responder(failing, NAMESERVERS, lambda: 1)
    server.serve([ZONE])
    ask(server, question(f"{LONG}.{ZONE}"), 10.0)
    working = False

    assert ask(server, question(f"{LONG}.{ZONE}"), 10.0 + POSITIVE_AGE + STALE_AGE - 1).answer
    assert (
        ask(server, question(f"{LONG}.{ZONE}"), 10.0 + POSITIVE_AGE + STALE_AGE).rcode() == dns.rcode.SERVFAIL
    )
    assert ask(server, question(f"{SHORT}.{ZONE}"), 11.0).rcode() == dns.rcode.SERVFAIL
    assert ask(server, question(ZONE, "SOA"), 11.0).answer


async def _promised(answer: object) -> dns.message.Message:
    assert isinstance(answer, Awaitable)
    return dns.message.from_wire(await answer)


def test_asynchronous_store() -> None:
    """With a store that is waited for, many who ask at once cause one lookup and all get the answer."""

    async def scenario() -> None:
        asked: list[str] = []
        ready = asyncio.Event()

        async def waiting(zone: str, token: str) -> Found:
            asked.append(token)
            await ready.wait()
            return lookup(zone, token)

        server = Responder(waiting, NAMESERVERS, lambda: 1)
        server.serve([ZONE])
        promised = [server.respond(question(f"{LONG}.{ZONE}"), 0.0, datagram=True) for _ in range(10)]
        promised.append(server.respond(question(f"{NEVER}.{ZONE}"), 0.0, datagram=True))
        promised.append(server.respond(question(f"{LONG}.{ZONE}", "A"), 0.0, datagram=True))
        ready.set()
        *right, never, other = [await _promised(answer) for answer in promised]
        assert all(answer.answer for answer in right)
        assert (never.rcode(), other.rcode(), other.answer) == (dns.rcode.NXDOMAIN, dns.rcode.NOERROR, [])
        assert asked == [LONG, NEVER]
        assert isinstance(server.respond(question(f"{LONG}.{ZONE}"), 1.0, datagram=True), bytes)

    asyncio.run(scenario())


def test_forget_during_a_lookup() -> None:
    """An answer that was read before a key was published is not held after it."""

    async def scenario() -> None:
        key: Found = NO_KEY_YET
        gates: list[asyncio.Event] = []

        async def waiting(_zone: str, _token: str) -> Found:
            seen = key
            gates.append(asyncio.Event())
            await gates[-1].wait()
            return seen

        server = Responder(waiting, NAMESERVERS, lambda: 1)
        server.serve([ZONE])
        asked = question(f"{LONG}.{ZONE}")
        early = asyncio.ensure_future(_promised(server.respond(asked, 0.0, datagram=True)))
        while not gates:
            await asyncio.sleep(0)
        key = LONG_KEY
        server.forget(ZONE, LONG)
        late = asyncio.ensure_future(_promised(server.respond(asked, 0.0, datagram=True)))
        while len(gates) < 2:
            await asyncio.sleep(0)
        gates[1].set()
        assert (await late).answer
        gates[0].set()
        assert not (await early).answer
        assert ask(server, asked, 0.5).answer

    asyncio.run(scenario())


def test_asynchronous_store_fails() -> None:
    """A lookup that fails is SERVFAIL for who waits, and is tried again for the next."""

    async def scenario() -> None:
        working = False

        async def failing(zone: str, token: str) -> Found:
            if not working:
                raise OSError("the store is away")
            return lookup(zone, token)

        server = Responder(failing, NAMESERVERS, lambda: 1)
        server.serve([ZONE])
        asked = question(f"{LONG}.{ZONE}")
        assert (await _promised(server.respond(asked, 0.0, datagram=True))).rcode() == dns.rcode.SERVFAIL
        working = True
        assert (await _promised(server.respond(asked, 0.0, datagram=True))).answer

    asyncio.run(scenario())
