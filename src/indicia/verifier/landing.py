"""One transaction of the engine: hold back what must not fall, store what was found, and tell of it.

What is told is written with what it tells of. When too much would fall within an hour nothing falls, in no
process, until a person has looked (`domain.brake`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from indicia.domain.brake import AT_LEAST, WITHIN, demotes, held_back, too_many
from indicia.domain.check import FacetVerdict
from indicia.domain.events import DEMOTIONS_PAUSED, About, Event, Sights, of_check
from indicia.domain.identity import ErrorType
from indicia.domain.time import Instant, Span
from indicia.store import brakes, checks
from indicia.store import events as told
from indicia.store.session import Session
from indicia.verifier import evidence
from indicia.verifier.checker import Found

log = structlog.get_logger(__name__)

_COUNT_KEPT: Final = 60.0  # seconds: counting what is verified reads a whole table


@dataclass(frozen=True, slots=True)
class Landed:
    """What was stored, as it was stored, and whether anything waits to be delivered because of it."""

    found: tuple[Found, ...]
    news: bool = False


def _tell_nobody(_: Session, __: Sequence[Event]) -> bool:
    return False


class Landing:
    """Stores what checks found.

    `announce` writes events down and says whether they wait to be delivered; `operator` is who hears of the
    brake. `patience` is how long a verified identity may be unknown before that is told; `again` when what
    was held back is looked at again. `observe` hears how many identities were held back.
    """

    def __init__(
        self,
        *,
        now: Callable[[], Instant],
        patience: Span,
        again: Span,
        announce: Callable[[Session, Sequence[Event]], bool] = _tell_nobody,
        operator: About = About("", ""),  # noqa: B008 - frozen
        observe: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._now = now
        self._patience = patience
        self._again = again
        self._announce = announce
        self._operator = operator
        self._observe = observe
        self._verified: tuple[float, int] | None = None

    def land(self, s: Session, batch: Sequence[Found]) -> Landed:
        """Store the results that still count, all of each or nothing, and what is to be told of them."""
        paused: list[Event] = []
        if any(_falls(found) for found in batch):
            batch, paused = self._brake(s, batch)
        stored = checks.write_back(s, [found.result for found in batch])
        # By its lease: a batch may have a result of before, which does not count, beside the one that does.
        under = {(result.identity_id, result.owner) for result in stored}
        landed = tuple(each for each in batch if (each.result.identity_id, each.result.owner) in under)
        events = [event for found in landed for event in self._events(found)]
        return Landed(landed, self._announce(s, [*paused, *events]))

    def _events(self, found: Found) -> tuple[Event, ...]:
        claim = found.claim
        sights = Sights(claim.last_checked_at, claim.last_success_at, self._patience)
        return of_check(claim.identity, claim.facets, found.conclusion, sights)

    def _brake(self, s: Session, batch: Sequence[Found]) -> tuple[Sequence[Found], list[Event]]:
        """Return the batch with nothing falling in it where too much would, and what is to be told then."""
        now, brake = self._now(), brakes.hold(s)
        if brake.released(now):
            return batch, []
        falling = sum(_falls(found) for found in batch)
        if brake.paused_at is None:
            demoted = told.demoted_after(s, now - WITHIN) + falling
            if demoted <= AT_LEAST or not too_many(demoted, verified := self._count(s)):
                return batch, []
            brakes.pause(s, now)
            log.error("demotions.paused", demotions=demoted, verified=verified)
            paused = [_paused(self._operator, now, demoted, verified)]
        else:
            paused = []
        self._observe(falling)
        return [self._held(found) if _falls(found) else found for found in batch], paused

    def _count(self, s: Session) -> int:
        """Return how many identities are verified, as of a minute ago at most."""
        if self._verified is None or time.monotonic() - self._verified[0] > _COUNT_KEPT:
            self._verified = time.monotonic(), brakes.verified(s)
        return self._verified[1]

    def _held(self, found: Found) -> Found:
        """Return what was found with every status as it was, and the error of the service beside it."""
        verdicts = tuple(_kept(verdict) for verdict in found.conclusion.facets)
        due_at = found.conclusion.checked_at + self._again
        conclusion = replace(found.conclusion, facets=verdicts, error=ErrorType.SERVICE_ERROR, due_at=due_at)
        asked_by = "person" if found.claim.asked else "schedule"
        result = replace(
            found.result,
            facets=tuple(verdict.after for verdict in verdicts if verdict.after != verdict.before),
            error=conclusion.error,
            due_at=due_at,
            evidence=tuple(
                evidence.of(conclusion, verdict, asked_by) for verdict in evidence.worth_keeping(conclusion)
            ),
        )
        return replace(found, conclusion=conclusion, result=result)


def _falls(found: Found) -> bool:
    return any(
        verdict.cause is not None and demotes(verdict.before, verdict.after)
        for verdict in found.conclusion.facets
    )


def _kept(verdict: FacetVerdict) -> FacetVerdict:
    if not demotes(verdict.before, verdict.after):
        return verdict
    return replace(verdict, after=held_back(verdict.before, verdict.after), cause=None)


def _paused(operator: About, now: Instant, demoted: int, verified: int) -> Event:
    return Event(
        type=DEMOTIONS_PAUSED,
        at=now,
        about=operator,
        cause="too_many",
        seen=f"{demoted} of {verified} verified identities would have been demoted within an hour.",
        effect="Every status stays as it is. If the resolvers are right after all, `indicia demotions resume`"
        " lets the demotions through.",
    )
