"""The brake on mass demotion: when too much falls at once, the trouble is ours until a person says otherwise.

verification.md, Taking away: more than one in a hundred verified identities, and more than fifty, within an
hour. What would be demoted then keeps its status, and shows an error of the service.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from indicia.domain.identity import ErrorType, FacetState, Status
from indicia.domain.time import HOUR, Instant, Span
from indicia.domain.verification import proved_status

WITHIN: Final[Span] = HOUR
AT_LEAST: Final = 50
ONE_IN: Final = 100

_STANDING: Final = {Status.SUCCESS: 2, Status.TEMPORARY_FAILURE: 1}


@dataclass(frozen=True, slots=True)
class Brake:
    """Whether demotions are paused, since when; and until when a person lets all of them through."""

    paused_at: Instant | None = None
    released_until: Instant | None = None

    def released(self, now: Instant) -> bool:
        """Say whether a person has said that these demotions are right."""
        return self.released_until is not None and now < self.released_until


def too_many(demoted: int, verified: int) -> bool:
    """Say whether so many demotions within the hour, of so many verified identities, are our trouble."""
    return demoted > AT_LEAST and demoted * ONE_IN > verified


def demotes(before: FacetState, after: FacetState) -> bool:
    """Say whether a facet that counted as proved counts less afterwards."""
    stood = _STANDING.get(proved_status(before), 0)
    return _STANDING.get(proved_status(after), 0) < stood


def held_back(before: FacetState, after: FacetState) -> FacetState:
    """Return the facet with the status it had. What was seen is remembered; the error is the service's."""
    return replace(before, absent_since=after.absent_since, error=ErrorType.SERVICE_ERROR)
