"""The playground answers as a resolver would that reaches every domain."""

from __future__ import annotations

import asyncio

import dns.asyncquery
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from indicia.domain.faults import Fault
from indicia.sandbox.faces import Face
from indicia.sandbox.playground import Playground
from indicia.sandbox.server import PlaygroundServer

KEY = "p=" + "A" * 392


def _playground() -> Playground:
    keys = {"tok.dkim.indicia.test": KEY, "bare.dkim.indicia.test": ""}
    return Playground(lambda name: ".".join(name.split(".")[-2:]), keys.get)


def _ask(playground: Playground, name: str, rtype: str) -> dns.message.Message:
    return playground.answer(dns.message.make_query(name, rtype))


@pytest.mark.parametrize(
    ("name", "rtype", "rcode", "answers"),
    [
        ("www.example.com", "A", dns.rcode.NOERROR, 1),
        ("WWW.Example.COM", "A", dns.rcode.NOERROR, 1),
        ("www.example.com", "TXT", dns.rcode.NOERROR, 0),
        ("nothing.example.com", "A", dns.rcode.NXDOMAIN, 0),
        ("b.example.com", "A", dns.rcode.NOERROR, 0),  # an empty non-terminal
        ("example.com", "SOA", dns.rcode.NOERROR, 1),
        ("never.example", "SOA", dns.rcode.NOERROR, 1),
        ("alias.example.com", "A", dns.rcode.NOERROR, 2),
        ("alias.example.com", "CNAME", dns.rcode.NOERROR, 1),
        ("tok._domainkey.example.com", "TXT", dns.rcode.NOERROR, 2),
        ("bare.dkim.indicia.test", "TXT", dns.rcode.NOERROR, 0),
        ("loop.example.com", "A", dns.rcode.SERVFAIL, 9),
        (".", "NS", dns.rcode.NOERROR, 1),  # the verifier controls a resolver by it
    ],
)
def test_what_it_answers(name: str, rtype: str, rcode: int, answers: int) -> None:
    """Answers, aliases, keys, absences and loops come as RFC 1034 and RFC 2308 have them."""
    playground = _playground()
    playground.put("www.example.com", "A", ["192.0.2.1"])
    playground.put("a.b.example.com", "A", ["192.0.2.1"])
    playground.put("alias.example.com", "CNAME", ["www.example.com"])
    playground.put("loop.example.com", "CNAME", ["loop.example.com"])
    playground.put("tok._domainkey.example.com", "CNAME", ["tok.dkim.indicia.test"])

    response = _ask(playground, name, rtype)

    assert (rcode, answers) == (response.rcode(), sum(len(rrset) for rrset in response.answer))
    if not answers:
        assert [dns.rdatatype.SOA] == [rrset.rdtype for rrset in response.authority]


@pytest.mark.parametrize(
    ("name", "rtype", "rcode", "answers"),
    [
        ("anything.example.com", "A", dns.rcode.NOERROR, 1),
        ("any.thing.example.com", "A", dns.rcode.NOERROR, 1),  # the closest encloser is the apex
        ("anything.example.com", "TXT", dns.rcode.NOERROR, 0),
        ("*.example.com", "A", dns.rcode.NOERROR, 1),  # asked for itself
        ("www.example.com", "A", dns.rcode.NOERROR, 0),  # it is there, with another type
        ("below.www.example.com", "A", dns.rcode.NXDOMAIN, 0),  # its closest encloser is another
        ("b.example.com", "A", dns.rcode.NOERROR, 0),  # an empty non-terminal is there
        ("any.b.example.com", "A", dns.rcode.NXDOMAIN, 0),
        ("any.empty.example.com", "A", dns.rcode.NOERROR, 0),  # the wildcard is an empty non-terminal
        ("any.alias.example.com", "TXT", dns.rcode.NOERROR, 2),  # a CNAME of its own, and where it leads
        ("anything.example.net", "A", dns.rcode.NXDOMAIN, 0),  # another zone
    ],
)
def test_wildcards_answer_for_what_is_not_there(name: str, rtype: str, rcode: int, answers: int) -> None:
    """As RFC 4592 has it, and in the name that was asked for."""
    playground = _playground()
    playground.put("*.example.com", "A", ["192.0.2.1"])
    playground.put("www.example.com", "TXT", ["text"])
    playground.put("a.b.example.com", "MX", ["10 mx.example.net"])
    playground.put("sub.*.empty.example.com", "A", ["192.0.2.1"])
    playground.put("*.alias.example.com", "CNAME", ["www.example.com"])

    response = _ask(playground, name, rtype)

    assert (rcode, answers) == (response.rcode(), sum(len(rrset) for rrset in response.answer))
    if answers:
        assert f"{name}." == response.answer[0].name.to_text()


def test_a_wildcard_goes_with_its_record() -> None:
    """Withdrawn, or shown by another server alone, it covers nothing."""
    playground = _playground()
    playground.put("*.example.com", "A", ["192.0.2.1"], shown_by=["ns1"])
    hidden = _ask(playground, "any.example.com", "A").rcode()
    playground.put("*.example.com", "A", ["192.0.2.1"])
    shown = _ask(playground, "any.example.com", "A").rcode()
    playground.remove("*.example.com")

    assert (dns.rcode.NXDOMAIN, dns.rcode.NOERROR) == (hidden, shown)
    assert dns.rcode.NXDOMAIN == _ask(playground, "any.example.com", "A").rcode()


def test_a_dname_redirects_what_is_below_it() -> None:
    """The DNAME, the CNAME it makes, and what is at its end; not at its own name (RFC 6672 §2, §3)."""
    playground = _playground()
    playground.put("_domainkey.example.com", "DNAME", ["dkim.indicia.test"])
    playground.put("_domainkey.example.com", "TXT", ["beside"])
    playground.put("hidden._domainkey.example.com", "TXT", ["hidden"])
    key = _ask(playground, "tok._domainkey.example.com", "TXT")
    query = dns.message.make_query("tok._domainkey.example.com", "CNAME")
    alias = playground.answer(query, Face.NS1)  # a resolver looks on, even for this type

    assert ["DNAME", "CNAME", "TXT"] == [rrset.rdtype.name for rrset in key.answer]
    assert "tok.dkim.indicia.test." == key.answer[1][0].to_text()
    assert ["DNAME", "CNAME"] == [rrset.rdtype.name for rrset in alias.answer]
    assert ["TXT"] == [
        rrset.rdtype.name for rrset in _ask(playground, "_domainkey.example.com", "TXT").answer
    ]
    hidden = _ask(playground, "hidden._domainkey.example.com", "TXT")
    assert (dns.rcode.NXDOMAIN, 2) == (hidden.rcode(), len(hidden.answer))


def test_a_name_that_a_dname_makes_too_long_is_said_so() -> None:
    """YXDOMAIN, with the DNAME (RFC 6672 §2.2)."""
    playground = _playground()
    playground.put("example.com", "DNAME", [".".join(["x" * 60] * 4)])
    response = _ask(playground, "y" * 20 + ".example.com", "A")

    assert dns.rcode.YXDOMAIN == response.rcode()
    assert ["DNAME"] == [rrset.rdtype.name for rrset in response.answer]


@pytest.mark.parametrize("rtype", ["NS", "DNAME"])
def test_what_a_wildcard_cannot_be_is_refused(rtype: str) -> None:
    """Servers do not agree on what it would mean (RFC 4592 §4.2, §4.4)."""
    with pytest.raises(Fault, match="no meaning that servers agree on"):
        _playground().put("*.example.com", rtype, ["ns.example.net"])


def test_a_text_comes_back_as_it_was_put() -> None:
    """Quotes, backslashes, semicolons and 400 characters survive as one TXT record."""
    playground, text = _playground(), 'v=DKIM1; p="\\' + "x" * 400

    playground.put("t.example.com", "TXT", [text])

    (rrset,) = _ask(playground, "t.example.com", "TXT").answer
    assert text.encode() == b"".join(rrset[0].strings)
    assert [("t.example.com", "TXT", 60, [text])] == list(playground.records())


def test_what_is_withdrawn_is_gone_with_its_empty_parents() -> None:
    """After a withdrawal the name and the names that only led to it no longer exist."""
    playground = _playground()
    playground.put("a.b.example.com", "A", ["192.0.2.1"])

    playground.remove_under("a.b.example.com")

    assert dns.rcode.NXDOMAIN == _ask(playground, "b.example.com", "A").rcode()


@pytest.mark.parametrize(("rtype", "value"), [("A", "no address"), ("NONSENSE", "x"), ("MX", "mail")])
def test_what_the_dns_cannot_hold_is_refused(rtype: str, value: str) -> None:
    """A record that does not exist in the DNS is refused, naming what was wrong."""
    with pytest.raises(Fault, match="not a record"):
        _playground().put("example.com", rtype, [value])


def test_it_answers_on_the_wire_over_udp_and_tcp() -> None:
    """A long answer is truncated over UDP and whole over TCP; garbage ends nothing."""

    async def ask() -> tuple[bool, int]:
        playground = _playground()
        playground.put("many.example.com", "TXT", [f"{number:03d}" + "x" * 200 for number in range(20)])
        server = PlaygroundServer(playground)
        host, port = await server.start("127.0.0.1")
        query = dns.message.make_query("many.example.com", "TXT")
        _answer, over_tcp = await dns.asyncquery.udp_with_fallback(query, host, port=port, timeout=5)
        whole = await dns.asyncquery.tcp(query, host, port=port, timeout=5)
        await server.stop()
        assert server.respond(b"garbage", 512) is None
        return over_tcp, len(whole.answer[0])

    assert (True, 20) == asyncio.run(ask())
