"""How events come to the webhooks that want them: from what tells of a change to what waits for each.

Whoever writes an event down writes one row beside it, however many webhooks hear of it. The loop that
delivers takes the rows, place by place (an account in a region), and queues the events. For a webhook no more
than `WINDOW` deliveries wait in the queue: when there are as many, it is behind, and reads the event log
itself from there on, as the queue empties. So does one that is to be sent everything once more.

What is exact about it: whoever decides whether an event is queued or read later holds the webhook. An event
whose row waits is not read from the log, so it cannot be queued twice; where the row is taken after the log
was read beyond it, it is queued then. Events of one identity are written one after the other, and their rows
are taken in that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from indicia.domain.events.identity_events import WEBHOOK_TEST
from indicia.domain.time import Instant
from indicia.store.engine.ids import new_id
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.events import tables, webhook_deliveries, webhooks
from indicia.store.events.webhook_deliveries import OPEN, WITH_HOST
from indicia.store.events.webhooks import Webhook

WINDOW: Final = 256
"""So many deliveries wait for a webhook at most, but for what was being written while it fell behind."""

_w = tables.webhook.c
_d = tables.webhook_delivery.c
_f = tables.fanout.c
_e = tables.event.c
_LOG_PAGE: Final = 512
_SEEK_PAGE: Final = 4096


@dataclass(frozen=True, slots=True)
class Logged:
    """An event as the log has it, without its body."""

    id: int
    identity_id: int
    type: str
    at: Instant


_ADD = Prepared(sa.insert(tables.fanout))


def add(s: Session, event_id: int, account: str, region: str) -> None:
    """Let an event of the account in the region come to the webhooks there that want it."""
    s.later(_ADD, event_id=event_id, account=account, region=region)


_PLACE = sa.select(_f.account, _f.region).order_by(_f.account, _f.region).limit(1)
_FIRST_PLACE = Prepared(_PLACE)
_NEXT_PLACE = Prepared(
    _PLACE.where(
        sa.tuple_(_f.account, _f.region)
        > sa.tuple_(sa.bindparam("account", type_=sa.Text), sa.bindparam("region", type_=sa.Text))
    )
)
_ROWS = Prepared(
    sa.select(_f.event_id, _e.identity_id, _e.type, _e.at)
    .select_from(tables.fanout.outerjoin(tables.event, _e.id == _f.event_id))
    .where(_f.account == sa.bindparam("account"), _f.region == sa.bindparam("region"))
    .order_by(_f.event_id)
    .limit(sa.bindparam("limit"))
)
_DONE = Prepared(sa.delete(tables.fanout).where(_f.event_id.in_(sa.bindparam("ids", expanding=True))))


def next_place(s: Session, after: tuple[str, str] | None) -> tuple[str, str] | None:
    """Return the account and region behind `after`, round and round, where events wait; None for nowhere."""
    row = None if after is None else s.one(_NEXT_PLACE, account=after[0], region=after[1])
    if row is None:
        row = s.one(_FIRST_PLACE)
    return None if row is None else (row[0], row[1])


def spread(s: Session, account: str, region: str, now: Instant, *, limit: int) -> int:
    """Queue the events that wait there, the oldest first and as many as the limit, and return how many."""
    listeners = webhooks.hold_listeners(s, account, region)
    rows = s.all(_ROWS, account=account, region=region, limit=limit)
    events = [Logged(*row) for row in rows if row[2] is not None]  # what was pruned is told nobody any more
    wanted = [each for webhook in listeners for each in _queued(s, webhook, events)]
    # In the order of the events: of one identity they are delivered in that of their rows.
    webhook_deliveries.enqueue(s, sorted(wanted, key=lambda each: each[1]), now)
    if rows:
        s.run(_DONE, ids=[row[0] for row in rows])
    return len(rows)


def _queued(s: Session, webhook: Webhook, events: Sequence[Logged]) -> list[tuple[str, int, int]]:
    """Return which of the events are queued for the webhook; the rest it reads from the log."""
    next_event = webhook.next_event
    room = WINDOW - webhook_deliveries.queued(s, webhook.id, WINDOW) if next_event is None else 0
    chosen: list[tuple[str, int, int]] = []
    for event in events:
        if not _is_for(webhook, event):
            continue
        if next_event is None and room == 0:
            next_event = event.id
        passed_over = webhook.next_since is not None and event.at < webhook.next_since
        if next_event is None or event.id < next_event or passed_over:
            chosen.append((webhook.id, event.id, event.identity_id))
            room = max(0, room - 1)
    if next_event != webhook.next_event:
        webhooks.move_on(s, webhook.id, next_event)
    return chosen


def _is_for(webhook: Webhook, event: Logged) -> bool:
    # A test goes to the one webhook that was to be tried, and was queued for it when it was written.
    return event.type != WEBHOOK_TEST and webhook.wants(event.type)


_LOG = Prepared(
    sa.select(_e.id, _e.identity_id, _e.type, _e.at)
    .where(
        _e.account == sa.bindparam("account"),
        _e.region == sa.bindparam("region"),
        _e.id >= sa.bindparam("first"),
        ~sa.exists().where(_f.event_id == _e.id),
    )
    .order_by(_e.id)
    .limit(sa.bindparam("limit"))
)
_SEEK = Prepared(
    sa.select(_e.id, _e.at)
    .where(
        _e.account == sa.bindparam("account"),
        _e.region == sa.bindparam("region"),
        _e.id >= sa.bindparam("first"),
    )
    .order_by(_e.id)
    .limit(sa.bindparam("limit"))
)
_FIRST_WAITING = Prepared(
    sa.select(_f.event_id)
    .where(_f.account == sa.bindparam("account"), _f.region == sa.bindparam("region"))
    .order_by(_f.event_id)
    .limit(1)
)
_HALF_FULL = sa.exists(
    sa.select(_d.id)
    .where(_d.webhook_id == _w.id, _d.due_at.is_not(None))
    .correlate(tables.webhook)
    .limit(1)
    .offset(WINDOW // 2 - 1)
)
_READS = (*OPEN, _w.next_event.is_not(None), ~_HALF_FULL)
_READERS = Prepared(
    sa.select(_w.id)
    .select_from(WITH_HOST)
    .where(*_READS)
    .order_by(
        sa.func.row_number().over(
            partition_by=_w.account, order_by=(_w.id <= sa.bindparam("after", type_=sa.Text), _w.id)
        ),
        _w.id,
    )
    .limit(sa.bindparam("limit"))
)
_ANY_READER = Prepared(sa.select(_w.id).select_from(WITH_HOST).where(*_READS).limit(1))
_ANY_ROW = Prepared(sa.select(_f.event_id).limit(1))
_WAITING = Prepared(sa.select(sa.func.count()).select_from(tables.fanout))
_BEHIND = Prepared(
    sa.select(sa.func.count()).select_from(tables.webhook).where(_w.enabled == 1, _w.next_event.is_not(None))
)


def readers(s: Session, now: Instant, after: str, limit: int) -> list[str]:
    """Return webhooks that are behind, have room in the queue and may be tried, by turns of accounts.

    Of each account those first whose id comes behind `after`.
    """
    return [row[0] for row in s.all(_READERS, now=now, after=after, limit=limit)]


def read_on(s: Session, webhook_id: str, now: Instant) -> bool:
    """Queue what the webhook has yet to read from the log, as far as there is room, and note where it is.

    At the end of the log it is not behind any more. Return whether anything was done.
    """
    webhook = webhooks.hold(s, webhook_id)
    if webhook is None or webhook.next_event is None or not webhook.enabled:
        return False
    if webhook.next_since is not None:
        _seek(s, webhook, webhook.next_event, webhook.next_since)
        return True
    room = WINDOW - webhook_deliveries.queued(s, webhook.id, WINDOW)
    if room == 0:
        return False
    rows = s.all(
        _LOG, account=webhook.account, region=webhook.region, first=webhook.next_event, limit=_LOG_PAGE
    )
    events = [Logged(*row) for row in rows]
    wanted = [event for event in events if _is_for(webhook, event)]
    webhook_deliveries.enqueue(s, [(webhook.id, event.id, event.identity_id) for event in wanted[:room]], now)
    if len(wanted) > room:
        following: int | None = wanted[room].id
    else:
        following = events[-1].id + 1 if len(events) == _LOG_PAGE else None
    webhooks.move_on(s, webhook.id, following)
    return True


def _seek(s: Session, webhook: Webhook, first: int, since: Instant) -> None:
    """Go to the first event that is no older than the instant, or as far as one look goes."""
    rows = s.all(_SEEK, account=webhook.account, region=webhook.region, first=first, limit=_SEEK_PAGE)
    found = next((row[0] for row in rows if row[1] >= since), None)
    if found is not None:
        webhooks.move_on(s, webhook.id, found)
    elif len(rows) == _SEEK_PAGE:
        webhooks.move_on(s, webhook.id, rows[-1][0] + 1, since)
    else:
        webhooks.move_on(s, webhook.id, None)


def place_in_log(s: Session, webhook: Webhook) -> int:
    """Return the first event that is not queued for a webhook which this transaction holds."""
    if webhook.next_event is not None:
        return webhook.next_event
    row = s.one(_FIRST_WAITING, account=webhook.account, region=webhook.region)
    return new_id() if row is None else int(row[0])


def behind_since(s: Session, webhook: Webhook) -> Instant | None:
    """Return of when the first event is that the webhook has yet to read from the log; None for none.

    That is the instant it is to begin with, until that event has been found.
    """
    if webhook.next_event is None or webhook.next_since is not None:
        return webhook.next_since
    rows = s.all(_SEEK, account=webhook.account, region=webhook.region, first=webhook.next_event, limit=1)
    return rows[0][1] if rows else None


def unsettled(s: Session, now: Instant) -> bool:
    """Say whether events wait to be queued, or could be read now by a webhook that is behind."""
    return s.one(_ANY_ROW) is not None or s.one(_ANY_READER, now=now) is not None


def waiting(s: Session) -> int:
    """Return how many events have not come to the webhooks of their place yet."""
    row = s.one(_WAITING)
    return 0 if row is None else int(row[0])


def behind(s: Session) -> int:
    """Return how many webhooks read the log because more waits for them than is queued."""
    row = s.one(_BEHIND)
    return 0 if row is None else int(row[0])
