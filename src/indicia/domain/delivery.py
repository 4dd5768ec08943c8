"""Whose deliveries begin now: those of whoever has least in hand, as far as everybody's share goes.

A receiver that is slow or dead holds what is in hand for it; what it holds is bounded, for itself, for
everything that goes to its host, and for the account that named it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indicia.domain.fairness import Shares


class AttemptOutcome(StrEnum):
    """How an attempt at a delivery ended. The value is what metrics show."""

    DELIVERED = "delivered"
    FAILED = "failed"  # it is tried again
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class Flow:
    """What is due for one receiver, on behalf of one account.

    `names` are whose shares an item of it takes, the receiver's own name first and the account last; `limits`
    how many each of them may have in hand at most, beside its share.
    """

    names: tuple[str, ...]
    limits: tuple[int, ...]

    @property
    def receiver(self) -> str:
        """What the flow is known by."""
        return self.names[0]


@dataclass(frozen=True, slots=True)
class Portion:
    """So many items of a flow may begin. Their shares are taken."""

    flow: Flow
    items: int


def admit(flows: Sequence[Flow], shares: Shares) -> list[Portion]:
    """Take the shares of as many items as may begin, and return how many of which flows those are.

    One after the other: the next is always one of the account that has least in hand, and of the receiver
    that has least among those; where all have the same it is the first of `flows`.
    """
    last = len(flows[0].names) - 1 if flows else 0

    def in_hand(place: int) -> tuple[int, int, int]:
        names = flows[place].names
        return shares.of(last, names[last]), shares.of(0, names[0]), place

    waiting = [in_hand(place) for place in range(len(flows))]
    heapify(waiting)
    begun: Counter[int] = Counter()
    while waiting and shares.left:
        known = heappop(waiting)
        place = known[2]
        now = in_hand(place)
        if now != known:  # another receiver of the account was given something meanwhile
            heappush(waiting, now)
        elif shares.take(flows[place].names, flows[place].limits):
            begun[place] += 1
            heappush(waiting, in_hand(place))
    return [Portion(flows[place], begun[place]) for place in sorted(begun)]
