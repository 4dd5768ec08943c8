"""Mails that must leave this service: written with what caused them, delivered at least once.

A sender takes what is due under a lease, delivers, and says so. What it dies with is due again when the lease
ends. Accounts are asked one after the other, so that none waits behind what another has queued.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa

from indicia.domain.time import Instant
from indicia.store.engine.ids import new_id
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.queue import Lease, LeasedQueue
from indicia.store.engine.session import Session
from indicia.store.verification_mail import tables

_o = tables.outbox.c
_queue = LeasedQueue(tables.outbox)


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
_DUE = Prepared(
    _queue.head(
        _o.id,
        _o.kind,
        _o.subject_key,
        _o.payload,
        _o.created_at,
        _o.due_at,
        _o.attempts,
        where=(_o.account == sa.bindparam("account"),),
    ).order_by(_o.id)
)
_ACCOUNTS_DUE = Prepared(_queue.each_ready(_o.account, "accounts"))
_DONE = _queue.settled(payload=b"", delivered_at=sa.bindparam("at"), last_error=None)
_RETRY = _queue.failed()
_GIVE_UP = _queue.failed(payload=b"")
_OLDEST = Prepared(sa.select(sa.func.min(_o.created_at)).where(_queue.waiting))


def add(s: Session, *, kind: str, account: str, subject_key: str, payload: bytes, now: Instant) -> int:
    """Queue a parcel for an account, due at once, and return its id.

    It is delivered exactly if the transaction commits.
    """
    parcel_id = new_id()
    s.later(
        _ADD,
        id=parcel_id,
        kind=kind,
        account=account,
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


def accounts_due(s: Session, lease: Lease, limit: int) -> list[str]:
    """Return the accounts for which something is due that nobody holds, the longest waiting first."""
    rows = s.all(_ACCOUNTS_DUE, now=lease.now, real_now=lease.real_now, limit=limit)
    return [row[0] for row in rows]


def take(s: Session, account: str, lease: Lease, *, limit: int) -> list[Parcel]:
    """Take what is due for the account, the longest waiting first, for the owner of the lease alone."""
    rows = s.all(_DUE, account=account, now=lease.now, real_now=lease.real_now, limit=limit)
    parcels = [Parcel(*row) for row in rows]
    _queue.lease(s, [parcel.id for parcel in parcels], lease)
    return parcels


def done(s: Session, parcel_id: int, owner: str, at: Instant) -> bool:
    """Note the delivery and erase the payload. Return False when the lease was lost: it comes again."""
    return s.run(_DONE, of_id=parcel_id, owner=owner, at=at) == 1


def retry(s: Session, parcel_id: int, owner: str, due_at: Instant, error: str) -> bool:
    """Note a failure and when to try again. Return False when the lease was lost."""
    return s.run(_RETRY, of_id=parcel_id, owner=owner, due_at=due_at, error=error) == 1


def give_up(s: Session, parcel_id: int, owner: str, error: str) -> bool:
    """Note that it will never be delivered, and erase the payload. Return False when the lease was lost."""
    return s.run(_GIVE_UP, of_id=parcel_id, owner=owner, due_at=None, error=error) == 1


def next_due(s: Session, now: Instant) -> Instant | None:
    """Return the first instant after `now` at which a parcel becomes due, None when none does."""
    return _queue.next_due(s, now)


def anything_due(s: Session, now: Instant) -> bool:
    """Return whether anything is due and not delivered, leased or not."""
    return _queue.anything_due(s, now)


def oldest_waiting(s: Session) -> Instant | None:
    """Return when the oldest parcel was queued that is neither delivered nor given up, None for none."""
    row = s.one(_OLDEST)
    return None if row is None else row[0]


def void_leases(s: Session) -> int:
    """Take every lease back: at the start of the only process there is."""
    return _queue.void(s)
