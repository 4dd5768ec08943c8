"""The life of a part that has something to do from time to time: it looks, works, and rests until news.

The store says what is due, so that nothing is lost with a process; what another process makes due is found
by looking once in a while.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Final

from indicia.domain.time import SECOND, Instant, Span
from indicia.runtime.clock import Clock

# How long someone who waits for the end of all work waits before looking again (seconds): what another
# process has in hand tells nobody here when it is done.
_PATIENCE: Final = 1.0


class Rounds(ABC):
    """Works in rounds. `run` is its life; the other methods may be called at any time in it.

    The clock decides what is due; it is looked at after `look_every` at the latest.
    """

    def __init__(self, clock: Clock, *, look_every: Span = 5 * SECOND) -> None:
        self._clock = clock
        self._look_every = look_every
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()
        self._progress = asyncio.Event()
        self._stopping = False

    async def run(self) -> None:
        """Work until `stop`. A database that is away is waited for."""
        self._loop = asyncio.get_running_loop()
        try:
            while not self._stopping:
                self._news.clear()
                due_at = None
                try:
                    due_at = await self._round()
                except Exception as trouble:  # noqa: BLE001 - the loop outlives any trouble of the database
                    self._put_off(trouble)
                await self._rest(due_at)
        finally:
            self._progress.set()

    def wake(self) -> None:
        """Let it look at once. Callable from any thread, before and after `run` too."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._news.set)

    def stop(self) -> None:
        """Let `run` come to its end. Callable from any thread."""
        self._stopping = True
        self.wake()

    async def settled(self) -> None:
        """Return once nothing is due or in hand. What is tried again later is not due.

        Call it on the loop that `run` runs on.
        """
        while not self._stopping:
            progress = self._progress
            if await self._idle():
                return
            self._news.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await progress.wait()

    @abstractmethod
    async def _round(self) -> Instant | None:
        """Do what is due, or begin it. Return when there is more to do, None where that is not known."""

    @abstractmethod
    async def _idle(self) -> bool:
        """Say whether nothing is due and nothing in hand."""

    @abstractmethod
    def _put_off(self, trouble: Exception) -> None:
        """Note that a round came to nothing. What was due still is."""

    def _progressed(self) -> None:
        """Let those look again who wait for `settled`."""
        progress, self._progress = self._progress, asyncio.Event()
        progress.set()

    async def _rest(self, due_at: Instant | None) -> None:
        """Return when there may be something to do: news, a due time, a moved clock, or time to look."""
        latest = self._clock.now() + self._look_every
        waits = {
            asyncio.create_task(self._news.wait()),
            asyncio.create_task(self._clock.wait_until(latest if due_at is None else min(latest, due_at))),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
