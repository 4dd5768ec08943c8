"""The kinds of columns that tables are made of, and the metadata that all tables are in.

Instants are milliseconds since the epoch, truth values 0 and 1, closed sets the text of their enum: rows need
no result processing on either database.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

# On SQLite only a column declared INTEGER is the row id itself; BIGINT would add an index.
Big = sa.BigInteger().with_variant(sqlite.INTEGER(), "sqlite")
Flag = sa.SmallInteger()
# Compared and ordered by octets, as SQLite does: pages of names come in the same order everywhere.
Word = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Text = sa.Text()
Octets = sa.LargeBinary()

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def key(name: str) -> sa.Column[int]:
    """Return a column of numbers made by us that is the primary key."""
    return sa.Column(name, Big, primary_key=True, autoincrement=False)


def big(name: str) -> sa.Column[int]:
    """Return a column of numbers or instants."""
    return sa.Column(name, Big, nullable=False)


def maybe_big(name: str) -> sa.Column[int]:
    """Return a column of numbers or instants, some of them NULL."""
    return sa.Column(name, Big, nullable=True)


def flag(name: str) -> sa.Column[int]:
    """Return a column of truth values."""
    return sa.Column(name, Flag, nullable=False)


def word(name: str, *, primary_key: bool = False) -> sa.Column[str]:
    """Return a column of text that is compared and ordered, by octets."""
    return sa.Column(name, Word, nullable=False, primary_key=primary_key)


def maybe_word(name: str) -> sa.Column[str]:
    """Return a column of text that is compared and ordered, some of it NULL."""
    return sa.Column(name, Word, nullable=True)


def text(name: str) -> sa.Column[str]:
    """Return a column of text that is only shown."""
    return sa.Column(name, Text, nullable=False)


def maybe_text(name: str) -> sa.Column[str]:
    """Return a column of text that is only shown, some of it NULL."""
    return sa.Column(name, Text, nullable=True)


def octets(name: str) -> sa.Column[bytes]:
    """Return a column of octets."""
    return sa.Column(name, Octets, nullable=False)
