"""One client over TCP (RFC 7766): questions may follow without waiting, answers come when they are ready."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Final, TypeAlias, cast

if TYPE_CHECKING:
    from indicia.connections.admission import AdmittedConnection

Respond: TypeAlias = Callable[[bytes], bytes | Coroutine[None, None, bytes] | None]

# RFC 7766 §6.2.3 wants seconds; a whole question has to arrive within it too, so that nobody feeds us octets.
IDLE: Final = 10.0
LIFETIME: Final = 120.0
_MAX_WAITING: Final = 64
# A question is at most header, name, type, class and an OPT with cookies; 4 KiB are generous.
_MAX_QUESTION: Final = 4096


class DnsConnection(asyncio.Protocol):
    """One client's connection."""

    def __init__(
        self,
        respond: Respond,
        place: AdmittedConnection,
        opened: set[DnsConnection],
        *,
        idle: float,
        lifetime: float,
    ) -> None:
        self._respond = respond
        self._place = place
        self._opened = opened
        self._idle = idle
        self._lifetime = lifetime
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._waiting: set[asyncio.Task[bytes]] = set()
        self._all_asked = False  # the client sends no more
        self._choked = False  # the client does not read
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for questions."""
        self._transport = cast("asyncio.Transport", transport)
        self._opened.add(self)
        self._place.holder = self
        self._began = self._last = self._loop.time()
        self._timer = self._loop.call_later(self._idle, self._check)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the loop passes it
        """Forget the client and what it still waits for."""
        self._opened.discard(self)
        self._place.leave()
        for task in self._waiting:
            task.cancel()
        if self._timer is not None:
            self._timer.cancel()

    def is_expendable(self) -> bool:
        """Whether nothing that was asked is waited for (RFC 7766 §6.2.3)."""
        return not self._waiting

    def abort(self) -> None:
        """End the connection without sending what is left."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Answer every whole question that has arrived."""
        self._buffer += data
        self._go_on()

    def eof_received(self) -> bool:
        """Keep our side open until everything asked has been answered."""
        self._all_asked = True
        self._go_on()
        return True

    def pause_writing(self) -> None:
        """Read no more from a client that does not read."""
        self._choked = True

    def resume_writing(self) -> None:
        """Go on with a client that reads again."""
        self._choked = False
        self._go_on()

    def _go_on(self) -> None:
        """Answer what is in the buffer as far as the client keeps up; read more, or close, as it asks."""
        while self._ready() and (query := self._next()) is not None:
            self._last = self._loop.time()
            self._take(query)
        if self._transport.is_closing():
            return
        if not self._ready():
            self._transport.pause_reading()
        elif not self._all_asked:
            self._transport.resume_reading()
        elif not self._waiting:
            self._transport.close()

    def _ready(self) -> bool:
        return not self._choked and len(self._waiting) < _MAX_WAITING and not self._transport.is_closing()

    def _next(self) -> bytes | None:
        """Take the next whole question out of the buffer (RFC 1035 §4.2.2: two octets of length first)."""
        length = int.from_bytes(self._buffer[:2])
        if length > _MAX_QUESTION:
            self._transport.abort()
            return None
        if len(self._buffer) < 2 + length:
            return None
        query = bytes(self._buffer[2 : 2 + length])
        del self._buffer[: 2 + length]
        return query

    def _take(self, query: bytes) -> None:
        answer = self._respond(query)
        if answer is None:  # RFC 7766 §8: what is no question at all ends the connection
            self._transport.abort()
        elif isinstance(answer, bytes):
            self._send(answer)
        else:
            task = self._loop.create_task(answer)
            self._waiting.add(task)
            task.add_done_callback(self._done)

    def _send(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(len(answer).to_bytes(2) + answer)

    def _done(self, task: asyncio.Task[bytes]) -> None:
        self._waiting.discard(task)
        if not task.cancelled():
            self._send(task.result())
            self._go_on()

    def _check(self) -> None:
        """Close a connection that is idle, or slow, or old."""
        now = self._loop.time()
        until = min(self._last + self._idle, self._began + self._lifetime)
        if now < until:
            self._timer = self._loop.call_later(until - now, self._check)
        elif self._choked or self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()
