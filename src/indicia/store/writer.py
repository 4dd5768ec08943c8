"""The one writer of the embedded database: what waits runs one after the other, and is committed once."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, Generic, NamedTuple, TypeVar, cast

from indicia.domain.faults import Fault
from indicia.store.checkpoint import Checkpointer
from indicia.store.database import Shared
from indicia.store.prepared import SQLITE
from indicia.store.session import Session
from indicia.store.trouble import told
from indicia.store.turns import Turns

T = TypeVar("T")

_GROUP = 512  # units of work in one commit


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


def serve(
    connection: sqlite3.Connection,
    queue: SimpleQueue[Job[Any] | None],
    turns: Turns,
    checkpointer: Checkpointer,
) -> None:
    """Run what comes through the queue, as many in a commit as wait, until None comes."""
    cursor = connection.cursor()
    session = Session(SQLITE, cursor)
    going = True
    while going:
        first = queue.get()
        if first is None:
            break
        group = [first]
        while len(group) < _GROUP:
            try:
                job = queue.get_nowait()
            except Empty:
                break
            if job is None:
                going = False
                break
            group.append(job)
        _commit(connection, cursor, session, turns, [job for job in group if job.wanted()])
        checkpointer.written(connection.total_changes)
    checkpointer.close()
    turns.close()
    connection.close()


def _commit(
    connection: sqlite3.Connection,
    cursor: sqlite3.Cursor,
    session: Session,
    turns: Turns,
    group: list[Job[Any]],
) -> None:
    """Run a group in one transaction and answer everybody in it.

    Without savepoints at first: each copies every page that its work touches, which costs more than the work
    does. One that fails without having written leaves nothing to be taken back. After any other failure all
    of it is undone, and each runs anew in a savepoint of its own, to fail alone (see `Database.write`).
    """
    try:
        turns.take()
        try:
            if not _together(connection, cursor, session, group):
                _apart(connection, cursor, session, group)
        finally:
            turns.give()
    except BaseException as error:  # noqa: BLE001 - the writer outlives every failure and passes it on
        session.drop()
        if connection.in_transaction:
            connection.rollback()
        refusal = told(error)
        for job in group:
            job.result, job.error = None, refusal
    _tell(group)


def _tell(group: list[Job[Any]]) -> None:
    """Say to everybody how their work ended. A loop is woken once for all who wait in it."""
    in_loops: dict[asyncio.AbstractEventLoop, list[Job[Any]]] = {}
    for job in group:
        if job.loop is None:
            job.tell()
        else:
            in_loops.setdefault(job.loop, []).append(job)
    for loop, jobs in in_loops.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_tell_all, jobs)


def _tell_all(jobs: list[Job[Any]]) -> None:
    for job in jobs:
        job.tell()


def _together(
    connection: sqlite3.Connection, cursor: sqlite3.Cursor, session: Session, group: list[Job[Any]]
) -> bool:
    """Commit the group; False, with nothing written, where one of them failed after it had written."""
    cursor.execute("BEGIN IMMEDIATE")
    for jobs in _by_work(group):
        before, waiting = (connection.total_changes, session.settlements), session.waiting()
        sound = _run(session, jobs[0]) if len(jobs) == 1 else _run_shared(session, jobs)
        _require_transaction(connection, jobs[0])
        if not sound:
            if len(jobs) > 1 or (connection.total_changes, session.settlements) != before:
                session.drop()
                connection.rollback()
                return len(group) == 1
            session.drop(waiting)
    try:
        session.settle()
    except Exception as error:
        if not connection.in_transaction or told(error) is not error:
            raise
        # A row that cannot be there. Whose it was is not known.
        connection.rollback()
        if len(group) > 1:
            return False
        group[0].error = error
        return True
    cursor.execute("COMMIT")
    return True


def _by_work(group: list[Job[Any]]) -> list[list[Job[Any]]]:
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


def _apart(
    connection: sqlite3.Connection, cursor: sqlite3.Cursor, session: Session, group: list[Job[Any]]
) -> None:
    """Commit those of the group that do not fail."""
    cursor.execute("BEGIN IMMEDIATE")
    for job in group:
        cursor.execute("SAVEPOINT work")
        sound = _run(session, job, settled=True)
        _require_transaction(connection, job)
        if not sound:
            session.drop()
            cursor.execute("ROLLBACK TO work")
        cursor.execute("RELEASE work")
    cursor.execute("COMMIT")


def _run(session: Session, job: Job[Any], *, settled: bool = False) -> bool:
    job.result = job.error = None
    try:
        job.result = job.work(session)
        if settled:
            session.settle()
    except BaseException as error:  # noqa: BLE001 - it belongs to who asked, and fails alone
        job.error = told(error)
    return job.error is None


def _run_shared(session: Session, jobs: list[Job[Any]]) -> bool:
    """Run a work once for all who share it; False where it raised, for whose sake is not known."""
    items = [job.share.item for job in jobs if job.share is not None]
    assert jobs[0].share is not None
    try:
        outcomes = list(zip(jobs, jobs[0].share.work(session, items), strict=True))
    except BaseException as error:  # noqa: BLE001 - as in `_run`
        jobs[0].error = told(error)
        return False
    for job, outcome in outcomes:
        job.result, job.error = (None, outcome) if isinstance(outcome, Fault) else (outcome, None)
    return True


def _require_transaction(connection: sqlite3.Connection, job: Job[Any]) -> None:
    """The transaction goes on. SQLite gives it up as a whole when a disk is full or does not answer."""
    if not connection.in_transaction:
        raise job.error or sqlite3.OperationalError("the transaction is gone")
