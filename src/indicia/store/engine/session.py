"""What a unit of work receives: a way to run prepared statements in its transaction.

Rows that nobody reads before the end may be added `later`: those that wait go in together, those of several
units of work that are committed together too. Whoever reads or changes their tables before that finds them
there, so that it makes no difference but in cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from indicia.store.engine.prepared import SQLITE, Argument, Cell, Parameters, Prepared

# Columns are read by position in the module that wrote the statement; the driver cannot type them.
Row: TypeAlias = tuple[Any, ...]

NOTHING: Final[Mapping[Prepared, int]] = MappingProxyType({})


class Cursor(Protocol):
    """What is used of a DBAPI cursor; those of sqlite3 and psycopg both have it."""

    @property
    def rowcount(self) -> int:
        """How many rows the last statement touched."""

    def execute(self, sql: Any, parameters: Sequence[Cell], /) -> Any:
        """Run one statement."""

    def executemany(self, sql: Any, parameters: Iterable[Sequence[Cell]], /) -> Any:
        """Run one statement for every row of parameters."""

    def fetchone(self) -> Any:
        """Return the next row, None when there is none."""

    def fetchall(self) -> list[Any]:
        """Return all rows that are left."""


class _Waiting(NamedTuple):
    """Rows of one statement that wait, and what puts the values of one in its order."""

    order: Callable[[Parameters], tuple[Cell, ...]]
    rows: list[tuple[Cell, ...]]


class Session:
    """One transaction. It is over when the work returns; no work keeps its session."""

    __slots__ = ("_cursor", "_waiting", "_waiting_in", "dialect", "settlements")

    def __init__(self, dialect: str, cursor: Cursor) -> None:
        self.dialect = dialect
        self._cursor = cursor
        self._waiting: dict[Prepared, _Waiting] = {}
        self._waiting_in: set[str] = set()
        self.settlements = 0  # how often rows that waited went in

    def one(self, statement: Prepared, **given: Argument) -> Row | None:
        """Return the first row, None when there is none."""
        cursor = self._execute(statement, given)
        row: Row | None = cursor.fetchone()
        return row

    def all(self, statement: Prepared, **given: Argument) -> list[Row]:
        """Return every row."""
        return self._execute(statement, given).fetchall()

    def run(self, statement: Prepared, **given: Argument) -> int:
        """Run a statement that changes something and return how many rows it touched."""
        return self._execute(statement, given).rowcount

    def many(self, statement: Prepared, rows: Sequence[Parameters]) -> int:
        """Run a statement for every row of values and return how many rows were touched in all."""
        if not rows:
            return 0
        if self._waiting:
            self._settle(statement)
        sql, order = statement.sql(self.dialect)
        self._cursor.executemany(sql, [order(row) for row in rows])
        return self._cursor.rowcount

    def noting(self, reads: list[Read]) -> Session:
        """Return a session of the same transaction, for a work that only reads: what it reads is noted."""
        return _NotingSession(self.dialect, self._cursor, reads)

    def later(self, insert: Prepared, **row: Cell) -> None:
        """Insert a row at the end of the transaction, or before the next statement that knows its table.

        `insert` is an INSERT of values of whose outcome nobody wants to know. What is wrong with the row is
        raised then.
        """
        waiting = self._waiting.get(insert)
        if waiting is None:
            waiting = self._waiting[insert] = _Waiting(insert.sql(self.dialect)[1], [])
            self._waiting_in.add(insert.target.name)
        waiting.rows.append(waiting.order(row))

    @property
    def waits(self) -> bool:
        """Whether there are rows that wait."""
        return bool(self._waiting)

    def waiting(self) -> dict[Prepared, int]:
        """Return how many rows wait, by the statement that inserts them."""
        return {insert: len(waiting.rows) for insert, waiting in self._waiting.items()}

    def drop(self, kept: Mapping[Prepared, int] = NOTHING) -> None:
        """Forget the rows that wait, but for as many as waited then."""
        for insert, waiting in list(self._waiting.items()):
            del waiting.rows[kept.get(insert, 0) :]
            if not waiting.rows:
                del self._waiting[insert]
        self._waiting_in = {insert.target.name for insert in self._waiting}

    def settle(self) -> None:
        """Insert the rows that wait, those of one statement together, and none before what it refers to."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, {}
        self._waiting_in = set()
        self.settlements += 1
        for insert in sorted(waiting, key=_place):
            self._insert(insert, waiting[insert].rows)

    def _insert(self, insert: Prepared, rows: Sequence[Sequence[Cell]]) -> None:
        """Insert the rows: by SQLite in few calls, each of which leaves the interpreter to others."""
        if self.dialect != SQLITE:
            self._cursor.executemany(insert.sql(self.dialect)[0], rows)
            return
        at = 0
        for length in insert.portions(len(rows)):
            self._cursor.execute(
                insert.rows_sql(length), [cell for row in rows[at : at + length] for cell in row]
            )
            at += length

    def _settle(self, statement: Prepared) -> None:
        if not self._waiting_in.isdisjoint(statement.tables(self.dialect)):
            self.settle()

    def _execute(self, statement: Prepared, given: Mapping[str, Argument]) -> Cursor:
        if self._waiting:
            self._settle(statement)
        cursor = self._cursor
        cursor.execute(*statement.bind(self.dialect, given))
        return cursor


class Read(NamedTuple):
    """A statement that was run, with what, and the rows that it found."""

    statement: Prepared
    given: Mapping[str, Argument]
    rows: tuple[Row, ...]

    def finds_the_same(self, s: Session) -> bool:
        """Whether it finds these rows now."""
        return tuple(s.all(self.statement, **self.given)) == self.rows


class _NotingSession(Session):
    """A session of which everything that is read is noted, in the order in which it is.

    Who reads finds the same again when each of these statements does: what is asked next depends on nothing
    but what was found before.
    """

    __slots__ = ("_reads",)

    def __init__(self, dialect: str, cursor: Cursor, reads: list[Read]) -> None:
        super().__init__(dialect, cursor)
        self._reads = reads

    def one(self, statement: Prepared, **given: Argument) -> Row | None:
        """See `Session.one`."""
        rows = self.all(statement, **given)
        return rows[0] if rows else None

    def all(self, statement: Prepared, **given: Argument) -> list[Row]:
        """See `Session.all`."""
        rows = super().all(statement, **given)
        self._reads.append(Read(statement, given, tuple(rows)))
        return rows


@cache
def _place(insert: Prepared) -> int:
    """Return the place among all tables, each behind those it refers to, of the one inserted into."""
    return insert.target.metadata.sorted_tables.index(insert.target)
