"""Rates that several processes keep together: each takes a few tokens at a time and spends them by itself."""

from __future__ import annotations

import sqlalchemy as sa

from indicia.domain.rates import Allowance, Bucket, full, take
from indicia.store.engine import tables
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.engine.upsert import insert_or_nothing

_b = tables.rate_budget.c
_BEGIN = insert_or_nothing(tables.rate_budget)
_HELD = Prepared(sa.select(_b.parts, _b.at).where(_b.key == sa.bindparam("of_key")).with_for_update())
_SPEND = Prepared(
    sa.update(tables.rate_budget)
    .where(_b.key == sa.bindparam("of_key"))
    .values(parts=sa.bindparam("parts"), at=sa.bindparam("at"))
)


def lease(s: Session, key: str, allowance: Allowance, now: int, wanted: int) -> int:
    """Take up to `wanted` tokens of what all processes may spend together; return how many there were."""
    fresh = full(allowance, now)
    s.run(_BEGIN, key=key, parts=fresh.parts, at=fresh.at)
    row = s.one(_HELD, of_key=key)
    bucket, granted = take(Bucket(row[0], row[1]) if row else fresh, allowance, now, wanted)
    s.run(_SPEND, of_key=key, parts=bucket.parts, at=bucket.at)
    return granted
