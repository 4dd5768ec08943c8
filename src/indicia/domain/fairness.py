"""Who may be looked at now, so that nobody's trouble delays anybody else (verification.md, Schedule).

Three measures, each of its own kind. A zone is asked so many questions a second. Checks that take long stand
in a room of their own, in which no zone, no set of name servers and no account has more than its share. And
there are fewer checks at once while our own resolvers fail. What is delivered has shares like those
(`domain.delivery`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from indicia.domain.identities.identity import Status
from indicia.domain.time import Span
from indicia.domain.verification.schedule import Pace

# The burst that a zone is asked after a rest, in seconds of its rate (contract.md, INDICIA_ZONE_RATE).
_BURST: Final = 2.0
# While several accounts have a zone asked, the part of its rate that one of them may have; for how long after
# its last question an account counts as one of them (seconds), and how many of them are known.
_OF_ACCOUNT: Final = 0.75
_LATE: Final = 600.0
_FEW: Final = 8
# Seconds: what sums of fractions come to that would be nothing.
_DUST: Final = 1e-9
# The shares of the room for slow checks, one part in so many: of a zone, of a set of servers, of an account.
SLOW_PARTS: Final = (16, 8, 4)
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


def places(accounts: Sequence[str], last: Mapping[str, int], turn: int) -> list[int]:
    """Return the places in a queue of those who come now, each for an account, so that accounts take turns.

    `last` is the last place of each account that waits already, `turn` the place that is served next. Whoever
    comes stands one place behind the last of its own account, and never before the turn: of two accounts that
    wait, neither is served twice before the other is served once, however many either has waiting
    (self-clocked fair queueing, Golestani 1994).
    """
    latest = dict(last)
    given: list[int] = []
    for account in accounts:
        place = max(latest.get(account, turn - 1) + 1, turn)
        latest[account] = place
        given.append(place)
    return given


class ZoneRates:
    """How fast each zone is asked: `rate` questions a second, and twice that at once after a rest.

    Instants are seconds of any one clock. A check is not split: where it is more than the burst, it is made
    when the zone has rested.
    """

    def __init__(self, rate: float) -> None:
        self.rate = self._whole = rate
        # For each zone: when it will have rested from what it was asked, and when the last of those who were
        # told to come later comes. The generic cell rate algorithm, with places kept for those who wait.
        self._zones: dict[str, tuple[float, float]] = {}
        self._prune_at = 1024

    def __len__(self) -> int:
        return len(self._zones)

    def share(self, among: int) -> None:
        """Ask each zone at a part of the rate from now on: so many ask it side by side."""
        self.rate = self._whole / max(1, among)

    def wait(self, zone: str, questions: float, now: float) -> float:
        """Return 0 when the zone may be asked now, which is then counted; else the seconds to come back in.

        Those who have to come back are spread out: each has its own instant, at which the zone can be asked.
        """
        if not self.lack(zone, questions, now):
            self.count(zone, questions, now)
            return 0.0
        rested, tail = self._zones[zone]
        span = questions / self.rate
        place = max(tail, rested - max(_BURST, span)) + span
        self._keep(zone, rested, place, now)
        return max(place - now, span)

    def lack(self, zone: str, questions: float, now: float) -> float:
        """Return in how many seconds the zone may be asked so much, 0 for now. Nothing is counted."""
        rested, _ = self._zones.get(zone, (now, now))
        span = questions / self.rate
        at, by = rested + span, now + max(_BURST, span)
        return at - by if at - by > _DUST else 0.0

    def count(self, zone: str, questions: float, now: float) -> None:
        """Count what the zone is asked, whether it may be or not."""
        rested, tail = self._zones.get(zone, (now, now))
        self._keep(zone, max(rested, now) + questions / self.rate, tail, now)

    def _keep(self, zone: str, rested: float, tail: float, now: float) -> None:
        self._zones[zone] = (rested, tail)
        if len(self._zones) > self._prune_at:
            self._zones = {name: both for name, both in self._zones.items() if max(both) > now}
            self._prune_at = max(1024, 2 * len(self._zones))


class ZonePart:
    """A part of what zones may be asked, for one purpose: no more than that, and than others leave of all.

    So what callers wish for takes nothing from the checks, however much they wish for.
    """

    def __init__(self, whole: ZoneRates, part: float) -> None:
        self._whole = whole
        self._part = part
        self._own = ZoneRates(whole.rate * part)

    @property
    def rate(self) -> float:
        """How many questions a second that is."""
        return self._whole.rate * self._part

    def wait(self, zone: str, questions: float, now: float) -> float:
        """Return as `ZoneRates.wait`."""
        self._own.rate = self._whole.rate * self._part
        if self._own.lack(zone, questions, now):
            return self._own.wait(zone, questions, now)
        if wait := self._whole.wait(zone, questions, now):
            return wait
        self._own.count(zone, questions, now)
        return 0.0

    def lack(self, zone: str, questions: float, now: float) -> float:
        """Return as `ZoneRates.lack`."""
        self._own.rate = self._whole.rate * self._part
        return max(self._own.lack(zone, questions, now), self._whole.lack(zone, questions, now))

    def count(self, zone: str, questions: float, now: float) -> None:
        """Count as `ZoneRates.count`."""
        self._own.rate = self._whole.rate * self._part
        self._own.count(zone, questions, now)
        self._whole.count(zone, questions, now)


def is_top(zone: str) -> bool:
    """Say whether the zone is the root's or that of a top-level domain."""
    return "." not in zone.strip(".")


class ZoneAccounts:
    """What zones may be asked, among the accounts that have identities in them.

    Anybody may create identities with names in anybody's zone. While several accounts have one zone asked,
    none has more than a part of its rate, and nobody stands in the queue of another.

    `everybodys` says of a zone that it is nobody's who has identities: it answers for all the names under it
    that are not there, of which anybody can make up as many as they like. There each account has the rate of
    a zone for itself: so it is asked no faster than each of them may ask, and nobody is kept from a domain
    that will be there a moment later.
    """

    def __init__(self, whole: ZoneRates | ZonePart, everybodys: Callable[[str], bool] = is_top) -> None:
        self._whole = whole
        self._everybodys = everybodys
        self._own = ZoneRates(whole.rate * _OF_ACCOUNT)
        self._seen: dict[str, dict[str, float]] = {}  # when each of a few accounts had a zone asked last
        self._prune_at = 1024

    def wait(self, zone: str, account: str, questions: float, now: float) -> float:
        """Return as `ZoneRates.wait`."""
        if self._everybodys(zone):
            return self._whole.wait(_key(zone, account), questions, now)
        if not self._contended(zone, account, now):
            return self._whole.wait(zone, questions, now)
        own = _key(zone, account)
        if self._own.lack(own, questions, now):
            return self._own.wait(own, questions, now)
        if lack := self._whole.lack(zone, questions, now):
            return lack
        self.count(zone, account, questions, now)
        return 0.0

    def lack(self, zone: str, account: str, questions: float, now: float) -> float:
        """Return as `ZoneRates.lack`."""
        if self._everybodys(zone):
            return self._whole.lack(_key(zone, account), questions, now)
        lack = self._whole.lack(zone, questions, now)
        if self._contended(zone, account, now):
            lack = max(lack, self._own.lack(_key(zone, account), questions, now))
        return lack

    def count(self, zone: str, account: str, questions: float, now: float) -> None:
        """Count as `ZoneRates.count`."""
        if self._everybodys(zone):
            self._whole.count(_key(zone, account), questions, now)
            return
        self._whole.count(zone, questions, now)
        self._own.count(_key(zone, account), questions, now)

    def _contended(self, zone: str, account: str, now: float) -> bool:
        """Say whether another account has had the zone asked of late, and note that this one has."""
        self._own.rate = self._whole.rate * _OF_ACCOUNT
        if len(self._seen) > self._prune_at:
            self._seen = {zone: seen for zone, seen in self._seen.items() if max(seen.values()) > now - _LATE}
            self._prune_at = max(1024, 2 * len(self._seen))
        seen = self._seen.setdefault(zone, {})
        seen[account] = now
        while len(seen) > 1 and (oldest := min(seen, key=seen.__getitem__)) != account:
            if seen[oldest] > now - _LATE and len(seen) <= _FEW:
                break
            del seen[oldest]
        return len(seen) > 1


def _key(zone: str, account: str) -> str:
    return f"{account} {zone}"


@dataclass(frozen=True, slots=True)
class Party:
    """On whose behalf a check is made, and whom it asks.

    `servers` is the primary of the zone's SOA: it stands for the set of name servers, which would take
    another question to know. What no check has seen yet is empty, and shares nothing with anybody.
    """

    account: str
    servers: str
    zone: str

    @property
    def names(self) -> tuple[str, str, str]:
        """Whose shares a check takes, in the order of `SLOW_PARTS`."""
        return self.zone, self.servers, self.account

    @property
    def asked(self) -> tuple[str, str]:
        """Those of the names that are asked."""
        return self.zone, self.servers


class Shares:
    """What is in hand in a room: never more than there is, and of each name no more than its share.

    Names are of several kinds, such as an account and a destination; `parts` says of each kind how many parts
    of the room there are, one of which is a name's. An empty name shares nothing with anybody.
    """

    def __init__(self, room: int, parts: Sequence[int]) -> None:
        self.room = room
        self.taken = 0
        self._parts = tuple(max(1, room // part) for part in parts)
        self._of: tuple[Counter[str], ...] = tuple(Counter() for _ in parts)

    @property
    def left(self) -> int:
        """How many more there may be."""
        return self.room - self.taken

    def of(self, kind: int, name: str) -> int:
        """Return how many a name of a kind has in hand."""
        return self._of[kind][name]

    def trusts(self, names: Sequence[str]) -> bool:
        """Say whether each of these names, of the first kinds, has less than its whole share.

        Those that have it are slow now.
        """
        return all(
            not name or taken[name] < share
            for name, taken, share in zip(names, self._of, self._parts, strict=False)
        )

    def take(self, names: Sequence[str], limits: Sequence[int] | None = None) -> bool:
        """Take one for these names, one of each kind, if each of them may have it; say whether.

        `limits` are how many each may have at most beside its share.
        """
        left, shares = self.left, self._parts
        if limits is not None:
            shares = tuple(map(min, shares, limits))
        within = left > 0 and all(
            not name or (share > 0 and may_take(taken[name], share=share, left=left))
            for name, taken, share in zip(names, self._of, shares, strict=True)
        )
        if within:
            self._count(names, 1)
        return within

    def give(self, names: Sequence[str]) -> None:
        """Give one back."""
        self._count(names, -1)

    def _count(self, names: Sequence[str], step: int) -> None:
        self.taken += step
        for name, taken in zip(names, self._of, strict=True):
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
