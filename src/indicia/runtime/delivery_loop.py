"""The life of a queue that is delivered: who is next is looked up, taken under a lease, delivered, and noted.

What is to be delivered was written with what it tells of. Whose turn it is `domain.delivery` says: no account
and no destination holds more than its share. It is delivered at least once: that somebody else is answerable
for it is noted afterwards, and whatever stops in between, the lease ends and it is taken again.
"""

from __future__ import annotations

import asyncio
import secrets
from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import structlog

from indicia.domain.delivery import Flow, Portion, admit
from indicia.runtime.background_loop import Rounds
from indicia.runtime.clock import Clock, real_now
from indicia.store.engine.prepared import SQLITE
from indicia.store.engine.queue import Lease

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indicia.domain.fairness import Shares
    from indicia.domain.time import Instant, Span
    from indicia.store.engine.database import Database
    from indicia.store.engine.session import Session

_log = structlog.get_logger("indicia.delivery")


class Item(Protocol):
    """Something to deliver."""

    @property
    def id(self) -> int:
        """Its number, which logs may show."""


ItemT = TypeVar("ItemT", bound=Item)


class DeliveryLoop(Rounds, Generic[ItemT]):
    """Delivers what waits. `run` is its life; the other methods may be called at any time in it.

    `shares` are of what is in hand at once, by the names of a `Flow`; `lease` is for how long something is
    taken, in real time, and longer than any delivery takes. The clock decides what is due.
    """

    def __init__(self, database: Database, clock: Clock, shares: Shares, *, owner: str, lease: Span) -> None:
        super().__init__(clock)
        self._database = database
        self._shares = shares
        self._lease_span = lease
        self._owner = f"{owner}-{secrets.token_hex(8)}"
        self._voided = database.dialect != SQLITE
        self._under_way: dict[asyncio.Task[None], Flow] = {}

    @abstractmethod
    def _void(self, s: Session) -> object:
        """Take every lease back."""

    @abstractmethod
    def _flows(self, s: Session, lease: Lease) -> Sequence[Flow]:
        """Return what something is due for that nobody holds, the longest waiting first."""

    @abstractmethod
    def _take(self, s: Session, portion: Portion, lease: Lease) -> Sequence[ItemT]:
        """Take as many items of the flow as are due, and no more than the portion."""

    @abstractmethod
    def _next(self, s: Session, now: Instant) -> Instant | None:
        """Return the first instant after `now` at which something may become due, None when nothing will."""

    @abstractmethod
    def _unsettled(self, s: Session, now: Instant) -> bool:
        """Say whether anything could be delivered now, or is being delivered."""

    @abstractmethod
    async def _deliver(self, item: ItemT) -> None:
        """Deliver one item and note how that went. Whatever goes wrong with it stays its own trouble."""

    async def _prepare(self) -> None:
        """Do what has to be done before anything is looked up."""

    async def run(self) -> None:
        """Deliver until `stop`; what was begun by then is finished. A database that is away is waited for."""
        try:
            await super().run()
        finally:
            await self._finish()

    async def _idle(self) -> bool:
        return not await self._database.reading(partial(self._unsettled, now=self._clock.now()))

    async def _round(self) -> Instant | None:
        if not self._voided:  # SQLite has one process, and it is this one: no one else holds anything
            await self._database.writing(self._void)
            self._voided = True
        await self._prepare()
        while await self._begin():
            pass
        return await self._database.reading(partial(self._next, now=self._clock.now()))

    async def _begin(self) -> bool:
        """Begin what may begin; say whether there may be more, and room for it."""
        if not self._shares.left:
            return False  # what ends is news
        real = real_now()
        lease = Lease(self._owner, self._clock.now(), real, real + self._lease_span)
        portions = admit(await self._database.reading(partial(self._flows, lease=lease)), self._shares)
        if not portions:
            return False
        try:
            taken = await self._database.writing(partial(self._take_all, portions=portions, lease=lease))
        except BaseException:
            for portion in portions:
                self._give_back(portion.flow, portion.items)
            raise
        for portion, items in zip(portions, taken, strict=True):
            self._give_back(portion.flow, portion.items - len(items))
            for item in items:
                self._start(portion.flow, item)
        # A portion that was not used up may be had by others; where all were, the next look finds the shares
        # taken. Where nothing was taken, another process has it in hand.
        return any(taken)

    def _take_all(self, s: Session, portions: Sequence[Portion], lease: Lease) -> list[Sequence[ItemT]]:
        # In one order everywhere: two that take never wait for each other both.
        ordered = sorted(range(len(portions)), key=lambda place: portions[place].flow.receiver)
        taken = {place: self._take(s, portions[place], lease) for place in ordered}
        return [taken[place] for place in range(len(portions))]

    def _start(self, flow: Flow, item: ItemT) -> None:
        task = asyncio.create_task(self._deliver(item), name=f"{self._owner} {item.id}")
        self._under_way[task] = flow
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        flow = self._under_way.pop(task, None)
        if flow is not None:
            self._give_back(flow, 1)
        # Somebody else had it, but the database failed: when the lease ends it goes out again.
        if not task.cancelled() and (trouble := task.exception()) is not None:
            _log.error("delivery.not_noted", task=task.get_name(), trouble=type(trouble).__name__)
        self._progressed()
        self._news.set()

    def _give_back(self, flow: Flow, items: int) -> None:
        for _ in range(items):
            self._shares.give(flow.names)

    async def _finish(self) -> None:
        """Let what was begun come to its end, or drop it when cancelled: it is delivered after a restart."""
        try:
            while self._under_way:
                await asyncio.wait(set(self._under_way))
        finally:
            for task in self._under_way:
                task.cancel()
