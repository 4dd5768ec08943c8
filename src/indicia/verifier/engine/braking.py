"""What of a batch of results may fall, and what keeps its status: the brake on mass demotion at work.

The rules are `domain.verification.brake`'s. What is verified is counted before the transaction, in one that
only reads: a table is read for that. Where it was not known in time that little falls, nothing does before
the next look.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from indicia.domain.events.identity_events import DEMOTIONS_DELAYED, DEMOTIONS_PAUSED, About, Event
from indicia.domain.identities.identity import ErrorType, FacetState
from indicia.domain.time import Instant, Span, rfc3339
from indicia.domain.verification.asking import AskedBy
from indicia.domain.verification.brake import (
    AT_LEAST,
    EACH,
    WITHIN,
    delayed,
    demotes,
    held_back,
    let_through,
    revokes,
    too_many,
    too_many_of_one,
)
from indicia.domain.verification.check import Conclusion, FacetVerdict
from indicia.store.engine.session import Session
from indicia.store.verification import brakes
from indicia.verifier.engine import evidence
from indicia.verifier.engine.checker import Found

log = structlog.get_logger(__name__)

_COUNT_KEPT: Final = 60.0  # seconds
_ALL: Final = None  # instead of an account: all of them


@dataclass(frozen=True, slots=True)
class Braked:
    """A batch as it may be stored, and what is to be told beside what is in it."""

    batch: Sequence[Found]
    told: Sequence[Event] = ()


@dataclass(frozen=True, slots=True)
class _Hold:
    """What is held back at `now`: everything, or what is new of these accounts, until the instant.

    An account without an instant is one of which it is not known yet whether too much of it falls.
    """

    now: Instant
    everything: bool
    until: Mapping[str, Instant | None]

    def kept(self, account: str, verdict: FacetVerdict) -> FacetState | None:
        """Return the state that a facet keeps which is about to lose its own, None where it may."""
        before, after = verdict.before, verdict.after
        if self.everything:
            return held_back(before, after)
        if not revokes(before, after):
            return None
        if before.held_until is not None:
            return delayed(before, after, before.held_until) if self.now < before.held_until else None
        if account not in self.until:
            return None
        until = self.until[account]
        return held_back(before, after) if until is None else delayed(before, after, until)


class Braking:
    """Holds back what must not fall.

    `window` is for how long an account waits, `again` when what was held back is looked at again; `operator`
    is who hears of the brake beside the account, `observe` of how many identities were held back.
    """

    def __init__(
        self,
        *,
        now: Callable[[], Instant],
        window: Span,
        again: Span,
        operator: About,
        observe: Callable[[int], None],
    ) -> None:
        self._now = now
        self._window = window
        self._again = again
        self._operator = operator
        self._observe = observe
        self._verified: dict[str | None, tuple[float, int]] = {}

    def count(self, s: Session, batch: Sequence[Found]) -> None:
        """Count what is verified, as far as `apply` will ask for it. Reads only, and maybe for long."""
        oldest = time.monotonic() - _COUNT_KEPT
        self._verified = {whose: each for whose, each in self._verified.items() if each[0] > oldest}
        since, falling = self._now() - WITHIN, _zones(batch)
        wanted: list[str | None] = [
            account
            for account, each in falling.items()
            if brakes.of_account(s, account, since) + len(each.zones) > AT_LEAST
        ]
        parts = sum(min(EACH, len(each.zones)) for each in falling.values())
        if brakes.of_all(s, since, EACH) + parts > AT_LEAST:
            wanted.append(_ALL)
        for whose in wanted:
            if whose not in self._verified:
                self._verified[whose] = time.monotonic(), brakes.verified(s, whose)

    def apply(self, s: Session, batch: Sequence[Found]) -> Braked:
        """Return the batch with nothing falling in it that has to wait. `count` came before.

        Nobody else demotes anything before the transaction ends.
        """
        now, brake = self._now(), brakes.hold(s)
        if brake.released(now):
            return Braked([_let_through(found, now) for found in batch])
        told: list[Event] = []
        if brake.paused_at is not None:
            hold = _Hold(now, everything=True, until={})
        else:
            hold = self._decide(s, _zones(batch), now, told)
        done = [self._held(found, hold) for found in batch]
        held = sum(after is not before for before, after in zip(batch, done, strict=True))
        if held:
            self._observe(held)
        return Braked(done, told)

    def _decide(self, s: Session, falling: Mapping[str, _Falling], now: Instant, told: list[Event]) -> _Hold:
        """Return what is held back of what would fall now for the first time, all of which is counted."""
        since = now - WITHIN
        pairs = [(account, zone) for account, each in falling.items() for zone in each.zones]
        brakes.note(s, pairs, now)
        demoted, verified = brakes.of_all(s, since, EACH), self._known(_ALL)
        if falling and demoted > AT_LEAST:
            if verified is None:
                return _Hold(now, everything=True, until={})
            if too_many(demoted, verified):
                brakes.pause(s, now)
                log.error("demotions.paused", demotions=demoted, verified=verified)
                told.append(_paused(self._operator, now, demoted, verified))
                return _Hold(now, everything=True, until={})
        until: dict[str, Instant | None] = {}
        for account, each in falling.items():
            demoted, verified = brakes.of_account(s, account, since), self._known(account)
            if demoted <= AT_LEAST:
                continue
            if verified is None:
                until[account] = None
            elif too_many_of_one(demoted, verified):
                until[account] = now + self._window
                if brakes.wait(s, account, now, now + self._window):
                    log.warning("demotions.delayed", account=account, demotions=demoted, verified=verified)
                    delay = _Delay(now, now + self._window, demoted, verified)
                    told += delay.told(About(account, each.region), self._operator)
        return _Hold(now, everything=False, until=until)

    def _known(self, whose: str | None) -> int | None:
        counted = self._verified.get(whose)
        return None if counted is None else counted[1]

    def _held(self, found: Found, hold: _Hold) -> Found:
        """Return what was found with every status as it was that is held back; itself where none is."""
        account = found.claim.identity.account
        verdicts = tuple(_kept(verdict, hold, account) for verdict in found.conclusion.facets)
        if all(after is before for before, after in zip(found.conclusion.facets, verdicts, strict=True)):
            return found
        error = ErrorType.SERVICE_ERROR if hold.everything else found.conclusion.error
        due_at = found.conclusion.checked_at + self._again
        return _with(found, replace(found.conclusion, facets=verdicts, error=error, due_at=due_at))


@dataclass(slots=True)
class _Falling:
    """The zones of an account in which a proof would fall now, and a region that one of them is in."""

    region: str
    zones: set[str]


def _zones(batch: Sequence[Found]) -> Mapping[str, _Falling]:
    """Return what would fall now and was not held back before, account by account."""
    found: dict[str, _Falling] = {}
    for each in batch:
        identity = each.claim.identity
        if any(
            verdict.before.held_until is None and revokes(verdict.before, verdict.after)
            for verdict in each.conclusion.facets
        ):
            zone = each.result.zone_cut or identity.name
            found.setdefault(identity.account, _Falling(identity.region, set())).zones.add(zone)
    return found


def _kept(verdict: FacetVerdict, hold: _Hold, account: str) -> FacetVerdict:
    if not demotes(verdict.before, verdict.after):
        return verdict
    state = hold.kept(account, verdict)
    return verdict if state is None else replace(verdict, after=state, cause=None)


def _let_through(found: Found, now: Instant) -> Found:
    verdicts = tuple(
        replace(verdict, after=let_through(verdict.after, now))
        if revokes(verdict.before, verdict.after)
        else verdict
        for verdict in found.conclusion.facets
    )
    return _with(found, replace(found.conclusion, facets=verdicts))


def _with(found: Found, conclusion: Conclusion) -> Found:
    """Return what was found with another conclusion, as it is to be stored."""
    asked_by = AskedBy.PERSON if found.claim.asked else AskedBy.SCHEDULE
    result = replace(
        found.result,
        facets=tuple(verdict.after for verdict in conclusion.facets if verdict.after != verdict.before),
        error=conclusion.error,
        due_at=conclusion.due_at,
        evidence=tuple(
            evidence.of(conclusion, verdict, asked_by) for verdict in evidence.worth_keeping(conclusion)
        ),
    )
    return replace(found, conclusion=conclusion, result=result)


def _paused(operator: About, now: Instant, demoted: int, verified: int) -> Event:
    return Event(
        type=DEMOTIONS_PAUSED,
        at=now,
        about=operator,
        cause="too_many",
        seen=f"{demoted} of {verified} verified zones would have been demoted within an hour, no account"
        f" counted for more than {EACH}.",
        effect="Every status stays as it is. If the resolvers are right after all, `indicia demotions resume`"
        " lets the demotions through.",
    )


@dataclass(frozen=True, slots=True)
class _Delay:
    """That so many of the verified zones of an account would have been demoted, and until when they wait."""

    now: Instant
    until: Instant
    demoted: int
    verified: int

    def told(self, account: About, operator: About) -> list[Event]:
        """Return what the account's contact is told, and the operator where that is another one."""
        seen = f"{self.demoted} of {self.verified} verified zones would have been demoted within an hour."
        told = [self._event(account, seen)]
        if operator.account != account.account:
            told.append(self._event(operator, f"Of account {account.account}: {seen}"))
        return told

    def _event(self, about: About, seen: str) -> Event:
        return Event(
            type=DEMOTIONS_DELAYED,
            at=self.now,
            about=about,
            cause="too_many",
            seen=seen,
            effect="They keep their status for one more window. What is still absent then is demoted, from"
            f" {rfc3339(self.until)} on.",
        )
