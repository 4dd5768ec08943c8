"""Several perspectives side by side, and the zone around a name."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from nameserver import NameServer, Trick, Zone

from indicia.domain.records.observation import Question, RecordType, Reply, Soa, soa_around
from indicia.verifier.dns.client import Budget
from indicia.verifier.dns.perspectives import Perspective, Perspectives, system_resolvers

T = TypeVar("T")
QUICK = Budget(exchange=0.15, tries=2, question=1.0)
PATIENT = Budget(exchange=600, tries=2, question=1800)
A = Question("a.example.com", RecordType.A)


def look(
    work: Callable[[Perspectives], Awaitable[T]],
    *servers: NameServer,
    trusted: tuple[str, ...] = (),
    budget: Budget = QUICK,
) -> T:
    """Run with one perspective a server, named p0, p1 and so on."""

    async def run() -> T:
        eyes = [
            Perspective(f"p{at}", (server.address,), f"p{at}" in trusted) for at, server in enumerate(servers)
        ]
        async with Perspectives(eyes, clock=lambda: 7, budget=budget) as perspectives:
            return await asyncio.wait_for(work(perspectives), 20)

    return asyncio.run(run())


def test_every_perspective_says_what_it_sees() -> None:
    """One liar and one that is down show as what they are, beside the one that tells the truth."""
    data = Zone()
    data.put(A.name, "A", "192.0.2.1")
    with NameServer(data) as honest, NameServer(data) as liar, NameServer(data) as down:
        liar.lie(A.name, "A", "192.0.2.66")
        down.misbehave(Trick.REFUSED)
        other = Question("b.example.com", RecordType.TXT)

        seen = look(lambda eyes: eyes.observe([A, other, A]), honest, liar, down)

    assert list(seen) == [A, other]
    assert [each.perspective for each in seen[A]] == ["p0", "p1", "p2"]
    assert [each.values for each in seen[A]] == [("192.0.2.1",), ("192.0.2.66",), ()]
    assert [each.reply for each in seen[A]] == [Reply.ANSWER, Reply.ANSWER, Reply.OUR_RESOLVER]
    assert [each.reply for each in seen[other]] == [Reply.NXDOMAIN, Reply.NXDOMAIN, Reply.OUR_RESOLVER]


def test_each_question_is_asked_once_a_perspective() -> None:
    """Asking for the same thing twice costs one exchange."""
    with NameServer() as server:
        look(lambda eyes: eyes.observe([A, A, A]), server)

        assert server.asked() == 1


def test_perspectives_are_asked_side_by_side() -> None:
    """A silent one does not make the others wait: all were asked before any has answered or was given up."""
    data = Zone()
    with NameServer(data) as one, NameServer(data) as two, NameServer(data) as three:
        servers = (one, two, three)
        for server in servers:
            server.misbehave(Trick.SILENT, A.name)

        async def until_all_are_asked(eyes: Perspectives) -> bool:
            asking = asyncio.create_task(eyes.observe([A]))
            while not all(server.asked(A.name) for server in servers):
                await asyncio.sleep(0.002)
            waits = not asking.done()
            asking.cancel()
            return waits

        assert look(until_all_are_asked, *servers, budget=PATIENT)


def test_nothing_asked_is_nothing_seen() -> None:
    """No questions, no observations."""
    with NameServer() as server:
        assert look(lambda eyes: eyes.observe([]), server) == {}


def test_perspectives_have_names_of_their_own() -> None:
    """Two of one name, or none at all, are a wrong setting."""
    twice = [Perspective("x", (("127.0.0.1", 53),))] * 2
    for wrong in ([], twice):
        with pytest.raises(ValueError, match="perspectives need different names"):
            Perspectives(wrong, clock=lambda: 0)


@pytest.mark.parametrize(
    ("name", "questions"),
    [("example.com", 1), ("missing.example.com", 1), ("a.b.c.example.com", 1), ("alias.example.com", 2)],
)
def test_the_zone_is_found_without_a_walk_where_possible(name: str, questions: int) -> None:
    """The apex answers, an empty answer carries the SOA; only an alias makes us ask its parent."""
    with NameServer() as server:
        server.zone("example.com", serial=42, minimum=9)
        server.zone("elsewhere.test")
        server.put("alias.example.com", "CNAME", "www.elsewhere.test")

        (soa,) = look(lambda eyes: eyes.enclosing_zone(name), server)

        assert soa == Soa("example.com", "ns1.example.com", "hostmaster.example.com", 42, 9)
        assert server.asked() == questions


def test_the_zone_cut_counts_not_the_domain() -> None:
    """A delegated child is a zone of its own."""
    with NameServer() as server:
        server.zone("example.com")
        server.zone("mail.example.com", serial=3)

        (soa,) = look(lambda eyes: eyes.enclosing_zone("bounce.mail.example.com"), server)

    assert soa is not None
    assert (soa.zone, soa.serial) == ("mail.example.com", 3)


def test_a_zone_that_cannot_be_seen_is_none_and_nobody_walks_past_it() -> None:
    """SERVFAIL at the name tells nothing, and its parent is not taken for its zone."""
    with NameServer() as healthy, NameServer(healthy.data) as failing:
        healthy.zone("example.com")
        failing.misbehave(Trick.SERVFAIL, "a.example.com")

        seen = look(lambda eyes: eyes.enclosing_zone("a.example.com"), healthy, failing)

        assert [soa and soa.zone for soa in seen] == ["example.com", None]
        assert failing.asked("example.com", "SOA") == 0


def test_an_observation_of_any_type_can_show_the_zone() -> None:
    """A negative answer to a question that was asked anyway saves the one for the SOA."""
    with NameServer() as server:
        server.zone("example.com")
        server.put("c.example.com", "CNAME", "x.example.net")
        missing, alias = Question("x.example.com", RecordType.TXT), Question("c.example.com", RecordType.TXT)

        seen = look(lambda eyes: eyes.observe([missing, alias]), server)

    zone = soa_around("x.example.com", seen[missing][0])
    assert zone is not None
    assert zone.zone == "example.com"
    assert soa_around("c.example.com", seen[alias][0]) is None


@pytest.mark.parametrize(
    ("text", "resolvers"),
    [
        ("nameserver 192.0.2.1\nnameserver 2001:db8::1 # x\n", [("192.0.2.1", 53), ("2001:db8::1", 53)]),
        ("#nameserver 192.0.2.9\nsearch x\nnameserver\nnameserver fe80::1%eth0\n", [("127.0.0.1", 53)]),
        ("nameserver 192.0.2.1\n" * 3 + "nameserver 192.0.2.4", [("192.0.2.1", 53)] * 3),
    ],
)
def test_the_systems_resolvers(tmp_path: Path, text: str, resolvers: list[tuple[str, int]]) -> None:
    """As resolv.conf(5) says: three at most, the local one without any."""
    path = tmp_path / "resolv.conf"
    path.write_text(text)

    assert system_resolvers(path) == Perspective("system", tuple(resolvers))
    assert system_resolvers(tmp_path / "missing").resolvers == (("127.0.0.1", 53),)
