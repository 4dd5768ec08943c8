"""Webhooks, and what waits to be delivered to them: at least once, and in order for each identity.

A delivery is written with its event. While an earlier one of the same identity waits, to whatever end, the
later one is not taken. The movable clock decides what is due; leases keep real time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from indicia.domain.time import Instant
from indicia.store import tables
from indicia.store.ids import new_id
from indicia.store.prepared import Prepared
from indicia.store.session import Row, Session

_w = tables.webhook.c
_d = tables.webhook_delivery.c


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where events of an account in a region are sent. `types` are those wanted, none for all.

    `secret` and `previous_secret` are sealed; the second signs beside the first until `previous_until`.
    `failures` counts those in a row since `failing_since`; nothing is delivered before `resume_at`.
    """

    id: str
    account: str
    region: str
    url: str
    types: tuple[str, ...]
    description: str
    enabled: bool
    secret: bytes = field(repr=False)
    previous_secret: bytes | None = field(repr=False)
    previous_until: Instant | None
    created_at: Instant
    failures: int = 0
    failing_since: Instant | None = None
    resume_at: Instant | None = None
    disabled_at: Instant | None = None
    disabled_because: str | None = None

    def wants(self, event_type: str) -> bool:
        """Say whether events of this type are sent there."""
        return not self.types or event_type in self.types


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
class Errand:
    """A delivery that was taken, and what is to be sent."""

    id: int
    event_id: int
    created_at: Instant
    attempts: int
    body: str


_WEBHOOK = (
    _w.id, _w.account, _w.region, _w.url, _w.types, _w.description, _w.enabled, _w.secret, _w.previous_secret,
    _w.previous_until, _w.created_at, _w.failures, _w.failing_since, _w.resume_at, _w.disabled_at,
    _w.disabled_because,
)  # fmt: skip


def _webhook(row: Row) -> Webhook:
    return Webhook(
        row[0], row[1], row[2], row[3], tuple(row[4].split()), row[5], row[6] == 1, row[7], row[8], row[9],
        row[10], row[11], row[12], row[13], row[14], row[15],
    )  # fmt: skip


# ---- what people set

_CREATE = Prepared(sa.insert(tables.webhook))
_GET = Prepared(sa.select(*_WEBHOOK).where(_w.id == sa.bindparam("id")))
_HOLD = Prepared(sa.select(*_WEBHOOK).where(_w.id == sa.bindparam("id")).with_for_update())
_LIST = Prepared(
    sa.select(*_WEBHOOK)
    .where(_w.account == sa.bindparam("account"), _w.region == sa.bindparam("region"))
    .order_by(_w.created_at, _w.id)
)
_UPDATE = Prepared(
    sa.update(tables.webhook)
    .where(_w.id == sa.bindparam("of_id"))
    .values(
        url=sa.bindparam("url"),
        types=sa.bindparam("types"),
        description=sa.bindparam("description"),
        enabled=sa.bindparam("enabled"),
        secret=sa.bindparam("secret"),
        previous_secret=sa.bindparam("previous_secret"),
        previous_until=sa.bindparam("previous_until"),
        failures=0,
        failing_since=None,
        resume_at=None,
        disabled_at=sa.bindparam("disabled_at"),
        disabled_because=sa.bindparam("disabled_because"),
    )
)
_TRY_NOW = Prepared(
    sa.update(tables.webhook_delivery)
    .where(_d.webhook_id == sa.bindparam("of_id"), _d.due_at > sa.bindparam("now"))
    .values(due_at=sa.bindparam("now"))
)
_DROP_DELIVERIES = Prepared(sa.delete(tables.webhook_delivery).where(_d.webhook_id == sa.bindparam("of_id")))
_DELETE = Prepared(sa.delete(tables.webhook).where(_w.id == sa.bindparam("of_id")))


def create(s: Session, webhook: Webhook) -> None:
    """Store a new webhook."""
    s.run(
        _CREATE,
        id=webhook.id,
        account=webhook.account,
        region=webhook.region,
        created_at=webhook.created_at,
        failures=0,
        failing_since=None,
        resume_at=None,
        **_set_columns(webhook),
    )


def _set_columns(webhook: Webhook) -> dict[str, str | int | bytes | None]:
    return {
        "url": webhook.url,
        "types": " ".join(webhook.types),
        "description": webhook.description,
        "enabled": int(webhook.enabled),
        "secret": webhook.secret,
        "previous_secret": webhook.previous_secret,
        "previous_until": webhook.previous_until,
        "disabled_at": webhook.disabled_at,
        "disabled_because": webhook.disabled_because,
    }


def get(s: Session, webhook_id: str) -> Webhook | None:
    """Return the webhook, None when there is none of that id."""
    row = s.one(_GET, id=webhook_id)
    return None if row is None else _webhook(row)


def hold(s: Session, webhook_id: str) -> Webhook | None:
    """Return the webhook, which nobody else changes before this transaction ends."""
    row = s.one(_HOLD, id=webhook_id)
    return None if row is None else _webhook(row)


def listed(s: Session, account: str, region: str) -> list[Webhook]:
    """Return the webhooks of the account in the region, the oldest first."""
    return [_webhook(row) for row in s.all(_LIST, account=account, region=region)]


def update(s: Session, webhook: Webhook, now: Instant) -> None:
    """Store what people set. What failed before is forgotten, and what waits is tried now."""
    s.run(_UPDATE, of_id=webhook.id, **_set_columns(webhook))
    s.run(_TRY_NOW, of_id=webhook.id, now=now)


def delete(s: Session, webhook_id: str) -> None:
    """Remove the webhook, and what waits for it."""
    s.run(_DROP_DELIVERIES, of_id=webhook_id)
    s.run(_DELETE, of_id=webhook_id)


# ---- what waits

_SUBSCRIBED = Prepared(
    sa.select(*_WEBHOOK)
    .where(_w.account.in_(sa.bindparam("accounts", expanding=True)), _w.enabled == 1)
    .order_by(_w.id)
)
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


def subscribed(s: Session, accounts: Iterable[str]) -> list[Webhook]:
    """Return every enabled webhook of these accounts."""
    return [_webhook(row) for row in s.all(_SUBSCRIBED, accounts=sorted(set(accounts)))]


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


# ---- delivering

_earlier = tables.webhook_delivery.alias("earlier")
_now = sa.bindparam("now", type_=sa.BigInteger)
_lease_now = sa.bindparam("lease_now", type_=sa.BigInteger)
_SAME = (
    _earlier.c.webhook_id == _d.webhook_id,
    _earlier.c.identity_id == _d.identity_id,
    _earlier.c.id < _d.id,
    _earlier.c.due_at.is_not(None),
)
_FREE = sa.or_(_d.lease_until.is_(None), _d.lease_until <= _lease_now)
_OPEN = (_w.enabled == 1, sa.or_(_w.resume_at.is_(None), _w.resume_at <= _now))
_READY = Prepared(
    sa.select(*_WEBHOOK)
    .where(*_OPEN, sa.exists().where(_d.webhook_id == _w.id, _d.due_at <= _now))
    .order_by(_w.id)
)
_TAKE = Prepared(
    sa.select(_d.id, _d.event_id, _d.created_at, _d.attempts)
    .where(
        _d.webhook_id == sa.bindparam("webhook_id"),
        _d.due_at <= _now,
        _FREE,
        ~sa.exists().where(*_SAME),
    )
    .order_by(_d.due_at, _d.id)
    .limit(sa.bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_BODIES = Prepared(
    sa.select(tables.event.c.id, tables.event.c.body).where(
        tables.event.c.id.in_(sa.bindparam("ids", expanding=True))
    )
)
_LEASE = Prepared(
    sa.update(tables.webhook_delivery)
    .where(_d.id.in_(sa.bindparam("ids", expanding=True)))
    .values(lease_owner=sa.bindparam("owner"), lease_until=sa.bindparam("until"))
)
_HELD = (_d.id == sa.bindparam("of_id"), _d.lease_owner == sa.bindparam("owner"))
_END = Prepared(
    sa.update(tables.webhook_delivery)
    .where(*_HELD)
    .values(
        due_at=sa.bindparam("due_at", type_=sa.BigInteger),
        attempts=_d.attempts + 1,
        lease_owner=None,
        lease_until=None,
        delivered_at=sa.bindparam("delivered_at", type_=sa.BigInteger),
        status=sa.bindparam("status", type_=sa.BigInteger),
        last_error=sa.bindparam("error", type_=sa.Text),
    )
)
_GOES_WELL = Prepared(
    sa.update(tables.webhook)
    .where(_w.id == sa.bindparam("of_id"), _w.failures > 0)
    .values(failures=0, failing_since=None, resume_at=None)
)
_FAILS = Prepared(
    sa.update(tables.webhook)
    .where(_w.id == sa.bindparam("of_id"))
    .values(
        failures=_w.failures + 1,
        failing_since=sa.func.coalesce(_w.failing_since, _now),
        resume_at=sa.bindparam("resume_at", type_=sa.BigInteger),
    )
)
_DISABLE = Prepared(
    sa.update(tables.webhook)
    .where(_w.id == sa.bindparam("of_id"), _w.enabled == 1)
    .values(enabled=0, disabled_at=_now, disabled_because=sa.bindparam("because"))
)
_TOOK_LATER = Prepared(
    sa.select(_d.id)
    .where(
        _d.webhook_id == sa.bindparam("webhook_id"),
        _d.id > sa.bindparam("delivery_id"),
        _d.delivered_at.is_not(None),
    )
    .limit(1)
)
_NEXT_DELIVERY = Prepared(sa.select(sa.func.min(_d.due_at)).where(_d.due_at > _now))
_NEXT_WEBHOOK = Prepared(sa.select(sa.func.min(_w.resume_at)).where(_w.enabled == 1, _w.resume_at > _now))
_UNSETTLED = Prepared(
    sa.select(_d.id)
    .select_from(tables.webhook_delivery.join(tables.webhook, _w.id == _d.webhook_id))
    .where(
        *_OPEN,
        _d.due_at <= _now,
        ~sa.exists().where(*_SAME, _earlier.c.due_at > _now),
    )
    .limit(1)
)
_VOID = Prepared(
    sa.update(tables.webhook_delivery)
    .where(_d.lease_owner.is_not(None))
    .values(lease_owner=None, lease_until=None)
)
_WAITING = Prepared(
    sa.select(sa.func.count()).select_from(tables.webhook_delivery).where(_d.due_at.is_not(None))
)
_PRUNE = Prepared(
    sa.delete(tables.webhook_delivery).where(
        _d.id.in_(
            sa.select(_d.id)
            .where(_d.id < sa.bindparam("before"))
            .order_by(_d.id)
            .limit(sa.bindparam("limit"))
        )
    )
)


def ready(s: Session, now: Instant) -> list[Webhook]:
    """Return the webhooks that something is due for and that may be tried now."""
    return [_webhook(row) for row in s.all(_READY, now=now)]


def take(
    s: Session,
    webhook_id: str,
    *,
    now: Instant,
    lease_now: Instant,
    lease_until: Instant,
    owner: str,
    limit: int,
) -> list[Errand]:
    """Take what is due for the webhook and has nothing of its identity before it, under a lease."""
    rows = s.all(_TAKE, webhook_id=webhook_id, now=now, lease_now=lease_now, limit=limit)
    if not rows:
        return []
    s.run(_LEASE, ids=sorted(row[0] for row in rows), owner=owner, until=lease_until)
    bodies: dict[int, str] = {row[0]: row[1] for row in s.all(_BODIES, ids=sorted({row[1] for row in rows}))}
    return [Errand(row[0], row[1], row[2], row[3], bodies.get(row[1], "")) for row in rows]


def works(s: Session, webhook_id: str) -> None:
    """Forget the failures of a webhook."""
    s.run(_GOES_WELL, of_id=webhook_id)


def delivered(s: Session, delivery_id: int, owner: str, *, at: Instant, status: int) -> bool:
    """Note the delivery. Return False when the lease was lost: it is delivered again."""
    ended = s.run(
        _END, of_id=delivery_id, owner=owner, due_at=None, delivered_at=at, status=status, error=None
    )
    return ended == 1


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
    ended = s.run(
        _END, of_id=delivery_id, owner=owner, due_at=due_at, delivered_at=None, status=status, error=error
    )
    return ended == 1


def pause(s: Session, webhook_id: str, now: Instant, resume_at: Instant) -> None:
    """Count a failure of the webhook, and leave it alone until then."""
    s.run(_FAILS, of_id=webhook_id, now=now, resume_at=resume_at)


def disable(s: Session, webhook_id: str, now: Instant, because: str) -> bool:
    """Send nothing there any more. Return whether this call ended it."""
    return s.run(_DISABLE, of_id=webhook_id, now=now, because=because) == 1


def took_later(s: Session, webhook_id: str, delivery_id: int) -> bool:
    """Say whether the receiver has taken what was queued for it after this delivery."""
    return s.one(_TOOK_LATER, webhook_id=webhook_id, delivery_id=delivery_id) is not None


def next_instant(s: Session, now: Instant) -> Instant | None:
    """Return the first instant after `now` at which something may become due, None when nothing will."""
    rows = (s.one(_NEXT_DELIVERY, now=now), s.one(_NEXT_WEBHOOK, now=now))
    return min((row[0] for row in rows if row is not None and row[0] is not None), default=None)


def unsettled(s: Session, now: Instant) -> bool:
    """Say whether anything could be delivered now, or is being delivered."""
    return s.one(_UNSETTLED, now=now) is not None


def waiting(s: Session) -> int:
    """Return how many deliveries are neither made nor given up."""
    row = s.one(_WAITING)
    return 0 if row is None else int(row[0])


def void_leases(s: Session) -> int:
    """Take every lease back: at the start of the only process there is."""
    return s.run(_VOID)


def prune(s: Session, before: int, limit: int) -> int:
    """Forget deliveries with lesser ids, as many as the limit, whatever became of them; return how many."""
    return s.run(_PRUNE, before=before, limit=limit)
