"""The queues in the database: what is due is taken by one worker at a time, in order, and is never lost.

A table that is a queue has a key and `due_at`, which is NULL once there is nothing to do any more. Who takes
something has it in one of three ways. Work that lasts longer than a transaction has a lease, in `lease_owner`
and `lease_until` (`LeasedQueue`): when it ends, the work of a dead worker is free again. Work that does no
harm when it is done twice is put off for as long as a lease would last (`DueQueue.put_off`). Work that is
done within the transaction that takes it has the lock on its row, and no more.
A user says what else its table has by the columns, conditions and values that it gives.

The movable clock decides what is due; leases keep real time (contract, "The movable clock").

Whoever takes steps over what others have locked at that moment (SKIP LOCKED), so that no worker waits for
another. A table that many take from has shards as well, and each worker a range of them (`sharding`).

What goes to a destination on somebody's behalf is emptied by `runtime.delivery_loop`: mails, webhooks, and
looks for advice. Checks and the steps of keys have no destination and are taken and committed in batches, so
`verifier.engine.engine`, `vault.key_rotator` and `vault.assigner` are loops of their own, on these queues.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from indicia.domain.time import Instant
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session

SelectT = TypeVar("SelectT", bound="sa.Select[Any]")
Condition = sa.ColumnElement[bool]

_NOW: Final = sa.bindparam("now", type_=sa.BigInteger)
_REAL_NOW: Final = sa.bindparam("real_now", type_=sa.BigInteger)
_DUE_AT: Final = sa.bindparam("due_at", type_=sa.BigInteger)
_UNTIL: Final = sa.bindparam("until", type_=sa.BigInteger)
_IDS: Final[sa.BindParameter[int]] = sa.bindparam("ids", expanding=True)
_PREFIX: Final = sa.bindparam("prefix", type_=sa.Text)


@dataclass(frozen=True, slots=True)
class Lease:
    """In whose name things are taken, and until when they are nobody else's.

    `now` is by the movable clock, `real_now` and `until` are in real time.
    """

    owner: str
    now: Instant
    real_now: Instant
    until: Instant

    @property
    def ends_at(self) -> Instant:
        """When it ends, by the movable clock, if nobody moves it."""
        return self.now + max(0, self.until - self.real_now)


def head(chosen: SelectT, limit: str = "limit") -> SelectT:
    """Return the statement for the first of these rows, which the transaction then holds.

    What another transaction holds is stepped over. `limit` is the name of the parameter that says how many.
    """
    return chosen.limit(sa.bindparam(limit)).with_for_update(skip_locked=True)


class DueQueue:
    """What is due in one table. `key` is the name of the column that its rows are known by.

    Statements of users have the parameter `now`; those for one row `of_id`.
    """

    def __init__(self, table: sa.Table, *, key: str = "id") -> None:
        self._table = table
        self.key: sa.Column[int] = table.c[key]
        self.due_at: sa.Column[int] = table.c.due_at
        self.waiting: Condition = self.due_at.is_not(None)
        self.due: Condition = self.due_at <= _NOW
        # What was put off until then, and not touched since: with `until`.
        self.put_off_until: tuple[Condition, ...] = (
            self.key == sa.bindparam("of_id"),
            self.due_at == _UNTIL,
        )
        self._next = Prepared(sa.select(self.due_at).where(self.due_at > _NOW).order_by(self.due_at).limit(1))
        self._any_due = Prepared(sa.select(self.key).where(self.due).order_by(self.due_at).limit(1))
        self._earliest = Prepared(self.earliest())
        self._put_off = Prepared(sa.update(table).where(self.key.in_(_IDS)).values(due_at=_UNTIL))

    @property
    def ready(self) -> tuple[Condition, ...]:
        """What may be taken: it is due, and nobody has it."""
        return (self.due,)

    @property
    def free(self) -> tuple[Condition, ...]:
        """What nobody has."""
        return ()

    def first(
        self, *columns: sa.ColumnElement[Any], where: Sequence[Condition] = (), newest: bool = False
    ) -> sa.Select[Any]:
        """Return the statement for all that are ready, the longest waiting first, or last for `newest`."""
        order = self.due_at.desc() if newest else self.due_at
        return sa.select(*columns).where(*where, *self.ready).order_by(order)

    def head(
        self, *columns: sa.ColumnElement[Any], where: Sequence[Condition] = (), newest: bool = False
    ) -> sa.Select[Any]:
        """Return the statement that takes the first `limit` of these, which the transaction then holds.

        Whoever wants those of one instant in the order of their keys adds the key to the order.
        """
        return head(self.first(*columns, where=where, newest=newest))

    def earliest(self, *where: Condition) -> sa.Select[Any]:
        """Return the statement for the first due time among what nobody has."""
        nobodys = sa.select(self.due_at).where(*where, self.waiting, *self.free)
        return nobodys.order_by(self.due_at).limit(1)

    def each_waiting(self, column: sa.ColumnElement[str], name: str) -> sa.CTE:
        """Return the values of a column among the rows that wait, in its only column `value`.

        It goes from value to value by an index on the column, so it costs what there are of them, however
        many rows each has.
        """
        first = sa.select(column).where(self.waiting).order_by(column).limit(1).scalar_subquery()
        values = sa.select(first.label("value")).cte(name, recursive=True)
        following = (
            sa.select(column)
            .where(self.waiting, column > values.c.value)
            .order_by(column)
            .limit(1)
            .correlate(values)
            .scalar_subquery()
        )
        return values.union_all(sa.select(following).where(values.c.value.is_not(None)))

    def each_ready(self, column: sa.ColumnElement[str], name: str) -> sa.Select[tuple[str]]:
        """Return the statement for the values of a column for which something is ready.

        Those whose first has waited longest come first, at most `limit` of them.
        """
        values = self.each_waiting(column, name)
        first = (
            sa.select(self.due_at)
            .where(column == values.c.value, *self.ready)
            .order_by(self.due_at)
            .limit(1)
            .correlate(values)
            .scalar_subquery()
        )
        found = (
            sa.select(values.c.value, first.label("earliest")).where(values.c.value.is_not(None)).subquery()
        )
        return (
            sa.select(found.c.value)
            .where(found.c.earliest.is_not(None))
            .order_by(found.c.earliest)
            .limit(sa.bindparam("limit"))
        )

    def earliest_due(self, s: Session, **given: Instant) -> Instant | None:
        """Return when the first is due that nobody has, None when there is none."""
        row = s.one(self._earliest, **given)
        return None if row is None else int(row[0])

    def next_due(self, s: Session, now: Instant) -> Instant | None:
        """Return the first instant after `now` at which something becomes due, None when nothing does."""
        row = s.one(self._next, now=now)
        return None if row is None else int(row[0])

    def anything_due(self, s: Session, now: Instant) -> bool:
        """Say whether anything is due and not done, in somebody's hands or not."""
        return s.one(self._any_due, now=now) is not None

    def put_off(self, s: Session, ids: Sequence[int], until: Instant) -> None:
        """Let these, which the transaction holds, be due then: it is whose put them off until then."""
        if ids:
            s.run(self._put_off, ids=sorted(ids), until=until)


class LeasedQueue(DueQueue):
    """What is due in one table that has leases.

    `due_again` moves the due time of what is taken to the end of its lease, so that an index of due times has
    it out of the way until then. `taken` is what else becomes of a row that is taken. Statements of users
    that take have the parameters `now` and `real_now`; those for one row that is held `of_id` and `owner`.
    """

    def __init__(
        self,
        table: sa.Table,
        *,
        key: str = "id",
        due_again: bool = False,
        taken: Mapping[str, object] | None = None,
    ) -> None:
        c = table.c
        self._owner, self._until = c.lease_owner, c.lease_until
        super().__init__(table, key=key)
        self.held: tuple[Condition, ...] = (
            self.key == sa.bindparam("of_id"),
            self._owner == sa.bindparam("owner"),
        )
        again: dict[str, Any] = {"due_at": sa.bindparam("due_again")} if due_again else {}
        self._lease = Prepared(
            sa.update(table)
            .where(self.key.in_(_IDS))
            .values(lease_owner=sa.bindparam("owner"), lease_until=_UNTIL, **again, **(taken or {}))
        )
        at_once: dict[str, Any] = {}
        if due_again:
            at_once = {"due_at": sa.case((self.due_at > _NOW, _NOW), else_=self.due_at)}
        self._void = Prepared(
            sa.update(table)
            .where(
                self._owner.is_not(None),
                sa.func.substr(self._owner, 1, sa.func.length(_PREFIX)) == _PREFIX,
            )
            .values(**RELEASED, **at_once)
        )

    @property
    def ready(self) -> tuple[Condition, ...]:
        """See `DueQueue.ready`."""
        return (self.due, *self.free)

    @property
    def free(self) -> tuple[Condition, ...]:
        """See `DueQueue.free`: no lease, or one that has ended."""
        return (sa.or_(self._until.is_(None), self._until <= _REAL_NOW),)

    def unless_held(self, at: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        """Return the due time that is `at`, but of what is held the present one: somebody works on it."""
        return sa.case((self._owner.is_(None), at), else_=self.due_at)

    def by(self, at: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        """Return the due time that is `at` at the latest, but the present one of what is held."""
        return sa.case((sa.and_(self._owner.is_(None), self.due_at > at), at), else_=self.due_at)

    def settled(self, **values: object) -> Prepared:
        """Return the statement that notes the end of what is held: it is due no more."""
        return self._ended(due_at=None, **values)

    def failed(self, **values: object) -> Prepared:
        """Return the statement that notes that an attempt at what is held came to nothing, by `error`.

        It is due again at `due_at`, which `domain.retry` says; None gives it up: it stays, with what was
        wrong, as a dead letter.
        """
        attempts = self._table.c.attempts + 1
        return self._ended(due_at=_DUE_AT, attempts=attempts, last_error=sa.bindparam("error"), **values)

    def given_back(self, **values: object) -> Prepared:
        """Return the statement that gives back what is held and was not done; it is due at `due_at`."""
        return self._ended(due_at=_DUE_AT, **values)

    def _ended(self, **values: Any) -> Prepared:
        return Prepared(sa.update(self._table).where(*self.held).values(**RELEASED, **values))

    def lease(self, s: Session, ids: Sequence[int], lease: Lease) -> None:
        """Give these rows, which this transaction holds, to the owner until the lease ends."""
        if ids:
            s.run(
                self._lease,
                ids=sorted(ids),
                owner=lease.owner,
                until=lease.until,
                due_again=lease.ends_at,
            )

    def void(self, s: Session, now: Instant = 0, owner_prefix: str = "") -> int:
        """Take back every lease whose owner begins so, all of them by default; return how many.

        At the start of the only process there is, those who held them are dead. The work is due at once.
        """
        return s.run(self._void, now=now, prefix=owner_prefix)


RELEASED: Final[Mapping[str, None]] = {"lease_owner": None, "lease_until": None}
"""The columns of a lease where nobody has the row."""
