"""The key zone on the network: UDP and TCP on the event loop.

UDP does without a datagram protocol: the loop says that a socket is readable, and up to 64 questions are
taken and answered before it is asked again. That was measured at three quarters of NSD's rate, a protocol at
under two thirds.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from indicia.connections.admission import AdmittedConnection, ConnectionAdmission
from indicia.connections.limits import open_files, plan
from indicia.connections.listener import Listener
from indicia.keyzone.lookup import Lookup
from indicia.keyzone.rate import RateLimit, RateVerdict
from indicia.keyzone.responder import Responder
from indicia.keyzone.tcp import IDLE, LIFETIME, DnsConnection
from indicia.keyzone.zone import KEY_TTL

_DRAIN: Final = 64
_MAX_DATAGRAM: Final = 4096
_RECEIVE_BUFFER: Final = 1 << 20
_MAX_WAITING: Final = 1024
_ZONES_EVERY: Final = 30.0
_PORT_TRIES: Final = 16
_BACKLOG: Final = 256

# Past 1,000 answers a second to one /24 a client is told to use TCP. A large resolver farm stays below it
# (with a TTL of half an hour it asks for a key twice an hour), and a forged address gets under 600 kB/s.
DEFAULT_RATE: Final = 1000

log = structlog.get_logger(__name__)


def minute_serial() -> int:
    """Return a serial that grows by the minute and is the same on every server: the zone changes any time."""
    return int(time.time()) // 60 * 60


@dataclass(slots=True)
class ResponderTally:
    """What came in and what went out, for metrics. `rcodes` is indexed by the code of the answer."""

    udp: int = 0
    tcp: int = 0
    slipped: int = 0
    dropped: int = 0
    rcodes: list[int] = field(default_factory=lambda: [0] * 16)


class KeyZone:
    """The authoritative server for the key zones.

    `zones` returns every zone ever used; it is asked again every 30 seconds, in a thread. `rate_limit` is in
    answers a second to one network; None is no limit. `connections` says who may connect over TCP, and
    `exhausted` is called when the process has no files for another one.
    """

    def __init__(
        self,
        *,
        lookup: Lookup,
        zones: Callable[[], Sequence[str]],
        nameservers: Sequence[str],
        serial: Callable[[], int] = minute_serial,
        rate_limit: int | None = DEFAULT_RATE,
        key_ttl: int = KEY_TTL,
        hot_octets: int = 64 << 20,
        connections: ConnectionAdmission | None = None,
        exhausted: Callable[[], None] = lambda: None,
        tcp_idle: float = IDLE,
        tcp_lifetime: float = LIFETIME,
        reuse_port: bool = False,
    ) -> None:
        self.tally = ResponderTally()
        self._responder = Responder(lookup, nameservers, serial, key_ttl=key_ttl, hot_octets=hot_octets)
        self._zones = zones
        self._limit = RateLimit(rate_limit) if rate_limit else None
        self._connections = (
            connections if connections is not None else ConnectionAdmission(plan(open_files()).dns)
        )
        self._exhausted = exhausted
        self._open: set[DnsConnection] = set()
        self._idle = tcp_idle
        self._lifetime = tcp_lifetime
        self._reuse_port = reuse_port
        self._datagrams: list[socket.socket] = []
        self._listeners: list[Listener] = []
        self._waiting: set[asyncio.Task[bytes]] = set()
        self._renewing: asyncio.Task[None] | None = None

    @property
    def responder(self) -> Responder:
        """What makes the answers."""
        return self._responder

    async def start(self, addresses: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
        """Serve on every address, UDP and TCP on the same port; return the addresses with their real ports.

        Raises OSError when an address cannot be bound, ValueError when a zone or name server is not one. The
        server is stopped then.
        """
        self._loop = asyncio.get_running_loop()
        self._responder.serve(await asyncio.to_thread(self._zones))
        bound: list[tuple[str, int]] = []
        try:
            for host, port in addresses:
                bound.append(await self._listen(host, port))
        except BaseException:
            await self.stop()
            raise
        self._renewing = self._loop.create_task(self._renew())
        return bound

    async def stop(self) -> None:
        """Serve no more. Open connections are ended, questions under way are given up."""
        for datagrams in self._datagrams:
            self._loop.remove_reader(datagrams)
            datagrams.close()
        self._datagrams.clear()
        for listener in self._listeners:
            listener.close()
        for connection in tuple(self._open):
            connection.abort()
        for listener in self._listeners:
            await listener.wait_closed()
        self._listeners.clear()
        ending: list[asyncio.Task[bytes] | asyncio.Task[None]] = [*self._waiting]
        if self._renewing is not None:
            ending.append(self._renewing)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        await self._responder.close()
        self._renewing = None

    def forget(self, zone: str, token: str) -> None:
        """Answer from the store the next time this token is asked for. Call it on the event loop's thread."""
        self._responder.forget(zone, token)

    async def _listen(self, host: str, port: int) -> tuple[str, int]:
        found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        stream, datagrams = _bind(family, address, reuse_port=self._reuse_port)
        self._datagrams.append(datagrams)
        self._loop.add_reader(datagrams, self._drain, datagrams)
        listener = Listener("dns", stream, self._connections, self._connection, exhausted=self._exhausted)
        listener.start(_BACKLOG)
        self._listeners.append(listener)
        return host, stream.getsockname()[1]

    def _connection(self, place: AdmittedConnection) -> DnsConnection:
        return DnsConnection(self._respond, place, self._open, idle=self._idle, lifetime=self._lifetime)

    def _respond(self, query: bytes) -> bytes | Coroutine[None, None, bytes] | None:
        self.tally.tcp += 1
        answer = self._responder.respond(query, self._loop.time(), datagram=False)
        if isinstance(answer, bytes):
            self.tally.rcodes[answer[3] & 15] += 1
        return answer

    def _drain(self, datagrams: socket.socket) -> None:
        """Answer the questions that wait, at most 64 so that others on the loop have their turn."""
        now = self._loop.time()
        receive, send = datagrams.recvfrom, datagrams.sendto
        respond, limit, tally = self._responder.respond, self._limit, self.tally
        for _ in range(_DRAIN):
            try:
                query, client = receive(_MAX_DATAGRAM)
            except OSError:  # nothing waits any more
                return
            tally.udp += 1
            if limit is not None:
                verdict = limit.verdict(client[0], now)
                if verdict is not RateVerdict.ANSWER:
                    self._hold_back(datagrams, query, client, verdict)
                    continue
            answer = respond(query, now, datagram=True)
            if isinstance(answer, bytes):
                tally.rcodes[answer[3] & 15] += 1
                try:
                    send(answer, client)
                except OSError:  # no room, no route, no port: a datagram may be lost
                    tally.dropped += 1
            elif answer is None or not self._answer_later(datagrams, answer, client):
                tally.dropped += 1

    def _hold_back(
        self, datagrams: socket.socket, query: bytes, client: tuple[str, int], verdict: RateVerdict
    ) -> None:
        short = self._responder.truncated(query) if verdict is RateVerdict.SLIP else None
        if short is None:
            self.tally.dropped += 1
        else:
            self.tally.slipped += 1
            _send(datagrams, short, client)

    def _answer_later(
        self, datagrams: socket.socket, answer: Coroutine[None, None, bytes], client: tuple[str, int]
    ) -> bool:
        """Send an answer when the store has spoken. False when too many wait for it already."""
        if len(self._waiting) >= _MAX_WAITING:
            answer.close()
            return False

        def send(task: asyncio.Task[bytes]) -> None:
            self._waiting.discard(task)
            if not task.cancelled():
                self.tally.rcodes[task.result()[3] & 15] += 1
                _send(datagrams, task.result(), client)

        task = self._loop.create_task(answer)
        self._waiting.add(task)
        task.add_done_callback(send)
        return True

    async def _renew(self) -> None:
        """Follow the list of zones: another process may have begun to use a new one."""
        while True:
            await asyncio.sleep(_ZONES_EVERY)
            try:
                self._responder.serve(await asyncio.to_thread(self._zones))
            except Exception as error:  # noqa: BLE001 - what is served stays served; the next try is near
                log.warning("keyzone.zones_not_renewed", error=type(error).__name__)


def _send(datagrams: socket.socket, answer: bytes, client: tuple[str, int]) -> None:
    try:
        datagrams.sendto(answer, client)
    except OSError:
        return  # a datagram may be lost


def _bind(
    family: int, address: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes], *, reuse_port: bool
) -> tuple[socket.socket, socket.socket]:
    """Return a listening stream socket and a datagram socket on the same port."""
    tries = _PORT_TRIES if address[1] == 0 else 1
    while True:
        tries -= 1
        stream = _socket(family, socket.SOCK_STREAM, reuse_port=reuse_port)
        datagrams = _socket(family, socket.SOCK_DGRAM, reuse_port=reuse_port)
        try:
            stream.bind(address)
            datagrams.bind(stream.getsockname())  # the port the system chose, when it was asked to
        except OSError as error:
            stream.close()
            datagrams.close()
            if error.errno == errno.EADDRINUSE and tries:
                continue
            raise
        return stream, datagrams


def _socket(family: int, kind: int, *, reuse_port: bool) -> socket.socket:
    made = socket.socket(family, kind)
    made.setblocking(False)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if reuse_port:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if kind == socket.SOCK_STREAM:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    else:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    return made
