"""Which of the claimed identities are looked at now, how many at once, and when the others come back.

The rules are `domain.fairness`; this applies them to claims. A check begins in one of the slots for quick
ones. When it has lasted longer than `patience` it goes over into the room for slow ones, where a slot costs
nobody anything. If it may not, it stays as long as there are slots enough; else it ends and comes back later,
behind those who are quick.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from indicia.domain.fairness import SLOW_PARTS, Lane, Party, Pressure, Shares, ZoneAccounts, ZoneRates
from indicia.domain.identities.identity import Facet
from indicia.domain.time import SECOND, Span
from indicia.domain.verification.schedule import Pace
from indicia.store.verification.checks import Claim

# The questions about each facet of an identity (domain.records), and the one for the SOA.
_QUESTIONS: Final = {Facet.DKIM: 3, Facet.CARRIED_DKIM: 3, Facet.OWNERSHIP: 2, Facet.MAIL_FROM: 1}
_SOA_QUESTION: Final = 1


@dataclass(frozen=True, slots=True)
class Later:
    """An identity is not looked at now: come back after `wait`, in this lane."""

    wait: Span
    lane: Lane


class Admission:
    """Lets claims in. `zone_rates` of None asks as fast as it goes.

    `pace` bounds the wait of those who may not come in for their slowness; `random` returns numbers in
    [0, 1), `now` seconds of a clock of its own.
    """

    def __init__(
        self,
        *,
        slots: int,
        slow: int,
        zone_rates: ZoneRates | None,
        pace: Pace,
        random: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        self._pressure = Pressure(slots)
        self._shares = Shares(slow, SLOW_PARTS)
        self._rates = None if zone_rates is None else ZoneAccounts(zone_rates)
        self._pace = pace
        self._random = random
        self._now = now

    @property
    def slots(self) -> int:
        """How many quick checks there may be at once."""
        return self._pressure.slots

    @property
    def room_for_slow(self) -> int:
        """How many more slow checks there may be."""
        return self._shares.left

    @property
    def slow(self) -> int:
        """How many slow checks there are."""
        return self._shares.taken

    def enter(self, claim: Claim, *, short: bool) -> Later | None:
        """Let the claim in, or say when it may come back. One of the slow lane is among the slow from now.

        `short` is whether slots for quick ones are: else those who may turn out to be slow take them too.
        """
        party = party_of(claim)
        if claim.lane is Lane.SLOW:
            if not self._shares.take(party.names):
                return self._later(claim)
        elif short and not self._shares.trusts(party.asked):
            return self._later(claim)
        if self._rates is not None and (
            wait := self._rates.wait(party.zone, party.account, self._cost(claim), self._now())
        ):
            if claim.lane is Lane.SLOW:
                self._shares.give(party.names)
            return Later(int(wait * SECOND * (1 + self._random() / 8)) + 1, claim.lane)
        return None

    def linger(self, claim: Claim) -> Later | None:
        """Let a check that lasts long go on in the slow room, or say when its identity may come back."""
        return None if self._shares.take(party_of(claim).names) else self._later(claim)

    def left_slow_room(self, claim: Claim) -> None:
        """Hear that a slow check has ended."""
        self._shares.give(party_of(claim).names)

    def ended(self, *, our_trouble: bool) -> None:
        """Hear how a check ended."""
        self._pressure.ended(self._now(), our_trouble=our_trouble)

    def _later(self, claim: Claim) -> Later:
        # The longer it has been pending, the longer it can wait; those turned away together come apart.
        wait = max(self._pace.first, min(claim.interval, self._pace.largest))
        return Later(int(wait * (1 + self._random())), Lane.SLOW)

    def _cost(self, claim: Claim) -> int:
        return sum([_QUESTIONS.get(facet, 0) for facet in claim.facets]) + _SOA_QUESTION


def party_of(claim: Claim) -> Party:
    """Return on whose behalf the check is. Of what was never looked at, the zone is its own name."""
    identity = claim.identity
    servers = claim.soa.primary if claim.soa is not None else ""
    asked = identity.mail_from_domain if "@" in identity.name else identity.name
    zone = claim.zone_cut or asked
    return Party(identity.account, servers, zone)
