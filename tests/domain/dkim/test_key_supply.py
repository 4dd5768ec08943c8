"""How many unused keys are kept, and which is made next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicia.domain.dkim.key_supply import Demand, Order, Stock, order
from indicia.domain.time import HOUR

NOW = 1_800_000_000_000


def short(waiting: int = 0, pooled: int = 0, wanted: int = 8) -> Stock:
    """How it stands with keys of 1024 bits."""
    return Stock(1024, waiting, pooled, wanted)


def long(waiting: int = 0, pooled: int = 0, wanted: int = 8) -> Stock:
    """How it stands with keys of 2048 bits."""
    return Stock(2048, waiting, pooled, wanted)


@pytest.mark.parametrize(
    ("stocks", "making", "room", "expected"),
    [
        # Full: nothing. Without room: nothing.
        ([short(pooled=8), long(pooled=8)], {}, 12, Order()),
        ([short(waiting=5)], {}, 0, Order()),
        # Nobody waits and enough are there: one, and not while one is made.
        ([short(pooled=7), long(pooled=4)], {}, 12, Order((2048,))),
        ([short(pooled=7), long(pooled=4)], {2048: 1}, 12, Order()),
        # Nearly empty: as if somebody waited, but no further than that.
        ([short(pooled=8), long(pooled=1)], {}, 12, Order((2048,), hurry=True)),
        # Those who wait come first, whatever the stock of the other length; what is under way counts.
        ([short(waiting=3, pooled=1), long(pooled=0)], {1024: 1}, 1, Order((1024,), hurry=True)),
        ([short(waiting=3, pooled=3), long(waiting=2)], {2048: 2}, 12, Order((1024, 2048, 1024, 2048), True)),
        # Lengths take turns.
        ([short(waiting=9), long(waiting=9)], {}, 4, Order((1024, 2048, 1024, 2048), hurry=True)),
        # A length of which none is kept is made where it is waited for.
        ([short(waiting=1, wanted=0)], {}, 4, Order((1024,), hurry=True)),
        ([short(wanted=0)], {}, 4, Order()),
    ],
)
def test_what_is_made_next(stocks: list[Stock], making: dict[int, int], room: int, expected: Order) -> None:
    """Each case of the rule."""
    assert order(stocks, making, room) == expected


counts = st.integers(0, 30)


@given(st.builds(short, counts, counts, counts), st.builds(long, counts, counts, counts), counts)
def test_no_more_is_made_than_is_wanted(one: Stock, other: Stock, room: int) -> None:
    """Never more than there is room for, nor than those who wait and the stock need."""
    found = order([one, other], {}, room)

    assert len(found.bits) <= room
    for stock in (one, other):
        made = found.bits.count(stock.bits)
        assert made <= max(0, stock.waiting + stock.wanted - stock.pooled)


@pytest.mark.parametrize(
    ("demand", "least", "most", "wanted"),
    [
        (Demand(), 4, 100, 4),
        (Demand(NOW, 30, 0), 4, 100, 30),
        (Demand(NOW, 0, 30), 4, 100, 30),
        (Demand(NOW, 3000, 0), 4, 100, 100),
        (Demand(), 40, 10, 10),
    ],
)
def test_the_stock_follows_the_demand(demand: Demand, least: int, most: int, wanted: int) -> None:
    """As many as were waited for in an hour, within what is allowed."""
    assert demand.wanted(least, most) == wanted


def test_demand_is_forgotten() -> None:
    """An hour counts until the next one is over; a clock that went back begins anew."""
    first = Demand(NOW).later(5, NOW + 1)
    second = first.later(2, NOW + HOUR)

    assert (first.given, first.before) == (5, 0)
    assert (second.given, second.before, second.since) == (2, 5, NOW + HOUR)
    assert second.later(1, NOW + 2 * HOUR) == Demand(NOW + 2 * HOUR, 1, 2)
    assert second.later(0, NOW + 9 * HOUR) == Demand(NOW + 9 * HOUR)
    assert second.later(1, NOW) == Demand(NOW, 1, 0)
