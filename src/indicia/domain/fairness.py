"""Who may be looked at now, so that nobody's trouble delays anybody else (verification.md, Schedule).

Three measures, each of its own kind. A zone is asked so many questions a second. Checks that take long stand
in a room of their own, in which no zone, no set of name servers and no account has more than its share. And
there are fewer checks at once while our own resolvers fail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from indicia.domain.identity import Status
from indicia.domain.schedule import Pace
from indicia.domain.time import Span

# The burst that a zone is asked after a rest, in seconds of its rate (contract.md, INDICIA_ZONE_RATE).
_BURST: Final = 2.0
# The shares of the room for slow checks: one part in so many.
_ZONE_PART, _SERVERS_PART, _ACCOUNT_PART = 16, 8, 4
# Trouble of our own resolvers comes in crowds: it counts once in so many seconds.
_CALM: Final = 1.0
# However much trouble there is, so many checks go on: somebody has to notice that it is over.
_LEAST: Final = 16


class Lane(IntEnum):
    """Which queue an identity stands in."""

    FRESH = 0  # somebody waits for it: new, asked for, or pending since not long
    ROUTINE = 1  # nobody waits
    SLOW = 2  # its last check took long and found out nothing, or was not let end


def lane_after(statuses: Iterable[Status], interval: Span, pace: Pace, *, slow: bool) -> Lane:
    """Return where an identity queues for its next check, given what this one left."""
    if slow:
        return Lane.SLOW
    return Lane.FRESH if interval < pace.largest and Status.PENDING in statuses else Lane.ROUTINE


def may_take(taken: int, *, share: int, left: int) -> bool:
    """Say whether a party that has taken so many of a room may take one more.

    It has at most its share, and never more than is left to all others: however many parties take what they
    can, who has nothing yet finds something, and what is given back goes to those who have less (dynamic
    thresholds, Choudhury and Hahne 1998).
    """
    return left > 0 and taken < max(1, min(share, left))


class ZoneRates:
    """How fast each zone is asked: `rate` questions a second, and twice that at once after a rest.

    Instants are seconds of any one clock. A check is not split: where it is more than the burst, it is made
    when the zone has rested.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        # For each zone: when it will have rested from what it was asked, and when the last of those who were
        # told to come later comes. The generic cell rate algorithm, with places kept for those who wait.
        self._zones: dict[str, tuple[float, float]] = {}
        self._prune_at = 1024

    def __len__(self) -> int:
        return len(self._zones)

    def wait(self, zone: str, questions: int, now: float) -> float:
        """Return 0 when the zone may be asked now, which is then counted; else the seconds to come back in.

        Those who have to come back are spread out: each has its own instant, at which the zone can be asked.
        """
        rested, tail = self._zones.get(zone, (now, now))
        span = questions / self.rate
        burst = max(_BURST, span)
        if rested + span <= now + burst:
            self._keep(zone, max(rested, now) + span, tail, now)
            return 0.0
        place = max(tail, rested - burst) + span
        self._keep(zone, rested, place, now)
        return max(place - now, span)

    def _keep(self, zone: str, rested: float, tail: float, now: float) -> None:
        self._zones[zone] = (rested, tail)
        if len(self._zones) > self._prune_at:
            self._zones = {name: both for name, both in self._zones.items() if max(both) > now}
            self._prune_at = max(1024, 2 * len(self._zones))


@dataclass(frozen=True, slots=True)
class Party:
    """On whose behalf a check is made, and whom it asks.

    `servers` is the primary of the zone's SOA: it stands for the set of name servers, which would take
    another question to know. What no check has seen yet is empty, and shares nothing with anybody.
    """

    account: str
    servers: str
    zone: str


class Shares:
    """The slow checks in hand: at most `room`, and of each zone, set of servers and account its share."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.taken = 0
        self._of_zone: Counter[str] = Counter()
        self._of_servers: Counter[str] = Counter()
        self._of_account: Counter[str] = Counter()

    @property
    def left(self) -> int:
        """How many more there may be."""
        return self.room - self.taken

    def trusts(self, party: Party) -> bool:
        """Say whether a check of the party may begin as if it were quick.

        Not while the zone or its name servers have their whole share of slow ones: they are slow now.
        """
        return self._below(self._of_zone, party.zone, _ZONE_PART) and self._below(
            self._of_servers, party.servers, _SERVERS_PART
        )

    def take(self, party: Party) -> bool:
        """Let a slow check of the party in, if it and the room allow; say whether."""
        within = self.left > 0 and self.trusts(party)
        if not (within and self._below(self._of_account, party.account, _ACCOUNT_PART)):
            return False
        self._count(party, 1)
        return True

    def give(self, party: Party) -> None:
        """Let it out again."""
        self._count(party, -1)

    def _below(self, taken: Counter[str], name: str, part: int) -> bool:
        return not name or taken[name] < max(1, self.room // part)

    def _count(self, party: Party, step: int) -> None:
        self.taken += step
        for taken, name in (
            (self._of_zone, party.zone),
            (self._of_servers, party.servers),
            (self._of_account, party.account),
        ):
            taken[name] += step
            if not taken[name]:
                del taken[name]


class Pressure:
    """How many checks at once our resolvers bear: half as many when they fail, one more for each success."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._least = min(_LEAST, most)
        self._halved_at = float("-inf")
        self.slots = most

    def ended(self, now: float, *, our_trouble: bool) -> None:
        """Take into account how a check ended."""
        if not our_trouble:
            self.slots = min(self._most, self.slots + 1)
        elif now - self._halved_at >= _CALM:
            self._halved_at = now
            self.slots = max(self._least, self.slots // 2)
