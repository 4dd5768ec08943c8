"""A statement compiled once per dialect, so that running it costs what the driver costs.

SQLAlchemy Core writes the SQL and takes 30 µs a call to do so; the text does not change between calls, so it
is made once. Columns are integers, text and octets only: what the driver returns is the value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql import visitors
from sqlalchemy.sql.compiler import SQLCompiler

Cell: TypeAlias = int | str | bytes | None
Parameters: TypeAlias = Mapping[str, Cell]
# What a caller may pass by name: a cell, or the values of an expanding parameter.
Argument: TypeAlias = Cell | Sequence[int] | Sequence[str]

if TYPE_CHECKING:
    from sqlalchemy.sql.elements import ClauseElement

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"

# A statement, or what makes it for a dialect when it is first compiled there.
Made: TypeAlias = sa.Executable | Callable[[str], sa.Executable]

# Statements with a list are compiled for these lengths only; a shorter list is filled up with its last value,
# which changes nothing in an IN. SQLite takes 32,766 parameters, PostgreSQL 65,535.
_FEW_ROWS: Final = 16  # in one INSERT, whatever their number is
_MOST_ROWS: Final = 128  # of the widest table, in one INSERT: well below that many parameters
_LENGTHS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)


@cache
def dialect_of(name: str) -> Dialect:
    """Return how SQL is written for a database. Only the one that is used is imported."""
    if name == SQLITE:
        from sqlalchemy.dialects import sqlite

        return sqlite.dialect(paramstyle="qmark")
    from sqlalchemy.dialects.postgresql import psycopg

    return psycopg.dialect(paramstyle="format")  # type: ignore[no-untyped-call]


class _Text:
    """The SQL for one dialect and the function that puts named values into its order."""

    __slots__ = ("order", "sql")

    def __init__(self, sql: str, order: Callable[[Parameters], tuple[Cell, ...]]) -> None:
        self.sql = sql
        self.order = order


def _ordering(
    names: Sequence[str], constants: Mapping[str, Cell]
) -> Callable[[Parameters], tuple[Cell, ...]]:
    if not names:
        return lambda _given: ()
    if len(names) == 1:
        only = names[0]
        return lambda given: (given[only] if only in given else constants[only],)
    pick = itemgetter(*names)
    if any(name in constants for name in names):
        return lambda given: pick({**constants, **given})
    return pick


class Prepared:
    """One statement of SQLAlchemy Core. Compiled at first use on each dialect; safe to share by threads.

    `on` gives a statement of its own to a dialect, where the databases cannot say the thing in one way; a
    function of the dialect may stand for the statements of all.
    A parameter made with `bindparam(name, expanding=True)` takes a list; there is at most one in a statement.
    """

    __slots__ = ("_expanding", "_rows", "_statements", "_tables", "_target", "_texts")

    def __init__(self, statement: Made, **on: Made) -> None:
        self._statements = {name: on.get(name, statement) for name in (SQLITE, POSTGRESQL)}
        self._texts: dict[tuple[str, int], _Text] = {}
        self._expanding: dict[str, str | None] = {}
        self._tables: dict[str, frozenset[str]] = {}
        self._rows: dict[int, str] = {}
        self._target: sa.Table | None = None

    def bind(self, dialect: str, given: Mapping[str, Argument]) -> tuple[str, tuple[Cell, ...]]:
        """Return the SQL text and the values in its order."""
        text = self._texts.get((dialect, 0))
        if text is None:
            name = self._expanding_name(dialect)
            if name is not None:
                return self._bind_expanding(dialect, name, given)
            text = self._compile(dialect, 0, None)
        return text.sql, text.order(given)  # type: ignore[arg-type]  # no list without an expanding name

    def sql(self, dialect: str) -> tuple[str, Callable[[Parameters], tuple[Cell, ...]]]:
        """Return the SQL text and the function that orders named values for it; not for expanding ones."""
        text = self._texts.get((dialect, 0)) or self._compile(dialect, 0, None)
        return text.sql, text.order

    def tables(self, dialect: str) -> frozenset[str]:
        """Return the tables that the statement names, and those that what it writes refers to."""
        found = self._tables.get(dialect)
        if found is None:
            found = self._tables[dialect] = _tables_of(self._made(dialect))
        return found

    @property
    def target(self) -> sa.Table:
        """The table that the statement writes to."""
        if self._target is None:
            table = getattr(self._made(SQLITE), "table", None)
            assert isinstance(table, sa.Table), "a statement that writes to a table of ours"
            self._target = table
        return self._target

    @staticmethod
    def portions(count: int) -> Iterator[int]:
        """Return lengths that add up to the count, few of them and few different ones, as texts are kept."""
        while count:
            length = count if count <= _FEW_ROWS else min(1 << (count.bit_length() - 1), _MOST_ROWS)
            yield length
            count -= length

    def rows_sql(self, length: int) -> str:
        """Return the text, for SQLite, of this INSERT for that many rows."""
        text = self._rows.get(length)
        if text is None:
            head, values, rest = self.sql(SQLITE)[0].partition(" VALUES ")
            row, closed, conflict = rest.partition(")")
            assert values, "only an INSERT of values takes several rows"
            assert "?" not in conflict, "what is done about a conflict is the same for every row"
            text = self._rows[length] = f"{head}{values}{', '.join([row + closed] * length)}{conflict}"
        return text

    def _expanding_name(self, dialect: str) -> str | None:
        if dialect not in self._expanding:
            compiled = self._compiled(dialect)
            names = [compiled.bind_names[bind] for bind in compiled.post_compile_params]
            assert len(names) <= 1, "at most one expanding parameter a statement"
            self._expanding[dialect] = names[0] if names else None
        return self._expanding[dialect]

    def _bind_expanding(
        self, dialect: str, name: str, given: Mapping[str, Argument]
    ) -> tuple[str, tuple[Cell, ...]]:
        values = given[name]
        assert isinstance(values, Sequence), "an expanding parameter takes a list"
        assert values, "an expanding parameter takes at least one value"
        assert len(values) <= _LENGTHS[-1], "as many values as the databases take"
        length = next(length for length in _LENGTHS if length >= len(values))
        text = self._texts.get((dialect, length)) or self._compile(dialect, length, name)
        filled: dict[str, Cell] = {key: value for key, value in given.items() if key != name}  # type: ignore[misc]
        last = len(values) - 1
        for index in range(length):
            filled[f"{name}[{index}]"] = values[min(index, last)]
        return text.sql, text.order(filled)

    def _compile(self, dialect: str, length: int, expanding: str | None) -> _Text:
        compiled = self._compiled(dialect)
        sql, names = compiled.string, list(compiled.positiontup or ())
        if expanding is not None:
            marker = f"__[POSTCOMPILE_{expanding}]"
            assert sql.count(marker) == 1, f"{expanding} is used once in its statement"
            sql = sql.replace(marker, ", ".join(["?" if dialect == SQLITE else "%s"] * length))
            at = names.index(expanding)
            names[at : at + 1] = [f"{expanding}[{index}]" for index in range(length)]
        constants = {
            name: bind.value
            for bind, name in compiled.bind_names.items()
            if not bind.required and not bind.expanding
        }
        text = _Text(sql, _ordering(names, constants))
        self._texts[dialect, length] = text
        return text

    def _made(self, dialect: str) -> sa.Executable:
        made = self._statements[dialect]
        return made if isinstance(made, sa.Executable) else made(dialect)

    def _compiled(self, dialect: str) -> SQLCompiler:
        compiled = self._made(dialect).compile(dialect=dialect_of(dialect))  # type: ignore[attr-defined]
        assert isinstance(compiled, SQLCompiler)
        return compiled


def _tables_of(statement: sa.Executable) -> frozenset[str]:
    named = {
        each for each in visitors.iterate(cast("ClauseElement", statement)) if isinstance(each, sa.Table)
    }
    written = getattr(statement, "table", None)
    if isinstance(written, sa.Table):
        named |= {written, *(key.column.table for key in written.foreign_keys)}
    return frozenset(table.name for table in named)
