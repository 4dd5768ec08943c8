"""A resolver that takes two to six seconds for some names and passes the others on: `RESOLVER MARK PORT`."""

from __future__ import annotations

import asyncio
import random
import sys
from typing import TypeAlias

import uvloop

from bench.nameserver import HOST

_Peer: TypeAlias = tuple[str, int]
SLOWEST = (2.0, 6.0)
_CHANCE = random.Random(20261201)


class _Behind(asyncio.DatagramProtocol):
    """What answers questions that came from one port."""

    def __init__(self, front: _Front, peer: _Peer) -> None:
        self._front = front
        self._peer = peer

    def datagram_received(self, data: bytes, _: _Peer) -> None:
        self._front.answer(data, self._peer)


class _Front(asyncio.DatagramProtocol):
    """Where questions arrive. Whoever asks is known by the port it asks from."""

    def __init__(self, resolver: int, mark: bytes) -> None:
        self._resolver = resolver
        self._mark = mark
        self._loop = asyncio.get_running_loop()
        self._behind: dict[_Peer, asyncio.DatagramTransport] = {}
        self._here: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._here = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: _Peer) -> None:
        if self._mark in data.lower():
            self._loop.call_later(_CHANCE.uniform(*SLOWEST), self._pass_on, data, addr)
        else:
            self._pass_on(data, addr)

    def answer(self, data: bytes, peer: _Peer) -> None:
        """Pass an answer back."""
        if self._here is not None:
            self._here.sendto(data, peer)

    def _pass_on(self, data: bytes, peer: _Peer) -> None:
        behind = self._behind.get(peer)
        if behind is not None:
            behind.sendto(data)
            return
        self._loop.create_task(self._open(data, peer))

    async def _open(self, data: bytes, peer: _Peer) -> None:
        behind, _ = await self._loop.create_datagram_endpoint(
            lambda: _Behind(self, peer), remote_addr=(HOST, self._resolver)
        )
        self._behind.setdefault(peer, behind)
        behind.sendto(data)


async def serve(resolver: int, mark: bytes, port: int) -> None:
    """Pass questions on and answers back, for ever."""
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: _Front(resolver, mark), local_addr=(HOST, port))
    await asyncio.Event().wait()


if __name__ == "__main__":
    _, given_resolver, given_mark, given_port = sys.argv
    uvloop.run(serve(int(given_resolver), given_mark.encode(), int(given_port)))
