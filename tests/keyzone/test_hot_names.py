"""The memory of hot names: bounded, the least asked for goes first."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from indicia.keyzone.answer_cache import ENTRY_OVERHEAD, HotNames


def test_bound_holds() -> None:
    """A hundred thousand names take no more than the limit, and what was asked last is still there."""
    limit = 1 << 20
    hot = HotNames(limit)
    for number in range(100_000):
        hot.put(b"%032d" % number, b"x" * 400, 1.0)

    assert limit - 1000 < hot.octets <= limit
    assert len(hot) == limit // (32 + 400 + ENTRY_OVERHEAD)
    assert hot.get(b"%032d" % 99_999, 0.0) is not None
    assert hot.get(b"%032d" % 0, 0.0) is None


def test_overhead_is_honest() -> None:
    """What is counted for an entry is no less than what Python takes for it."""
    name, records, entry = b"n" * 50, b"r" * 400, (1.5, b"")
    slots = sys.getsizeof(HotNames(0)._names | {bytes([n]): entry for n in range(250)}) / 250
    taken = sys.getsizeof(name) + sys.getsizeof(records) + sys.getsizeof(entry) + sys.getsizeof(1.5) + slots

    assert taken <= len(name) + len(records) + ENTRY_OVERHEAD


def test_what_is_asked_for_stays() -> None:
    """A name that is asked for again and again is not pushed out by a flood of others."""
    hot = HotNames(20 * (ENTRY_OVERHEAD + 10))
    hot.put(b"often", b"12345", 1.0)
    for number in range(1000):
        hot.put(b"%05d" % number, b"12345", 1.0)
        assert hot.get(b"often", 0.0) == b"12345"


def test_too_old() -> None:
    """A record is taken until its time and not at it; as a stale one it can still be had."""
    hot = HotNames(10_000)
    hot.put(b"name", b"record", 5.0)

    assert hot.get(b"name", 4.999) == b"record"
    assert hot.get(b"name", 5.0) is None
    assert hot.get_stale(b"name", 4.999) == b"record"
    assert hot.get_stale(b"name", 5.0) is None


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.one_of(st.none(), st.binary(max_size=900)))))
def test_accounts(steps: list[tuple[str, bytes | None]]) -> None:
    """However names come and go, what is counted is the sum of what is held, and within the limit."""
    hot = HotNames(2500)
    for name, records in steps:
        if records is None:
            hot.drop(name.encode())
        else:
            hot.put(name.encode(), records, 1.0)
        held = [hot.get(name.encode(), 0.0) for name in "abcdef"]
        assert hot.octets == sum(1 + len(found) + ENTRY_OVERHEAD for found in held if found is not None)
        assert hot.octets <= 2500
