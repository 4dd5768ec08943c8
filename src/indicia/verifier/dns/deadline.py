"""The one end that everything has which one look does, however many parts it takes.

A lease is twice the budget of a look (verification.md, Schedule). Parts that each had the budget to
themselves would outlast it, and another verifier would ask the same thing meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class Deadline:
    """An instant so many seconds from now, by a monotonic clock."""

    __slots__ = ("_at", "_now")

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._at = now() + seconds

    @property
    def left(self) -> float:
        """How many seconds there are until then, 0 once it has passed."""
        return max(0.0, self._at - self._now())

    async def spend(self, work: Callable[[], Awaitable[T]], otherwise: T) -> T:
        """Return what the work returns in time, `otherwise` when it does not. Late work is not begun."""
        left = self.left
        if not left:
            return otherwise
        try:
            async with asyncio.timeout(left):
                return await work()
        except TimeoutError:
            return otherwise
