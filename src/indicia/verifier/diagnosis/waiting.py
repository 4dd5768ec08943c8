"""What waits for its turn, by account and zone: finding who is next costs the same however much waits."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _OfAccount(Generic[T]):
    """Of each zone what waits, and the zones in the order of what is first in them.

    Entries of `order` that are not about what is first in their zone any more are passed over. An item has
    one at most, so that there are never more of them than of what waits and of what was taken out since.
    """

    zones: dict[str, list[tuple[float, int, T]]] = field(default_factory=dict)
    order: list[tuple[float, int, str]] = field(default_factory=list)
    entered: set[int] = field(default_factory=set)

    def enter(self, zone: str) -> None:
        """Have an entry of what is first in the zone."""
        at, number, _ = self.zones[zone][0]
        if number not in self.entered:
            self.entered.add(number)
            heappush(self.order, (at, number, zone))

    def first(self) -> tuple[float, int, str] | None:
        """Return the entry of what is first of all, with nothing outdated before it."""
        while self.order:
            at, number, zone = self.order[0]
            waiting = self.zones.get(zone)
            if waiting and waiting[0][:2] == (at, number):
                return self.order[0]
            heappop(self.order)
            self.entered.discard(number)
        return None


class Waiting(Generic[T]):
    """Items, each of an account and a zone, and from when on it may be its turn (seconds, monotonic)."""

    def __init__(self) -> None:
        self._accounts: dict[str, _OfAccount[T]] = {}
        self._numbers = itertools.count()

    def __bool__(self) -> bool:
        """Say whether anything waits."""
        return bool(self._accounts)

    def __iter__(self) -> Iterator[str]:
        """Yield the accounts of which something waits, the longest known first."""
        return iter(list(self._accounts))

    def add(self, account: str, zone: str, at: float, item: T) -> None:
        """Let the item wait until `at`, behind what came before it and may begin as early."""
        of = self._accounts.setdefault(account, _OfAccount())
        heappush(of.zones.setdefault(zone, []), (at, next(self._numbers), item))
        of.enter(zone)

    def ready(self, account: str, now: float, most: int, full: Callable[[str], bool]) -> list[str]:
        """Return zones of the account in which something may begin now, the earliest first.

        At most so many, and none that is `full`: of those there are few, as something of each is in hand.
        """
        of = self._accounts[account]
        found: list[str] = []
        passed: list[tuple[float, int, str]] = []
        while len(found) < most and (first := of.first()) is not None and first[0] <= now:
            passed.append(heappop(of.order))
            if not full(first[2]):
                found.append(first[2])
        for entry in passed:
            heappush(of.order, entry)
        return found

    def take(self, account: str, zone: str, now: float) -> T | None:
        """Take out what is first in the zone; None where nothing of it may begin now."""
        of = self._accounts.get(account)
        waiting = None if of is None else of.zones.get(zone)
        if of is None or not waiting or waiting[0][0] > now:
            return None
        _, _, item = heappop(waiting)
        if waiting:
            of.enter(zone)
        else:
            del of.zones[zone]
        if not of.zones:
            del self._accounts[account]
        return item

    def next_after(self, now: float) -> float | None:
        """Return when the first of what may not begin yet may; None where nothing waits for a moment."""
        firsts = (of.first() for of in self._accounts.values())
        return min((first[0] for first in firsts if first is not None and first[0] > now), default=None)
