"""One request of a connection and its answer, as ASGI has them, with a short way out.

ASGI sends an answer in two messages. Where all of it is there it goes out at once: the application finds
`Cycle.answer` in its scope, under `ANSWER`. Most requests have no body, or have it already when they are
answered; nothing is made for them to wait with.
"""

from __future__ import annotations

import asyncio
import re
import traceback
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from indicia.wire.http.requests import ANSWER, WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from indicia.wire.http.flow import BackPressure
    from indicia.wire.http.requests import App, Message, Scope

log = structlog.get_logger("indicia.http")

STATUS_LINES: Final = {
    status.value: b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus
}
# Content that nobody has asked for yet: beyond it nothing more is taken in.
_HIGH_WATER: Final = 65_536

_CLOSE: Final = (b"connection", b"close")
# What an application does not say: how an answer goes over a connection is decided here.
_OF_THE_CONNECTION: Final = frozenset({b"connection", b"transfer-encoding"})
_BODILESS: Final = frozenset({204, 304})  # RFC 9110 §6.4.1
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
_NO_VALUE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_FAILED: Final = (
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", b"21"),
    _CLOSE,
)


class Wire(Protocol):
    """What a cycle asks of the connection that it is of."""

    flow: BackPressure

    def usual(self) -> bytes:
        """Return the fields that every answer has."""

    def hold(self, data: bytes) -> None:
        """It is sent with what follows, or at the end of the loop's turn."""

    def write(self, data: bytes) -> None:
        """It is sent."""

    def is_closing(self) -> bool:
        """Whether nothing more is sent."""

    def close(self) -> None:
        """The connection ends when all is sent."""

    def answered(self) -> None:
        """The answer is out: the next request has its turn."""


class Cycle:
    """A request and its answer.

    `more_body` is whether more of the request is to come, `persists` whether the connection goes on when the
    answer is out, and `expects` whether the client waits to be told to send the body.
    """

    __slots__ = (
        "_body",
        "_chunked",
        "_left",
        "_method",
        "_news",
        "_scope",
        "_waiter",
        "_wire",
        "complete",
        "disconnected",
        "expects",
        "more_body",
        "persists",
        "started",
    )

    def __init__(self, wire: Wire, scope: Scope, *, persists: bool, expects: bool) -> None:
        self._wire = wire
        self._scope: Scope | None = scope
        self._method: str = scope["method"]
        # What has come and nobody has asked for: a bytearray if it came in pieces.
        self._body: bytes | bytearray = b""
        self._news = False
        self._waiter: asyncio.Future[None] | None = None
        self._chunked = False
        self._left = 0  # octets of the answer that its head announces and that have not come
        self.persists = persists
        self.expects = expects
        self.more_body = True
        self.started = self.complete = self.disconnected = False

    async def run(self, app: App) -> None:
        """The application has answered; where it has not, the client is told so, or cut off."""
        scope = self._scope
        assert scope is not None
        self._scope = None  # it leads back here: what was made for a request would wait for the collector
        scope[ANSWER] = self.answer
        if not self.more_body:
            scope[WHOLE] = True
        try:
            await app(scope, self.receive, self.send)
        except asyncio.CancelledError:
            self._wire.close()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer and no detail
            _tell("http.application_failed", error)
            await self._fail()
        else:
            if not self.complete and not self.disconnected:
                _tell("http.application_did_not_answer")
                await self._fail()

    async def _fail(self) -> None:
        """The client is told that something went wrong, or the connection ends within the answer."""
        if self.started:
            self._wire.close()
        else:
            await self.answer(500, _FAILED, b"Internal Server Error")

    def take(self, piece: bytes) -> None:
        """A piece of the body has come."""
        if self.complete:
            return
        if not self._body:
            self._body = piece
        else:
            if not isinstance(self._body, bytearray):
                self._body = bytearray(self._body)
            self._body += piece
        if len(self._body) > _HIGH_WATER:
            self._wire.flow.pause_reading()
        self._tell_news()

    def end(self) -> None:
        """All of the request has come."""
        if not self.complete:
            self.more_body = False
            self._tell_news()

    def disconnect(self) -> None:
        """The client is gone, or is as good as gone."""
        if not self.complete:
            self.disconnected = True
        self._tell_news()

    def _tell_news(self) -> None:
        self._news = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def receive(self) -> Message:
        """Return the next message of ASGI: a piece of the body, or that the client is gone."""
        if self.expects and not self._wire.is_closing():
            self._wire.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.expects = False
        if not self.disconnected and not self.complete:
            self._wire.flow.resume_reading()
            if not self._news:
                await self._news_to_come()
            self._news = False
        if self.disconnected or self.complete:
            return {"type": "http.disconnect"}
        body, self._body = self._body, b""
        return {"type": "http.request", "body": bytes(body), "more_body": self.more_body}

    async def _news_to_come(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    async def answer(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        """All of an answer is sent. `headers` are in lower case; the length is among them.

        As with ASGI's messages, who is gone gets nothing, and who reads slowly is waited for.
        """
        wire = self._wire
        if wire.flow.write_paused and not self.disconnected:
            await wire.flow.drain()
        if self.disconnected:
            return
        head = self._head(status, headers)
        self.started = True
        wire.hold(head if self._method == "HEAD" else head + body)
        self._finish()

    def _head(self, status: int, headers: Iterable[tuple[bytes, bytes]], further: bytes = b"") -> bytes:
        """The head of the answer. From here on it is known whether the connection goes on."""
        fields = [b"%s: %s\r\n" % field for field in headers]
        if _CLOSE in headers:
            self.persists = False
        elif not self.persists:
            fields.append(b"connection: close\r\n")
        told = b"".join(fields)
        # A line end inside a value would begin a header, or an answer, of somebody else's (RFC 9112 §11.1).
        if told.count(b"\n") != len(fields) or told.count(b"\r") != len(fields):
            raise ValueError("a header holds a line end")
        return b"".join((STATUS_LINES[status], self._wire.usual(), told, further, b"\r\n"))

    def _finish(self) -> None:
        self.complete = True
        self.expects = False
        self._tell_news()
        if not self.persists:
            self._wire.close()
        self._wire.answered()

    async def send(self, message: Message) -> None:
        """Send a message of ASGI: the head of the answer, or a piece of its body."""
        if self._wire.flow.write_paused and not self.disconnected:
            await self._wire.flow.drain()
        if self.disconnected:
            return
        if self.complete:
            raise RuntimeError("the answer is complete already")
        expected = "http.response.body" if self.started else "http.response.start"
        if message["type"] != expected:
            raise RuntimeError(f"{expected} is to come, not {message['type']}")
        if self.started:
            self._send_piece(message.get("body", b""), more=message.get("more_body", False))
        else:
            self._send_head(message["status"], [(bytes(n), bytes(v)) for n, v in message.get("headers", ())])

    def _send_head(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        length: bytes | None = None
        kept: list[tuple[bytes, bytes]] = []
        for given, value in headers:
            name = given.lower()
            if not _NAME.fullmatch(name) or _NO_VALUE.search(value):
                raise ValueError("a header is not well formed")
            if name == b"content-length":
                length = value
            elif name == b"connection" and b"close" in map(bytes.strip, value.lower().split(b",")):
                self.persists = False
            if name not in _OF_THE_CONNECTION:
                kept.append((name, value))
        bodiless = self._method == "HEAD" or status in _BODILESS
        self._chunked = length is None and not bodiless
        self._left = int(length) if length is not None and not bodiless else 0
        further = b"transfer-encoding: chunked\r\n" if self._chunked else b""
        head = self._head(status, kept, further)
        self.started = True
        self.expects = False
        self._wire.hold(head)

    def _send_piece(self, piece: bytes, *, more: bool) -> None:
        if self._chunked:
            sent = b"%x\r\n%s\r\n" % (len(piece), piece) if piece else b""
            sent += b"" if more else b"0\r\n\r\n"
        elif self._method == "HEAD":
            sent = b""
        else:
            sent = piece
            self._left -= len(piece)
            if self._left < 0 or (self._left and not more):
                raise RuntimeError("the body is not as long as its Content-Length")
        if sent:
            self._wire.write(sent)
        if not more:
            self._finish()


def _tell(event: str, error: Exception | None = None) -> None:
    """Write down that an application has failed. Where is told; its text is not, as it may quote a secret."""
    trace = traceback.extract_tb(error.__traceback__) if error is not None else ()
    places = [f"{f.filename}:{f.lineno} {f.name}" for f in trace]
    log.error(event, error=type(error).__qualname__ if error is not None else "", places=places)
