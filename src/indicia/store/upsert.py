"""INSERT that meets a row which is there already. Both databases have it; SQLAlchemy says it per dialect."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from indicia.store.prepared import Prepared


def insert_or_nothing(table: sa.Table) -> Prepared:
    """Return the INSERT that touches no row where its key is taken. The row count tells which it was."""
    return Prepared(
        sqlite.insert(table).on_conflict_do_nothing(),
        postgresql=postgresql.insert(table).on_conflict_do_nothing(),
    )


def insert_or_replace(table: sa.Table, *, keep: frozenset[str] = frozenset()) -> Prepared:
    """Return the INSERT that overwrites the row with the same primary key, but for the columns in `keep`."""
    key = [column.name for column in table.primary_key]
    changed = [column.name for column in table.columns if column.name not in {*key, *keep}]
    on_sqlite = sqlite.insert(table)
    on_postgresql = postgresql.insert(table)
    return Prepared(
        on_sqlite.on_conflict_do_update(
            index_elements=key, set_={name: on_sqlite.excluded[name] for name in changed}
        ),
        postgresql=on_postgresql.on_conflict_do_update(
            index_elements=key, set_={name: on_postgresql.excluded[name] for name in changed}
        ),
    )
