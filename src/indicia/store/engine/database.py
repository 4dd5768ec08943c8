"""A database that runs units of work.

A unit of work is a function of a `Session`. It runs in one transaction: all of it is there afterwards or none
of it, and when a writing call returns, what it wrote survives the loss of power.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

from indicia.domain.faults import Fault
from indicia.store.engine.session import Session

T = TypeVar("T")
# A unit of work on many things at once: for each what came of it, or why it was refused.
Shared: TypeAlias = Callable[[Session, Sequence[Any]], Sequence[T | Fault]]


class Database(ABC):
    """One database, shared by every thread of a process. `open_database` makes one from its URL."""

    dialect: str

    @abstractmethod
    def read(self, work: Callable[[Session], T]) -> T:
        """Return what the work returns. It sees one moment of the database and changes nothing."""

    @abstractmethod
    def write(self, work: Callable[[Session], T]) -> T:
        """Return what the work returns, once what it wrote is durable.

        The work may be run again after it lost a race: it does nothing that cannot be done twice except
        through its session. Raises what the work raises, with nothing written.
        """

    @abstractmethod
    async def reading(self, work: Callable[[Session], T]) -> T:
        """Do as `read`, without holding up the event loop longer than the work itself takes."""

    def moment(self) -> int | None:
        """Return what stands for the state that `reading` sees in this turn of the event loop.

        Whenever anybody has changed anything since, in whatever process, it is another number. None where
        that cannot be told for less than reading costs.
        """
        return None

    @abstractmethod
    async def writing(self, work: Callable[[Session], T]) -> T:
        """Do as `write`, without holding up the event loop."""

    async def writing_with(self, work: Shared[T], item: object) -> T:
        """Do as `writing` with what the work makes of the item, in one call with others that wait for it.

        The work is short: it may run in the event loop, some dozens of items at a time. What it refuses, by a
        `Fault` in place of a result, it has written nothing for. When it raises, each item is tried again by
        itself.
        """
        return await self.writing(lambda s: alone(work, item, s))

    @abstractmethod
    def close(self) -> None:
        """Finish what was begun and let go of the database. Later calls raise Fault UNAVAILABLE."""


def alone(work: Shared[T], item: object, s: Session) -> T:
    """Return what the work makes of one item. Raises: `Fault` where it refuses it."""
    (outcome,) = work(s, [item])
    if isinstance(outcome, Fault):
        raise outcome
    return outcome
