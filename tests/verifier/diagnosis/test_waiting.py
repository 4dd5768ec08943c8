"""What waits to be explained: in its order, zone by zone, and at a cost that no crowd raises."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicia.verifier.diagnosis.waiting import Waiting

ANN, BOB = "111122223333", "444455556666"


def nobody(_zone: str) -> bool:
    """No zone is full."""
    return False


def test_what_came_first_is_taken_first() -> None:
    """In a zone by when it may begin, then by when it came; an account by itself."""
    waiting: Waiting[str] = Waiting()
    for account, zone, at, item in (
        (ANN, "a.example", 5.0, "late"),
        (ANN, "a.example", 0.0, "first"),
        (BOB, "a.example", 0.0, "other"),
        (ANN, "a.example", 0.0, "second"),
    ):
        waiting.add(account, zone, at, item)

    assert list(waiting) == [ANN, BOB]
    assert [waiting.take(ANN, "a.example", 1.0) for _ in range(3)] == ["first", "second", None]
    assert waiting.take(BOB, "a.example", 1.0) == "other"
    assert list(waiting) == [ANN]
    assert waiting.next_after(1.0) == 5.0
    assert waiting.take(ANN, "a.example", 5.0) == "late"
    assert (bool(waiting), waiting.next_after(5.0)) == (False, None)


def test_a_zone_that_is_full_is_passed_over() -> None:
    """The next one has its turn, and the full one is found again when it is no more."""
    waiting: Waiting[int] = Waiting()
    for number in range(6):
        waiting.add(ANN, f"{number % 3}.example", float(number), number)

    assert waiting.ready(ANN, 9.0, 2, lambda zone: zone == "0.example") == ["1.example", "2.example"]
    assert waiting.ready(ANN, 9.0, 9, nobody) == ["0.example", "1.example", "2.example"]
    assert waiting.ready(ANN, 1.5, 9, nobody) == ["0.example", "1.example"]


@given(
    st.lists(st.tuples(st.sampled_from([ANN, BOB]), st.integers(0, 3), st.integers(0, 9)), max_size=30),
    st.data(),
)
def test_everything_that_waits_is_taken_once_in_the_order_of_its_zone(
    added: list[tuple[str, int, int]], data: Any
) -> None:
    """However it is added and taken, against a list that is sorted each time."""
    waiting: Waiting[int] = Waiting()
    known: list[tuple[int, int, str, str]] = []
    for number, (account, zone, at) in enumerate(added):
        waiting.add(account, str(zone), float(at), number)
        known.append((at, number, account, str(zone)))
        if data.draw(st.booleans()):
            now = data.draw(st.integers(0, 9))
            fits = sorted(each for each in known if each[2:] == (account, str(zone)) and each[0] <= now)
            assert waiting.take(account, str(zone), float(now)) == (fits[0][1] if fits else None)
            known = [each for each in known if not fits or each != fits[0]]
        for each in {ANN, BOB} & set(waiting):
            zones = waiting.ready(each, 4.0, 99, nobody)
            heads = {zone: min(one for one in known if one[2:] == (each, zone)) for zone in zones}
            assert len(zones) == len(set(zones))
            assert set(zones) == {one[3] for one in known if one[2] == each and one[0] <= 4}
            assert zones == sorted(zones, key=lambda zone: heads[zone])
    assert bool(waiting) == bool(known)


def test_a_zone_that_waits_is_found_once_however_much_passes_before_it() -> None:
    """Something that has to wait long is overtaken again and again, and leaves no trace of each time."""
    waiting: Waiting[str] = Waiting()
    waiting.add(ANN, "a.example", 100.0, "late")
    for _ in range(50):
        waiting.add(ANN, "a.example", 0.0, "early")
        assert waiting.take(ANN, "a.example", 0.0) == "early"

    assert waiting.ready(ANN, 100.0, 99, nobody) == ["a.example"]


@pytest.mark.parametrize("zones", [1, 1000])
def test_a_crowd_costs_no_more(zones: int) -> None:
    """Of a thousand that wait, in one zone or in as many, the next is found in a few calls."""
    waiting: Waiting[int] = Waiting()
    for number in range(1000):
        waiting.add(ANN, f"{number % zones}.example", 0.0, number)
    calls = 0

    def seen(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(seen)
    try:
        (zone,) = waiting.ready(ANN, 1.0, 1, nobody)
        waiting.take(ANN, zone, 1.0)
    finally:
        sys.setprofile(None)
    assert calls < 40
