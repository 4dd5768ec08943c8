"""The playground on the wire: UDP and TCP on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import cast

import dns.exception
import dns.flags
import dns.message
import structlog

from indicia.sandbox.playground import Playground

log = structlog.get_logger(__name__)

_UDP_SIZE = 1232  # octets; DNS flag day 2020
_IDLE = 10.0  # seconds a TCP connection may be silent


class _Datagrams(asyncio.DatagramProtocol):
    """Answers datagrams."""

    def __init__(self, server: PlaygroundServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer on."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one question."""
        answer = self._server.respond(data, _UDP_SIZE)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


class PlaygroundServer:
    """Serves a playground on one address, UDP and TCP on the same port."""

    def __init__(self, playground: Playground) -> None:
        self._playground = playground
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int = 0) -> tuple[str, int]:
        """Bind, and return the address that was bound."""
        loop = asyncio.get_running_loop()
        for _ in range(20):
            tcp = await asyncio.start_server(self._connected, host, port)
            bound: int = tcp.sockets[0].getsockname()[1]
            try:
                transport, _protocol = await loop.create_datagram_endpoint(
                    lambda: _Datagrams(self), local_addr=(host, bound)
                )
            except OSError:
                tcp.close()
                if port:
                    raise
                continue
            self._tcp, self._udp = tcp, transport
            return host, bound
        raise OSError("no port that is free for UDP and TCP alike")

    async def stop(self) -> None:
        """Stop answering, and let go of the sockets."""
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._tcp is not None:
            self._tcp.close()
            await self._tcp.wait_closed()
        if self._udp is not None:
            self._udp.close()
            await asyncio.sleep(0)  # the transport lets go of its socket in the next turn of the loop

    def respond(self, data: bytes, limit: int) -> bytes | None:
        """Return the answer to one message, None when it deserves none."""
        try:
            query = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return None
        if query.flags & dns.flags.QR:
            return None
        size = max(512, min(limit, query.payload or 512)) if limit < 65535 else limit
        response = self._playground.answer(query)
        try:
            return response.to_wire(max_size=size)
        except dns.exception.TooBig:
            for section in (response.answer, response.authority, response.additional):
                section.clear()
            response.flags |= dns.flags.TC
            return response.to_wire()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the questions of one connection (RFC 7766)."""
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, TimeoutError, ConnectionError):
                while await self._answer_one(reader, writer):
                    await writer.drain()
        finally:
            self._connections.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        (length,) = struct.unpack("!H", await asyncio.wait_for(reader.readexactly(2), _IDLE))
        answer = self.respond(await asyncio.wait_for(reader.readexactly(length), _IDLE), 65535)
        if answer is None:
            return False
        writer.write(struct.pack("!H", len(answer)) + answer)
        return True
