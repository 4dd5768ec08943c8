"""When to look again."""

from __future__ import annotations

from dataclasses import dataclass

from indicia.domain.identity import Facet, FacetState, Status
from indicia.domain.time import Instant, Span
from indicia.domain.verification import CHECKED


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to look: the first and the largest interval while pending, and the interval once verified."""

    first: Span
    largest: Span
    verified: Span


# Each pending interval is half as long again as the one before: 10 s grows to 15 min in twelve checks, in
# which time a record that appears is seen after at most a third of the time it took to appear.
_GROWTH_NUMERATOR, _GROWTH_DENOMINATOR = 3, 2


def grown(interval: Span, pace: Pace) -> Span:
    """Return the pending interval that follows this one."""
    return min(pace.largest, max(pace.first, interval * _GROWTH_NUMERATOR // _GROWTH_DENOMINATOR))


def next_due(
    facets: dict[Facet, FacetState],
    *,
    now: Instant,
    interval: Span,
    pace: Pace,
    jitter: float,
    negative_ttl: int | None,
    apart: Span,
) -> Instant | None:
    """Return when the identity is to be looked at again, None when looking can change nothing.

    `interval` is the present pending interval, `jitter` a random number in [0, 1), `negative_ttl` the longest
    that a negative answer of this check may still be held (seconds), `apart` how far apart two sights of an
    absence must be.
    """
    instants = [
        _due(state, now, interval, pace, jitter, negative_ttl, apart)
        for facet, state in facets.items()
        if state.status in CHECKED and (facet is not Facet.LINK or state.status is Status.PENDING)
    ]
    return min(instants, default=None)


def _due(
    state: FacetState,
    now: Instant,
    interval: Span,
    pace: Pace,
    jitter: float,
    negative_ttl: int | None,
    apart: Span,
) -> Instant:
    if state.facet is Facet.LINK:
        return state.deadline if state.deadline is not None else now + pace.verified
    if state.status is Status.SUCCESS:
        if state.absent_since is not None:  # an absence waits to be corroborated, not for tomorrow
            return max(now + pace.first, state.absent_since + apart)
        # Spread over the interval, so that what was verified together is not looked at together.
        return now + pace.verified - int(pace.verified * jitter / 2)
    if state.status is Status.TEMPORARY_FAILURE:
        due = now + pace.largest - int(pace.largest * jitter / 4)
    else:
        # What is left of a negative TTL delays a check by at most CHECK_MAX: asking earlier shows the cache.
        held = min((negative_ttl or 0) * 1000, pace.largest)
        due = now + max(interval, held)
    # The end of a window is worth a look of its own.
    if state.deadline is not None and now < state.deadline < due:
        return state.deadline
    return due
