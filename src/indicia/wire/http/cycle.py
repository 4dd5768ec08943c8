"""One request of a connection and its answer: uvicorn's, with a short way in and a short way out.

ASGI sends an answer in two messages, looks through it header by header, and writes it in two pieces. Where
all of it is there it goes out at once: the application finds `Cycle.answer` in its scope, under `ANSWER`.
Most requests have no body, or have it already when they are answered; nothing is made for them to wait with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    from indicia.wire.http.requests import Scope

STATUS_LINES: Final = {
    status.value: b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus
}


class News:
    """What `asyncio.Event` is, for one that waits; as long as nobody does it is next to nothing."""

    __slots__ = ("_set", "_waiter")

    def __init__(self) -> None:
        self._set = False
        self._waiter: asyncio.Future[None] | None = None

    def set(self) -> None:
        """There is something new: whoever waits goes on, whoever comes does not wait."""
        self._set = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def clear(self) -> None:
        """It is known now."""
        self._set = False

    async def wait(self) -> None:
        """Return when there is something new."""
        if not self._set:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None


class Cycle(RequestResponseCycle):
    """A request and its answer. `put` writes to the connection."""

    # So it is at the beginning; an instance has its own of what changes.
    access_log = False
    disconnected = False
    more_body = True
    response_started = False
    response_complete = False
    chunked_encoding: bool | None = None
    expected_content_length = 0

    def __init__(  # not uvicorn's, which takes eleven arguments to set twenty attributes
        self, connection: HttpToolsProtocol, scope: Scope, put: Callable[[bytes], None], *, keep_alive: bool
    ) -> None:
        self.scope = scope  # type: ignore[assignment]
        self.put = put
        self.keep_alive = keep_alive
        self.transport = connection.transport
        self.flow = connection.flow
        self.logger = connection.logger
        self.access_logger = connection.access_logger
        self.default_headers = connection.server_state.default_headers
        self.on_response = connection.on_response_complete
        self.waiting_for_100_continue = connection.expect_100_continue
        self.message_event = News()  # type: ignore[assignment]
        self.body = bytearray()

    async def answer(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        """All of an answer is sent. `headers` are in lower case; the length is among them.

        As with ASGI's messages, who is gone gets nothing, and who reads slowly is waited for.
        """
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        fields = [b"%s: %s\r\n" % field for field in (*self.default_headers, *headers)]
        if not self.keep_alive and (b"connection", b"close") not in headers:
            fields.append(b"connection: close\r\n")
        head = b"".join(fields)
        # A line end inside a value would begin a header, or an answer, of somebody else's (RFC 9112 §11.1).
        if head.count(b"\n") != len(fields) or head.count(b"\r") != len(fields):
            raise ValueError("a header holds a line end")
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        told = b"" if self.scope["method"] == "HEAD" else body
        self.put(b"".join((STATUS_LINES[status], head, b"\r\n", told)))
        self.message_event.set()
        if not self.keep_alive or (b"connection", b"close") in headers:
            self.keep_alive = False
            self.transport.close()
        self.on_response()
