"""The playground answers as a resolver would that reaches every domain."""

from __future__ import annotations

import asyncio

import dns.asyncquery
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from indicia.domain.faults import Fault
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
        (".", "NS", dns.rcode.NOERROR, 0),  # the control question of the verifier
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
