"""The embedded database: one file, one writer thread, reads inline.

Writes from every thread and task go to one writer, which takes all that wait, runs one after the other and
commits once: one fsync for as many as came together. Reads run where they are asked for, on a
connection the thread holds; in WAL mode they wait for nobody. Other processes may use the file too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Generic, NamedTuple, TypeVar

from indicia.domain.faults import Fault, FaultKind
from indicia.store.checkpoint import Checkpointer
from indicia.store.database import Database, Shared, alone
from indicia.store.prepared import SQLITE
from indicia.store.session import Session

T = TypeVar("T")

_BUSY_SECONDS = 10.0  # how long another process may hold the write lock before we say so
_GROUP = 512  # units of work in one commit


class SqliteDatabase(Database):
    """A `Database` in one SQLite file, made when it is not there yet."""

    dialect = SQLITE

    def __init__(self, path: str) -> None:
        if not path or ":memory:" in path:
            raise ValueError("a SQLite database is a file: sqlite:///PATH")
        self._path = path
        self._local = threading.local()
        self._readers: set[sqlite3.Connection] = set()
        self._lock = threading.RLock()  # a reader may be collected by the thread that holds it
        self._closed = False
        self._queue: SimpleQueue[_Job[Any] | None] = SimpleQueue()
        writer = connect(self._path)
        self._writer = threading.Thread(
            target=_serve, args=(writer, self._queue, self._path), name="indicia-writer", daemon=True
        )
        self._writer.start()

    def read(self, work: Callable[[Session], T]) -> T:
        """See `Database.read`."""
        held = self._held()
        if held.working:  # a reading work that reads: the same moment for both
            return work(held.session)
        held.end()
        try:
            held.begin()
            try:
                return held.run(work)
            finally:
                held.end()
        except sqlite3.Error as error:
            told = _told(error, _READ_TROUBLE)
            if told is error:
                raise
            raise told from error

    async def reading(self, work: Callable[[Session], T]) -> T:
        """See `Database.reading`. Inline: a point read takes less than handing it to a thread would.

        Everything that is read in one turn of the event loop sees the same moment, so that one transaction
        does for all of it. Who hears of a write hears of it in a later turn than the one it was still
        missing from: the end of a turn's transaction waits in front of everything that is heard after it.
        """
        held = self._held()
        try:
            if not held.connection.in_transaction:
                held.begin()
                asyncio.get_running_loop().call_soon(held.end)
            return held.run(work)
        except sqlite3.Error as error:
            told = _told(error, _READ_TROUBLE)
            if told is error:
                raise
            raise told from error

    def write(self, work: Callable[[Session], T]) -> T:
        """See `Database.write`."""
        if threading.current_thread() is self._writer:
            raise RuntimeError("a unit of work cannot wait for another")
        waiting: Future[T] = Future()
        self._put(_Job(work, _ThreadReply(waiting)))
        try:
            return waiting.result()
        finally:
            held: _Reader | None = getattr(self._local, "reader", None)
            if held is not None and not held.working:
                held.end()  # what this thread reads next has what it wrote

    async def writing(self, work: Callable[[Session], T]) -> T:
        """See `Database.writing`."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[T] = loop.create_future()
        self._put(_Job(work, _TaskReply(loop, waiting)))
        return await waiting

    async def writing_with(self, work: Shared[T], item: object) -> T:
        """See `Database.writing_with`."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[T] = loop.create_future()
        share = _Share(work, item)
        self._put(_Job(partial(alone, work, item), _TaskReply(loop, waiting), share))
        return await waiting

    def close(self) -> None:
        """See `Database.close`."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._writer.join()
        with self._lock:
            for connection in list(self._readers):
                connection.close()
            self._readers.clear()

    def _put(self, job: _Job[Any]) -> None:
        with self._lock:  # nothing is queued behind the end
            if self._closed:
                raise Fault(FaultKind.UNAVAILABLE, "The database is closed.")
            self._queue.put(job)

    def _held(self) -> _Reader:
        """Return what this thread reads with."""
        held: _Reader | None = getattr(self._local, "reader", None)
        if held is not None and not self._closed:
            return held
        if self._closed:
            raise Fault(FaultKind.UNAVAILABLE, "The database is closed.")
        connection = connect(self._path)
        connection.execute("PRAGMA query_only = ON")
        with self._lock:
            self._readers.add(connection)
        held = _Reader(connection, self._forget)
        self._local.reader = held
        return held

    def _forget(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            self._readers.discard(connection)
        connection.close()


def connect(path: str) -> sqlite3.Connection:
    """Return a connection to the file, made when it is not there yet, with BEGIN and COMMIT left to us.

    Raises Fault UNAVAILABLE when the file cannot be opened or is no database.
    """
    try:
        _make_private(path)
        connection = sqlite3.connect(
            path,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,  # `close` closes what other threads opened
            cached_statements=512,
        )
        connection.execute("PRAGMA journal_mode = WAL")
        # A segment of the index of the log has room for 4,062 pages (sqlite.org/walformat.html, 2.3.2). Up to
        # there no read looks into a second one, and pages that many commits change are copied back only once.
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        connection.execute("PRAGMA synchronous = FULL")  # a commit is on the disk when it returns
        connection.execute("PRAGMA foreign_keys = ON")
        # Savepoints and statements that may fail halfway keep copies of pages: not in a file.
        connection.execute("PRAGMA temp_store = MEMORY")
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        message = f"The database file {Path(path).absolute()} cannot be opened: {reason}."
        raise Fault(FaultKind.UNAVAILABLE, message) from error
    return connection


def _make_private(path: str) -> None:
    """Make the file for its owner only: the keys in it are encrypted, names and tags are nobody's business.

    A file that is there is not touched. Closing any descriptor of it would end every lock that this process
    has on it (fcntl(2), "Record locking"), and the next process that leaves would take itself for the last
    and remove the log that this one writes to (https://sqlite.org/howtocorrupt.html, 2.2).
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


class _Reader:
    """A thread's own connection for reading. Closed with the thread that held it."""

    __slots__ = ("_forget", "connection", "cursor", "session", "working")

    def __init__(self, connection: sqlite3.Connection, forget: Callable[[sqlite3.Connection], None]) -> None:
        self.connection = connection
        # One cursor for everything: the next statement resets the one before, so no read stays open.
        self.cursor = connection.cursor()
        self.session = Session(SQLITE, self.cursor)
        self.working = False
        self._forget = forget

    def begin(self) -> None:
        """What is read from now on is of one moment."""
        self.cursor.execute("BEGIN")

    def run(self, work: Callable[[Session], T]) -> T:
        """Return what a work reads."""
        self.working = True
        try:
            return work(self.session)
        finally:
            self.working = False

    def end(self) -> None:
        """What is read from now on is of another moment."""
        with contextlib.suppress(sqlite3.ProgrammingError):  # the database was closed meanwhile
            if self.connection.in_transaction:
                self.cursor.execute("COMMIT")

    def __del__(self) -> None:
        self._forget(self.connection)


class _ThreadReply:
    """Hands an outcome to a thread that waits."""

    __slots__ = ("_waiting",)

    def __init__(self, waiting: Future[Any]) -> None:
        self._waiting = waiting

    def wanted(self) -> bool:
        return True

    def give(self, result: Any, error: BaseException | None) -> None:
        if error is None:
            self._waiting.set_result(result)
        else:
            self._waiting.set_exception(error)


class _TaskReply:
    """Hands an outcome to a task that waits on its event loop."""

    __slots__ = ("_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, waiting: asyncio.Future[Any]) -> None:
        self._loop = loop
        self._waiting = waiting

    def wanted(self) -> bool:
        return not self._waiting.cancelled()

    def give(self, result: Any, error: BaseException | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._deliver, result, error)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    def _deliver(self, result: Any, error: BaseException | None) -> None:
        if self._waiting.done():  # cancelled meanwhile; what was written stays written
            return
        if error is None:
            self._waiting.set_result(result)
        else:
            self._waiting.set_exception(error)


class _Share(NamedTuple):
    """What a job has of a work on many things."""

    work: Shared[Any]
    item: object


class _Job(Generic[T]):
    """A unit of work that waits for the writer, and who waits for it."""

    __slots__ = ("_reply", "error", "result", "share", "work")

    def __init__(
        self, work: Callable[[Session], T], reply: _ThreadReply | _TaskReply, share: _Share | None = None
    ) -> None:
        self.work = work
        self.share = share
        self.result: T | None = None
        self.error: BaseException | None = None
        self._reply = reply

    def wanted(self) -> bool:
        """Whether anybody still waits for it."""
        return self._reply.wanted()

    def answer(self) -> None:
        """Tell who waits how it ended."""
        self._reply.give(self.result, self.error)

    def refuse(self, error: BaseException) -> None:
        """Tell who waits that nothing was written."""
        self._reply.give(None, error)


def _serve(connection: sqlite3.Connection, queue: SimpleQueue[_Job[Any] | None], path: str) -> None:
    """Run what comes through the queue, as many in a commit as wait, until None comes."""
    cursor = connection.cursor()
    checkpointer = Checkpointer(partial(connect, path))
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
        _commit(connection, cursor, session, [job for job in group if job.wanted()])
        checkpointer.written(connection.total_changes)
    checkpointer.close()
    connection.close()


def _commit(
    connection: sqlite3.Connection, cursor: sqlite3.Cursor, session: Session, group: list[_Job[Any]]
) -> None:
    """Run a group in one transaction and answer everybody in it.

    Without savepoints at first: each copies every page that its work touches, which costs more than the work
    does. One that fails without having written leaves nothing to be taken back. After any other failure all
    of it is undone, and each runs anew in a savepoint of its own, to fail alone (see `Database.write`).
    """
    try:
        if not _together(connection, cursor, session, group):
            _apart(connection, cursor, session, group)
    except BaseException as error:  # noqa: BLE001 - the writer outlives every failure and passes it on
        session.drop()
        if connection.in_transaction:
            connection.rollback()
        refusal = _told(error)
        for job in group:
            job.refuse(refusal)
        return
    for job in group:
        job.answer()


def _together(
    connection: sqlite3.Connection, cursor: sqlite3.Cursor, session: Session, group: list[_Job[Any]]
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
        cursor.execute("COMMIT")
    except sqlite3.IntegrityError as error:
        # Whose row it was is not known.
        connection.rollback()
        if len(group) > 1:
            return False
        group[0].error = error
    return True


def _by_work(group: list[_Job[Any]]) -> list[list[_Job[Any]]]:
    """Return the jobs in their order, but those that share a work together."""
    found: list[list[_Job[Any]]] = []
    shared: dict[Shared[Any], list[_Job[Any]]] = {}
    for job in group:
        if job.share is None:
            found.append([job])
        elif job.share.work in shared:
            shared[job.share.work].append(job)
        else:
            found.append(shared.setdefault(job.share.work, [job]))
    return found


def _apart(
    connection: sqlite3.Connection, cursor: sqlite3.Cursor, session: Session, group: list[_Job[Any]]
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


def _run(session: Session, job: _Job[Any], *, settled: bool = False) -> bool:
    job.result = job.error = None
    try:
        job.result = job.work(session)
        if settled:
            session.settle()
    except BaseException as error:  # noqa: BLE001 - it belongs to who asked, and fails alone
        job.error = _told(error)
    return job.error is None


def _run_shared(session: Session, jobs: list[_Job[Any]]) -> bool:
    """Run a work once for all who share it; False where it raised, for whose sake is not known."""
    items = [job.share.item for job in jobs if job.share is not None]
    assert jobs[0].share is not None
    try:
        outcomes = jobs[0].share.work(session, items)
    except BaseException as error:  # noqa: BLE001 - as in `_run`
        jobs[0].error = _told(error)
        return False
    for job, outcome in zip(jobs, outcomes, strict=True):
        job.result, job.error = (None, outcome) if isinstance(outcome, Fault) else (outcome, None)
    return True


def _require_transaction(connection: sqlite3.Connection, job: _Job[Any]) -> None:
    """The transaction goes on. SQLite gives it up as a whole when a disk is full or does not answer."""
    if not connection.in_transaction:
        raise job.error or sqlite3.OperationalError("the transaction is gone")


# The primary result codes that are about the file and the machine, and not about the statement.
_TROUBLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)
_READ_TROUBLE = _TROUBLE - {sqlite3.SQLITE_READONLY}  # a reading work that writes is a mistake of ours


def _told(error: BaseException, trouble: frozenset[int] = _TROUBLE) -> BaseException:
    """Return the fault that says the database does not answer, if that is what the error means."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None or code & 0xFF not in trouble:
        return error
    fault = Fault(FaultKind.UNAVAILABLE, f"The database does not answer: {error}.")
    fault.__cause__ = error
    return fault
