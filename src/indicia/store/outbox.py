"""What must leave the house: mails and webhooks, written with what caused them, delivered at least once.

A sender claims what is due under a lease, delivers, and says so. What it dies with is due again when the
lease ends. The movable clock decides what is due; leases keep real time (contract, "The movable clock").
"""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa

from indicia.domain.time import Instant
from indicia.store import tables
from indicia.store.ids import new_id
from indicia.store.prepared import Prepared
from indicia.store.session import Session

_o = tables.outbox.c


@dataclass(frozen=True, slots=True)
class Parcel:
    """Something to deliver. `payload` is sealed by the keyring; `attempts` counts those that failed."""

    id: int
    kind: str
    subject_key: str
    payload: bytes = field(repr=False)
    created_at: Instant
    due_at: Instant
    attempts: int


_ADD = Prepared(sa.insert(tables.outbox))
_FREE = sa.or_(_o.lease_until.is_(None), _o.lease_until <= sa.bindparam("lease_now"))
_DUE = Prepared(
    sa.select(_o.id, _o.kind, _o.subject_key, _o.payload, _o.created_at, _o.due_at, _o.attempts)
    .where(_o.due_at <= sa.bindparam("now"), _FREE)
    .order_by(_o.due_at, _o.id)
    .limit(sa.bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_LEASE = Prepared(
    sa.update(tables.outbox)
    .where(_o.id.in_(sa.bindparam("ids", expanding=True)))
    .values(lease_owner=sa.bindparam("owner"), lease_until=sa.bindparam("until"))
)
_HELD = (_o.id == sa.bindparam("of_id"), _o.lease_owner == sa.bindparam("owner"))
_DONE = Prepared(
    sa.update(tables.outbox)
    .where(*_HELD)
    .values(
        payload=b"",
        delivered_at=sa.bindparam("at"),
        due_at=None,
        lease_owner=None,
        lease_until=None,
        last_error=None,
    )
)
_GIVE_UP = Prepared(
    sa.update(tables.outbox)
    .where(*_HELD)
    .values(
        payload=b"",
        due_at=None,
        attempts=_o.attempts + 1,
        lease_owner=None,
        lease_until=None,
        last_error=sa.bindparam("error"),
    )
)
_RETRY = Prepared(
    sa.update(tables.outbox)
    .where(*_HELD)
    .values(
        due_at=sa.bindparam("at"),
        attempts=_o.attempts + 1,
        lease_owner=None,
        lease_until=None,
        last_error=sa.bindparam("error"),
    )
)
_EARLIEST = Prepared(sa.select(_o.due_at).where(_o.due_at.is_not(None), _FREE).order_by(_o.due_at).limit(1))
_ANY_DUE = Prepared(sa.select(_o.id).where(_o.due_at <= sa.bindparam("now")).limit(1))
_OLDEST = Prepared(sa.select(sa.func.min(_o.created_at)).where(_o.due_at.is_not(None)))
_VOID = Prepared(
    sa.update(tables.outbox).where(_o.lease_owner.is_not(None)).values(lease_owner=None, lease_until=None)
)
_PRUNE = Prepared(
    sa.delete(tables.outbox).where(
        _o.id.in_(
            sa.select(_o.id)
            .where(_o.id < sa.bindparam("before"), _o.due_at.is_(None))
            .order_by(_o.id)
            .limit(sa.bindparam("limit"))
        )
    )
)


def add(s: Session, *, kind: str, subject_key: str, payload: bytes, now: Instant) -> int:
    """Queue a parcel, due at once, and return its id. It is delivered exactly if the transaction commits."""
    parcel_id = new_id()
    s.run(
        _ADD,
        id=parcel_id,
        kind=kind,
        subject_key=subject_key,
        payload=payload,
        created_at=now,
        due_at=now,
        attempts=0,
        lease_until=None,
        lease_owner=None,
        delivered_at=None,
        last_error=None,
    )
    return parcel_id


def claim(
    s: Session, *, now: Instant, lease_now: Instant, lease_until: Instant, owner: str, limit: int
) -> list[Parcel]:
    """Take what is due, the longest waiting first, for this owner alone until `lease_until` (real time)."""
    parcels = [Parcel(*row) for row in s.all(_DUE, now=now, lease_now=lease_now, limit=limit)]
    if parcels:
        s.run(_LEASE, ids=sorted(parcel.id for parcel in parcels), owner=owner, until=lease_until)
    return parcels


def done(s: Session, parcel_id: int, owner: str, at: Instant) -> bool:
    """Note the delivery and erase the payload. Return False when the lease was lost: it comes again."""
    return s.run(_DONE, of_id=parcel_id, owner=owner, at=at) == 1


def retry(s: Session, parcel_id: int, owner: str, due_at: Instant, error: str) -> bool:
    """Note a failure and when to try again. Return False when the lease was lost."""
    return s.run(_RETRY, of_id=parcel_id, owner=owner, at=due_at, error=error) == 1


def give_up(s: Session, parcel_id: int, owner: str, error: str) -> bool:
    """Note that it will never be delivered, and erase the payload. Return False when the lease was lost."""
    return s.run(_GIVE_UP, of_id=parcel_id, owner=owner, error=error) == 1


def earliest_due(s: Session, lease_now: Instant) -> Instant | None:
    """Return when the next parcel that nobody holds is due, None when there is none."""
    row = s.one(_EARLIEST, lease_now=lease_now)
    return None if row is None else int(row[0])


def anything_due(s: Session, now: Instant) -> bool:
    """Return whether anything is due and not delivered, leased or not."""
    return s.one(_ANY_DUE, now=now) is not None


def oldest_waiting(s: Session) -> Instant | None:
    """Return when the oldest parcel was queued that is neither delivered nor given up, None for none."""
    row = s.one(_OLDEST)
    return None if row is None else row[0]


def void_leases(s: Session) -> int:
    """Take every lease back: at the start of the only process there is."""
    return s.run(_VOID)


def prune(s: Session, before: int, limit: int) -> int:
    """Forget parcels with lesser ids that wait no more, as many as the limit, and return how many."""
    return s.run(_PRUNE, before=before, limit=limit)
