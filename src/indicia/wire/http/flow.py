"""What stops and goes on between a connection and its transport: reading, and writing."""

from __future__ import annotations

import asyncio


class BackPressure:
    """The back-pressure of a connection.

    Reading is paused while enough of a body is held that nobody has asked for, or requests wait. While it is
    `hold`-ed it goes on for nobody. `write_paused` is whether the client reads too slowly.
    """

    __slots__ = ("_held", "_transport", "_writable", "read_paused", "write_paused")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held = False
        self._writable: asyncio.Event | None = None  # made when somebody waits
        self.read_paused = False
        self.write_paused = False

    def pause_reading(self) -> None:
        """Nothing more is taken in for now."""
        if not self.read_paused:
            self.read_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """More is taken in, unless it is held or there is no connection any more."""
        if self.read_paused and not self._held:
            self.read_paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def hold(self) -> None:
        """Nothing more is taken in until `release`."""
        self._held = True
        self.pause_reading()

    def release(self) -> None:
        """More is taken in."""
        self._held = False
        self.resume_reading()

    def pause_writing(self) -> None:
        """More was written than the client has read."""
        self.write_paused = True

    def resume_writing(self) -> None:
        """The client has read it, or is gone: whoever waits goes on."""
        self.write_paused = False
        if self._writable is not None:
            self._writable.set()
            self._writable = None

    async def drain(self) -> None:
        """Return when the client has read what was written."""
        while self.write_paused:
            if self._writable is None:
                self._writable = asyncio.Event()
            await self._writable.wait()
