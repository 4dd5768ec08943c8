"""What waits to be delivered to webhooks: at least once, and in order for each identity.

While an earlier delivery of the same identity waits, to whatever end, the later one is not taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from indicia.domain.retry import Circuit
from indicia.domain.time import Instant
from indicia.store.engine.ids import new_id
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.queue import Lease, LeasedQueue
from indicia.store.engine.session import Session
from indicia.store.events import tables
from indicia.store.events.webhooks import COLUMNS, Webhook, webhook_of

_w = tables.webhook.c
_d = tables.webhook_delivery.c
_h = tables.webhook_destination.c
_queue = LeasedQueue(tables.webhook_delivery)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one webhook. `due_at` is None once delivered or given up."""

    id: int
    event_id: int
    event_type: str
    created_at: Instant
    due_at: Instant | None
    attempts: int
    delivered_at: Instant | None
    status: int | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class Receiver:
    """A webhook for which something can be taken: whose it is, where it leads, and how that has answered."""

    webhook_id: str
    account: str
    destination: str
    failures: int
    circuit: Circuit


@dataclass(frozen=True, slots=True)
class Attempt:
    """A delivery that was taken: what is to be sent, and where, as it was then."""

    id: int
    webhook: Webhook
    circuit: Circuit
    event_id: int
    created_at: Instant
    attempts: int
    body: str


_ADD = Prepared(sa.insert(tables.webhook_delivery))
_LAST = Prepared(
    sa.select(
        _d.id,
        _d.event_id,
        tables.event.c.type,
        _d.created_at,
        _d.due_at,
        _d.attempts,
        _d.delivered_at,
        _d.status,
        _d.last_error,
    )
    .select_from(tables.webhook_delivery.join(tables.event, tables.event.c.id == _d.event_id))
    .where(_d.webhook_id == sa.bindparam("webhook_id"))
    .order_by(_d.id.desc())
    .limit(sa.bindparam("limit"))
)
_OF_EVENT = Prepared(
    sa.select(_d.id).where(
        _d.webhook_id == sa.bindparam("webhook_id"),
        _d.identity_id == sa.bindparam("identity_id"),
        _d.event_id == sa.bindparam("event_id"),
        _d.due_at.is_not(None),
    )
)
_SOME = (
    sa.select(_d.id)
    .where(_d.webhook_id == sa.bindparam("webhook_id"), _d.due_at.is_not(None))
    .limit(sa.bindparam("most"))
    .subquery()
)
_COUNT = Prepared(sa.select(sa.func.count()).select_from(_SOME))
_TRY_NOW = Prepared(
    sa.update(tables.webhook_delivery)
    .where(_d.webhook_id == sa.bindparam("of_id"), _d.due_at > sa.bindparam("now"))
    .values(due_at=sa.bindparam("now"))
)


def enqueue(s: Session, wanted: Sequence[tuple[str, int, int]], now: Instant) -> None:
    """Let events be delivered: each a webhook, an event and its identity, in the order of the events."""
    s.many(
        _ADD,
        [
            {
                "id": new_id(),
                "webhook_id": webhook_id,
                "event_id": event_id,
                "identity_id": identity_id,
                "created_at": now,
                "due_at": now,
                "attempts": 0,
                "lease_until": None,
                "lease_owner": None,
                "delivered_at": None,
                "status": None,
                "last_error": None,
            }
            for webhook_id, event_id, identity_id in wanted
        ],
    )


def last(s: Session, webhook_id: str, *, limit: int) -> list[Delivery]:
    """Return the last deliveries of a webhook, newest first."""
    return [Delivery(*row) for row in s.all(_LAST, webhook_id=webhook_id, limit=limit)]


def queued(s: Session, webhook_id: str, most: int) -> int:
    """Return how many deliveries wait for a webhook, counted up to `most`."""
    row = s.one(_COUNT, webhook_id=webhook_id, most=most)
    return 0 if row is None else int(row[0])


def waits(s: Session, webhook_id: str, event_id: int, identity_id: int) -> bool:
    """Say whether the event waits to be delivered to the webhook."""
    row = s.one(_OF_EVENT, webhook_id=webhook_id, identity_id=identity_id, event_id=event_id)
    return row is not None


def try_now(s: Session, webhook_id: str, now: Instant) -> None:
    """Let what waits for the webhook, and for its next attempt, be due."""
    s.run(_TRY_NOW, of_id=webhook_id, now=now)


_earlier = tables.webhook_delivery.alias("earlier")
_now = sa.bindparam("now", type_=sa.BigInteger)
_SAME = (
    _earlier.c.webhook_id == _d.webhook_id,
    _earlier.c.identity_id == _d.identity_id,
    _earlier.c.id < _d.id,
    _earlier.c.due_at.is_not(None),
)
_FIRST = ~sa.exists().where(*_SAME)
OPEN = (
    _w.enabled == 1,
    _w.deleted_at.is_(None),
    sa.or_(_w.resume_at.is_(None), _w.resume_at <= _now),
    sa.or_(_h.resume_at.is_(None), _h.resume_at <= _now),
)
WITH_HOST = tables.webhook.outerjoin(
    tables.webhook_destination, sa.and_(_h.account == _w.account, _h.destination == _w.destination)
)
_with_something = _queue.each_waiting(_d.webhook_id, "with_something")
# Of each account one first, then its second: however many an account has, it is not alone in front.
_PLACE = sa.func.row_number().over(partition_by=_w.account, order_by=_w.id)
_READY = Prepared(
    sa.select(_w.id, _w.account, _w.destination, _w.failures, _h.failures, _h.resume_at)
    .select_from(WITH_HOST.join(_with_something, _with_something.c.value == _w.id))
    .where(*OPEN, sa.exists().where(_d.webhook_id == _w.id, *_queue.ready, _FIRST))
    .order_by(_PLACE, _w.id)
    .limit(sa.bindparam("limit"))
)
_WEBHOOK = Prepared(
    sa.select(*COLUMNS, _h.failures, _h.resume_at)
    .select_from(WITH_HOST)
    .where(_w.id == sa.bindparam("id"), *OPEN)
)
_TAKE = Prepared(
    _queue.head(
        *(_d.id, _d.event_id, _d.created_at, _d.attempts),
        where=(_d.webhook_id == sa.bindparam("webhook_id"), _FIRST),
    ).order_by(_d.id)
)
_BODIES = Prepared(
    sa.select(tables.event.c.id, tables.event.c.body).where(
        tables.event.c.id.in_(sa.bindparam("ids", expanding=True))
    )
)
_NO_EVENT = Prepared(
    sa.update(tables.webhook_delivery)
    .where(_d.id.in_(sa.bindparam("ids", expanding=True)))
    .values(due_at=None, last_error="the event is not kept any more")
)
_status = sa.bindparam("status", type_=sa.BigInteger)
_DELIVERED = _queue.settled(
    attempts=_d.attempts + 1, delivered_at=sa.bindparam("at"), status=_status, last_error=None
)
_FAILED = _queue.failed(status=_status)
_TOOK_LATER = Prepared(
    sa.select(_d.id)
    .where(
        _d.webhook_id == sa.bindparam("webhook_id"),
        _d.id > sa.bindparam("delivery_id"),
        _d.delivered_at.is_not(None),
    )
    .limit(1)
)
_RESUMED = (
    Prepared(sa.select(sa.func.min(_w.resume_at)).where(_w.enabled == 1, _w.resume_at > _now)),
    Prepared(sa.select(sa.func.min(_h.resume_at)).where(_h.resume_at > _now)),
)
_UNSETTLED = Prepared(
    sa.select(_d.id)
    .select_from(WITH_HOST.join(tables.webhook_delivery, _w.id == _d.webhook_id))
    .where(*OPEN, _queue.due, ~sa.exists().where(*_SAME, _earlier.c.due_at > _now))
    .limit(1)
)
_WAITING = Prepared(sa.select(sa.func.count()).select_from(tables.webhook_delivery).where(_queue.waiting))


def ready(s: Session, lease: Lease, limit: int) -> list[Receiver]:
    """Return the webhooks that may be tried and for which something can be taken, by turns of accounts."""
    rows = s.all(_READY, now=lease.now, real_now=lease.real_now, limit=limit)
    return [Receiver(row[0], row[1], row[2], row[3], Circuit(row[4] or 0, row[5])) for row in rows]


def take(s: Session, webhook_id: str, lease: Lease, *, limit: int) -> list[Attempt]:
    """Take what is due for the webhook and has nothing of its identity before it, under a lease.

    Nothing where it may not be tried any more.
    """
    found = s.one(_WEBHOOK, id=webhook_id, now=lease.now)
    if found is None:
        return []
    rows = s.all(_TAKE, webhook_id=webhook_id, now=lease.now, real_now=lease.real_now, limit=limit)
    if not rows:
        return []
    bodies: dict[int, str] = {row[0]: row[1] for row in s.all(_BODIES, ids=sorted({row[1] for row in rows}))}
    gone = [row[0] for row in rows if row[1] not in bodies]
    if gone:
        s.run(_NO_EVENT, ids=gone)
    webhook, circuit = webhook_of(found), Circuit(found[-2] or 0, found[-1])
    taken = [
        Attempt(row[0], webhook, circuit, row[1], row[2], row[3], bodies[row[1]])
        for row in rows
        if row[1] in bodies
    ]
    _queue.lease(s, [each.id for each in taken], lease)
    return taken


def delivered(s: Session, delivery_id: int, owner: str, *, at: Instant, status: int) -> bool:
    """Note the delivery. Return False when the lease was lost: it is delivered again."""
    return s.run(_DELIVERED, of_id=delivery_id, owner=owner, at=at, status=status) == 1


def failed(
    s: Session,
    delivery_id: int,
    owner: str,
    *,
    due_at: Instant | None,
    status: int | None,
    error: str,
) -> bool:
    """Note a failure and when to try again, None to give up. Return False when the lease was lost."""
    noted = s.run(_FAILED, of_id=delivery_id, owner=owner, due_at=due_at, status=status, error=error)
    return noted == 1


def took_later(s: Session, webhook_id: str, delivery_id: int) -> bool:
    """Say whether the receiver has taken what was queued for it after this delivery."""
    return s.one(_TOOK_LATER, webhook_id=webhook_id, delivery_id=delivery_id) is not None


def next_instant(s: Session, now: Instant) -> Instant | None:
    """Return the first instant after `now` at which something may become due, None when nothing will."""
    rows = (s.one(statement, now=now) for statement in _RESUMED)
    found = [_queue.next_due(s, now), *(row[0] for row in rows if row is not None)]
    return min((instant for instant in found if instant is not None), default=None)


def unsettled(s: Session, now: Instant) -> bool:
    """Say whether anything could be delivered now, or is being delivered."""
    return s.one(_UNSETTLED, now=now) is not None


def waiting(s: Session) -> int:
    """Return how many deliveries are neither made nor given up."""
    row = s.one(_WAITING)
    return 0 if row is None else int(row[0])


def void_leases(s: Session) -> int:
    """Take every lease back: at the start of the only process there is."""
    return _queue.void(s)
