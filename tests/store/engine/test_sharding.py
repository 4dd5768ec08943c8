"""Shards: the same for ever, even, and each in the range of one worker."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from indicia.store.engine.sharding import ALL_SHARDS, SHARDS, range_of, shard_of


def test_a_name_keeps_its_shard() -> None:
    """Shards are stored: the hash of a name is the same for ever, and names are spread evenly."""
    assert (shard_of("example.com"), shard_of("user@example.com")) == (57, 33)
    counts = [0] * SHARDS
    for number in range(64_000):
        counts[shard_of(f"customer{number}.example")] += 1
    assert 800 < min(counts) <= max(counts) < 1_200


@given(st.integers(1, 80))
def test_ranges_are_even_and_leave_nothing_out(count: int) -> None:
    """Each shard is somebody's, nobody has another's, and nobody has more than one more than another."""
    ranges = [range_of(rank, count) for rank in range(count)]

    assert sorted(shard for each in ranges for shard in each) == list(ALL_SHARDS)
    assert max(map(len, ranges)) - min(map(len, ranges)) <= 1
