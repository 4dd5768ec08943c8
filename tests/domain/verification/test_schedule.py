"""When an identity is looked at again."""

from __future__ import annotations

import pytest

from indicia.domain.identities.identity import Facet, FacetState, Status
from indicia.domain.time import DAY, HOUR, MINUTE, SECOND
from indicia.domain.verification.schedule import Look, Pace, grown, next_due

NOW = 1_800_000_000_000
PACE = Pace(first=10 * SECOND, largest=15 * MINUTE, verified=DAY)


def _look(**changes: object) -> Look:
    given = {"now": NOW, "interval": 10 * SECOND, "jitter": 0.0, "negative_ttl": None, "apart": 15 * MINUTE}
    return Look(**(given | changes))  # type: ignore[arg-type]


def _facet(status: Status, facet: Facet = Facet.DKIM, **changes: object) -> dict[Facet, FacetState]:
    return {facet: FacetState(facet, status, 1, since=NOW, **changes)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facets", "look", "after"),
    [
        (_facet(Status.PENDING), _look(), 10 * SECOND),
        (_facet(Status.PENDING), _look(interval=MINUTE), MINUTE),
        (_facet(Status.PENDING), _look(negative_ttl=60), MINUTE),
        (_facet(Status.PENDING), _look(negative_ttl=86400), 15 * MINUTE),
        (_facet(Status.PENDING, deadline=NOW + 4 * SECOND), _look(), 4 * SECOND),
        (_facet(Status.PENDING, deadline=NOW - HOUR), _look(), 10 * SECOND),
        # What waits for its key alone needs no look but to keep its sight fresh.
        (_facet(Status.PENDING), _look(awaits_key=True), 15 * MINUTE),
        (_facet(Status.PENDING), _look(awaits_key=True, jitter=0.5), 15 * MINUTE - 225 * SECOND),
        (_facet(Status.PENDING, deadline=NOW + MINUTE), _look(awaits_key=True), MINUTE),
        (_facet(Status.PENDING, Facet.OWNERSHIP), _look(awaits_key=True), 10 * SECOND),
        (_facet(Status.SUCCESS), _look(), DAY),
        (_facet(Status.SUCCESS), _look(jitter=0.99), int(DAY - DAY * 0.99 / 2)),
        (_facet(Status.SUCCESS, absent_since=NOW), _look(apart=5 * MINUTE), 5 * MINUTE),
        (_facet(Status.SUCCESS, absent_since=NOW - HOUR), _look(), 10 * SECOND),
        (_facet(Status.TEMPORARY_FAILURE, deadline=NOW + DAY), _look(), 15 * MINUTE),
        (_facet(Status.TEMPORARY_FAILURE, deadline=NOW + MINUTE), _look(), MINUTE),
        (_facet(Status.PENDING, Facet.LINK, deadline=NOW + DAY), _look(), DAY),
    ],
)
def test_when_the_next_look_is(facets: dict[Facet, FacetState], look: Look, after: int) -> None:
    """Each status has its interval; windows' ends and negative answers bend it within bounds."""
    due = next_due(facets, look, PACE)

    assert due is not None
    assert after == due - NOW


@pytest.mark.parametrize(
    "facets", [{}, _facet(Status.FAILED), _facet(Status.NOT_STARTED), _facet(Status.SUCCESS, Facet.LINK)]
)
def test_what_looking_cannot_change_is_not_looked_at(facets: dict[Facet, FacetState]) -> None:
    """A failed facet, and an address whose link was used, are never due."""
    assert next_due(facets, _look(), PACE) is None


def test_the_most_urgent_facet_decides() -> None:
    """A verified domain with a pending MAIL FROM is looked at for MAIL FROM's sake."""
    facets = _facet(Status.SUCCESS) | _facet(Status.PENDING, Facet.MAIL_FROM)

    assert NOW + 10 * SECOND == next_due(facets, _look(), PACE)


def test_the_pending_interval_grows_to_its_largest() -> None:
    """From CHECK_MIN in steps to CHECK_MAX and no further."""
    intervals = [PACE.first]
    while intervals[-1] < PACE.largest:
        intervals.append(grown(intervals[-1], PACE))

    assert sorted(set(intervals)) == intervals
    assert PACE.largest == intervals[-1] == grown(intervals[-1], PACE)
    assert len(intervals) <= 14
