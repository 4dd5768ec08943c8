"""One connection of the HTTP server, with what uvicorn leaves open: limits, and a soft end.

The head of a request must be whole within a time and a size; a connection that has not sent one counts from
its first moment, so that silent connections do not add up. What a body has besides its content is bounded by
`framing`, and so is how many requests may wait for the one that is being answered. Another protocol is never
taken (RFC 9110 §7.8). When an answer is out while the rest of its request is still arriving, the connection
closes for writing first and reads on for a moment: closing at once would reset it, and the client would never
see why it was refused.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, NoReturn, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl

from indicia.domain.faults import Fault, FaultKind
from indicia.wire.aws import faults
from indicia.wire.http.cycle import Cycle
from indicia.wire.http.flow import Flow
from indicia.wire.http.framing import TRAILER_OCTETS, Framing, Trailers
from indicia.wire.http.lingering import UNREAD_SECONDS, Lingering
from indicia.wire.http.requests import ANSWER, WHOLE, new_request_id
from indicia.wire.http.unheard import Refusal, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvicorn._types import ASGI3Application
    from uvicorn.config import Config
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
    from uvicorn.server import ServerState

    from indicia.connections.admission import Place
    from indicia.wire.http.requests import Scope

HEAD_OCTETS = 16 * 1024
HEAD_SECONDS = 10.0
# With what is not whole, while others cannot connect.
HEAD_PATIENCE_SECONDS = 1.0
BODY_PATIENCE_SECONDS = 5.0
LINGER_OCTETS = 64 * 1024 * 1024  # thrown away as they come, at most
# Requests that may wait for the one before them. What follows is not parsed before there is room.
PIPELINE_DEPTH = 16
# What is parsed in one go: limits are looked at in between.
_PIECE_OCTETS = 4096

_SCHEMES = frozenset({b"http", b"https"})
_VERSIONS = frozenset({"1.0", "1.1"})
# What says where a message ends, or what becomes of the connection, is none (RFC 9110 §6.5.1).
_NO_TRAILERS = frozenset(
    {b"connection", b"proxy-connection", b"upgrade", b"transfer-encoding", b"content-length"}
)
_ASGI = {"version": "3.0", "spec_version": "2.3"}

_SENTENCES = {
    FaultKind.HEADERS_TOO_LARGE: "The request line and headers are larger than this server takes.",
    FaultKind.TOO_SLOW: "The request headers were not received in time.",
    FaultKind.MALFORMED_INPUT: "The request is not well formed HTTP.",
}
_TRAILERS_TOO_LARGE = f"The trailers of the request are larger than {TRAILER_OCTETS} bytes."
_TWO_HOSTS = "The request target and the Host header name two hosts."
_LINES_TOO_LARGE = "The lines between the chunks of the body are larger than this server takes."


class Connection(HttpToolsProtocol):
    """A connection of uvicorn's, bounded."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        *,
        head_octets: int = HEAD_OCTETS,
        head_seconds: float = HEAD_SECONDS,
        unread_seconds: float = UNREAD_SECONDS,
        ended: Callable[[], None] = lambda: None,
        refused: Callable[[Refusal], None] = lambda _: None,
        trailers: Trailers | None = None,
        place: Place | None = None,
    ) -> None:
        super().__init__(config, server_state, {})
        self._place = place
        self._unread_seconds = unread_seconds
        self._trailers = trailers if trailers is not None else Trailers()
        self._framing = Framing()
        self._length: int | None = None  # what the head says of its body
        self._chunked = False
        self._begins_anew = False  # the parser took the head for the end of the message
        self._unparsed = b""  # what has come behind requests that wait
        self._unread: asyncio.TimerHandle | None = None
        self._head_octets = head_octets
        self._head_seconds = head_seconds
        self._ended = ended
        self._refused = refused
        self._deadline: asyncio.TimerHandle | None = None
        self._in_head = False  # an octet of a head has come, but not the whole of it
        self._head_read = 0  # octets of it that the parser has named
        self._head_fed = 0  # octets of it that the parser was given; it names a field when it has all of it
        self._fresh = 0  # octets in hand that begin with a head
        self._hosts = 0  # Host fields in the head, and what the last one says
        self._host = b""
        self._began = 0.0  # when the head did, or the connection
        self._idle_since = 0.0  # when the last answer was out; 0 when something has come since
        self._discarded = -1  # octets thrown away; -1 as long as none are to be
        self._put: Callable[[bytes], None] = _unconnected
        self.url = b""

    # ---- the head

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected. It has a limited time to say what it wants."""
        # uvloop's transports are asyncio's by what they do, not by inheritance.
        lingering = Lingering(cast("asyncio.Transport", transport), self, self._unread_seconds)
        self._put = lingering.write_whole
        self._lingered = lingering.ended
        self.connections.add(self)
        self.transport = lingering
        self.flow = self._flow = Flow(lingering)
        self.server = get_local_addr(lingering)
        self.client = get_remote_addr(lingering)
        self.scheme = "https" if is_ssl(lingering) else "http"
        if self._place is not None:
            self._place.holder = self
        self._began = self.loop.time()
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Octets have come. As uvicorn's, but that what is no HTTP is not worth a line in the log."""
        if self._discarded >= 0:
            self._discard(len(data))
            return
        self._idle_since = 0.0
        if self._unparsed:
            self._unparsed += data
            return
        self._parse(data)

    def _parse(self, data: bytes) -> None:
        """Feed the parser, piece by piece, as far as requests may wait; a head then has its time."""
        start, end = 0, len(data)
        while start < end and self._discarded < 0:
            if len(self.pipeline) >= PIPELINE_DEPTH:
                self._unparsed = data[start:]
                self._flow.hold()
                return
            size = _PIECE_OCTETS
            if not self._in_head and self._framing.length:
                size = max(size, self._framing.length)
            start += self._feed(data if size >= end and not start else data[start : start + size])
        if self._deadline is None and self._discarded < 0 and (self._in_head or self._is_idle()):
            self._wait()

    def _feed(self, piece: bytes) -> int:
        """Parse a piece and see to the limits; return how much of it was parsed."""
        parsed = len(piece)
        if self._in_head:
            self._head_fed += parsed
        elif self.cycle is None or not self.cycle.more_body:
            self._fresh = parsed
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as stopped:
            parsed = stopped.args[0]
            self._begin_anew()
        except httptools.HttpParserError:
            self.refuse(FaultKind.MALFORMED_INPUT)
        else:
            self._look_at_limits(parsed)
        return parsed

    def _look_at_limits(self, parsed: int) -> None:
        if self._in_head:
            if self._head_fed > self._head_octets:
                self.refuse(FaultKind.HEADERS_TOO_LARGE)
        elif self._framing.chunked and self.cycle.more_body and not self._framing.fed(parsed):
            self.refuse(FaultKind.MALFORMED_INPUT, _LINES_TOO_LARGE)

    def _begin_anew(self) -> None:
        """Go on behind a head that offers another protocol: a new parser is told what that said of its body.

        The other protocol is not taken, and the request is served as any other (RFC 9110 §7.8). But llhttp
        takes everything behind such a head for that protocol's, and would lose the body.
        """
        if self._discarded >= 0:
            return
        self.parser = _new_parser(self)
        lives = b"" if self.cycle.keep_alive else b"Connection: close\r\n"
        if self._chunked:
            body = b"Transfer-Encoding: chunked\r\n"
        else:
            body = b"Content-Length: %d\r\n" % (self._length or 0)
        self.parser.feed_data(b"POST / HTTP/1.1\r\nHost: x\r\n" + lives + body + b"\r\n")
        self._begins_anew = False

    def _is_idle(self) -> bool:
        """Nothing is answered and nobody waits: blank lines have come, or the rest of a refused body."""
        answering = self.cycle is not None and not self.cycle.response_complete
        return not answering and not self._idle_since

    def on_message_begin(self) -> None:
        """The first octet of a head has come."""
        if self._begins_anew:
            return
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._in_head = True
        self._began = self.loop.time()
        self._head_read = self._hosts = 0
        self._length, self._chunked = None, False
        self._head_fed, self._fresh = self._fresh, 0

    def on_url(self, url: bytes) -> None:
        """A piece of the target has come."""
        if self._begins_anew:
            return
        self.url += url
        self._head_read += len(url)
        if self._head_read > self._head_octets:
            self._refuse_head(FaultKind.HEADERS_TOO_LARGE)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field has come: one of the head, or one behind the body, which is dropped (RFC 9112 §7.1.2)."""
        if not self._in_head:
            if not self._begins_anew:
                self._drop(name, value)
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        elif name == b"host":
            self._hosts += 1
            self._host = value
        elif name == b"content-length":
            self._length = int(value)  # llhttp has seen to it that it is one, and the only one
        elif name == b"transfer-encoding":
            if self._chunked or value.lower() != b"chunked":  # no other coding is understood, RFC 9112 §6.1
                self._refuse_head(FaultKind.MALFORMED_INPUT)
            self._chunked = True
        self.headers.append((name, value))
        self._head_read += len(name) + len(value) + 4  # the colon, the blank, the end of the line
        if self._head_read > self._head_octets:
            self._refuse_head(FaultKind.HEADERS_TOO_LARGE)

    def _drop(self, name: bytes, value: bytes) -> None:
        self._trailers.dropped += 1
        if name.lower() in _NO_TRAILERS:  # the parser would heed it: what follows would be lost
            self._refuse_head(FaultKind.MALFORMED_INPUT)
        if not self._framing.trailer(name, value):
            self._refuse_head(FaultKind.HEADERS_TOO_LARGE, _TRAILERS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """The head is whole: the application begins, or is next. As uvicorn's, with cycles of our own."""
        if self._begins_anew:
            return
        self._in_head = False
        self._framing.begin(self._length, chunked=self._chunked)
        self._stop_waiting()
        version = self.parser.get_http_version()
        # RFC 9112 §3.2: one Host, and none only from before HTTP/1.1.
        if version not in _VERSIONS or (self._hosts != 1 and (self._hosts or version == "1.1")):
            self._refuse_head(FaultKind.MALFORMED_INPUT)
        target = httptools.parse_url(self.url)
        if target.schema is not None:
            if target.schema.lower() not in _SCHEMES:
                self._refuse_head(FaultKind.MALFORMED_INPUT)
            if _authority(self.url) != self._host.lower():
                self._refuse_head(FaultKind.MALFORMED_INPUT, _TWO_HOSTS)
        if version == "1.0":
            self.expect_100_continue = False  # RFC 9110 §10.1.1
        path = (target.path or b"/").decode("ascii")
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
            "raw_path": target.path or b"/",
            "query_string": target.query or b"",
            "headers": self.headers,
        }
        self.scope = scope  # type: ignore[assignment]
        self._begins_anew = self.parser.should_upgrade()
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

    def on_chunk_header(self) -> None:
        """The line before a chunk has come."""
        self._framing.chunk()

    def on_body(self, body: bytes) -> None:
        """A piece of the content has come. As uvicorn's, which knows of other protocols."""
        self._framing.content(len(body))
        if self.cycle.response_complete:
            return
        self.cycle.body += body
        if len(self.cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        self.cycle.message_event.set()

    def on_message_complete(self) -> None:
        """The request is whole. If the application has not begun yet, it is told so."""
        if self._begins_anew and (self._chunked or self._length):
            return  # it is not: only its head is
        self.scope[WHOLE] = True  # type: ignore[literal-required]
        if not self.cycle.response_complete:
            self.cycle.more_body = False
            self.cycle.message_event.set()

    def _refuse_head(self, kind: FaultKind, sentence: str = "") -> NoReturn:
        self.refuse(kind, sentence)
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

    def refuse(self, kind: FaultKind, sentence: str = "") -> None:
        """Answer what is not whole, in the protocol that its path names, and end the connection."""
        if self.transport.is_closing():
            return
        self._stop_waiting()
        unheard = self.cycle is None or self.cycle.response_complete
        if unheard or self._breaks_off():
            request_id = new_request_id()
            protocol = faults.protocol_of(self.url.partition(b"?")[0])
            answer = faults.answer(protocol, Fault(kind, sentence or _SENTENCES[kind]), request_id)
            self.transport.write(whole(answer, request_id, self.server_state.default_headers))
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
            self._parse_on()
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again_in(self.timeout_keep_alive)

    def _parse_on(self) -> None:
        """There is room for a request that has come behind those that wait."""
        if self._unparsed:
            data, self._unparsed = self._unparsed, b""
            self._flow.release()
            self._parse(data)

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

    def pause_writing(self) -> None:
        """More is written than the client has read: it has a limited time to go on reading."""
        super().pause_writing()
        self._unread = self.loop.call_later(self._unread_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def is_expendable(self) -> bool:
        """Whether it may end when others want to connect: it is idle, or something is long in coming."""
        if self.transport.is_closing():
            return True
        if self.pipeline:
            return False
        cycle, since = self.cycle, self.loop.time() - self._began
        if cycle is None or cycle.response_complete:
            return not self._in_head or since > HEAD_PATIENCE_SECONDS
        return cycle.more_body and not cycle.response_started and since > BODY_PATIENCE_SECONDS

    def abort(self) -> None:
        """End at once, whatever has not been sent."""
        self.transport.abort()

    def is_receiving(self) -> bool:
        """Whether something is still arriving that nobody will read."""
        return (
            self._discarded >= 0 or bool(self._unparsed) or (self.cycle is not None and self.cycle.more_body)
        )

    def discard(self) -> None:
        """From now on, what arrives is thrown away."""
        self._discarded = max(self._discarded, 0)
        self._unparsed = b""
        self._flow.release()

    def _discard(self, octets: int) -> None:
        self._discarded += octets
        if self._discarded > LINGER_OCTETS:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._stop_waiting()
        self._lingered()
        self._unparsed = b""
        if self._unread is not None:
            self._unread.cancel()
        super().connection_lost(exc)
        if self._place is not None:
            self._place.leave()
        self._ended()


def _new_parser(connection: Connection) -> httptools.HttpRequestParser:
    """Return a parser as uvicorn makes one: what follows a last request is not looked at."""
    parser = httptools.HttpRequestParser(connection)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser


def _authority(url: bytes) -> bytes:
    """What a target in absolute form names, in lower case (RFC 9112 §3.2.2)."""
    return re.split(rb"[/?#]", url.partition(b"//")[2], maxsplit=1)[0].lower()


def _unconnected(_: bytes) -> None:
    """There is no connection yet that could be written to."""


class _RefusedError(Exception):
    """The head has been refused while it was parsed."""
