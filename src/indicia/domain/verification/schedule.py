"""When to look again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from indicia.domain.identities.identity import Facet, FacetState, Status
from indicia.domain.proofs.transitions import CHECKED
from indicia.domain.retry import Backoff
from indicia.domain.time import Instant, Span


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to look: the first and the largest interval while pending, and the interval once verified."""

    first: Span
    largest: Span
    verified: Span


# Each pending interval is half as long again as the one before: 10 s grows to 15 min in twelve checks, in
# which time a record that appears is seen after at most a third of the time it took to appear.
_GROWTH = (3, 2)


def grown(interval: Span, pace: Pace) -> Span:
    """Return the pending interval that follows this one."""
    return Backoff(pace.first, pace.largest, _GROWTH).following(interval)


@dataclass(frozen=True, slots=True)
class Look:
    """A check that was just made, as far as the next one depends on it.

    `interval` is the present pending interval, `jitter` a random number in [0, 1), `negative_ttl` the longest
    that a negative answer of this check may still be held (seconds), `apart` how far apart two sights of an
    absence must be. `awaits_key`: the records of DKIM were seen, and only its key is waited for.
    """

    now: Instant
    interval: Span
    jitter: float
    negative_ttl: int | None
    apart: Span
    awaits_key: bool = False


def next_due(facets: Mapping[Facet, FacetState], look: Look, pace: Pace) -> Instant | None:
    """Return when the identity is to be looked at again, None when looking can change nothing."""
    instants = [
        _link_due(state) if facet is Facet.LINK else _due(state, look, pace)
        for facet, state in facets.items()
        if state.status in CHECKED
    ]
    return min((instant for instant in instants if instant is not None), default=None)


def _link_due(state: FacetState) -> Instant | None:
    """Return when a link expires: an address is never looked at, it is only given up (spec 3.1)."""
    return state.deadline if state.status is Status.PENDING else None


def _due(state: FacetState, look: Look, pace: Pace) -> Instant:
    if state.status is Status.SUCCESS:
        if state.absent_since is not None:  # an absence waits to be corroborated, not for tomorrow
            return max(look.now + pace.first, state.absent_since + look.apart)
        # Spread over the interval, so that what was verified together is not looked at together.
        return look.now + pace.verified - int(pace.verified * look.jitter / 2)
    if state.status is Status.TEMPORARY_FAILURE:
        due = look.now + pace.largest - int(pace.largest * look.jitter / 4)
    elif state.facet is Facet.DKIM and look.awaits_key:
        # Its key completes it, without another look, as long as what was seen is not older than `largest`.
        due = look.now + pace.largest - int(pace.largest * look.jitter / 2)
    else:
        # What is left of a negative TTL delays a check by at most CHECK_MAX: asking earlier shows the cache.
        held = min((look.negative_ttl or 0) * 1000, pace.largest)
        due = look.now + max(look.interval, held)
    # The end of a window is worth a look of its own.
    if state.deadline is not None and look.now < state.deadline < due:
        return state.deadline
    return due
