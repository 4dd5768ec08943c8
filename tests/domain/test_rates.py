"""Token buckets: so many a period, so many at once, and nothing for a clock that was set back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from indicia.domain.rates import Allowance, full, take

NOW = 1_800_000_000_000
ONE_A_SECOND = Allowance(1, 1000, 10)


def test_a_burst_and_then_the_rate() -> None:
    """Ten at once, then one a second."""
    bucket, granted = take(full(ONE_A_SECOND, NOW), ONE_A_SECOND, NOW, 11)
    assert 10 == granted

    bucket, granted = take(bucket, ONE_A_SECOND, NOW + 999)
    assert 0 == granted
    _, granted = take(bucket, ONE_A_SECOND, NOW + 1000)
    assert 1 == granted


@given(
    st.integers(1, 1000),
    st.sampled_from([1000, 60_000]),
    st.integers(1, 100),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 20)), max_size=50),
)
def test_never_more_than_burst_and_rate(
    count: int, period: int, burst: int, calls: list[tuple[int, int]]
) -> None:
    """Over any time no more is granted than the burst and what the rate has filled in."""
    allowance, now, total = Allowance(count, period, burst), NOW, 0
    bucket = full(allowance, now)
    for gap, wanted in calls:
        now += gap
        bucket, granted = take(bucket, allowance, now, wanted)
        total += granted
        assert 0 <= granted <= wanted

    assert total <= burst + (now - NOW) * count // period


def test_a_clock_set_back_grants_nothing() -> None:
    """Time that runs backwards neither fills a bucket nor empties it."""
    bucket, _ = take(full(ONE_A_SECOND, NOW), ONE_A_SECOND, NOW, 10)

    back, granted = take(bucket, ONE_A_SECOND, NOW - 60_000)
    assert 0 == granted
    assert 1 == take(back, ONE_A_SECOND, NOW + 1000)[1]
