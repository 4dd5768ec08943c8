"""INSERT that meets a row which is there already. Both databases have it; SQLAlchemy says it per dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from indicia.store.engine.prepared import SQLITE, Prepared

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite


def dialect_insert(table: sa.Table, dialect: str) -> sqlite.Insert | postgresql.Insert:
    """Return the dialect's own INSERT, which knows ON CONFLICT."""
    if dialect == SQLITE:
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)


def insert_or_nothing(table: sa.Table) -> Prepared:
    """Return the INSERT that touches no row where its key is taken. The row count tells which it was."""
    return Prepared(lambda dialect: dialect_insert(table, dialect).on_conflict_do_nothing())


def insert_or_replace(table: sa.Table, *, keep: frozenset[str] = frozenset()) -> Prepared:
    """Return the INSERT that overwrites the row with the same primary key, but for the columns in `keep`."""

    def on(dialect: str) -> sa.Executable:
        key = [column.name for column in table.primary_key]
        changed = [column.name for column in table.columns if column.name not in {*key, *keep}]
        plain = dialect_insert(table, dialect)
        return plain.on_conflict_do_update(
            index_elements=key, set_={name: plain.excluded[name] for name in changed}
        )

    return Prepared(on)
