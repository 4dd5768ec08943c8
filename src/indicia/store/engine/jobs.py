"""Units of work that wait for the writer, and how a group of them runs in one transaction."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar, cast

from indicia.domain.faults import Fault
from indicia.store.engine.database import Shared
from indicia.store.engine.errors import told
from indicia.store.engine.prepared import SQLITE
from indicia.store.engine.session import Session

T = TypeVar("T")


class Share(NamedTuple):
    """What a job has of a work on many things."""

    work: Shared[Any]
    item: object


class Job(Generic[T]):
    """A unit of work that waits for the writer, and who waits for it: a thread, or a task of the `loop`."""

    __slots__ = ("_waiting", "error", "loop", "result", "share", "work")

    def __init__(
        self,
        work: Callable[[Session], T],
        waiting: Future[T] | asyncio.Future[T],
        loop: asyncio.AbstractEventLoop | None = None,
        share: Share | None = None,
    ) -> None:
        self.work = work
        self.share = share
        self.result: T | None = None
        self.error: BaseException | None = None
        self._waiting = waiting
        self.loop = loop

    def wanted(self) -> bool:
        """Whether anybody still waits for it."""
        return not self._waiting.cancelled()

    def tell(self) -> None:
        """Say how it ended to who waits. Who was cancelled meanwhile is not told; what was written stays."""
        if self._waiting.done():
            return
        if self.error is None:
            self._waiting.set_result(cast("T", self.result))
        elif isinstance(self.error, StopIteration):  # which no future takes
            error = RuntimeError("a unit of work has raised StopIteration")
            error.__cause__ = self.error
            self._waiting.set_exception(error)
        else:
            self._waiting.set_exception(self.error)


Group = Sequence[Job[Any]]


def tell(group: Group) -> None:
    """Say to everybody how their work ended. A loop is woken once for all who wait in it."""
    in_loops: dict[asyncio.AbstractEventLoop, list[Job[Any]]] = {}
    for job in group:
        if job.loop is None:
            job.tell()
        else:
            in_loops.setdefault(job.loop, []).append(job)
    for loop, jobs in in_loops.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell_all, jobs)


def tell_all(group: Group) -> None:
    """Say to those who wait in this loop or thread how their work ended."""
    for job in group:
        job.tell()


class GroupOutcome(Enum):
    """How it is after a group has run together."""

    WRITTEN = "written"  # to be committed
    REFUSED = "refused"  # it was one job, and has failed: nothing is left of it
    MIXED = "mixed"  # one has failed after it had written: nothing is left of any


class Transactions:
    """Those of the one connection that writes. Not for two threads at once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._session = Session(SQLITE, self._cursor)
        (self._patience,) = self._cursor.execute("PRAGMA busy_timeout").fetchone()

    @property
    def changes(self) -> int:
        """How many rows have been changed since the connection was opened."""
        return self._connection.total_changes

    def begin(self, *, wait: bool = True) -> bool:
        """Begin to write; False where another process does, and is not waited for."""
        if wait:
            self._cursor.execute("BEGIN IMMEDIATE")
            return True
        self._cursor.execute("PRAGMA busy_timeout = 0")
        try:
            self._cursor.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            return False
        finally:
            self._cursor.execute(f"PRAGMA busy_timeout = {self._patience}")
        return True

    def together(self, group: Group) -> GroupOutcome:
        """Run a group in the transaction that was begun, which goes on only where it is WRITTEN.

        Without savepoints: each copies every page that its work touches, which costs more than the work does.
        One that fails without having written leaves nothing to be taken back. After any other failure all of
        it is undone, for each to run anew in a savepoint of its own and to fail alone (see `Database.write`).
        """
        connection, session = self._connection, self._session
        for jobs in _by_work(group):
            before, waiting = (connection.total_changes, session.settlements), session.waiting()
            sound = _run(session, jobs[0]) if len(jobs) == 1 else _run_shared(session, jobs)
            self._require_transaction(jobs[0])
            if not sound:
                if len(jobs) > 1 or (connection.total_changes, session.settlements) != before:
                    self.undo()
                    return GroupOutcome.REFUSED if len(group) == 1 else GroupOutcome.MIXED
                session.drop(waiting)
        try:
            session.settle()
        except Exception as error:
            if not connection.in_transaction or told(error) is not error:
                raise
            # A row that cannot be there. Whose it was is not known.
            self.undo()
            if len(group) > 1:
                return GroupOutcome.MIXED
            group[0].error = error
            return GroupOutcome.REFUSED
        return GroupOutcome.WRITTEN

    def apart(self, group: Group) -> None:
        """Run those of the group that do not fail in the transaction that was begun."""
        for job in group:
            self._cursor.execute("SAVEPOINT work")
            sound = _run(self._session, job, settled=True)
            self._require_transaction(job)
            if not sound:
                self._session.drop()
                self._cursor.execute("ROLLBACK TO work")
            self._cursor.execute("RELEASE work")

    def commit(self) -> None:
        """Make what was written durable."""
        self._cursor.execute("COMMIT")

    def undo(self) -> None:
        """End the transaction, if there is one, with nothing left of it."""
        self._session.drop()
        if self._connection.in_transaction:
            self._connection.rollback()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _require_transaction(self, job: Job[Any]) -> None:
        """The transaction goes on. SQLite gives it up as a whole when a disk is full or does not answer."""
        if not self._connection.in_transaction:
            raise job.error or sqlite3.OperationalError("the transaction is gone")


def _by_work(group: Group) -> list[list[Job[Any]]]:
    """Return the jobs in their order, but those that share a work together."""
    found: list[list[Job[Any]]] = []
    shared: dict[Shared[Any], list[Job[Any]]] = {}
    for job in group:
        if job.share is None:
            found.append([job])
        elif job.share.work in shared:
            shared[job.share.work].append(job)
        else:
            found.append(shared.setdefault(job.share.work, [job]))
    return found


def _run(session: Session, job: Job[Any], *, settled: bool = False) -> bool:
    job.result = job.error = None
    try:
        job.result = job.work(session)
        if settled:
            session.settle()
    except KeyboardInterrupt:  # it was nobody's work
        raise
    except BaseException as error:  # noqa: BLE001 - it belongs to who asked, and fails alone
        job.error = told(error)
    return job.error is None


def _run_shared(session: Session, jobs: list[Job[Any]]) -> bool:
    """Run a work once for all who share it; False where it raised, for whose sake is not known."""
    items = [job.share.item for job in jobs if job.share is not None]
    assert jobs[0].share is not None
    try:
        outcomes = list(zip(jobs, jobs[0].share.work(session, items), strict=True))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - as in `_run`
        jobs[0].error = told(error)
        return False
    for job, outcome in outcomes:
        job.result, job.error = (None, outcome) if isinstance(outcome, Fault) else (outcome, None)
    return True
