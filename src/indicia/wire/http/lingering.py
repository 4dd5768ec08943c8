"""How answers leave a connection: in one piece, and read before it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LINGER_SECONDS = 2.0
# How long a client may leave an answer unread that is longer than what the network holds.
UNREAD_SECONDS = 30.0


class Lingering:
    """Writes to a transport once a turn of the loop, and lets the client read it before closing.

    uvloop makes a system call of each write. Here what is `hold`-ed waits for what follows it, or for the end
    of the loop's turn, no longer. So the head of an answer goes with its body, and the answers to what came
    in together go out together: a system call that wakes the client in the middle of the work costs four
    times as much, and pushes what the work needs out of the processor's caches.

    `is_receiving` says whether a request is on its way in, when the connection is to end; whatever comes from
    then on is dropped by `discard`, while the client reads why (RFC 9112 §9.6).
    """

    __slots__ = (
        "_discard",
        "_held",
        "_is_receiving",
        "_loop",
        "_timer",
        "_transport",
        "_unread_seconds",
        "_write",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        unread_seconds: float,
        is_receiving: Callable[[], bool],
        discard: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._unread_seconds = unread_seconds
        self._is_receiving = is_receiving
        self._discard = discard
        self._timer: asyncio.TimerHandle | None = None
        self._held = b""
        self._write = transport.write

    def hold(self, data: bytes) -> None:
        """It is sent with what is written next, or at the end of the loop's turn."""
        if self._held:
            self._held += data
        else:
            self._held = data
            self._loop.call_soon(self._flush)

    def write(self, data: bytes) -> None:
        """It is sent at once, behind what is held."""
        if self._held:
            data, self._held = self._held + data, b""
        self._write(data)

    def _flush(self) -> None:
        if self._held:
            data, self._held = self._held, b""
            self._write(data)

    def is_closing(self) -> bool:
        """Whether nothing more is written."""
        return self._timer is not None or self._transport.is_closing()

    def abort(self) -> None:
        """End the connection at once, whatever has not been sent."""
        self._held = b""
        self.ended()
        self._transport.abort()

    def ended(self) -> None:
        """Wait for nothing any more."""
        if self._timer is not None:
            self._timer.cancel()

    def close(self) -> None:
        """End the connection once the client has what was written, or did not read it in time."""
        if self.is_closing():
            return
        self._flush()
        if not self._is_receiving():
            self._transport.close()
            if self._transport.get_write_buffer_size():
                self._abort_in(self._unread_seconds)
            return
        self._abort_in(LINGER_SECONDS)
        self._discard()
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def _abort_in(self, seconds: float) -> None:
        self._timer = self._loop.call_later(seconds, self._transport.abort)
