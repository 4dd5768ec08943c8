"""Removing what is forgotten with age, by its declaration: the oldest first, so many at once."""

from __future__ import annotations

from functools import cache

import sqlalchemy as sa

from indicia.domain.time import Instant, Span
from indicia.store.engine.ids import first_at
from indicia.store.engine.owned import Age, Along, Forgotten, table_of
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session


def remove(s: Session, what: Forgotten, *, kept: Span, now: Instant, real: Instant, limit: int) -> int:
    """Forget rows that are older than `kept`, as many as the limit, and return how many.

    It is `now` by the service's own clock, and `real` by the machine's.
    """
    instant = (now if what.age is Age.CLOCK else real) - kept
    before = first_at(instant) if what.age is Age.ID else instant
    statement, along = _statements(what)
    for each in along:
        s.run(each, before=before, now=now, limit=limit)
    return s.run(statement, before=before, limit=limit)


@cache
def _statements(what: Forgotten) -> tuple[Prepared, tuple[Prepared, ...]]:
    """Return what removes the rows, and what removes those that go along, before them."""
    table = table_of(what.column)
    key = tuple(table.primary_key)
    old = sa.select(*key).where(what.column < sa.bindparam("before"))
    if what.only is not None:
        old = old.where(what.only)
    order = (what.column, *(column for column in key if column is not what.column))
    old = old.order_by(*order).limit(sa.bindparam("limit"))
    goes = (key[0] if len(key) == 1 else sa.tuple_(*key)).in_(old)
    return Prepared(sa.delete(table).where(goes)), tuple(_along(each, goes) for each in what.along)


def _along(each: Along, goes: sa.ColumnElement[bool]) -> Prepared:
    of = sa.select(each.of).where(goes)
    if each.among is not None:
        of = of.where(each.among)
    rows = sa.delete(table_of(each.column)).where(each.column.in_(of))
    return Prepared(rows if each.only is None else rows.where(each.only))
