"""A range of the hashes for each worker, so that those who take from one queue do not meet at its head.

Every row has a shard, by the hash of its name. Each worker has a range of the shards (`range_of`), none of
which another has, and reads the head of each in the order of the due times: it neither waits for rows that
another has locked nor goes through them. Where workers do not agree yet who is there, leases and SKIP LOCKED
keep two from taking the same.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from indicia.store.engine.prepared import POSTGRESQL, Cell, Prepared
from indicia.store.engine.session import Row, Session

SHARDS: Final = 64
ALL_SHARDS: Final = tuple(range(SHARDS))


def shard_of(name: str) -> int:
    """Return the shard of a name: the same everywhere and for ever, as it is stored."""
    return zlib.crc32(name.encode()) % SHARDS


def range_of(rank: int, count: int) -> tuple[int, ...]:
    """Return the shards of the one with this rank among so many: all have as many, but for one."""
    return ALL_SHARDS[rank * SHARDS // count : (rank + 1) * SHARDS // count]


class ShardedHead:
    """The first rows of each of some shards.

    `first` selects them as if there were no shards, in its order and with its limit, which is the parameter
    `limit` where `head` is called. An index serves one shard in an order, not several at once: PostgreSQL
    goes through the shards in one statement, SQLite in one call each, which costs it nothing more.
    """

    def __init__(self, first: sa.Select[tuple[object, ...]], shard: sa.ColumnElement[int]) -> None:
        shards = (
            sa.func.unnest(sa.cast(sa.bindparam("shards"), sa.ARRAY(sa.BigInteger)))
            .table_valued(sa.column("shard", sa.BigInteger), name="chosen")
            .render_derived()
        )
        lateral = first.where(shard == shards.c.shard).correlate(shards).lateral("head")
        self._each = Prepared(
            first.where(shard == sa.bindparam("shard")),
            postgresql=sa.select(*lateral.c).select_from(shards.join(lateral, sa.true())),
        )

    def each(self, s: Session, shards: Sequence[int], **given: Cell) -> list[Row]:
        """Return the first rows of each of these shards."""
        if s.dialect == POSTGRESQL:
            return s.all(self._each, shards=list(shards), **given) if shards else []
        return [row for shard in shards for row in s.all(self._each, shard=shard, **given)]

    def head(self, s: Session, shards: Sequence[int], limit: int, **given: Cell) -> list[Row]:
        """Return the first rows of these shards together, in the order of their columns."""
        if not shards:
            return []
        # Names spread evenly over the shards: twice the even share of each is nearly always enough.
        few = min(limit, 2 * limit // len(shards) + 4)
        found = self.each(s, shards, limit=few, **given)
        if len(found) < limit and few < limit:
            found = self.each(s, shards, limit=limit, **given)
        found.sort()
        return found[:limit]
