"""The playground on the wire: UDP and TCP on loopback, its resolver and the zones' own servers."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import cast

import dns.exception
import dns.flags
import dns.message
import structlog

from indicia.connections.admission import AdmittedConnection, ConnectionAdmission
from indicia.connections.limits import open_files, plan
from indicia.connections.listener import Listener
from indicia.sandbox.faces import ADDRESSES, Face
from indicia.sandbox.playground import Playground
from indicia.wire.http.server import CannotListenError, bind

log = structlog.get_logger(__name__)

_UDP_SIZE = 1232  # octets; DNS flag day 2020
_BACKLOG = 128
_IDLE = 10.0  # seconds a TCP connection may be silent


class _Datagrams(asyncio.DatagramProtocol):
    """Answers datagrams."""

    def __init__(self, server: PlaygroundServer, face: Face) -> None:
        self._server = server
        self._face = face
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer on."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one question."""
        answer = self._server.respond(data, _UDP_SIZE, self._face)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


class _Stream(asyncio.StreamReaderProtocol):
    """A client over TCP, who makes room for others when there is none."""

    def __init__(
        self,
        place: AdmittedConnection,
        connected: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    ) -> None:
        super().__init__(asyncio.StreamReader(), connected)
        self._place = place
        self._made: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to read."""
        self._made = cast("asyncio.Transport", transport)
        self._place.holder = self
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count no more."""
        self._place.leave()
        super().connection_lost(exc)

    def is_expendable(self) -> bool:
        """Whether nothing is being answered: an answer takes no time here."""
        return True

    def abort(self) -> None:
        """End the connection at once."""
        if self._made is not None:
            self._made.abort()


class PlaygroundServer:
    """Serves a playground: its resolver on one address, its name servers beside it on the same port."""

    def __init__(self, playground: Playground) -> None:
        self._playground = playground
        self._udp: list[asyncio.DatagramTransport] = []
        self._tcp: list[Listener] = []
        self._clients = ConnectionAdmission(plan(open_files()).dns)
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int = 0) -> tuple[str, int]:
        """Bind, and return the address that was bound.

        Where this machine has no further loopback addresses, the zones have no servers of their own.
        """
        for _ in range(20):
            bound = await self._bind(host, port, Face.RESOLVER)
            if bound is not None:
                servers = [face for face in Face if face is not Face.RESOLVER]
                each = [await self._bind(ADDRESSES[face], bound, face) for face in servers]
                if all(each) or port:
                    self._playground.served = all(each)
                    return host, bound
                if not self._can_be_bound([ADDRESSES[face] for face in servers]):
                    return host, bound
            await self._close()
            if port:
                break
        raise OSError("no port that is free for UDP and TCP alike")

    async def stop(self) -> None:
        """Stop answering, and let go of the sockets."""
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._close()

    async def _bind(self, host: str, port: int, face: Face) -> int | None:
        """Answer on one address; return its port, None where it is not to be had."""
        loop = asyncio.get_running_loop()
        try:
            (stream,) = bind([(host, port)])
        except CannotListenError:
            return None
        bound: int = stream.getsockname()[1]
        try:
            udp, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self, face), local_addr=(host, bound)
            )
        except OSError:
            stream.close()
            return None
        listener = Listener(
            "playground",
            stream,
            self._clients,
            lambda place: _Stream(place, partial(self._connected, face)),
        )
        listener.start(_BACKLOG)
        self._tcp.append(listener)
        self._udp.append(udp)
        return bound

    def _can_be_bound(self, hosts: Sequence[str]) -> bool:
        """Say whether it was the port that was taken, and not an address that this machine has not."""
        try:
            for probe in bind([(host, 0) for host in hosts]):
                probe.close()
        except CannotListenError:
            return False
        return True

    async def _close(self) -> None:
        for server in self._tcp:
            server.close()
            await server.wait_closed()
        for transport in self._udp:
            transport.close()
        self._tcp, self._udp = [], []
        await asyncio.sleep(0)  # a transport lets go of its socket in the next turn of the loop

    def respond(self, data: bytes, limit: int, face: Face = Face.RESOLVER) -> bytes | None:
        """Return the answer to one message, None when it deserves none."""
        try:
            query = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return None
        if query.flags & dns.flags.QR:
            return None
        size = max(512, min(limit, query.payload or 512)) if limit < 65535 else limit
        response = self._playground.answer(query, face)
        try:
            return response.to_wire(max_size=size)
        except dns.exception.TooBig:
            for section in (response.answer, response.authority, response.additional):
                section.clear()
            response.flags |= dns.flags.TC
            return response.to_wire()

    async def _connected(
        self, face: Face, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer the questions of one connection (RFC 7766)."""
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, TimeoutError, ConnectionError):
                while await self._answer_one(reader, writer, face):
                    await writer.drain()
        finally:
            self._connections.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer_one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, face: Face
    ) -> bool:
        (length,) = struct.unpack("!H", await asyncio.wait_for(reader.readexactly(2), _IDLE))
        message = await asyncio.wait_for(reader.readexactly(length), _IDLE)
        answer = self.respond(message, 65535, face)
        if answer is None:
            return False
        writer.write(struct.pack("!H", len(answer)) + answer)
        return True
