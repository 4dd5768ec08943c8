"""What a subject of the store declares of its tables: what is sealed in them, what goes when, and with what.

Each subject has one declaration, in its `tables`; `store.subjects` composes them, and whoever seals anew,
deletes, empties or forgets goes by that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

import sqlalchemy as sa

from indicia.domain.time import Span


def table_of(column: sa.Column[Any]) -> sa.Table:
    """Return the table that has the column."""
    assert isinstance(column.table, sa.Table)
    return column.table


_BY_ID: Final = {"identity_id": "id"}


@dataclass(frozen=True, slots=True, eq=False)
class Sealed:
    """A column of octets that the keyring has sealed.

    `purpose` is what for, with the key of the row in the place of `{}`: what was sealed for one purpose opens
    for no other.
    """

    column: sa.Column[Any]
    purpose: str

    def purpose_of(self, row: int | str) -> str:
        """Return what the value in a row is sealed for."""
        return self.purpose.format(row)


@dataclass(frozen=True, slots=True, eq=False)
class WithIdentity:
    """Rows that go with the identity they belong to.

    `by` is what tells them: columns, and what of the identity is in each. That is `id`, `account`, `region`,
    `kind`, `name` or `resource` (as tags name it).
    """

    table: sa.Table
    by: Mapping[str, str] = field(default_factory=lambda: _BY_ID)


class Age(Enum):
    """How old a row is, by the column that tells it."""

    ID = auto()  # an id, which begins with the machine's time
    REAL = auto()  # an instant of the machine's clock
    CLOCK = auto()  # an instant of the service's clock, which a sandbox moves


@dataclass(frozen=True, slots=True, eq=False)
class Along:
    """Rows that go with what is forgotten: those whose `column` has the `of` of a row that goes.

    `among` is which of the rows that go take some along, `only` which rows they take: it may use the
    parameter `now`, by the service's clock.
    """

    column: sa.Column[Any]
    of: sa.Column[Any]
    among: sa.ColumnElement[bool] | None = None
    only: sa.ColumnElement[bool] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Forgotten:
    """Rows that are forgotten with age, under a name for the log.

    `kept` is for how long, None for as long as the operator's setting says (`audit_retention`). `only` is
    which of them may go. A batch has one part in `parts` of the usual number, where much goes along.
    """

    name: str
    column: sa.Column[Any]
    age: Age
    kept: Span | None
    only: sa.ColumnElement[bool] | None = None
    along: tuple[Along, ...] = ()
    parts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Owned:
    """What one subject owns.

    `emptied` are the tables that a sandbox empties when it begins again. `storage` is what CREATE TABLE
    cannot say on both databases: parameters of PostgreSQL.
    """

    tables: tuple[sa.Table, ...]
    sealed: tuple[Sealed, ...] = ()
    with_identity: tuple[WithIdentity, ...] = ()
    emptied: tuple[sa.Table, ...] = ()
    forgotten: tuple[Forgotten, ...] = ()
    storage: Mapping[sa.Table, str] = field(default_factory=dict)
