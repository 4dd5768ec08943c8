"""Webhooks as people set them, and how they have answered of late.

What waits for them is in `store.events.webhook_deliveries`, how events come there in `store.events.fanout`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import sqlalchemy as sa

from indicia.domain.time import Instant
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Row, Session
from indicia.store.events import tables

_w = tables.webhook.c
_d = tables.webhook_delivery.c


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where events of an account in a region are sent. `types` are those wanted, none for all.

    `secret` and `previous_secret` are sealed; the second signs beside the first until `previous_until`.
    `failures` counts those in a row since `failing_since`; nothing is delivered before `resume_at`.
    `destination` is host and port of the URL, as `domain.events.webhooks.Target` has them.

    `next_event` is the first event that has yet to be read from the log, None where events are queued as they
    come; until one has been found that is no older than `next_since`, those before it are passed over.
    """

    id: str
    account: str
    region: str
    url: str
    destination: str
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
    next_event: int | None = None
    next_since: Instant | None = None

    def wants(self, event_type: str) -> bool:
        """Say whether events of this type are sent there."""
        return not self.types or event_type in self.types


COLUMNS = (
    _w.id, _w.account, _w.region, _w.url, _w.destination, _w.types, _w.description, _w.enabled, _w.secret,
    _w.previous_secret, _w.previous_until, _w.created_at, _w.failures, _w.failing_since, _w.resume_at,
    _w.disabled_at, _w.disabled_because, _w.next_event, _w.next_since,
)  # fmt: skip


def webhook_of(row: Row) -> Webhook:
    """Return the webhook in a row of `COLUMNS`."""
    return Webhook(
        row[0], row[1], row[2], row[3], row[4], tuple(row[5].split()), row[6], row[7] == 1, row[8], row[9],
        row[10], row[11], row[12], row[13], row[14], row[15], row[16], row[17], row[18],
    )  # fmt: skip


_THERE = _w.deleted_at.is_(None)
_CREATE = Prepared(sa.insert(tables.webhook))
_BY_ID = sa.select(*COLUMNS).where(_w.id == sa.bindparam("id"), _THERE)
_GET = Prepared(_BY_ID)
_HOLD = Prepared(_BY_ID.with_for_update())
_LIST = Prepared(
    sa.select(*COLUMNS)
    .where(_w.account == sa.bindparam("account"), _w.region == sa.bindparam("region"), _THERE)
    .order_by(_w.created_at, _w.id)
)
_UPDATE = Prepared(
    sa.update(tables.webhook)
    .where(_w.id == sa.bindparam("of_id"))
    .values(
        {
            name: sa.bindparam(name)
            for name in (
                *("url", "destination", "types", "description", "enabled", "secret", "previous_secret"),
                *("previous_until", "failures", "failing_since", "resume_at", "disabled_at"),
                *("disabled_because", "next_event", "next_since"),
            )
        }
    )
)
_WAITS = Prepared(sa.select(_d.id).where(_d.webhook_id == sa.bindparam("of_id")).limit(1))
_DELETE = Prepared(sa.delete(tables.webhook).where(_w.id == sa.bindparam("of_id")))
# What is left of it opens nothing and leads nowhere.
_BURY = Prepared(
    sa.update(tables.webhook)
    .where(_w.id == sa.bindparam("of_id"))
    .values(
        deleted_at=sa.bindparam("now"),
        enabled=0,
        url="",
        destination="",
        description="",
        secret=b"",
        previous_secret=None,
        next_event=None,
    )
)


def create(s: Session, webhook: Webhook) -> None:
    """Store a new webhook."""
    s.run(
        _CREATE,
        id=webhook.id,
        account=webhook.account,
        region=webhook.region,
        created_at=webhook.created_at,
        deleted_at=None,
        **_set_columns(webhook),
    )


def _set_columns(webhook: Webhook) -> dict[str, str | int | bytes | None]:
    return {
        "url": webhook.url,
        "destination": webhook.destination,
        "types": " ".join(webhook.types),
        "description": webhook.description,
        "enabled": int(webhook.enabled),
        "secret": webhook.secret,
        "previous_secret": webhook.previous_secret,
        "previous_until": webhook.previous_until,
        "failures": webhook.failures,
        "failing_since": webhook.failing_since,
        "resume_at": webhook.resume_at,
        "disabled_at": webhook.disabled_at,
        "disabled_because": webhook.disabled_because,
        "next_event": webhook.next_event,
        "next_since": webhook.next_since,
    }


def get(s: Session, webhook_id: str) -> Webhook | None:
    """Return the webhook, None when there is none of that id."""
    row = s.one(_GET, id=webhook_id)
    return None if row is None else webhook_of(row)


def hold(s: Session, webhook_id: str) -> Webhook | None:
    """Return the webhook, which nobody else changes before this transaction ends."""
    row = s.one(_HOLD, id=webhook_id)
    return None if row is None else webhook_of(row)


def listed(s: Session, account: str, region: str) -> list[Webhook]:
    """Return the webhooks of the account in the region, the oldest first."""
    return [webhook_of(row) for row in s.all(_LIST, account=account, region=region)]


def update(s: Session, webhook: Webhook) -> None:
    """Store a webhook that this transaction holds as it is now."""
    s.run(_UPDATE, of_id=webhook.id, **_set_columns(webhook))


def delete(s: Session, webhook_id: str, now: Instant) -> None:
    """Remove the webhook. What was queued for it, which may be much, goes by and by (`purge`)."""
    if s.one(_WAITS, of_id=webhook_id) is None:
        s.run(_DELETE, of_id=webhook_id)
    else:
        s.run(_BURY, of_id=webhook_id, now=now)


_BURIED = Prepared(sa.select(_w.id).where(_w.deleted_at.is_not(None)).order_by(_w.deleted_at).limit(1))
_PURGE = Prepared(
    sa.delete(tables.webhook_delivery).where(
        _d.id.in_(
            sa.select(_d.id)
            .where(_d.webhook_id == sa.bindparam("of_id"))
            .order_by(_d.id)
            .limit(sa.bindparam("limit"))
        )
    )
)


def buried(s: Session) -> str | None:
    """Return a webhook that was deleted and of which something is left, None when there is none."""
    row = s.one(_BURIED)
    return None if row is None else str(row[0])


def purge(s: Session, webhook_id: str, limit: int) -> None:
    """Remove some of what is left of a webhook that was deleted, and itself with the last of it."""
    if s.run(_PURGE, of_id=webhook_id, limit=limit) < limit:
        s.run(_DELETE, of_id=webhook_id)


# One that was switched off because it failed has its place in the log: it hears later of what happens now.
_LISTENS = (_THERE, sa.or_(_w.enabled == 1, _w.next_event.is_not(None)))
_LISTENING = Prepared(
    sa.select(_w.account, _w.region)
    .where(_w.account.in_(sa.bindparam("accounts", expanding=True)), *_LISTENS)
    .distinct()
)
_LISTENERS = Prepared(
    sa.select(*COLUMNS)
    .where(_w.account == sa.bindparam("account"), _w.region == sa.bindparam("region"), *_LISTENS)
    .order_by(_w.id)
    .with_for_update()
)
_MOVE_ON = Prepared(
    sa.update(tables.webhook)
    .where(_w.id == sa.bindparam("of_id"))
    .values(next_event=sa.bindparam("next_event"), next_since=sa.bindparam("next_since"))
)


def listening(s: Session, accounts: Iterable[str]) -> set[tuple[str, str]]:
    """Return the accounts and regions, of these accounts, in which somebody hears of events."""
    rows = s.all(_LISTENING, accounts=sorted(set(accounts)))
    return {(row[0], row[1]) for row in rows}


def hold_listeners(s: Session, account: str, region: str) -> list[Webhook]:
    """Return who hears of events there; nobody else changes any of them before this transaction ends."""
    return [webhook_of(row) for row in s.all(_LISTENERS, account=account, region=region)]


def move_on(s: Session, webhook_id: str, next_event: int | None, next_since: Instant | None = None) -> None:
    """Store where the webhook, which this transaction holds, goes on in the log; None: events are queued."""
    s.run(_MOVE_ON, of_id=webhook_id, next_event=next_event, next_since=next_since)


_GOES_WELL = Prepared(
    sa.update(tables.webhook)
    .where(_w.id == sa.bindparam("of_id"), _w.failures > 0)
    .values(failures=0, failing_since=None, resume_at=None)
)


def works(s: Session, webhook_id: str) -> None:
    """Forget the failures of a webhook."""
    s.run(_GOES_WELL, of_id=webhook_id)
