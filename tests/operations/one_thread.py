"""A database for tests that make thousands of calls one after the other: one thread, one connection.

The same SQL in the same transactions as `SqliteDatabase`, whose writer has a thread of its own: handing each
write to it, and waiting, takes longer than the write itself when the machine has something else to do.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from indicia.store.engine.database import Database
from indicia.store.engine.jobs import GroupOutcome, Job, Transactions
from indicia.store.engine.prepared import SQLITE
from indicia.store.engine.session import Session
from indicia.store.engine.sqlite import connect

T = TypeVar("T")


class OneThreadDatabase(Database):
    """A SQLite file that nobody else uses, and that is lost with the machine."""

    dialect = SQLITE

    def __init__(self, path: Path) -> None:
        self._connection = connect(str(path))
        self._connection.execute("PRAGMA synchronous = OFF")
        self._transactions = Transactions(self._connection)
        self._session = Session(SQLITE, self._connection.cursor())

    def read(self, work: Callable[[Session], T]) -> T:
        """See `Database.read`. Nobody writes meanwhile."""
        return work(self._session)

    def write(self, work: Callable[[Session], T]) -> T:
        """See `Database.write`."""
        waiting: Future[T] = Future()
        job = Job(work, waiting)
        self._transactions.begin()
        try:
            if self._transactions.together([job]) is GroupOutcome.WRITTEN:
                self._transactions.commit()
        except BaseException:
            self._transactions.undo()
            raise
        job.tell()
        return waiting.result()

    async def reading(self, work: Callable[[Session], T]) -> T:
        """See `Database.reading`."""
        return self.read(work)

    async def writing(self, work: Callable[[Session], T]) -> T:
        """See `Database.writing`."""
        return self.write(work)

    def close(self) -> None:
        """See `Database.close`."""
        self._transactions.close()
