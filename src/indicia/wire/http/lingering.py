"""The transport of a connection: an answer leaves in one piece, and is read before the connection ends."""

from __future__ import annotations

import asyncio
from typing import Protocol

LINGER_SECONDS = 2.0
# How long a client may leave an answer unread that is longer than what the network holds.
UNREAD_SECONDS = 30.0


class Receives(Protocol):
    """What a transport asks of the connection that it carries."""

    loop: asyncio.AbstractEventLoop

    def is_receiving(self) -> bool:
        """Say whether a request is on its way in."""

    def discard(self) -> None:
        """Whatever comes from now on is dropped."""


class Lingering(asyncio.Transport):
    """A transport that writes an answer in one piece, and lets the client read it before closing.

    uvicorn writes head and body apart, and uvloop makes a system call of each write. Here the head waits for
    the body, and a whole answer for the end of the loop's turn, no longer. So the answers to what came in
    together go out together: a system call that wakes the client in the middle of the work costs four times
    as much, and pushes what the work needs out of the processor's caches. For the closing see RFC 9112 §9.6.
    """

    def __init__(self, transport: asyncio.Transport, connection: Receives, unread_seconds: float) -> None:
        super().__init__()
        self._transport = transport
        self._connection = connection
        self._unread_seconds = unread_seconds
        self._timer: asyncio.TimerHandle | None = None
        self._held: bytes | None = None
        self._write = transport.write
        self.get_extra_info = transport.get_extra_info  # type: ignore[method-assign]
        self.pause_reading = transport.pause_reading  # type: ignore[method-assign]

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send a head with its body, whatever else at once."""
        if self._held is not None:
            head, self._held = self._held, None
            self._write(b"".join((head, data)))
        elif isinstance(data, bytes) and data.startswith(b"HTTP/1.1 "):
            self._held = data
            self._connection.loop.call_soon(self._flush)
        else:
            self._write(data)

    def write_whole(self, data: bytes) -> None:
        """Send a whole answer at the end of the loop's turn."""
        self._flush()
        self._held = data
        self._connection.loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self._held is not None:
            head, self._held = self._held, None
            self._write(head)

    def resume_reading(self) -> None:
        """Read on, if the connection still is one."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def is_closing(self) -> bool:
        """Whether nothing more is written."""
        return self._timer is not None or self._transport.is_closing()

    def abort(self) -> None:
        """End the connection at once, whatever has not been sent."""
        self._held = None
        self.ended()
        self._transport.abort()

    def ended(self) -> None:
        """Wait for nothing any more."""
        if self._timer is not None:
            self._timer.cancel()

    def close(self) -> None:
        """End the connection once the client has what was written, or did not read it in time."""
        if self._timer is not None or self._transport.is_closing():
            return
        self._flush()
        if not self._connection.is_receiving():
            self._transport.close()
            if self._transport.get_write_buffer_size():
                self._abort_in(self._unread_seconds)
            return
        self._abort_in(LINGER_SECONDS)
        self._connection.discard()
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def _abort_in(self, seconds: float) -> None:
        self._timer = self._connection.loop.call_later(seconds, self._transport.abort)
