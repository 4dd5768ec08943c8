"""How many unused keys of each length there are to be, for all processes on one database."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from indicia.domain.dkim.key_supply import Demand, Stock
from indicia.domain.time import Instant
from indicia.store.dkim import key_requests, keys, tables
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.engine.upsert import insert_or_replace

_w = tables.key_pool.c
_GET = Prepared(
    sa.select(_w.wanted, _w.since, _w.given, _w.given_before).where(_w.bits == sa.bindparam("bits"))
)
_HOLD = Prepared(
    sa.select(_w.since, _w.given, _w.given_before).where(_w.bits == sa.bindparam("bits")).with_for_update()
)
_PUT = insert_or_replace(tables.key_pool)


def stocks(s: Session, least: Mapping[int, int], most: int) -> list[Stock]:
    """Return how it stands with each length; of those who wait `most` are counted."""
    return [
        Stock(
            bits, key_requests.waiting(s, bits, most), keys.count_pooled(s, bits), _wanted(s, bits, few, most)
        )
        for bits, few in least.items()
    ]


def _wanted(s: Session, bits: int, least: int, most: int) -> int:
    row = s.one(_GET, bits=bits)
    return min(most, least) if row is None else int(row[0])


def record(s: Session, given: Mapping[int, int], least: Mapping[int, int], most: int, now: Instant) -> None:
    """Store that so many keys were given to those who waited, and how many there are to be because of it."""
    for bits, few in sorted(least.items()):
        row = s.one(_HOLD, bits=bits)
        demand = (Demand() if row is None else Demand(*row)).later(given.get(bits, 0), now)
        s.run(
            _PUT,
            bits=bits,
            wanted=demand.wanted(few, most),
            since=demand.since,
            given=demand.given,
            given_before=demand.before,
        )
