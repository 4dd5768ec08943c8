"""Every column the keyring has sealed, so that a rotated keyring can seal it anew."""

from __future__ import annotations

from enum import Enum
from typing import Any

import sqlalchemy as sa

from indicia.store import tables
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session


class Place(Enum):
    """A sealed column. A test compares this list with the tables."""

    ACCESS_KEY = ("access_key", "secret")
    PUBLISHED_KEY = ("published_key", "private_key")
    POOLED_KEY = ("pooled_key", "private_key")
    OUTBOX = ("outbox", "payload")
    WEBHOOK = ("webhook", "secret")
    WEBHOOK_BEFORE = ("webhook", "previous_secret")


def _columns(place: Place) -> tuple[sa.Table, sa.Column[Any], sa.Column[Any]]:
    table = tables.metadata.tables[place.value[0]]
    return table, table.c.id, table.c[place.value[1]]


def _page(place: Place, *, first: bool) -> Prepared:
    _, key, octets = _columns(place)
    # What was delivered or given up has no payload any more.
    chosen = (
        sa.select(key, octets).where(sa.func.length(octets) > 0).order_by(key).limit(sa.bindparam("limit"))
    )
    return Prepared(chosen if first else chosen.where(key > sa.bindparam("after")))


def _replace(place: Place) -> Prepared:
    table, key, octets = _columns(place)
    return Prepared(
        sa.update(table)
        .where(key == sa.bindparam("of_id"), octets == sa.bindparam("old"))
        .values({octets.name: sa.bindparam("new")})
    )


_FIRST = {place: _page(place, first=True) for place in Place}
_NEXT = {place: _page(place, first=False) for place in Place}
_REPLACE = {place: _replace(place) for place in Place}


def page(s: Session, place: Place, *, after: int | str | None, limit: int) -> list[tuple[int | str, bytes]]:
    """Return the next sealed values with the keys of their rows, beginning behind `after`."""
    if after is None:
        return [(key, octets) for key, octets in s.all(_FIRST[place], limit=limit)]
    return [(key, octets) for key, octets in s.all(_NEXT[place], after=after, limit=limit)]


def replace(s: Session, place: Place, key: int | str, old: bytes, new: bytes) -> bool:
    """Store the value sealed anew. Return False when it is gone or another one meanwhile."""
    return s.run(_REPLACE[place], of_id=key, old=old, new=new) == 1
