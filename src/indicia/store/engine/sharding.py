"""A range of the hashes of names for each worker: which verifier looks at which identities."""

from __future__ import annotations

import zlib
from typing import Final

SHARDS: Final = 64
ALL_SHARDS: Final = tuple(range(SHARDS))


def shard_of(name: str) -> int:
    """Return the shard of a name: the same everywhere and for ever, as it is stored."""
    return zlib.crc32(name.encode()) % SHARDS


def range_of(rank: int, count: int) -> tuple[int, ...]:
    """Return the shards of the one with this rank among so many: all have as many, but for one."""
    total = len(ALL_SHARDS)
    return ALL_SHARDS[rank * total // count : (rank + 1) * total // count]
