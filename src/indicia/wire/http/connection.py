"""One connection of the HTTP server: octets of a client in, answers out, each within its limits.

The head of a request must be whole within a time and a size; a connection that has not sent one counts from
its first moment, so that silent connections do not add up. What a body has besides its content is bounded by
`framing`, and so is how many requests may wait for the one that is being answered. Another protocol is never
taken (RFC 9110 §7.8). When an answer is out while the rest of its request is still arriving, the connection
closes for writing first and reads on for a moment: closing at once would reset it, and the client would never
see why it was refused.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote

from indicia.domain.faults import Fault, FaultKind
from indicia.wire.aws import faults
from indicia.wire.http.cycle import Cycle
from indicia.wire.http.flow import BackPressure
from indicia.wire.http.framing import Trailers
from indicia.wire.http.lingering import UNREAD_SECONDS, Lingering
from indicia.wire.http.request_parser import NotTakenError, RequestParser
from indicia.wire.http.requests import new_request_id
from indicia.wire.http.unheard import UnheardRefusal, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from indicia.connections.admission import AdmittedConnection
    from indicia.wire.http.request_parser import RequestHead
    from indicia.wire.http.requests import App, Scope

HEAD_OCTETS = 16 * 1024
HEAD_SECONDS = 10.0
# Longer than the clients' own: who closes first races with the other's next request. AWS SDKs and load
# balancers give an idle connection 60 s or less.
KEEP_ALIVE_SECONDS = 75
# With what is not whole, while others cannot connect.
HEAD_PATIENCE_SECONDS = 1.0
BODY_PATIENCE_SECONDS = 5.0
LINGER_OCTETS = 64 * 1024 * 1024  # thrown away as they come, at most
# Requests that may wait for the one before them. What follows is not parsed before there is room.
PIPELINE_DEPTH = 16

_ASGI = {"version": "3.0", "spec_version": "2.3"}

_SENTENCES = {
    FaultKind.HEADERS_TOO_LARGE: "The request line and headers are larger than this server takes.",
    FaultKind.TOO_SLOW: "The request headers were not received in time.",
    FaultKind.MALFORMED_INPUT: "The request is not well formed HTTP.",
}


@dataclass(slots=True, kw_only=True, eq=False)
class Serving:
    """What the connections of one server share: the application, limits, and who else there is.

    `refused` is told of what was answered without the application, `ended` that a connection has ended.
    `usual` are the fields that every answer has.
    """

    app: App
    head_octets: int = HEAD_OCTETS
    head_seconds: float = HEAD_SECONDS
    keep_alive_seconds: float = KEEP_ALIVE_SECONDS
    unread_seconds: float = UNREAD_SECONDS
    refused: Callable[[UnheardRefusal], None] = lambda _: None
    ended: Callable[[], None] = lambda: None
    trailers: Trailers = field(default_factory=Trailers)
    connections: set[HttpConnection] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    usual: tuple[tuple[bytes, bytes], ...] = ()
    usual_octets: bytes = b""

    def answers_have(self, *fields: tuple[bytes, bytes]) -> None:
        """Every answer has these fields from now on."""
        self.usual = fields
        self.usual_octets = b"".join(b"%s: %s\r\n" % each for each in fields)


class HttpConnection(asyncio.Protocol):
    """A connection, bounded. It holds its `place` until it is lost."""

    flow: BackPressure
    hold: Callable[[bytes], None]
    write: Callable[[bytes], None]
    is_closing: Callable[[], bool]
    close: Callable[[], None]
    _transport: asyncio.Transport
    _out: Lingering

    def __init__(self, serving: Serving, place: AdmittedConnection | None = None) -> None:
        self._serving = serving
        self._place = place
        self._loop = asyncio.get_running_loop()
        self._parser = RequestParser(self, head_octets=serving.head_octets, trailers=serving.trailers)
        self._cycle: Cycle | None = None  # the request that came last
        self._answering: Cycle | None = None
        self._waiting: deque[Cycle] = deque()  # requests, for the one before them to be answered
        self._unparsed = b""  # what has come behind these
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._began = 0.0  # when the head did, or the connection
        self._idle_since = 0.0  # when the last answer was out; 0 when something has come since
        self._discarded = -1  # octets thrown away; -1 as long as none are to be
        self._server: tuple[str, int] | None = None
        self._client: tuple[str, int] | None = None
        self._scheme = "http"

    @property
    def waiting(self) -> int:
        """How many requests wait for the one that is being answered."""
        return len(self._waiting)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected. It has a limited time to say what it wants."""
        # uvloop's transports are asyncio's by what they do, not by inheritance.
        self._transport = made = cast("asyncio.Transport", transport)
        self.flow = BackPressure(made)
        self._out = out = Lingering(
            made, self._loop, self._serving.unread_seconds, self._is_receiving, self._discard
        )
        self.hold, self.write, self.is_closing, self.close = out.hold, out.write, out.is_closing, out.close
        self._server = _address(made.get_extra_info("sockname"))
        self._client = _address(made.get_extra_info("peername"))
        self._scheme = "http" if made.get_extra_info("sslcontext") is None else "https"
        self._serving.connections.add(self)
        if self._place is not None:
            self._place.holder = self
        self._began = self._loop.time()
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Octets have come."""
        if self._discarded >= 0:
            self._discarded += len(data)
            if self._discarded > LINGER_OCTETS:
                self._transport.abort()
            return
        self._idle_since = 0.0
        if self._unparsed:
            self._unparsed += data
            return
        self._parse(data)

    def _parse(self, data: bytes) -> None:
        """Read requests, as far as they may wait; a head that is not whole then has its time."""
        parser, start, end = self._parser, 0, len(data)
        try:
            while start < end and self._discarded < 0:
                if len(self._waiting) >= PIPELINE_DEPTH:
                    self._unparsed = data[start:]
                    self.flow.hold()
                    return
                start += parser.feed(data, start)
        except NotTakenError as refusal:
            self.refuse(refusal.kind, refusal.sentence)
            return
        if self._deadline is None and self._discarded < 0 and (parser.in_head or self._is_quiet()):
            self._wait()

    def _is_quiet(self) -> bool:
        """Nothing is answered and nobody waits: blank lines have come, or the rest of a refused body."""
        return (self._cycle is None or self._cycle.complete) and not self._idle_since

    def head_begun(self) -> None:
        """A head has begun: it has its time from now on."""
        self._began = self._loop.time()

    def head_whole(self, head: RequestHead) -> None:
        """A request has come, but for its body: the application begins to answer, or it waits its turn."""
        self._stop_waiting()
        path = head.path.decode("ascii")
        scope: Scope = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": head.version,
            "server": self._server,
            "client": self._client,
            "scheme": self._scheme,
            "method": head.method,
            "root_path": "",
            "path": unquote(path) if "%" in path else path,
            "raw_path": head.path,
            "query_string": head.query,
            "headers": head.fields,
        }
        former = self._cycle
        self._cycle = cycle = Cycle(self, scope, persists=head.persists, expects=head.expects)
        if former is None or former.complete:
            self._start(cycle)
        else:
            self.flow.pause_reading()
            self._waiting.append(cycle)

    def body_piece(self, piece: bytes) -> None:
        """A piece of the body has come."""
        if self._cycle is not None:
            self._cycle.take(piece)

    def request_whole(self) -> None:
        """All of a request has come."""
        if self._cycle is not None:
            self._cycle.end()

    def _start(self, cycle: Cycle) -> None:
        """Let the application answer. The task leaves by itself, without a callback."""
        self._answering = cycle
        held: list[asyncio.Task[None]] = []
        held.append(self._loop.create_task(self._run(cycle, held)))
        self._serving.tasks.add(held[0])

    async def _run(self, cycle: Cycle, held: list[asyncio.Task[None]]) -> None:
        try:
            await cycle.run(self._serving.app)
        finally:
            self._serving.tasks.discard(held.pop())

    def usual(self) -> bytes:
        """Return the fields that every answer has."""
        return self._serving.usual_octets

    def answered(self) -> None:
        """An answer is out: the next request has its turn, or the connection is idle."""
        self._answering = None
        if self.is_closing():
            return
        self.flow.resume_reading()
        if self._waiting:
            self._start(self._waiting.popleft())
            if self._unparsed:  # there is room for more
                data, self._unparsed = self._unparsed, b""
                self.flow.release()
                self._parse(data)
            return
        self._idle_since = self._loop.time()
        if self._idle is None:  # it is not wound up for each request
            self._look_again_in(self._serving.keep_alive_seconds)

    def _look_again_in(self, seconds: float) -> None:
        self._idle = self._loop.call_later(seconds, self._end_if_idle)

    def _end_if_idle(self) -> None:
        """Close the connection if it has been idle for long enough; else look again when it may have been."""
        self._idle = None
        if not self._idle_since or self.is_closing():
            return
        left = self._idle_since + self._serving.keep_alive_seconds - self._loop.time()
        if left > 0:
            self._look_again_in(left)
        else:
            self.close()

    def _wait(self) -> None:
        self._deadline = self._loop.call_later(self._serving.head_seconds, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self._parser.in_head:
            self.refuse(FaultKind.TOO_SLOW)
        else:
            self.close()  # nothing was asked

    def refuse(self, kind: FaultKind, sentence: str = "") -> None:
        """Answer what is not whole, in the protocol that its path names, and end the connection."""
        if self.is_closing():
            return
        self._stop_waiting()
        unheard = self._cycle is None or self._cycle.complete
        if unheard or self._breaks_off():
            request_id = new_request_id()
            protocol = faults.protocol_of(self._parser.target.partition(b"?")[0])
            answer = faults.answer(protocol, Fault(kind, sentence or _SENTENCES[kind]), request_id)
            self.write(whole(answer, request_id, self._serving.usual))
            if unheard:  # of any other an application tells that its client is gone
                address = self._client[0] if self._client else ""
                seconds = self._loop.time() - self._began
                size = len(answer.body)
                self._serving.refused(
                    UnheardRefusal(protocol, kind, answer.status, size, address, request_id, seconds)
                )
        # Behind a request that is not answered yet, an answer now would be taken for that one's.
        self._discarded = max(self._discarded, 0)
        self.close()

    def _breaks_off(self) -> bool:
        """Whether it is a body that has gone wrong, of the one request that waits for its answer.

        Its application is told that the client is gone: the answer is given here.
        """
        cycle = self._cycle
        if cycle is None or self._parser.in_head or self._waiting or not cycle.more_body or cycle.started:
            return False
        cycle.disconnect()
        return True

    def pause_writing(self) -> None:
        """More is written than the client has read: it has a limited time to go on reading."""
        self.flow.pause_writing()
        self._unread = self._loop.call_later(self._serving.unread_seconds, self._out.abort)

    def resume_writing(self) -> None:
        """The client reads."""
        self.flow.resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def is_expendable(self) -> bool:
        """Whether it may end when others want to connect: it is idle, or something is long in coming."""
        if self.is_closing():
            return True
        if self._waiting:
            return False
        cycle, since = self._cycle, self._loop.time() - self._began
        if cycle is None or cycle.complete:
            return not self._parser.in_head or since > HEAD_PATIENCE_SECONDS
        return cycle.more_body and not cycle.started and since > BODY_PATIENCE_SECONDS

    def shutdown(self) -> None:
        """No request is taken any more: the connection ends when those that have come are answered."""
        if self._cycle is None or self._cycle.complete:
            self.close()
        else:
            self._cycle.persists = False

    def abort(self) -> None:
        """End at once, whatever has not been sent."""
        self._out.abort()

    def _is_receiving(self) -> bool:
        """Whether something is still arriving that nobody will read."""
        return self._discarded >= 0 or bool(self._unparsed) or self._parser.in_body

    def _discard(self) -> None:
        """From now on, what arrives is thrown away."""
        self._discarded = max(self._discarded, 0)
        self._unparsed = b""
        self.flow.release()

    def connection_lost(self, _exc: Exception | None) -> None:
        """The connection is gone."""
        self._stop_waiting()
        self._out.ended()
        self._unparsed = b""
        for timer in (self._unread, self._idle):
            if timer is not None:
                timer.cancel()
        for cycle in (self._answering, self._cycle, *self._waiting):
            if cycle is not None:
                cycle.disconnect()
        self._waiting.clear()
        self.flow.resume_writing()
        self._parser.close()
        self._serving.connections.discard(self)
        if self._place is not None:
            self._place.leave()
        self._serving.ended()


def _address(told: object) -> tuple[str, int] | None:
    """A host and a port, of what a socket says of itself; None of one that has neither."""
    return (str(told[0]), int(told[1])) if isinstance(told, tuple) else None
