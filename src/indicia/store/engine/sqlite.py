"""The embedded database: one file, one writer, reads inline.

Writes from every thread and task go to one writer, which takes all that wait, runs one after the other and
commits once: one fsync for as many as came together (see `writer`). Reads run where they are asked for, on a
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
from typing import Final, TypeVar

from indicia.domain.faults import Fault, FaultKind
from indicia.private_files import sync_folder
from indicia.store.engine.checkpoint import Checkpointer
from indicia.store.engine.database import Database, Shared, alone
from indicia.store.engine.errors import READ_TROUBLE, told
from indicia.store.engine.file_lock import FileLock
from indicia.store.engine.jobs import Job, Share, Transactions
from indicia.store.engine.prepared import SQLITE
from indicia.store.engine.session import Session
from indicia.store.engine.writer import Writer

T = TypeVar("T")

BUSY_SECONDS: Final = 10.0  # how long another process may hold the write lock before we say so


class SqliteDatabase(Database):
    """A `Database` in one SQLite file, made when it is not there yet."""

    dialect = SQLITE

    def __init__(self, path: str) -> None:
        if not path or ":memory:" in path:
            raise ValueError("a SQLite database is a file: sqlite:///PATH")
        self._path = path
        self._local = threading.local()
        self._readers: dict[sqlite3.Connection, threading.RLock] = {}
        self._lock = threading.RLock()  # a reader may be collected by the thread that holds it
        self._closed = False
        self._writer = Writer(
            Transactions(connect(self._path)),
            FileLock(self._path, BUSY_SECONDS),
            Checkpointer(partial(connect, self._path)),
        )

    def read(self, work: Callable[[Session], T]) -> T:
        """See `Database.read`."""
        held = self._held()
        with held.lock:
            if held.working:  # a reading work that reads: the same moment for both
                return work(held.session)
            self._require_open()
            held.end()
            try:
                held.begin()
                try:
                    return held.run(work)
                finally:
                    held.end()
            except sqlite3.Error as error:
                meant = told(error, READ_TROUBLE)
                if meant is error:
                    raise
                raise meant from error

    async def reading(self, work: Callable[[Session], T]) -> T:
        """See `Database.reading`. Inline: a point read takes less than handing it to a thread would.

        Everything that is read so in one turn of the event loop sees the same moment, so that one transaction
        does for all of it. Who hears of a write hears of it in a later turn than the one it was still
        missing from: the end of a turn's transaction waits in front of everything that is heard after it.
        """
        held = self._held()
        with held.lock:
            self._require_open()
            try:
                held.begin_turn(asyncio.get_running_loop())
                return held.run(work)
            except sqlite3.Error as error:
                meant = told(error, READ_TROUBLE)
                if meant is error:
                    raise
                raise meant from error

    def moment(self) -> int | None:
        """See `Database.moment`. SQLite counts, for each connection, what others have committed."""
        held = self._held()
        with held.lock:
            self._require_open()
            try:
                held.begin_turn(asyncio.get_running_loop())
                return held.version()
            except sqlite3.Error as error:
                meant = told(error, READ_TROUBLE)
                if meant is error:
                    raise
                raise meant from error

    def write(self, work: Callable[[Session], T]) -> T:
        """See `Database.write`."""
        if self._writer.is_running_here():
            raise RuntimeError("a unit of work cannot wait for another")
        waiting: Future[T] = Future()
        self._writer.put(Job(work, waiting))
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
        self._writer.put(Job(work, waiting, loop))
        return await waiting

    async def writing_with(self, work: Shared[T], item: object) -> T:
        """See `Database.writing_with`."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[T] = loop.create_future()
        self._writer.put_short(Job(partial(alone, work, item), waiting, loop, Share(work, item)), loop)
        return await waiting

    def close(self) -> None:
        """See `Database.close`."""
        if self._writer.is_running_here():
            raise RuntimeError("a unit of work cannot close its database")
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._writer.close()
        with self._lock:
            readers, self._readers = self._readers, {}
        for connection, lock in readers.items():
            with lock:  # not while its thread reads
                connection.close()

    def _held(self) -> _Reader:
        """Return what this thread reads with."""
        held: _Reader | None = getattr(self._local, "reader", None)
        if held is not None:
            return held
        self._require_open()
        connection = connect(self._path)
        connection.execute("PRAGMA query_only = ON")
        held = _Reader(connection, self._forget)
        with self._lock:
            closed = self._closed
            if not closed:
                self._readers[connection] = held.lock
        if closed:
            connection.close()
        self._local.reader = held
        return held

    def _require_open(self) -> None:
        if self._closed:
            raise Fault(FaultKind.UNAVAILABLE, "The database is closed.")

    def _forget(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            self._readers.pop(connection, None)
        connection.close()


def connect(path: str) -> sqlite3.Connection:
    """Return a connection to the file, made when it is not there yet, with BEGIN and COMMIT left to us.

    Raises Fault UNAVAILABLE when the file cannot be opened or is no database.
    """
    try:
        _make_private(path)
        connection = sqlite3.connect(
            path,
            timeout=BUSY_SECONDS,
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
        sync_folder(Path(path).absolute().parent)


class _Reader:
    """A thread's own connection for reading. Closed with the thread that held it.

    Whoever uses the connection, or closes it, has the `lock`.
    """

    __slots__ = ("_forget", "_process", "connection", "cursor", "lock", "loop", "seen", "session", "working")

    def __init__(self, connection: sqlite3.Connection, forget: Callable[[sqlite3.Connection], None]) -> None:
        self.connection = connection
        self.lock = threading.RLock()
        self.loop: asyncio.AbstractEventLoop | None = None  # in whose turn a transaction may be open
        # One cursor for everything: the next statement resets the one before, so no read stays open.
        self.cursor = connection.cursor()
        self.session = Session(SQLITE, self.cursor)
        self.working = False
        self.seen: int | None = None  # the version, once it has been asked for in this transaction
        self._forget = forget
        self._process = os.getpid()

    def begin(self) -> None:
        """What is read from now on is of one moment."""
        self.cursor.execute("BEGIN")

    def begin_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """What is read in this turn of the loop is of one moment."""
        if self.loop is not loop:  # the loop of before may have ended in the middle of a turn
            self.end()
            self.loop = loop
        if not self.connection.in_transaction:
            self.begin()
            loop.call_soon(self.end)

    def version(self) -> int:
        """Return the count of what others have committed, as of the moment that is read.

        https://sqlite.org/pragma.html#pragma_data_version; asking begins the moment, as any read does.
        """
        if self.seen is None:
            (self.seen,) = self.cursor.execute("PRAGMA data_version").fetchone()
        return self.seen

    def run(self, work: Callable[[Session], T]) -> T:
        """Return what a work reads."""
        self.working = True
        try:
            result = work(self.session)
        finally:
            self.working = False
        if self.session.waits:
            self.session.drop()
            raise sqlite3.OperationalError("a reading work has added rows")
        return result

    def end(self) -> None:
        """What is read from now on is of another moment."""
        self.seen = None
        with self.lock, contextlib.suppress(sqlite3.ProgrammingError):  # the database was closed meanwhile
            if self.connection.in_transaction:
                self.cursor.execute("COMMIT")

    def __del__(self) -> None:
        if os.getpid() == self._process:
            self._forget(self.connection)
        else:
            _OF_THE_PARENT.append(self.cursor)


# A forked child has none of its parent's threads, and Python collects what they held. SQLite must not hear of
# it: a lock of its own may have been another thread's when the process was forked, and would be waited for
# for ever (https://sqlite.org/howtocorrupt.html, 2.6: nothing of a connection is carried across a fork).
_OF_THE_PARENT: Final[list[sqlite3.Cursor]] = []
