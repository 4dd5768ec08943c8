"""The clock of one process: real time and an offset that only grows.

The offset moves windows, schedules, link ages and key ages. What must keep real time (signatures, TLS,
leases, rate limits, sessions) asks the system's clock and not this one.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from indicia.domain.time import Instant, Span

_LONGEST_SLEEP = 3600.0  # seconds; the machine's own clock may be set while we sleep


def real_now() -> Instant:
    """Return the present instant of the machine."""
    return time.time_ns() // 1_000_000


class Clock:
    """A clock that can be moved forward from any thread, and that wakes whoever waits on it."""

    def __init__(self, offset: Span = 0, *, real: Callable[[], Instant] = real_now) -> None:
        if offset < 0:
            raise ValueError("a clock only goes forward")
        self._offset = offset
        self._real = real
        self._lock = threading.Lock()
        self._waiting: set[_Waiter] = set()

    @property
    def offset(self) -> Span:
        """How far ahead of real time it is."""
        return self._offset

    def now(self) -> Instant:
        """Return the present instant."""
        return self._real() + self._offset

    def advance(self, span: Span) -> Instant:
        """Move the clock forward, wake all who wait on it, and return the new present."""
        if span < 0:
            raise ValueError("a clock only goes forward")
        with self._lock:
            self._offset += span
            woken, self._waiting = self._waiting, set()
        for waiter in woken:
            waiter.wake()
        return self.now()

    async def wait_until(self, instant: Instant) -> None:
        """Return once the instant has come, or earlier when the clock was moved: the caller looks again."""
        waiter = _Waiter(asyncio.get_running_loop())
        with self._lock:
            offset = self._offset
            self._waiting.add(waiter)
        try:
            while self._offset == offset and (left := instant - self.now()) > 0:
                if await waiter.woken_within(min(left / 1000, _LONGEST_SLEEP)):
                    return
        finally:
            with self._lock:
                self._waiting.discard(waiter)


class _Waiter:
    """One sleep of one task, which a thread that is not its own can end."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._event = asyncio.Event()

    def wake(self) -> None:
        # A loop that has been closed in the meantime has nobody left to wake.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._event.set)

    async def woken_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        return True
