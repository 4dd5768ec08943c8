"""One connection of the HTTP server, with what uvicorn leaves open: limits on heads, and a soft end.

The head of a request must be whole within a time and a size; a connection that has not sent one counts from
its first moment, so that silent connections do not add up. When an answer is out while the rest of its
request is still arriving, the connection closes for writing first and reads on for a moment: closing at once
would reset it, and the client would never see why it was refused.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, NoReturn, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from indicia.domain.faults import Fault, FaultKind
from indicia.wire import faults
from indicia.wire.cycle import Cycle
from indicia.wire.requests import ANSWER, WHOLE, new_request_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from uvicorn._types import ASGI3Application
    from uvicorn.config import Config
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
    from uvicorn.server import ServerState

    from indicia.wire.faults import Answer, Protocol
    from indicia.wire.requests import Scope

HEAD_OCTETS = 16 * 1024
HEAD_SECONDS = 10.0
LINGER_SECONDS = 2.0
LINGER_OCTETS = 64 * 1024 * 1024  # thrown away as they come, at most

_ASGI = {"version": "3.0", "spec_version": "2.3"}

_SENTENCES = {
    FaultKind.HEADERS_TOO_LARGE: "The request line and headers are larger than this server takes.",
    FaultKind.TOO_SLOW: "The request headers were not received in time.",
    FaultKind.MALFORMED_INPUT: "The request is not well formed HTTP.",
}


class Connection(HttpToolsProtocol):
    """A connection of uvicorn's, bounded."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        *,
        head_octets: int = HEAD_OCTETS,
        head_seconds: float = HEAD_SECONDS,
        ended: Callable[[], None] = lambda: None,
        refused: Callable[[Refusal], None] = lambda _: None,
    ) -> None:
        super().__init__(config, server_state, {})
        self._head_octets = head_octets
        self._head_seconds = head_seconds
        self._ended = ended
        self._refused = refused
        self._deadline: asyncio.TimerHandle | None = None
        self._in_head = False  # an octet of a head has come, but not the whole of it
        self._head_read = 0  # octets of it that the parser has named
        self._head_fed = 0  # octets of it that the parser was given; it names a field when it has all of it
        self._fresh = 0  # octets in hand that begin with a head
        self._hosts = 0  # Host fields in the head
        self._began = 0.0  # when the head did, or the connection
        self._idle_since = 0.0  # when the last answer was out; 0 when something has come since
        self._discarded = -1  # octets thrown away; -1 as long as none are to be
        self._put: Callable[[bytes], None] = _unconnected
        self.url = b""

    # ---- the head

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected. It has a limited time to say what it wants."""
        # uvloop's transports are asyncio's by what they do, not by inheritance.
        lingering = _Lingering(cast("asyncio.Transport", transport), self)
        self._put = lingering.write_whole
        super().connection_made(lingering)
        self._began = self.loop.time()
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Octets have come. As uvicorn's, but that what is no HTTP is not worth a line in the log."""
        if self._discarded >= 0:
            self._discard(len(data))
            return
        self._idle_since = 0.0
        if self._in_head:
            self._head_fed += len(data)
        elif self.cycle is None or not self.cycle.more_body:
            self._fresh = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.cycle.keep_alive = False  # served as HTTP/1.1; the parser stops at an upgrade
        except httptools.HttpParserError:
            self.refuse(FaultKind.MALFORMED_INPUT)
            return
        if self._in_head and self._head_fed > self._head_octets:
            self.refuse(FaultKind.HEADERS_TOO_LARGE)
        elif self._deadline is None and (self._in_head or self._is_idle()):
            self._wait()

    def _is_idle(self) -> bool:
        """Nothing is answered and nobody waits: blank lines have come, or the rest of a refused body."""
        answering = self.cycle is not None and not self.cycle.response_complete
        return not answering and not self._idle_since

    def on_message_begin(self) -> None:
        """The first octet of a head has come."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._in_head = True
        self._began = self.loop.time()
        self._head_read = self._hosts = 0
        self._head_fed, self._fresh = self._fresh, 0

    def on_url(self, url: bytes) -> None:
        """A piece of the target has come."""
        self.url += url
        self._head_read += len(url)
        if self._head_read > self._head_octets:
            self._refuse_head(FaultKind.HEADERS_TOO_LARGE)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field has come."""
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        elif name == b"host":
            self._hosts += 1
        self.headers.append((name, value))
        self._head_read += len(name) + len(value) + 4  # the colon, the blank, the end of the line
        if self._head_read > self._head_octets:
            self._refuse_head(FaultKind.HEADERS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """The head is whole: the application begins, or is next. As uvicorn's, with cycles of our own."""
        self._in_head = False
        self._stop_waiting()
        version = self.parser.get_http_version()
        # RFC 9112 §3.2: one Host, and none only from before HTTP/1.1.
        if self._hosts != 1 and (self._hosts or version == "1.1"):
            self._refuse_head(FaultKind.MALFORMED_INPUT)
        target = httptools.parse_url(self.url)
        path = target.path.decode("ascii")
        scope: Scope = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "method": self.parser.get_method().decode("ascii"),
            "root_path": "",
            "path": unquote(path) if "%" in path else path,
            "raw_path": target.path,
            "query_string": target.query or b"",
            "headers": self.headers,
        }
        self.scope = scope  # type: ignore[assignment]
        lives = version != "1.0" and self.parser.should_keep_alive()
        former, self.cycle = self.cycle, Cycle(self, scope, self._put, keep_alive=lives)
        scope[ANSWER] = self.cycle.answer
        if former is None or former.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Let the application answer. As uvicorn's; the task leaves by itself, without a callback."""
        held: list[asyncio.Task[None]] = []
        held.append(self.loop.create_task(self._answered(cycle, app, held)))
        self.tasks.add(held[0])

    async def _answered(
        self, cycle: RequestResponseCycle, app: ASGI3Application, held: list[asyncio.Task[None]]
    ) -> None:
        try:
            await cycle.run_asgi(app)
        finally:
            self.tasks.discard(held.pop())
            # It leads back to the cycle: what was made for a request would wait for the collector.
            del cycle.scope[ANSWER]  # type: ignore[misc]

    def on_message_complete(self) -> None:
        """The request is whole. If the application has not begun yet, it is told so."""
        self.scope[WHOLE] = True  # type: ignore[literal-required]
        if not self.cycle.response_complete:
            self.cycle.more_body = False
            self.cycle.message_event.set()

    def _refuse_head(self, kind: FaultKind) -> NoReturn:
        self.refuse(kind)
        raise _RefusedError  # the only way to stop the parser

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(self._head_seconds, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self._in_head:
            self.refuse(FaultKind.TOO_SLOW)
        else:
            self.transport.close()  # nothing was asked

    def refuse(self, kind: FaultKind) -> None:
        """Answer what is not whole, in the protocol that its path names, and end the connection."""
        if self.transport.is_closing():
            return
        self._stop_waiting()
        unheard = self.cycle is None or self.cycle.response_complete
        if unheard or self._breaks_off():
            request_id = new_request_id()
            protocol = faults.protocol_of(self.url.partition(b"?")[0])
            answer = faults.answer(protocol, Fault(kind, _SENTENCES[kind]), request_id)
            self.transport.write(_whole(answer, request_id, self.server_state.default_headers))
            if unheard:  # of any other an application tells that its client is gone
                address = self.client[0] if self.client else ""
                seconds = self.loop.time() - self._began
                size = len(answer.body)
                self._refused(Refusal(protocol, kind, answer.status, size, address, request_id, seconds))
        # Behind a request that is not answered yet, an answer now would be taken for that one's.
        self._discarded = max(self._discarded, 0)
        self.transport.close()

    def _breaks_off(self) -> bool:
        """Whether it is a body that has gone wrong, of the one request that waits for its answer.

        Its application is told that the client is gone: the answer is given here.
        """
        cycle = self.cycle
        if self._in_head or self.pipeline or not cycle.more_body or cycle.response_started:
            return False
        cycle.disconnected = True
        cycle.message_event.set()
        return True

    # ---- between requests

    def on_response_complete(self) -> None:
        """An answer is out. As uvicorn's, but that its timer of idleness is not wound up for each request."""
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again_in(self.timeout_keep_alive)

    def _look_again_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it has been idle for long enough; else look again when it may have been."""
        self.timeout_keep_alive_task = None
        if not self._idle_since or self.transport.is_closing():
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._look_again_in(left)
        else:
            self.transport.close()

    # ---- the end

    def is_receiving(self) -> bool:
        """Whether something is still arriving that nobody will read."""
        return self._discarded >= 0 or (self.cycle is not None and self.cycle.more_body)

    def discard(self) -> None:
        """From now on, what arrives is thrown away."""
        self._discarded = max(self._discarded, 0)
        self.flow.resume_reading()

    def _discard(self, octets: int) -> None:
        self._discarded += octets
        if self._discarded > LINGER_OCTETS:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._stop_waiting()
        super().connection_lost(exc)
        self._ended()


def _unconnected(_: bytes) -> None:
    """There is no connection yet that could be written to."""


class _RefusedError(Exception):
    """The head has been refused while it was parsed."""


class Refusal(NamedTuple):
    """What was answered to something that no application has seen, and to whom."""

    protocol: Protocol
    kind: FaultKind
    status: int
    size: int
    address: str
    request_id: str
    seconds: float  # since it, or its connection, began


def _whole(answer: Answer, request_id: str, usual: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A whole answer, for when there is no request yet that an application could answer."""
    fields = [
        b"HTTP/1.1 %d %s" % (answer.status, HTTPStatus(answer.status).phrase.encode()),
        b"content-type: " + answer.content_type,
        b"content-length: %d" % len(answer.body),
        b"x-amzn-requestid: " + request_id.encode(),
        b"connection: close",
    ]
    further = (*usual, *answer.headers)
    fields += [name + b": " + value for name, value in further if name != b"connection"]
    return b"\r\n".join([*fields, b"", answer.body])


class _Lingering(asyncio.Transport):
    """A transport that writes an answer in one piece, and lets the client read it before closing.

    uvicorn writes head and body apart, and uvloop makes a system call of each write. Here the head waits for
    the body, and a whole answer for the end of the loop's turn, no longer. So the answers to what came in
    together go out together: a system call that wakes the client in the middle of the work costs four times
    as much, and pushes what the work needs out of the processor's caches. For the closing see RFC 9112 §9.6.
    """

    def __init__(self, transport: asyncio.Transport, connection: Connection) -> None:
        super().__init__()
        self._transport = transport
        self._connection = connection
        self._timer: asyncio.TimerHandle | None = None
        self._held: bytes | None = None
        self._write = transport.write
        self.get_extra_info = transport.get_extra_info  # type: ignore[method-assign]
        self.pause_reading = transport.pause_reading  # type: ignore[method-assign]

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._held is not None:
            head, self._held = self._held, None
            self._write(b"".join((head, data)))
        elif isinstance(data, bytes) and data.startswith(b"HTTP/1.1 "):
            self._held = data
            self._connection.loop.call_soon(self._flush)
        else:
            self._write(data)

    def write_whole(self, data: bytes) -> None:
        self._flush()
        self._held = data
        self._connection.loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self._held is not None:
            head, self._held = self._held, None
            self._write(head)

    def resume_reading(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def is_closing(self) -> bool:
        return self._timer is not None or self._transport.is_closing()

    def abort(self) -> None:
        self._held = None
        if self._timer is not None:
            self._timer.cancel()
        self._transport.abort()

    def close(self) -> None:
        if self._timer is not None or self._transport.is_closing():
            return
        self._flush()
        if not self._connection.is_receiving():
            self._transport.close()
            return
        self._timer = self._connection.loop.call_later(LINGER_SECONDS, self._transport.abort)
        self._connection.discard()
        if self._transport.can_write_eof():
            self._transport.write_eof()
