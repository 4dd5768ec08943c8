"""PostgreSQL through psycopg: a few connections, a thread for each, a transaction for every unit of work."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import DeadlockDetected, DiskFull, SerializationFailure
from psycopg.types.numeric import Int8Dumper

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.retry import Backoff
from indicia.domain.time import SECOND
from indicia.store.engine.database import Database, Shared
from indicia.store.engine.errors import DISK_FULL
from indicia.store.engine.grouping import Grouping
from indicia.store.engine.prepared import POSTGRESQL
from indicia.store.engine.session import Session

T = TypeVar("T")
Connection: TypeAlias = psycopg.Connection[tuple[object, ...]]

_CONNECTIONS = 16
_TRIES = 8  # of a unit of work that loses races
_BACKOFF = Backoff(4, SECOND)  # a random part of it is waited
_WAIT_SECONDS = 10.0  # for a connection of the pool

# A database that is gone is noticed, not waited for. What the URL says goes before.
_DEFAULTS = {
    "application_name": "indicia",
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}


class PostgresDatabase(Database):
    """A `Database` on a PostgreSQL server."""

    dialect = POSTGRESQL

    def __init__(self, url: str) -> None:
        self._pool = _Pool(conninfo(url), _CONNECTIONS)
        self._threads = ThreadPoolExecutor(_CONNECTIONS, "indicia-store")
        self._of_thread = threading.local()  # what waits in its event loop, by the work that is waited for
        try:
            with self._pool.connection():
                pass
        except BaseException:
            self.close()
            raise

    def read(self, work: Callable[[Session], T]) -> T:
        """See `Database.read`."""
        return self._transact(work, reading=True)

    def write(self, work: Callable[[Session], T]) -> T:
        """See `Database.write`."""
        return self._transact(work, reading=False)

    async def reading(self, work: Callable[[Session], T]) -> T:
        """See `Database.reading`."""
        return await asyncio.get_running_loop().run_in_executor(self._executor(), self.read, work)

    async def writing(self, work: Callable[[Session], T]) -> T:
        """See `Database.writing`."""
        return await asyncio.get_running_loop().run_in_executor(self._executor(), self.write, work)

    async def writing_with(self, work: Shared[T], item: object) -> T:
        """See `Database.writing_with`."""
        loop = asyncio.get_running_loop()
        groupings: dict[Shared[Any], Grouping] = self._of_thread.__dict__.setdefault("groupings", {})
        grouping = groupings.get(work)
        if grouping is None or grouping.loop is not loop:
            grouping = groupings[work] = Grouping(work, self.writing, loop)
        result: T = await grouping.put(item)
        return result

    def close(self) -> None:
        """See `Database.close`."""
        self._threads.shutdown(wait=True)
        self._pool.close()

    def _executor(self) -> ThreadPoolExecutor:
        if self._pool.closed:
            raise _closed()
        return self._threads

    def _transact(self, work: Callable[[Session], T], *, reading: bool) -> T:
        tries = 0
        while True:
            tries += 1
            with self._pool.connection() as connection:
                try:
                    return _attempt(connection, work, reading=reading)
                except (SerializationFailure, DeadlockDetected) as error:
                    connection.rollback()
                    if tries >= _TRIES:
                        message = "The database is too busy with conflicting changes."
                        raise Fault(FaultKind.UNAVAILABLE, message) from error
                except psycopg.OperationalError as error:
                    if not connection.closed:
                        connection.rollback()
                        raise _unavailable(error) from error
                    # A connection that died in the pool says nothing about the server: once more on a new.
                    self._pool.drop_idle()
                    if tries > 2:
                        raise _unavailable(error) from error
                except BaseException:
                    if not connection.closed:
                        connection.rollback()
                    raise
            # Two that collided would collide again if they came back in step.
            time.sleep(random.uniform(0.0, _BACKOFF.after(tries) / SECOND))  # noqa: S311 - not a secret


def _attempt(connection: Connection, work: Callable[[Session], T], *, reading: bool) -> T:
    """Run the work in a transaction. What it raises before the COMMIT was sent can be run again."""
    if connection.read_only is not reading:
        # A reading work sees one moment, however many statements it runs.
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ if reading else None
        connection.read_only = reading
    with connection.cursor() as cursor:
        session = Session(POSTGRESQL, cursor)
        try:
            result = work(session)
        except StopIteration as error:  # which no future takes
            raise RuntimeError("a unit of work has raised StopIteration") from error
        session.settle()
    try:
        connection.commit()
    except psycopg.OperationalError as error:
        if connection.closed and not reading:
            raise _unavailable(error) from error  # nobody knows whether it was committed
        raise
    return result


class _Pool:
    """At most `size` connections, the last used first. A broken one is not put back."""

    def __init__(self, conninfo: str, size: int) -> None:
        self._conninfo = conninfo
        self._free = threading.BoundedSemaphore(size)
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self.closed = False

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a connection. Raises Fault UNAVAILABLE when there is none to be had."""
        if self.closed:
            raise _closed()
        if not self._free.acquire(timeout=_WAIT_SECONDS):
            raise Fault(FaultKind.UNAVAILABLE, "The database is too busy: no connection came free.")
        try:
            with self._lock:
                held = self._idle.pop() if self._idle else None
            connection = held or connect(self._conninfo)
            try:
                yield connection
            finally:
                self._put_back(connection)
        finally:
            self._free.release()

    def drop_idle(self) -> None:
        """Close every connection that is not lent: when one died, the others did too."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def close(self) -> None:
        """Close what is idle now and what is lent when it comes back."""
        self.closed = True
        self.drop_idle()

    def _put_back(self, connection: Connection) -> None:
        idle = connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        with self._lock:
            if idle and not self.closed:
                self._idle.append(connection)
                return
        connection.close()


def conninfo(url: str) -> str:
    """Return what libpq is told: the URL over our defaults. ValueError when it does not parse."""
    try:
        given = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    except psycopg.Error:
        # libpq quotes the URL, and the URL may hold a password.
        raise ValueError("the PostgreSQL URL does not parse") from None
    return make_conninfo(**{**_DEFAULTS, **given})


def connect(url: str) -> Connection:
    """Return a connection of its own. Raises Fault UNAVAILABLE when the server does not answer."""
    try:
        connection: Connection = psycopg.connect(conninfo(url))
    except psycopg.OperationalError as error:
        raise _unavailable(error) from error
    # One width for every integer, so that a statement is prepared once and not once a width.
    connection.adapters.register_dumper(int, Int8Dumper)
    return connection


# What libpq says when there is no connection, and what we do: its own text quotes the URL, which may hold a
# password.
_REASONS: tuple[tuple[str, str], ...] = (
    ("connection refused", "connection refused"),
    ("no such file", "there is no such socket"),
    ("could not translate host name", "its host is not known"),
    ("failed to resolve host", "its host is not known"),
    ("timeout expired", "no answer in time"),
    ("is starting up", "it is starting up"),
    ("is shutting down", "it is shutting down"),
    ("too many clients", "it has no connection left"),
    ("remaining connection slots", "it has no connection left"),
    ("password authentication failed", "it refuses the user or the password"),
    ("no password supplied", "it wants a password"),
    ("no pg_hba.conf entry", "it lets nobody in from here as this user"),
    ('role "', "it has no such user"),
    ('database "', "it has no such database"),
    ("unreachable", "the network does not reach it"),
    ("no route to host", "the network does not reach it"),
    ("ssl", "TLS was not agreed on"),
    ("closed the connection", "it closed the connection"),
)


def _unavailable(error: psycopg.Error) -> Fault:
    if isinstance(error, DiskFull):
        return Fault(FaultKind.UNAVAILABLE, DISK_FULL)
    said = error.diag.message_primary or _reason(str(error)) or type(error).__name__
    return Fault(FaultKind.UNAVAILABLE, f"The database does not answer: {said}.")


def _reason(text: str) -> str | None:
    text = text.lower()
    return next((reason for sign, reason in _REASONS if sign in text), None)


def _closed() -> Fault:
    return Fault(FaultKind.UNAVAILABLE, "The database is closed.")
