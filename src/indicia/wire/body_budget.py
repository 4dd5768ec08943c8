"""How many octets of bodies a process holds at the same time, and how many of them for one client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from indicia.domain.faults import FaultKind, refuse

if TYPE_CHECKING:
    from collections.abc import Iterable


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

    def give_back(self, octets: int) -> None:
        """Hold so many less."""
        self.held -= octets

    def give_back_for(self, octets: int, owner: str) -> None:
        """Hold so many less of what an owner has."""
        left = self._of.get(owner, 0) - octets
        if left > 0:
            self._of[owner] = left
        else:
            self._of.pop(owner, None)


class Held:
    """What one request holds, until it is answered, and for whom."""

    __slots__ = ("_budget", "_octets", "_owners")

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self._octets = 0
        self._owners: dict[str, int] = {}

    def owned_by(self, owner: str) -> None:
        """What is taken from now on is of this owner's share as well."""
        self._owners.setdefault(owner, 0)

    def take(self, octets: int) -> None:
        """Hold so many more. Faults: UNAVAILABLE, THROTTLED."""
        self._budget.take(octets, self._owners)
        self._octets += octets
        for owner in self._owners:
            self._owners[owner] += octets

    def release(self) -> None:
        """Hold nothing."""
        self._budget.give_back(self._octets)
        for owner, octets in self._owners.items():
            self._budget.give_back_for(octets, owner)
        self._octets, self._owners = 0, {}
