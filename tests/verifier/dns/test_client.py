"""The DNS client against real servers that misbehave."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import dns.message
import dns.rcode
import pytest
import uvloop
from nameserver import Asked, NameServer, Trick

from indicia.domain.records.observation import Observation, Question, RecordType, Reply
from indicia.verifier.dns.client import Budget, Client, Sockets
from indicia.verifier.dns.resolver import CONTROL, Tally

T = TypeVar("T")
NAME = "a-name-of-many-letters.example.com"  # so many that its case is no chance
TXT = Question(NAME, RecordType.TXT)
QUICK = Budget(exchange=0.15, tries=3, question=2.0, control=0.5)
PATIENT = Budget(exchange=5.0, tries=1, question=10.0)
NOW = 1_700_000_000_000


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A server with one TXT record."""
    with NameServer() as running:
        running.zone("example.com", minimum=7)
        running.put(NAME, "TXT", "hello", ttl=30)
        yield running


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Run to the end, but not for ever."""

    async def limited() -> T:
        return await asyncio.wait_for(work(), 30)

    return asyncio.run(limited())


def client_of(
    *servers: NameServer,
    budget: Budget = QUICK,
    trusted: bool = False,
    recursive: bool = True,
    control: Question | None = CONTROL,
    sockets: Sockets | None = None,
) -> Client:
    """A client of these servers."""
    return Client(
        [server.address for server in servers],
        "here",
        clock=lambda: NOW,
        trusted=trusted,
        recursive=recursive,
        control=control,
        budget=budget,
        sockets=sockets,
    )


def look(*servers: NameServer, question: Question = TXT, budget: Budget = QUICK) -> Observation:
    """One question, one client."""

    async def work() -> Observation:
        async with client_of(*servers, budget=budget) as client:
            return await client.ask(question)

    return run(work)


async def until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds."""
    while not condition():
        await asyncio.sleep(0.002)


def test_an_answer_is_told_whole(server: NameServer) -> None:
    """An observation names question, perspective, server and time, and holds values, strings, TTL."""
    server.put(NAME, "TXT", '"one" "two"', ttl=30)

    seen = look(server)

    assert (seen.question, seen.perspective, seen.at) == (TXT, "here", NOW)
    assert (seen.reply, seen.values, seen.strings) == (Reply.ANSWER, ("onetwo",), (("one", "two"),))
    assert (seen.ttl, seen.negative_ttl, seen.chain) == (30, None, ())
    assert seen.server == f"127.0.0.1:{server.port}"
    assert 0 < seen.latency_ms < 1000


def test_a_chain_is_followed_but_not_for_a_cname_question(server: NameServer) -> None:
    """TXT is read at the end of the chain, with the smallest TTL; a CNAME question ends at the CNAME."""
    server.put("c.example.com", "CNAME", "d.example.com", ttl=9)
    server.put("d.example.com", "CNAME", NAME, ttl=50)

    followed = look(server, question=Question("c.example.com", RecordType.TXT))
    alias = look(server, question=Question("c.example.com", RecordType.CNAME))

    assert (followed.values, followed.chain, followed.ttl) == (("hello",), ("d.example.com", NAME), 9)
    assert (alias.values, alias.chain, alias.ttl) == (("d.example.com",), (), 9)


@pytest.mark.parametrize(("name", "reply"), [(NAME, Reply.NODATA), ("nothing.example.com", Reply.NXDOMAIN)])
def test_a_negative_answer_says_how_long_it_is_kept(server: NameServer, name: str, reply: Reply) -> None:
    """No such type and no such name are different replies, with the SOA and its RFC 2308 lifetime."""
    seen = look(server, question=Question(name, RecordType.MX))

    assert (seen.reply, seen.values, seen.negative_ttl) == (reply, (), 7)
    assert seen.soa is not None
    assert (seen.soa.zone, seen.soa.serial) == ("example.com", 1)


def test_a_name_that_the_dns_cannot_hold_is_an_observation(server: NameServer) -> None:
    """A label of 64 octets is never sent, and says nothing about any zone."""
    seen = look(server, question=Question("x" * 64 + ".example.com", RecordType.A))

    assert seen.reply is Reply.FORMERR
    assert server.asked() == 0


REPLIES = {
    Trick.SERVFAIL: Reply.SERVFAIL,
    Trick.REFUSED: Reply.REFUSED,
    Trick.FORMERR: Reply.FORMERR,
    Trick.NOTIMP: Reply.NOTIMP,
    Trick.BOGUS: Reply.BOGUS,
    Trick.NO_AUTHORITY: Reply.NO_AUTHORITY,
    Trick.STALE: Reply.NO_AUTHORITY,
    Trick.SILENT: Reply.TIMEOUT,
    Trick.UDP_SILENT: Reply.TIMEOUT,
    Trick.SLOW: Reply.TIMEOUT,
    Trick.TRUNCATED: Reply.ANSWER,
    Trick.TRUNCATED_ALWAYS: Reply.TRUNCATED,
    Trick.TCP_CLOSED: Reply.TRUNCATED,
    Trick.TCP_CUT: Reply.TRUNCATED,
    Trick.WRONG_ID: Reply.TIMEOUT,
    Trick.WRONG_QUESTION: Reply.TIMEOUT,
    Trick.FORGED_FIRST: Reply.ANSWER,
    Trick.FORGED_CASE: Reply.ANSWER,
    Trick.FORGED_REFUSAL: Reply.ANSWER,
    Trick.GUESSED: Reply.ANSWER,
    Trick.GARBAGE: Reply.GARBAGE,
    Trick.LOOP: Reply.GARBAGE,
    Trick.LONG_CHAIN: Reply.GARBAGE,
    Trick.HUGE: Reply.GARBAGE,
    Trick.NO_EDNS: Reply.ANSWER,
    Trick.LOWER_CASE: Reply.ANSWER,
    Trick.DUPLICATE: Reply.ANSWER,
    Trick.REFERRAL: Reply.REFUSED,
    Trick.NOT_AUTHORITATIVE: Reply.ANSWER,
    Trick.COMPACT_DENIAL: Reply.ANSWER,
    Trick.DENIED: Reply.NXDOMAIN,
    Trick.EMPTY: Reply.NODATA,
    Trick.ANYTHING: Reply.ANSWER,
    Trick.WRONG_SOA: Reply.GARBAGE,
}


@pytest.mark.parametrize("trick", Trick)
def test_every_misbehaviour_has_its_reply(server: NameServer, trick: Trick) -> None:
    """Each trick ends in the reply that says what is known; without an answer there are no values."""
    server.misbehave(trick, NAME, delay=3.0)

    # Time enough to make five hundred records on a loaded machine, and more than a slow answer is late.
    seen = look(server, budget=Budget(exchange=0.5, tries=2, question=4.0))

    assert seen.reply is REPLIES[trick]
    told = "made up" if trick is Trick.ANYTHING else "hello"
    assert seen.values == ((told,) if seen.reply is Reply.ANSWER else ())


def test_extended_errors_are_kept(server: NameServer) -> None:
    """The codes and texts of RFC 8914 are part of the observation."""
    server.misbehave(Trick.BOGUS, NAME)

    assert look(server).extended == ((6, "as asked"),)


def test_a_truncated_answer_is_fetched_over_tcp(server: NameServer) -> None:
    """A set that does not fit a datagram is read whole."""
    server.put(NAME, "TXT", [f"{count:03}" + "x" * 200 for count in range(20)])

    seen = look(server)

    assert len(seen.values) == 20
    assert server.asked(NAME, "TXT", "tcp") == 1


def test_edns_is_left_out_where_it_was_refused(server: NameServer) -> None:
    """FORMERR to EDNS is followed by the same question without, and the resolver's habit is remembered."""
    server.misbehave(Trick.NO_EDNS)

    async def work() -> list[Observation]:
        async with client_of(server) as client:
            return [await client.ask(TXT), await client.ask(TXT)]

    first, second = run(work)

    assert first.reply is second.reply is Reply.ANSWER
    assert [asked.edns for asked in server.questions] == [True, False, False]


LONG = Question("abcdefghijklmnopqrstuvwxyz.example.com", RecordType.A)


def mixed(asked: Asked) -> bool:
    """Whether the question came in a case of its own, which a long one does."""
    return asked.raw_name.rstrip(".") != asked.name


def test_an_answer_in_the_wrong_case_is_asked_for_again_over_tcp(server: NameServer) -> None:
    """A resolver that folds the case is believed over TCP alone, until eight answers running agreed."""

    async def work() -> list[Reply]:
        async with client_of(server) as client:
            await client.ask(LONG)
            server.misbehave(Trick.LOWER_CASE)
            return [(await client.ask(LONG)).reply for _ in range(10)]

    replies = run(work)

    asked = server.questions
    assert set(replies) == {Reply.NXDOMAIN}
    assert [each.transport for each in asked] == ["udp", *["udp", "tcp"] * 8, "udp", "udp"]
    assert [mixed(each) for each in asked if each.transport == "udp"] == [True] * 9 + [False] * 2


def test_one_answer_in_the_right_case_begins_the_count_anew(server: NameServer) -> None:
    """What folds the case never keeps it: a forger who is sometimes first teaches nothing."""

    async def work() -> list[bool]:
        async with client_of(server) as client:
            for _ in range(3):
                server.misbehave(Trick.LOWER_CASE, times=2 * 7)  # each over UDP, then over TCP
                for _ in range(8):
                    await client.ask(LONG)
            return [mixed(each) for each in server.questions if each.transport == "udp"]

    assert run(work) == [True] * 24


def test_a_forged_answer_in_the_wrong_case_is_never_taken(server: NameServer) -> None:
    """Whoever guesses id and port of twenty questions has none of his answers believed, and blinds nobody."""
    server.put(LONG.name, "A", "192.0.2.1")
    server.misbehave(Trick.FORGED_CASE)

    async def work() -> tuple[list[Observation], Tally]:
        async with client_of(server) as client:
            seen = [await client.ask(each) for each in [LONG, TXT] * 10]
            return seen, client.resolvers[0].tally

    seen, tally = run(work)

    assert {each.values for each in seen} == {("192.0.2.1",), ("hello",)}
    assert all(mixed(each) for each in server.questions if each.transport == "udp")
    assert (tally.unproved, tally.forged) == (20, 20)


def test_a_refusal_without_the_question_is_no_answer(server: NameServer) -> None:
    """FORMERR with nothing but our id neither ends a question nor teaches that the resolver has no EDNS."""
    server.misbehave(Trick.FORGED_REFUSAL, times=1)

    async def work() -> list[Observation]:
        async with client_of(server) as client:
            return [await client.ask(TXT) for _ in range(2)]

    first, second = run(work)

    assert first.values == second.values == ("hello",)
    assert [(each.transport, each.edns) for each in server.questions] == [
        ("udp", True),
        ("tcp", True),
        ("udp", True),
    ]


def test_a_socket_on_which_somebody_guesses_is_given_up(server: NameServer) -> None:
    """Two hundred ids that were never asked: what waits there goes over TCP, and the next from elsewhere."""
    server.misbehave(Trick.GUESSED, NAME, times=1)

    async def work() -> tuple[Observation, Observation, Tally, int]:
        async with client_of(server, sockets=Sockets(count=1)) as client:
            guessed, after = await client.ask(TXT), await client.ask(TXT)
            ports = client.ports[client.resolvers[0]]
            return guessed, after, ports.tally, ports.made

    guessed, after, tally, made = run(work)

    assert guessed.values == after.values == ("hello",)
    assert [each.transport for each in server.questions] == ["udp", "tcp", "udp"]
    assert (tally.floods, made) == (1, 2)


def test_late_answers_are_no_attack(server: NameServer) -> None:
    """A resolver that answers a hundred questions too late loses no socket: all of these ids were ours."""
    many = [Question(f"n{count}.example.com", RecordType.A) for count in range(100)]
    server.misbehave(Trick.SLOW, rtype="A", delay=0.3)

    async def work() -> tuple[int, int]:
        budget = Budget(exchange=0.1, tries=1, question=1)
        async with client_of(server, budget=budget, sockets=Sockets(count=1)) as client:
            await client.ask_many(many)
            # While something is asked it is listened to.
            tally = client.resolvers[0].tally
            while tally.strays < 100:
                await client.ask(TXT)
            return tally.floods, client.ports[client.resolvers[0]].made

    assert run(work) == (0, 1)


def test_a_resolver_that_is_slower_than_one_try_is_heard(server: NameServer) -> None:
    """The answer to the first try comes while the second or third is waited for, and is the answer."""
    server.misbehave(Trick.SLOW, NAME, delay=0.25)

    async def work() -> tuple[Observation, Tally, int]:
        budget = Budget(exchange=0.1, tries=4, question=5.0, control=0.5)
        async with client_of(server, budget=budget) as client:
            seen = await client.ask(TXT)
            ports = client.ports[client.resolvers[0]]
            return seen, ports.tally, sum(len(port.pending) for port in ports.open)

    seen, tally, pending = run(work)

    assert (seen.reply, seen.values) == (Reply.ANSWER, ("hello",))
    assert tally.answered == 1
    assert pending == 0


def test_a_slow_resolver_that_fails_in_the_end_keeps_no_question() -> None:
    """All the time there is, it is listened to; when it says that it fails, the question is over."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as place:
        place.bind(("127.0.0.1", 0))

        async def late() -> Observation:
            loop = asyncio.get_running_loop()
            place.setblocking(False)
            budget = Budget(exchange=0.05, tries=1, question=600.0)
            async with Client(
                [place.getsockname()], "here", clock=lambda: NOW, budget=budget, control=None
            ) as client:
                client.resolvers[0].was_slow(loop.time())
                asking = asyncio.create_task(client.ask(TXT))
                wire, peer = await loop.sock_recvfrom(place, 4096)
                await until(lambda: client.resolvers[0].tally.expired == 1)
                response = dns.message.make_response(dns.message.from_wire(wire), recursion_available=True)
                response.set_rcode(dns.rcode.SERVFAIL)
                await loop.sock_sendto(place, response.to_wire(), peer)
                return await asking

        assert run(late).reply is Reply.TIMEOUT


def test_connections_are_few_however_many_answers_are_cut(server: NameServer) -> None:
    """Of fifty truncated answers three are fetched at once, and the others wait for a connection."""
    server.misbehave(Trick.TRUNCATED, rtype="A")
    server.misbehave(Trick.SILENT, when=lambda asked: asked.transport == "tcp")
    many = [Question(f"n{count}.example.com", RecordType.A) for count in range(50)]

    async def work() -> int:
        async with client_of(server, budget=Budget(exchange=20, tries=1, question=25, tcp=3)) as client:
            asking = asyncio.create_task(client.ask_many(many))
            await until(lambda: server.asked(rtype="A", transport="udp") == 50)
            await until(lambda: server.asked(transport="tcp") == 3)
            for _ in range(20):
                await client.ask(TXT)
            asking.cancel()
            return server.asked(transport="tcp")

    assert run(work) == 3


def test_the_header_asks_for_what_we_understand(server: NameServer) -> None:
    """RD and AD are set, CD is not; EDNS offers 1232 octets without DO."""
    look(server)

    wire = server.questions[0].wire
    assert wire[2:4] == b"\x01\x20"
    assert wire[-11:] == b"\0\0\x29\x04\xd0\0\0\0\0\0\0"


def test_forgeries_duplicates_and_late_answers_are_counted_and_ignored(server: NameServer) -> None:
    """What is not the answer is a stray: the right one is waited for, and the second copy changes nothing."""
    server.misbehave(Trick.FORGED_FIRST, NAME)
    late = Question("late.example.com", RecordType.A)
    server.misbehave(Trick.SLOW, late.name, delay=0.2)

    async def work() -> tuple[Observation, Observation, int]:
        async with client_of(server, budget=Budget(exchange=0.1, tries=1, question=1)) as client:
            seen = await client.ask(TXT)
            missed = await client.ask(late)
            strays = client.resolvers[0].tally
            await client.ask(Question("next.example.com", RecordType.A))
            await until(lambda: strays.strays >= 5)
            return seen, missed, client.in_flight

    seen, missed, in_flight = run(work)

    assert seen.values == ("hello",)
    assert missed.reply is Reply.TIMEOUT
    assert in_flight == 0


@pytest.mark.parametrize("trick", [Trick.SILENT, Trick.REFUSED, Trick.SERVFAIL, Trick.NO_AUTHORITY])
def test_a_resolver_that_fails_at_everything_is_our_trouble(server: NameServer, trick: Trick) -> None:
    """When the control question fails too, the reply says nothing about the zone."""
    server.misbehave(trick)

    assert look(server).reply is Reply.OUR_RESOLVER
    assert server.asked(".", "NS") > 0


@pytest.mark.timeout(30)
def test_a_port_where_nobody_listens_is_our_trouble_at_once() -> None:
    """An ICMP refusal is heard: whoever took it for a silence would wait for ten minutes here."""
    with NameServer() as gone:
        pass

    seen = look(gone, budget=Budget(exchange=600, question=1800))

    assert seen.reply is Reply.OUR_RESOLVER


@pytest.mark.parametrize("loop", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_resolver_that_was_gone_is_heard_when_it_is_back(loop: Callable[..., None]) -> None:
    """An ICMP refusal makes no socket deaf: every question after the restart of the resolver is answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as place:
        place.bind(("127.0.0.1", 0))
        address = place.getsockname()

    def answer(resolver: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                wire, peer = resolver.recvfrom(4096)
                response = dns.message.make_response(dns.message.from_wire(wire), recursion_available=True)
                resolver.sendto(response.to_wire(), peer)

    async def story() -> None:
        budget = Budget(exchange=5.0, tries=1, question=10.0)
        async with Client([address], "here", clock=lambda: NOW, budget=budget) as client:
            gone = await client.ask_many([TXT] * 40)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
                resolver.bind(address)
                answering = threading.Thread(target=answer, args=(resolver,), daemon=True)
                answering.start()
                back = await client.ask_many([TXT] * 40)

        assert {each.reply for each in gone} == {Reply.OUR_RESOLVER}
        assert {each.reply for each in back} == {Reply.NODATA}

    loop(story())


def test_one_control_question_serves_all_and_is_believed_for_a_while(server: NameServer) -> None:
    """A hundred refusals at once ask for the root once; later ones ask again when the belief has ended."""
    server.misbehave(Trick.REFUSED)
    many = [Question(f"n{count}.example.com", RecordType.A) for count in range(100)]
    budget = Budget(exchange=5.0, tries=1, question=10.0, control=3.0)

    async def work() -> tuple[set[Reply], int, int]:
        async with client_of(server, budget=budget) as client:
            replies = {seen.reply for seen in await client.ask_many(many)}
            first = server.asked(".", "NS")
            await until(lambda: client.now() - client.resolvers[0].control_at > budget.control)
            await client.ask_many(many)
            return replies, first, server.asked(".", "NS")

    replies, first, second = run(work)

    assert replies == {Reply.OUR_RESOLVER}
    assert (first, second) == (1, 2)


def test_an_answer_to_somebody_else_is_as_good_as_a_control_question(server: NameServer) -> None:
    """A resolver that answers other questions meanwhile is well, and is not asked for the root."""
    server.misbehave(Trick.SILENT, NAME)

    async def work() -> Observation:
        async with client_of(server) as client:
            silent = asyncio.create_task(client.ask(TXT))
            while not silent.done():
                await client.ask(Question("other.example.com", RecordType.A))
            return await silent

    assert run(work).reply is Reply.TIMEOUT
    assert server.asked(".", "NS") == 0


def test_without_a_control_question_every_reply_is_the_zones(server: NameServer) -> None:
    """A client for a zone's own servers blames nobody else."""
    server.misbehave(Trick.REFUSED)

    async def work() -> Observation:
        async with client_of(server, control=None) as client:
            return await client.ask(TXT)

    assert run(work).reply is Reply.REFUSED


def test_a_zones_own_server_has_to_be_authoritative(server: NameServer) -> None:
    """Without recursion RD is not set, and an answer without AA does not count."""

    async def work() -> tuple[Observation, Observation]:
        async with client_of(server, recursive=False, control=None) as client:
            seen = await client.ask(TXT)
            server.misbehave(Trick.NOT_AUTHORITATIVE)
            return seen, await client.ask(TXT)

    authoritative, lame = run(work)

    assert not server.questions[0].recursion
    assert (authoritative.reply, lame.reply) == (Reply.ANSWER, Reply.REFUSED)


def test_the_ad_flag_counts_on_a_trusted_path(server: NameServer) -> None:
    """A resolver on loopback is believed; the flag is not invented."""
    plain = look(server)
    server.secure = True
    secure = look(server)

    assert (plain.secure, secure.secure) == (False, True)


def test_the_ad_flag_of_an_untrusted_resolver_does_not_count() -> None:
    """Off loopback the operator has to say that the path is trusted."""

    async def work() -> list[bool]:
        address = ("192.0.2.1", 53)
        untrusted = Client([address], "far", clock=lambda: NOW)
        trusted = Client([address], "far", clock=lambda: NOW, trusted=True)
        return [untrusted.resolvers[0].trusted, trusted.resolvers[0].trusted]

    assert run(work) == [False, True]


@pytest.mark.parametrize("trick", [Trick.SILENT, Trick.REFUSED, Trick.SERVFAIL, Trick.GARBAGE])
def test_another_resolver_answers_where_one_fails(server: NameServer, trick: Trick) -> None:
    """Tries go to different resolvers: whichever is asked first, the question is answered."""
    with NameServer(server.data) as broken:
        broken.misbehave(trick)

        async def work() -> list[Observation]:
            async with client_of(broken, server) as client:
                return [await client.ask(TXT) for _ in range(4)]

        seen = run(work)

    assert {each.values for each in seen} == {("hello",)}
    assert {each.server for each in seen} == {f"127.0.0.1:{server.port}"}


def test_a_silent_resolver_is_asked_last(server: NameServer) -> None:
    """After one silence the others come first, so that only one question waits."""
    with NameServer(server.data) as silent:
        silent.misbehave(Trick.SILENT)

        async def work() -> None:
            async with client_of(silent, server) as client:
                for _ in range(10):
                    await client.ask(TXT)

        run(work)

        assert silent.asked(NAME) == 1


def test_bogus_is_final(server: NameServer) -> None:
    """A resolver that does not validate is not asked to overrule one that does."""
    with NameServer(server.data) as validating:
        validating.misbehave(Trick.BOGUS)

        async def work() -> list[Observation]:
            async with client_of(validating, server) as client:
                return [await client.ask(TXT) for _ in range(2)]

        replies = {each.server: each.reply for each in run(work)}

    assert replies == {
        f"127.0.0.1:{validating.port}": Reply.BOGUS,
        f"127.0.0.1:{server.port}": Reply.ANSWER,
    }


def test_a_lost_datagram_is_sent_again(server: NameServer) -> None:
    """One silence of the only resolver is not the end of the question."""
    server.misbehave(Trick.SILENT, NAME, times=2)

    assert look(server).values == ("hello",)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_thousands_in_flight_get_their_own_answers(
    server: NameServer, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Three thousand questions side by side on either loop: each observation is that of its question."""
    many = [Question(f"n{count}.example.com", RecordType.TXT) for count in range(3000)]
    for count in range(0, 3000, 2):
        server.put(f"n{count}.example.com", "TXT", str(count))

    async def work() -> list[Observation]:
        async with client_of(server, budget=Budget(exchange=20, question=25)) as client:
            return await client.ask_many(many)

    with asyncio.Runner(loop_factory=loop) as runner:
        seen = runner.run(work())

    assert [each.question for each in seen] == many
    assert all(each.values == ((str(count),) if count % 2 == 0 else ()) for count, each in enumerate(seen))


def test_ids_do_not_collide(server: NameServer) -> None:
    """On one socket two questions in flight never share an id, and more than the ids wait their turn."""
    server.misbehave(Trick.SILENT)

    async def work() -> tuple[int, int]:
        budget = Budget(exchange=20, question=25, at_once=5000)
        client = client_of(server, budget=budget, sockets=Sockets(count=1, uses=100_000))
        asking = asyncio.create_task(
            client.ask_many([Question(f"n{count}.example", RecordType.A) for count in range(6000)])
        )
        await until(lambda: len(server.questions) == 5000)
        in_flight = client.in_flight
        await client.close()
        await asking
        return in_flight, len({asked.wire[:2] for asked in server.questions})

    assert run(work) == (5000, 5000)


def test_sockets_are_many_and_replaced(server: NameServer) -> None:
    """Questions leave from many ports, and a port is given up after its uses; nothing stays open."""

    async def work() -> int:
        async with client_of(server, sockets=Sockets(count=4, uses=10)) as client:
            for _ in range(20):
                await client.ask_many([TXT] * 10)
            return client.ports[client.resolvers[0]].made

    made = run(work)

    assert made >= 15


def test_a_client_that_waits_for_an_answer_can_be_cancelled(server: NameServer) -> None:
    """Cancelling the caller drops its questions at once, and the client goes on for others."""
    server.misbehave(Trick.SILENT, NAME)

    async def work() -> tuple[int, Observation]:
        async with client_of(server, budget=PATIENT) as client:
            asking = asyncio.create_task(client.ask_many([TXT] * 10))
            await until(lambda: server.asked(NAME) == 10)
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking
            left = client.in_flight
            return left, await client.ask(Question("other.example.com", RecordType.A))

    left, after = run(work)

    assert left == 0
    assert after.reply is Reply.NXDOMAIN


def test_cancelling_also_stops_tcp(server: NameServer) -> None:
    """A question that is being asked over TCP is dropped like any other."""
    server.misbehave(Trick.TRUNCATED, NAME, when=lambda asked: asked.transport == "udp")
    server.misbehave(Trick.SILENT, NAME, when=lambda asked: asked.transport == "tcp")

    async def work() -> int:
        before = len(asyncio.all_tasks())
        async with client_of(server, budget=PATIENT) as client:
            asking = asyncio.create_task(client.ask(TXT))
            await until(lambda: server.asked(NAME, "TXT", "tcp") == 1)
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking
            await until(lambda: len(asyncio.all_tasks()) == before)
            return client.in_flight

    assert run(work) == 0


def test_closing_ends_what_is_in_flight(server: NameServer) -> None:
    """A closed client leaves nobody waiting: what was not answered is our own trouble."""
    server.misbehave(Trick.SILENT, NAME)

    async def work() -> Observation:
        client = client_of(server, budget=PATIENT)
        asking = asyncio.create_task(client.ask(TXT))
        await until(lambda: server.asked(NAME) == 1)
        await client.close()
        with pytest.raises(RuntimeError, match="closed"):
            await client.ask(TXT)
        return await asking

    assert run(work).reply is Reply.OUR_RESOLVER


def test_a_question_ends_within_its_budget(server: NameServer) -> None:
    """However many tries are left, the question's own time is the end: it has room for three of them."""
    server.misbehave(Trick.SILENT)

    look(server, budget=Budget(exchange=0.2, tries=50, question=0.5))

    assert 1 <= server.asked(NAME) <= 3


def test_a_resolver_is_named_by_its_address() -> None:
    """A host name as resolver, or no resolver at all, is a wrong setting."""
    with pytest.raises(ValueError, match="resolver"):
        Client([], "nowhere", clock=lambda: NOW)
    with pytest.raises(ValueError, match="dns"):
        Client([("dns.example", 53)], "named", clock=lambda: NOW)
