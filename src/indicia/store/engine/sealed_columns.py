"""Every value the keyring has sealed, page by page, so that a rotated keyring can seal it anew."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import sqlalchemy as sa

from indicia.store.engine.owned import Sealed, table_of
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session


class _Statements(NamedTuple):
    """How the values of one column are read, a page at a time, and replaced."""

    first: Prepared
    following: Prepared
    replace: Prepared


@cache
def _statements(sealed: Sealed) -> _Statements:
    octets = sealed.column
    table = table_of(octets)
    (key,) = table.primary_key
    # What was delivered or given up has no payload any more.
    page = sa.select(key, octets).where(sa.func.length(octets) > 0).order_by(key).limit(sa.bindparam("limit"))
    change = sa.update(table).where(key == sa.bindparam("of_id"), octets == sa.bindparam("old"))
    return _Statements(
        Prepared(page),
        Prepared(page.where(key > sa.bindparam("after"))),
        Prepared(change.values({octets.name: sa.bindparam("new")})),
    )


def page(s: Session, sealed: Sealed, *, after: int | str | None, limit: int) -> list[tuple[int | str, bytes]]:
    """Return the next sealed values with the keys of their rows, beginning behind `after`."""
    statements = _statements(sealed)
    if after is None:
        return [(key, octets) for key, octets in s.all(statements.first, limit=limit)]
    return [(key, octets) for key, octets in s.all(statements.following, after=after, limit=limit)]


def replace(s: Session, sealed: Sealed, key: int | str, old: bytes, new: bytes) -> bool:
    """Store the value sealed anew. Return False when it is gone or another one meanwhile."""
    return s.run(_statements(sealed).replace, of_id=key, old=old, new=new) == 1
