"""A server on real sockets in a loop of its own thread, and what reads and writes raw octets to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

import edge
import uvloop

from indicia.wire.http.server import Server, bind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from indicia.wire.http.requests import App


class Running:
    """A server in a loop of its own thread."""

    def __init__(self, app: App, hosts: tuple[str, ...] = ("127.0.0.1",), **options: Any) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.server = self.run(self._make(app, options))
        self.run(self.server.start(bind([(host, 0) for host in hosts])))
        self.addresses = self.server.addresses
        self.port = self.addresses[0].port

    async def _make(self, app: App, options: dict[str, Any]) -> Server:
        return Server(app, **options)

    def run(self, coroutine: Any) -> Any:
        """What `coroutine` returns, run in the server's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    def close(self) -> None:
        """Stop server, loop and thread."""
        self.run(self.server.stop(0.2))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def connect(self) -> socket.socket:
        """A fresh connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)


@contextlib.contextmanager
def running(app: App | None = None, **options: Any) -> Iterator[Running]:
    """A server, as long as the block lasts."""
    server = Running(app or edge.gateway(), **options)
    try:
        yield server
    finally:
        server.close()


def everything(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def answer(connection: socket.socket) -> bytes:
    """One answer with a Content-Length."""
    read = b""
    while b"\r\n\r\n" not in read:
        piece = connection.recv(65536)
        assert piece, read
        read += piece
    head, _, body = read.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def raw(asking: edge.Asking) -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{asking.method} {asking.target} HTTP/1.1", *(f"{n}: {v}" for n, v in asking.headers), "", ""]
    return "\r\n".join(lines).encode() + asking.body
