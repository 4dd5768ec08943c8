"""How many unused keys are kept ready, and which is made next.

Keys that somebody waits for come first. The pool follows the demand of late: as many keys as were waited for
within an hour, because what came once comes again, and never more than the operator allows. What is taken by
creations is no demand: whoever only creates, and never publishes a record, makes the pool no larger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from indicia.domain.time import HOUR, Instant, Span

_SPAN: Final[Span] = HOUR
# Below this part of what is wanted, the pool is filled as fast as if somebody waited.
_LOW: Final = 0.25


@dataclass(frozen=True, slots=True)
class Demand:
    """How many keys of a length somebody waited for, in the hour that began at `since` and the one before."""

    since: Instant = 0
    given: int = 0
    before: int = 0

    def later(self, given: int, now: Instant) -> Demand:
        """Return the demand at `now`, when so many keys more were given to those who waited."""
        passed = now - self.since
        if 0 <= passed < _SPAN:
            return replace(self, given=self.given + given)
        return Demand(now, given, self.given if 0 <= passed < 2 * _SPAN else 0)

    def wanted(self, least: int, most: int) -> int:
        """Return how many unused keys are to be there; never more than `most`."""
        return min(most, max(least, self.given, self.before))


@dataclass(frozen=True, slots=True)
class Stock:
    """How it stands with the keys of one length.

    `waiting`: sets for which somebody waits. `pooled`: unused keys. `wanted`: how many there should be.
    """

    bits: int
    waiting: int
    pooled: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Order:
    """Which keys are to be made now, by their length, in this order.

    `hurry`: on every core that is free; else nobody waits, and one process makes them at half its pace.
    """

    bits: tuple[int, ...] = ()
    hurry: bool = False


def order(stocks: Sequence[Stock], making: Mapping[int, int], room: int) -> Order:
    """Return what is to be made beside what is under way (`making`), at most `room` keys more.

    Lengths take turns among those that somebody waits for; else the one whose stock is lowest comes first.
    """
    under_way = {stock.bits: making.get(stock.bits, 0) for stock in stocks}
    chosen: list[int] = []
    hurry = False
    while len(chosen) < room:
        urgent = [stock for stock in stocks if stock.waiting > stock.pooled + under_way[stock.bits]]
        low = [stock for stock in stocks if _filled(stock, under_way[stock.bits]) < 1]
        if urgent:
            stock = min(urgent, key=lambda stock: (under_way[stock.bits], stock.bits))
        elif low:
            stock = min(low, key=lambda stock: (_filled(stock, under_way[stock.bits]), stock.bits))
            if _filled(stock, under_way[stock.bits]) >= _LOW:
                break
        else:
            break
        hurry = True
        chosen.append(stock.bits)
        under_way[stock.bits] += 1
    if not chosen and room > 0 and not any(making.values()):
        low = [stock for stock in stocks if _filled(stock, 0) < 1]
        return Order(tuple(stock.bits for stock in sorted(low, key=lambda stock: _filled(stock, 0))[:1]))
    return Order(tuple(chosen), hurry)


def _filled(stock: Stock, under_way: int) -> float:
    """Return what part of the wanted keys is there, beside those that somebody waits for."""
    spare = stock.pooled + under_way - stock.waiting
    return spare / stock.wanted if stock.wanted > 0 else 1.0
