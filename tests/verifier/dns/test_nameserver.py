"""The misbehaving name server itself: what every other test takes from it."""

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest
from nameserver import NameServer, Trick, Zone


def ask(server: NameServer, name: str, rtype: str) -> dns.message.Message:
    """One honest exchange by dnspython."""
    return dns.query.udp_with_fallback(
        dns.message.make_query(name, rtype, use_edns=True), server.host, port=server.port, timeout=2
    )[0]


def test_it_answers_like_a_resolver_with_the_authority_behind_it() -> None:
    """Chains are followed, a missing name and a missing type are told apart, both with the zone's SOA."""
    with NameServer() as server:
        server.zone("example.com", minimum=7)
        server.put("a.example.com", "CNAME", "b.example.com")
        server.put("b.example.com", "TXT", "x" * 300)
        server.put("*.wild.example.com", "MX", ["10 mx.example.com", "20 mx2.example.com"])

        chain = ask(server, "A.example.com", "TXT")
        wild = ask(server, "any.wild.example.com", "MX")
        nodata = ask(server, "wild.example.com", "A")
        missing = ask(server, "nope.example.com", "A")

    assert [each.rdtype.name for each in chain.answer] == ["CNAME", "TXT"]
    assert sum(map(len, chain.answer[1][0].strings)) == 300
    assert len(wild.answer[0]) == 2
    assert (nodata.rcode(), missing.rcode()) == (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
    assert nodata.authority[0][0].minimum == missing.authority[0][0].minimum == 7


def test_it_redirects_by_dname_and_denies_compactly() -> None:
    """A DNAME comes with the CNAME it makes; under a trick a missing name is one without records."""
    with NameServer() as server:
        server.zone("example.com")
        server.put("old.example.com", "DNAME", "new.example.com")
        server.put("a.new.example.com", "A", "192.0.2.1")

        below = ask(server, "a.old.example.com", "A")
        server.misbehave(Trick.COMPACT_DENIAL)
        denied = ask(server, "nope.example.com", "A")

    assert [each.rdtype.name for each in below.answer] == ["DNAME", "CNAME", "A"]
    assert below.answer[1][0].to_text() == "a.new.example.com."
    assert (denied.rcode(), len(denied.authority)) == (dns.rcode.NOERROR, 1)


def test_it_can_be_edited_while_it_runs() -> None:
    """Put, replace and remove show in the next answer; the hook can change the zone within a question."""
    with NameServer() as server:
        server.zone("example.com")
        server.put("a.example.com", "A", "192.0.2.1")
        first = ask(server, "a.example.com", "A").answer[0][0].to_text()
        server.put("a.example.com", "A", "192.0.2.2")
        second = ask(server, "a.example.com", "A").answer[0][0].to_text()
        server.on_question = lambda asked: server.remove(asked.name, asked.rtype)
        third = ask(server, "a.example.com", "A")

        assert server.asked("a.example.com", "A") == 3
        assert server.asked(transport="tcp") == 0
    assert (first, second) == ("192.0.2.1", "192.0.2.2")
    assert third.rcode() == dns.rcode.NXDOMAIN


def test_one_of_two_servers_of_a_zone_can_lie() -> None:
    """A lie shows on its server only, and `behave` ends it."""
    data = Zone()
    with NameServer(data) as honest, NameServer(data) as liar:
        data.put("a.example", "A", "192.0.2.1")
        liar.lie("a.example", "A", "192.0.2.66")
        liar.lie("b.example", "A", "192.0.2.67")
        answers = [ask(server, "a.example", "A").answer[0][0].to_text() for server in (honest, liar)]
        invented = ask(liar, "b.example", "A").answer[0][0].to_text()
        liar.lie("a.example", "A", None)
        denied = ask(liar, "a.example", "A")
        liar.behave()
        after = ask(liar, "a.example", "A").answer[0][0].to_text()

    assert answers == ["192.0.2.1", "192.0.2.66"]
    assert invented == "192.0.2.67"
    assert not denied.answer
    assert after == "192.0.2.1"


@pytest.mark.parametrize("rcode", [Trick.SERVFAIL, Trick.REFUSED, Trick.FORMERR, Trick.NOTIMP])
def test_a_trick_ends_after_its_times(rcode: Trick) -> None:
    """A trick applies to its name, type and number of times, then the truth is told again."""
    with NameServer() as server:
        server.put("a.example", "A", "192.0.2.1")
        server.misbehave(rcode, "a.example", "A", times=1)
        other = ask(server, "a.example", "TXT").rcode()
        tricked = ask(server, "a.example", "A").rcode()
        honest = ask(server, "a.example", "A").rcode()

    assert (other, tricked.name, honest) == (dns.rcode.NOERROR, rcode.name, dns.rcode.NOERROR)
