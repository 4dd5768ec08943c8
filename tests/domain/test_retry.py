"""What failed is tried again: later and later, and a destination that fails as a whole is left alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from indicia.domain.retry import CLOSED, OPENS_AFTER, Backoff, Circuit
from indicia.domain.time import HOUR, SECOND

BACKOFF = Backoff(5 * SECOND, 6 * HOUR)


@given(st.integers(1, 10_000))
def test_each_wait_is_twice_the_one_before(failures: int) -> None:
    """From the first to the longest, however many failures there were."""
    assert BACKOFF.after(1) == 5 * SECOND
    assert BACKOFF.after(failures + 1) == min(2 * BACKOFF.after(failures), 6 * HOUR)


@given(st.integers(1, 10_000))
def test_waits_can_grow_by_less(failures: int) -> None:
    """Half as long again each time, in whole numbers; `following` takes the same steps one by one."""
    slower = Backoff(10, 100, (3, 2))
    assert [slower.after(number) for number in range(1, 9)] == [10, 15, 22, 33, 49, 73, 100, 100]
    assert slower.following(slower.after(failures)) == slower.after(failures + 1)
    assert (slower.following(0), slower.following(20), slower.following(1_000)) == (10, 30, 100)


def test_no_wait_is_longer_than_the_longest() -> None:
    """Not the first either."""
    assert [Backoff(10, 4).after(failures) for failures in (1, 2, 50)] == [4, 4, 4]


def test_a_destination_is_left_alone_once_it_fails_again_and_again() -> None:
    """One failure, or two, say nothing of it; from the third on nothing is sent for a while, then one."""
    circuit = CLOSED
    for _ in range(OPENS_AFTER - 1):
        circuit = circuit.failed(1000, BACKOFF)
        assert circuit.trusted
        assert not circuit.open_at(1000)
    circuit = circuit.failed(1000, BACKOFF)
    assert circuit.open_at(1000)
    assert circuit.open_at(1000 + 5 * SECOND - 1)
    assert not circuit.open_at(1000 + 5 * SECOND)
    assert not circuit.trusted


def test_what_fails_while_it_is_open_was_begun_before() -> None:
    """A crowd that fails together opens it once; the next wait is longer when what is tried then fails."""
    circuit = CLOSED
    for _ in range(50):
        circuit = circuit.failed(1000, BACKOFF)
    assert circuit == Circuit(OPENS_AFTER, 1000 + 5 * SECOND)
    assert circuit.failed(1000 + 5 * SECOND, BACKOFF) == Circuit(OPENS_AFTER + 1, 1000 + 15 * SECOND)
