"""The brake on mass demotion, as all processes share it."""

from __future__ import annotations

import sqlalchemy as sa

from indicia.domain.brake import Brake
from indicia.domain.identity import Status
from indicia.domain.time import Instant
from indicia.store import meta, tables
from indicia.store.prepared import Prepared
from indicia.store.session import Session
from indicia.store.upsert import insert_or_nothing

PAUSED_AT = "demotions.paused_at"
RELEASED_UNTIL = "demotions.released_until"

_f = tables.facet_state.c
_BEGIN = insert_or_nothing(tables.meta)
_HOLD = Prepared(
    sa.select(tables.meta.c.value).where(tables.meta.c.key == sa.bindparam("key")).with_for_update()
)
_VERIFIED = Prepared(
    sa.select(sa.func.count(_f.identity_id.distinct())).where(
        sa.or_(_f.status == Status.SUCCESS.value, _f.status == Status.TEMPORARY_FAILURE.value)
    )
)


def read(s: Session) -> Brake:
    """Return how the brake stands."""
    return Brake(_instant(meta.get(s, PAUSED_AT)), _instant(meta.get(s, RELEASED_UNTIL)))


def hold(s: Session) -> Brake:
    """Return how the brake stands; nobody demotes anything before this transaction ends.

    Two processes that demote at once would each not count what the other does.
    """
    s.run(_BEGIN, key=PAUSED_AT, value="")
    s.one(_HOLD, key=PAUSED_AT)
    return read(s)


def pause(s: Session, now: Instant) -> None:
    """Let nothing be demoted until `resume`."""
    meta.put(s, PAUSED_AT, str(now))


def resume(s: Session, until: Instant) -> None:
    """Let everything be demoted that is to be, uncounted until the instant."""
    meta.put(s, PAUSED_AT, "")
    meta.put(s, RELEASED_UNTIL, str(until))


def verified(s: Session) -> int:
    """Return how many identities have a proof that stands. Reads the whole table."""
    row = s.one(_VERIFIED)
    return 0 if row is None else int(row[0])


def _instant(text: str | None) -> Instant | None:
    return int(text) if text else None
