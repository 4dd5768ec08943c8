"""Forgetting what the store need not remember any more, once an hour, a few rows at a time.

Every batch is a transaction of its own with a pause after it, so that nobody waits for a thousand rows to go.
Several processes may do it at once: what one has removed the other does not find. What is never forgotten is
in `docs/operate/watching.md`.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

import structlog

from indicia.domain.time import HOUR, SECOND, Instant, Span
from indicia.runtime.clock import Clock, real_now
from indicia.store.engine import forgetting
from indicia.store.engine.database import Database
from indicia.store.subjects import FORGOTTEN

log = structlog.get_logger("indicia")

_EVERY: Final[Span] = HOUR
_BATCH: Final = 200
_PAUSE: Final = 0.05  # seconds


async def tidy(
    database: Database,
    now: Instant,
    real: Instant,
    *,
    audit_kept: Span | None = None,
    limit: int = _BATCH,
    pause: float = _PAUSE,
) -> dict[str, int]:
    """Forget everything that may be forgotten then, and return how many rows of each went.

    It is `now` by the service's own clock, and `real` by the machine's. `audit_kept` is how long entries of
    the audit log are kept, None for ever.
    """
    gone: dict[str, int] = {}
    for what in FORGOTTEN:
        kept = audit_kept if what.kept is None else what.kept
        if kept is None:
            continue
        batch = max(1, limit // what.parts)
        remove = partial(forgetting.remove, what=what, kept=kept, now=now, real=real, limit=batch)
        removed = batch
        while removed >= batch:
            removed = await database.writing(remove)
            gone[what.name] = gone.get(what.name, 0) + removed
            if removed:
                await asyncio.sleep(pause)
    return gone


async def run_housekeeping(database: Database, clock: Clock, audit_kept: Span | None) -> None:
    """Tidy up once an hour, for as long as this runs. `audit_kept` as in `tidy`."""
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
