"""One transaction of the engine: hold back what must not fall, store what was found, and tell of it.

What is told is written with what it tells of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from indicia.domain.events.identity_events import About, Event, Sights, of_check
from indicia.domain.time import Instant, Span
from indicia.domain.verification.brake import demotes
from indicia.store.engine.session import Session
from indicia.store.verification import checks
from indicia.store.verification.checks import CheckResult
from indicia.verifier.engine.braking import Braked, Braking
from indicia.verifier.engine.checker import Found


@dataclass(frozen=True, slots=True)
class Landed:
    """What was stored, as it was stored, and whether anything waits to be delivered because of it."""

    found: tuple[Found, ...]
    news: bool = False


def _tell_nobody(_: Session, __: Sequence[Event]) -> bool:
    return False


class CheckCommit:
    """Stores what checks found.

    `announce` writes events down and says whether they wait to be delivered; `operator` is who hears of the
    brake. `patience` is how long a verified identity may be unknown before that is told; `window` is for how
    long the brake lets an account wait, `again` when what was held back is looked at again. `observe` hears
    how many identities were held back.
    """

    def __init__(
        self,
        *,
        now: Callable[[], Instant],
        patience: Span,
        window: Span,
        again: Span,
        announce: Callable[[Session, Sequence[Event]], bool] = _tell_nobody,
        operator: About = About("", ""),  # noqa: B008 - frozen
        observe: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._patience = patience
        self._announce = announce
        self._braking = Braking(now=now, window=window, again=again, operator=operator, observe=observe)

    def count(self, s: Session, batch: Sequence[Found]) -> None:
        """Count what `land` compares with when something `falls`. Reads only, for as long as that takes."""
        self._braking.count(s, batch)

    def land(self, s: Session, batch: Sequence[Found]) -> Landed:
        """Store the results that still count, each as far as it does, and what is to be told of them."""
        braked = self._braking.apply(s, batch) if falls(batch) else Braked(batch)
        batch = braked.batch
        stored = checks.write_back(s, [found.result for found in batch])
        # By its lease: a batch may have a result of before, which does not count, beside the one that does.
        under = {(result.identity_id, result.owner): result for result in stored}
        landed = tuple(
            _as_stored(each, result)
            for each in batch
            if (result := under.get((each.result.identity_id, each.result.owner))) is not None
        )
        events = [event for found in landed for event in self._events(found)]
        return Landed(landed, self._announce(s, [*braked.told, *events]))

    def _events(self, found: Found) -> tuple[Event, ...]:
        claim = found.claim
        sights = Sights(claim.last_checked_at, claim.last_success_at, self._patience)
        return of_check(claim.identity, claim.facets, found.conclusion, sights)


def _as_stored(found: Found, result: CheckResult) -> Found:
    """Return what was found as far as it counts: not of facets of which something was changed meanwhile."""
    verdicts = found.conclusion.facets
    kept = tuple(verdict for verdict in verdicts if verdict.facet in result.looked_at)
    if len(kept) == len(verdicts):
        return found
    return replace(found, conclusion=replace(found.conclusion, facets=kept), result=result)


def falls(batch: Sequence[Found]) -> bool:
    """Say whether a proof, or MAIL FROM, would lose something by what is in the batch."""
    return any(
        verdict.cause is not None and demotes(verdict.before, verdict.after)
        for found in batch
        for verdict in found.conclusion.facets
    )
