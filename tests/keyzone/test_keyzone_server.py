"""The key zone on real sockets, UDP and TCP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import pytest
import uvloop
from zonedata import KEYLESS, LONG, NAMESERVERS, NEVER, OLD_ZONE, SHORT, ZONE, lookup, question

from indicia.connections.admission import ConnectionAdmission
from indicia.connections.limits import Room
from indicia.keyzone.lookup import Found
from indicia.keyzone.server import KeyZone

Scenario = Callable[[KeyZone, str, int], Awaitable[None]]
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


async def slow_lookup(zone: str, token: str) -> Found:
    """The store's part where it is another machine: the answer comes a turn of the loop later."""
    await asyncio.sleep(0)
    return lookup(zone, token)


def run(scenario: Scenario, host: str = "127.0.0.1", loop: object = None, **settings: object) -> KeyZone:
    """Run the scenario against a key zone on a free port."""
    zone = KeyZone(**{  # type: ignore[arg-type]
        "lookup": lookup, "zones": lambda: [ZONE, OLD_ZONE], "nameservers": NAMESERVERS, "rate_limit": None,
        **settings,
    })  # fmt: skip

    async def whole() -> None:
        ((bound_host, port),) = await zone.start([(host, 0)])
        assert bound_host == host
        try:
            await scenario(zone, host, port)
        finally:
            await zone.stop()

    with asyncio.Runner(loop_factory=loop) as runner:  # type: ignore[arg-type]
        runner.run(asyncio.wait_for(whole(), 30))
    return zone


async def _connect(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(host, port)


def _framed(query: bytes) -> bytes:
    return len(query).to_bytes(2) + query


async def _read(reader: asyncio.StreamReader) -> dns.message.Message:
    length = int.from_bytes(await reader.readexactly(2))
    return dns.message.from_wire(await reader.readexactly(length))


@pytest.mark.parametrize("loop", LOOPS, ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("asked", [lookup, slow_lookup], ids=["inline", "awaited"])
def test_udp_and_tcp(asked: object, host: str, loop: object) -> None:
    """A question gets the same answer over UDP and TCP on one port, on either loop and kind of store."""

    async def scenario(_zone: KeyZone, host: str, port: int) -> None:
        for name, rtype in ((f"{LONG}.{ZONE}", "TXT"), (f"{NEVER}.{ZONE}", "TXT"), (ZONE, "SOA")):
            message = dns.message.make_query(name, rtype, use_edns=True)
            over_udp = await dns.asyncquery.udp(message, host, port=port, timeout=5)
            over_tcp = await dns.asyncquery.tcp(message, host, port=port, timeout=5)
            assert over_udp == over_tcp
            assert over_udp.answer == over_tcp.answer
            assert over_udp.rcode() == (dns.rcode.NXDOMAIN if NEVER in name else dns.rcode.NOERROR)

    zone = run(scenario, host, loop, lookup=asked)
    assert (zone.tally.udp, zone.tally.tcp) == (3, 3)
    assert zone.tally.rcodes[dns.rcode.NXDOMAIN] >= 1


def test_many_datagrams_at_once() -> None:
    """More questions than are taken in one turn are all answered."""

    async def scenario(_zone: KeyZone, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.connect((host, port))
            query = question(f"{LONG}.{ZONE}")
            for number in range(200):
                client.send(number.to_bytes(2) + query[2:])
            ids = [int.from_bytes((await loop.sock_recv(client, 2000))[:2]) for _ in range(200)]
        assert sorted(ids) == list(range(200))

    run(scenario)


def test_rate_limited_client_comes_back_over_tcp() -> None:
    """Past its rate a client gets nothing or an empty truncated answer, and TCP serves it still."""

    async def scenario(zone: KeyZone, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        query = question(f"{LONG}.{ZONE}")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.connect((host, port))
            for _ in range(50):
                client.send(query)
            answers = []
            while zone.tally.udp < 50 or len(answers) < 50 - zone.tally.dropped:
                answers.append(await loop.sock_recv(client, 2000))
        short = [answer for answer in answers if answer[2] & 2]
        assert 2 <= len(answers) - len(short) <= 10
        assert len(short) == zone.tally.slipped >= 15
        assert all(len(answer) <= len(query) for answer in short)
        over_tcp = await dns.asyncquery.tcp(dns.message.from_wire(query), host, port=port, timeout=5)
        assert over_tcp.answer

    run(scenario, rate_limit=1)


@pytest.mark.parametrize("loop", LOOPS, ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("asked", [lookup, slow_lookup], ids=["inline", "awaited"])
def test_pipelined_questions(asked: object, loop: object) -> None:
    """Five hundred questions in one write, and an end of file, get five hundred answers and then the end."""

    async def scenario(_zone: KeyZone, host: str, port: int) -> None:
        reader, writer = await _connect(host, port)
        names = [f"{token}.{ZONE}" for token in (LONG, SHORT, KEYLESS, NEVER, "www")]
        queries = [number.to_bytes(2) + question(names[number % 5])[2:] for number in range(500)]
        writer.write(b"".join(map(_framed, queries)))
        writer.write_eof()
        answers = {answer.id: answer for answer in [await _read(reader) for _ in range(500)]}
        assert len(answers) == 500
        assert all(bool(answers[number].answer) == (number % 5 < 2) for number in range(500))
        assert await reader.read() == b""
        writer.close()

    run(scenario, loop=loop, lookup=asked)


def test_question_in_pieces() -> None:
    """A question that arrives octet by octet is one question."""

    async def scenario(_zone: KeyZone, host: str, port: int) -> None:
        reader, writer = await _connect(host, port)
        for octet in _framed(question(f"{LONG}.{ZONE}")):
            writer.write(bytes((octet,)))
            await writer.drain()
        assert (await _read(reader)).answer
        writer.close()

    run(scenario)


def test_client_that_does_not_read() -> None:
    """A client that asks without end and reads nothing is read from no more, and then ended."""

    async def scenario(zone: KeyZone, host: str, port: int) -> None:
        _reader, writer = await _connect(host, port)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        batch = _framed(question(f"{LONG}.{ZONE}")) * 2000

        async def ask_without_end() -> None:
            while True:
                writer.write(batch)
                await writer.drain()

        with pytest.raises(ConnectionError):
            await ask_without_end()
        assert zone.tally.tcp < 400_000
        writer.close()

    run(scenario, tcp_idle=0.5)


@pytest.mark.parametrize(
    "sent",
    [b"", b"\0", _framed(question(ZONE))[:-1], b"\xff\xff", b"\0\0", b"\0\x0c" + b"\0\0\x80" + b"\0" * 9],
    ids=["nothing", "half-length", "half-question", "huge", "empty", "an-answer"],
)
def test_connection_that_asks_nothing(sent: bytes) -> None:
    """A connection without a whole question, or with something that is none, is closed without an answer."""

    async def scenario(_zone: KeyZone, host: str, port: int) -> None:
        reader, writer = await _connect(host, port)
        writer.write(sent)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            received = await reader.read()
        assert received == b""
        writer.close()

    run(scenario, tcp_idle=0.2)


def test_old_connection() -> None:
    """A connection is closed after its lifetime, however busy it is; every answer it was given is whole."""

    async def scenario(_zone: KeyZone, host: str, port: int) -> None:
        reader, writer = await _connect(host, port)
        answers = []

        async def ask_without_end() -> None:
            while True:
                writer.write(_framed(question(ZONE, "SOA")))
                answers.append(await _read(reader))

        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await ask_without_end()
        assert len(answers) > 1
        writer.close()

    run(scenario, tcp_lifetime=0.3)


async def _soa(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dns.message.Message:
    writer.write(_framed(question(ZONE, "SOA")))
    return await _read(reader)


def test_an_idle_connection_makes_room() -> None:
    """Of more connections than one client may have the longest idle ends; the others keep working."""

    async def scenario(_zone: KeyZone, host: str, port: int) -> None:
        open_ones = [await _connect(host, port) for _ in range(3)]
        for reader, writer in open_ones:
            assert (await _soa(reader, writer)).answer
        fresh = await _connect(host, port)
        assert (await _soa(*fresh)).answer
        reader, writer = open_ones.pop(0)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        for reader, writer in (*open_ones, fresh):
            assert (await _soa(reader, writer)).answer
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()

    run(scenario, connections=ConnectionAdmission(Room(1024, 3)))


def test_a_connection_that_waits_for_an_answer_stays() -> None:
    """Who is being answered makes room for nobody: the next one is closed, and served when there is room."""

    async def scenario() -> None:
        asked, answered = asyncio.Event(), asyncio.Event()

        async def slow(zone: str, token: str) -> Found:
            asked.set()
            await answered.wait()
            return lookup(zone, token)

        admission = ConnectionAdmission(Room(1024, 1))
        zone = KeyZone(lookup=slow, zones=lambda: [ZONE], nameservers=NAMESERVERS, connections=admission)
        ((host, port),) = await zone.start([("127.0.0.1", 0)])
        reader, writer = await _connect(host, port)
        writer.write(_framed(question(f"{LONG}.{ZONE}")))
        await asked.wait()
        refused, further = await _connect(host, port)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await _soa(refused, further)
        further.close()
        answered.set()
        assert (await _read(reader)).answer
        writer.close()
        assert (admission.refused_client, admission.evicted) == (1, 0)
        await zone.stop()
        assert len(admission) == 0

    asyncio.run(scenario())


def test_many_connections_at_once() -> None:
    """A hundred clients over TCP at the same moment are all served."""

    async def one(host: str, port: int, number: int) -> bool:
        message = dns.message.make_query(f"{(LONG, SHORT)[number % 2]}.{ZONE}", "TXT")
        return bool((await dns.asyncquery.tcp(message, host, port=port, timeout=20)).answer)

    async def scenario(_zone: KeyZone, host: str, port: int) -> None:
        assert all(await asyncio.gather(*(one(host, port, number) for number in range(100))))

    run(scenario, connections=ConnectionAdmission(Room(1024, 200)))


def test_stop_with_questions_under_way() -> None:
    """Stopping gives up what the store was asked and leaves no task and no open port behind."""

    async def scenario() -> None:
        asked = asyncio.Event()

        async def never(_zone: str, _token: str) -> Found:
            asked.set()
            await asyncio.Event().wait()
            return None

        zone = KeyZone(lookup=never, zones=lambda: [ZONE], nameservers=NAMESERVERS)
        ((host, port),) = await zone.start([("127.0.0.1", 0)])
        _reader, writer = await _connect(host, port)
        writer.write(_framed(question(f"{LONG}.{ZONE}")))
        await asked.wait()
        await zone.stop()
        writer.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        with pytest.raises(ConnectionError):
            await _connect(host, port)
        await zone.stop()

    asyncio.run(scenario())


def test_address_in_use() -> None:
    """An address that is taken stops the start with the system's reason, and nothing stays bound."""

    async def scenario() -> None:
        first = KeyZone(lookup=lookup, zones=lambda: [ZONE], nameservers=NAMESERVERS)
        ((host, port),) = await first.start([("127.0.0.1", 0)])
        second = KeyZone(lookup=lookup, zones=lambda: [ZONE], nameservers=NAMESERVERS)
        with pytest.raises(OSError, match="Address already in use"):
            await second.start([("127.0.0.1", 0), (host, port)])
        await first.stop()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())
