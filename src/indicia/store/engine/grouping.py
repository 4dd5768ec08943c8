"""Work on many things at once, where the database has room for several: what waits goes in together.

While one group of a work is in its transaction the next one gathers; a second is under way beside it, so that
neither the database nor this process waits for the other. What comes alone goes alone, and at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias

from indicia.domain.faults import Fault
from indicia.store.engine.database import Shared, alone
from indicia.store.engine.session import Session

_GROUP: Final = 64  # the most in one transaction
_SIDE_BY_SIDE: Final = 2  # transactions of one work
# Turns of the loop that bring no more before what is there goes. Whoever has just been answered asks again
# within these few.
_QUIET_TURNS: Final = 4

# Runs a unit of work in a transaction of its own, off the loop.
Write: TypeAlias = Callable[[Callable[[Session], Any]], Awaitable[Any]]


class Grouping:
    """What waits for one work in one event loop."""

    def __init__(self, work: Shared[Any], write: Write, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._work = work
        self._write = write
        self._context = contextvars.Context()  # of none of those whose work it is
        self._waiting: list[tuple[object, asyncio.Future[Any]]] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._looks = False
        self._seen = self._quiet = 0

    def put(self, item: object) -> asyncio.Future[Any]:
        """Return what will be the item's result, or why it was refused."""
        result: asyncio.Future[Any] = self.loop.create_future()
        self._waiting.append((item, result))
        self._look_soon()
        return result

    def _look_soon(self) -> None:
        if self._waiting and not self._looks and len(self._under_way) < _SIDE_BY_SIDE:
            self._looks = True
            self.loop.call_soon(self._look, context=self._context)

    def _look(self) -> None:
        """Let go what has gathered once some turns of the loop have brought no more."""
        self._looks = False
        there = len(self._waiting)
        self._quiet = self._quiet + 1 if there == self._seen else 0
        self._seen = there
        if self._quiet < _QUIET_TURNS and there < _GROUP:
            self._look_soon()
            return
        group, self._waiting = self._waiting[:_GROUP], self._waiting[_GROUP:]
        self._seen = self._quiet = 0
        wanted = [each for each in group if not each[1].cancelled()]
        if wanted:
            task = self.loop.create_task(self._run(wanted), context=self._context)
            self._under_way.add(task)
            task.add_done_callback(self._ended)
        self._look_soon()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._look_soon()

    async def _run(self, group: Sequence[tuple[object, asyncio.Future[Any]]]) -> None:
        items = [item for item, _ in group]
        try:
            outcomes = await self._write(lambda s: list(self._work(s, items)))
        except BaseException as error:
            if len(group) == 1 or not isinstance(error, Exception):
                for _, result in group:
                    _tell(result, error)
                if not isinstance(error, Exception):
                    raise
                return
            # For whose sake is not known: each by itself.
            await asyncio.gather(*(self._run_alone(item, result) for item, result in group))
            return
        for (_, result), outcome in zip(group, outcomes, strict=True):
            _tell(result, outcome)

    async def _run_alone(self, item: object, result: asyncio.Future[Any]) -> None:
        try:
            outcome = await self._write(lambda s: alone(self._work, item, s))
        except Exception as error:  # noqa: BLE001 - it belongs to who asked
            _tell(result, error)
        else:
            _tell(result, outcome)


def _tell(result: asyncio.Future[Any], outcome: object) -> None:
    with contextlib.suppress(asyncio.InvalidStateError):  # nobody waits any more
        if isinstance(outcome, (Fault, BaseException)):
            result.set_exception(outcome)
        else:
            result.set_result(outcome)
