"""What a unit of work receives: a way to run prepared statements in its transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeAlias

from indicia.store.prepared import Argument, Cell, Parameters, Prepared

# Columns are read by position in the module that wrote the statement; the driver cannot type them.
Row: TypeAlias = tuple[Any, ...]


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


class Session:
    """One transaction. It is over when the work returns; no work keeps its session."""

    __slots__ = ("_cursor", "dialect")

    def __init__(self, dialect: str, cursor: Cursor) -> None:
        self.dialect = dialect
        self._cursor = cursor

    def one(self, statement: Prepared, **given: Argument) -> Row | None:
        """Return the first row, None when there is none."""
        cursor = self._cursor
        cursor.execute(*statement.bind(self.dialect, given))
        row: Row | None = cursor.fetchone()
        return row

    def all(self, statement: Prepared, **given: Argument) -> list[Row]:
        """Return every row."""
        cursor = self._cursor
        cursor.execute(*statement.bind(self.dialect, given))
        return cursor.fetchall()

    def run(self, statement: Prepared, **given: Argument) -> int:
        """Run a statement that changes something and return how many rows it touched."""
        cursor = self._cursor
        cursor.execute(*statement.bind(self.dialect, given))
        return cursor.rowcount

    def many(self, statement: Prepared, rows: Sequence[Parameters]) -> int:
        """Run a statement for every row of values and return how many rows were touched in all."""
        if not rows:
            return 0
        sql, order = statement.sql(self.dialect)
        self._cursor.executemany(sql, [order(row) for row in rows])
        return self._cursor.rowcount
