"""How many octets of bodies a process holds at the same time, and how many of them for one client.

The first 16 KiB of a body are free: nearly all are shorter, and how many there can be is bounded by the
connections. So whoever fills the budget keeps nobody from more than sending much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from indicia.domain.faults import FaultKind, refuse

if TYPE_CHECKING:
    from collections.abc import Iterable


FREE_OCTETS = 16 * 1024


class BodyBudget:
    """So many octets in all, so many for one owner: a client's network, an account, a group of strangers.

    `held` is how many are held now, `refused` how often there was no room, for metrics.
    """

    def __init__(self, octets: int, share: int) -> None:
        self.held = 0
        self.refused = 0
        self._octets = octets
        self._share = share
        self._of: dict[str, int] = {}

    def take(self, octets: int, owners: Iterable[str]) -> None:
        """Hold so many more, for each of the owners.

        Faults: UNAVAILABLE when there is no room, THROTTLED when there is none in a share; nothing more is
        held then.
        """
        if self.held + octets > self._octets:
            self.refused += 1
            refuse(FaultKind.UNAVAILABLE, "This server holds as much of requests as it can. Try again.")
        if any(self._of.get(owner, 0) + octets > self._share for owner in owners):
            self.refused += 1
            refuse(FaultKind.THROTTLED, "Too much is being sent at the same time for one client. Try again.")
        self.held += octets
        for owner in owners:
            self._of[owner] = self._of.get(owner, 0) + octets

    def give_back(self, octets: int, owners: Iterable[str]) -> None:
        """Hold so many less, of each of the owners."""
        self.held -= octets
        for owner in owners:
            self._of[owner] -= octets
            if not self._of[owner]:
                del self._of[owner]


class Held:
    """What one request holds, until it is answered, and of whose shares."""

    __slots__ = ("_budget", "_free", "_octets", "_owners")

    def __init__(self, budget: BodyBudget, *owners: str) -> None:
        self._budget = budget
        self._owners = frozenset(owners)
        self._free = FREE_OCTETS
        self._octets = 0

    def take(self, octets: int) -> None:
        """Hold so many more. Faults: UNAVAILABLE, THROTTLED."""
        free = min(self._free, octets)
        self._free -= free
        if octets > free:
            self._budget.take(octets - free, self._owners)
            self._octets += octets - free

    def release(self) -> None:
        """Hold nothing."""
        if self._octets:
            self._budget.give_back(self._octets, self._owners)
            self._octets = 0
