"""Forgetting what the store need not remember any more, once an hour, a few rows at a time.

Every batch is a transaction of its own with a pause after it, so that nobody waits for a thousand rows to go.
Several processes may do it at once: what one has removed the other does not find. What is never forgotten is
in `docs/operate/watching.md`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from indicia.domain.time import DAY, HOUR, SECOND, Instant, Span
from indicia.domain.verification.brake import WITHIN
from indicia.runtime.clock import Clock, real_now
from indicia.store.accounts import audit
from indicia.store.engine import budgets
from indicia.store.engine.database import Database
from indicia.store.engine.ids import first_at
from indicia.store.engine.session import Session
from indicia.store.events import destinations, events, webhook_deliveries
from indicia.store.verification import brakes
from indicia.store.verification_mail import mailings, outbox

log = structlog.get_logger("indicia")

# Letters that are delivered or given up. Those that wait stay.
LETTERS_KEPT: Final[Span] = 30 * DAY
# That a mailbox was written to, and the link it was sent: "this was not me" works that long.
MAILINGS_KEPT: Final[Span] = 90 * DAY
# Events, what became of their delivery, and the verdicts on identities whose deletion they tell of.
EVENTS_KEPT: Final[Span] = 90 * DAY
# What is left of an allowance; who has not come for so long has all of it again.
BUDGETS_KEPT: Final[Span] = DAY
# That the destination of a webhook has failed: no pause is as long.
FAILURES_KEPT: Final[Span] = DAY

_EVERY: Final[Span] = HOUR
_BATCH: Final = 200
_WITH_THEIR_OWN: Final = 10  # with an event up to a hundred verdicts go: a batch has a part of as many
_PAUSE: Final = 0.05  # seconds


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to forget: what it is called in the log, how many at once, and what removes so many."""

    name: str
    batch: int
    remove: Callable[[Session], int]


def chores(now: Instant, real: Instant, limit: int, audit_kept: Span | None = None) -> tuple[Chore, ...]:
    """Return what is to be forgotten at `now` by the service's own clock, which is `real` by the machine's.

    What is known by its id is as old as that, in real time. `audit_kept` is how long entries of the audit log
    are kept, None for ever.
    """
    of_audit = (
        ()
        if audit_kept is None
        else (Chore("audit", limit, partial(audit.prune, before=first_at(real - audit_kept), limit=limit)),)
    )
    events_before = first_at(real - EVENTS_KEPT)
    few = max(1, limit // _WITH_THEIR_OWN)
    return (
        Chore("letters", limit, partial(outbox.prune, before=first_at(real - LETTERS_KEPT), limit=limit)),
        Chore("mailings", limit, partial(mailings.prune, before=now - MAILINGS_KEPT, now=now, limit=limit)),
        Chore("deliveries", limit, partial(webhook_deliveries.prune, before=events_before, limit=limit)),
        Chore("events", few, partial(events.prune, before=events_before, limit=few)),
        Chore("demotions", limit, partial(brakes.prune, before=now - WITHIN, limit=limit)),
        Chore("failures", limit, partial(destinations.prune, before=now - FAILURES_KEPT, limit=limit)),
        Chore("budgets", limit, partial(budgets.prune, before=real - BUDGETS_KEPT, limit=limit)),
        *of_audit,
    )


async def tidy(
    database: Database,
    now: Instant,
    real: Instant,
    *,
    audit_kept: Span | None = None,
    limit: int = _BATCH,
    pause: float = _PAUSE,
) -> dict[str, int]:
    """Forget everything that may be forgotten then, and return how many rows of each went."""
    gone: dict[str, int] = {}
    for chore in chores(now, real, limit, audit_kept):
        removed = chore.batch
        while removed >= chore.batch:
            removed = await database.writing(chore.remove)
            gone[chore.name] = gone.get(chore.name, 0) + removed
            if removed:
                await asyncio.sleep(pause)
    return gone


async def run_housekeeping(database: Database, clock: Clock, audit_kept: Span | None) -> None:
    """Tidy up once an hour, for as long as this runs. `audit_kept` as in `chores`."""
    while True:
        try:
            gone = await tidy(database, clock.now(), real_now(), audit_kept=audit_kept)
        except Exception as error:  # noqa: BLE001 - there is time to do it in an hour
            log.warning("housekeeping.put_off", error=type(error).__name__)
        else:
            removed = {name: count for name, count in gone.items() if count}
            if removed:
                log.info("housekeeping.removed", **removed)
        await asyncio.sleep(_EVERY / SECOND)
