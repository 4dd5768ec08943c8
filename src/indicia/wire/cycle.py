"""One request of a connection and its answer: uvicorn's, with a short way out for an answer that is whole.

ASGI sends an answer in two messages, looks through it header by header, and writes it in two pieces. Where
all of it is there it goes out at once: the application finds `Cycle.answer` in its scope, under `ANSWER`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

STATUS_LINES: Final = {
    status.value: b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus
}


class Cycle(RequestResponseCycle):
    """A request and its answer. `put` writes to the connection."""

    put: Callable[[bytes], None]

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
