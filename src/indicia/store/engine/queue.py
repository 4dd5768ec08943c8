"""What is taken from a table of things to do under a lease, and comes back when the lease ends.

A table that is a queue has `due_at` (NULL: nothing to do any more), `lease_until` and `lease_owner`. The
movable clock decides what is due; leases keep real time (contract, "The movable clock").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from indicia.domain.time import Instant
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session


@dataclass(frozen=True, slots=True)
class Lease:
    """In whose name things are taken, and until when they are nobody else's.

    `now` is by the movable clock, `real_now` and `until` are in real time.
    """

    owner: str
    now: Instant
    real_now: Instant
    until: Instant


def each_waiting(due_at: sa.ColumnElement[int], column: sa.ColumnElement[str], name: str) -> sa.CTE:
    """Return the values of a column among the rows that wait, in its only column `value`.

    It goes from value to value by an index on the column, so it costs what there are of them, however many
    rows each has.
    """
    waiting = due_at.is_not(None)
    first = sa.select(column).where(waiting).order_by(column).limit(1).scalar_subquery()
    values = sa.select(first.label("value")).cte(name, recursive=True)
    following = (
        sa.select(column)
        .where(waiting, column > values.c.value)
        .order_by(column)
        .limit(1)
        .correlate(values)
        .scalar_subquery()
    )
    return values.union_all(sa.select(following).where(values.c.value.is_not(None)))


class LeasedQueue:
    """The leases of one table."""

    def __init__(self, table: sa.Table) -> None:
        c = table.c
        self._due_at = c.due_at
        # With parameters `now` and `real_now`; `of_id` and `owner`.
        self.due = c.due_at <= sa.bindparam("now", type_=sa.BigInteger)
        self.free = sa.or_(
            c.lease_until.is_(None), c.lease_until <= sa.bindparam("real_now", type_=sa.BigInteger)
        )
        self.held = (c.id == sa.bindparam("of_id"), c.lease_owner == sa.bindparam("owner"))
        self._lease = Prepared(
            sa.update(table)
            .where(c.id.in_(sa.bindparam("ids", expanding=True)))
            .values(lease_owner=sa.bindparam("owner"), lease_until=sa.bindparam("until"))
        )
        self._void = Prepared(
            sa.update(table).where(c.lease_owner.is_not(None)).values(lease_owner=None, lease_until=None)
        )

    def each(self, column: sa.ColumnElement[str], name: str) -> sa.CTE:
        """Return as `each_waiting`."""
        return each_waiting(self._due_at, column, name)

    def lease(self, s: Session, ids: Sequence[int], lease: Lease) -> None:
        """Give these rows, which this transaction holds, to the owner until the lease ends."""
        if ids:
            s.run(self._lease, ids=sorted(ids), owner=lease.owner, until=lease.until)

    def void(self, s: Session) -> int:
        """Take every lease back: at the start of the only process there is."""
        return s.run(self._void)
