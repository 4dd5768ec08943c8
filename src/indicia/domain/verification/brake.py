"""The brake on mass demotion: what falls at once is looked at by a person, or waits one more window.

verification.md, Taking away. It has two levels. When more than one in a hundred of all verified zones, and
more than fifty, would be demoted within an hour, however few zones an account has a part in that with, the
trouble is ours until the operator says otherwise: everything waits. When it is more than one in ten, and more
than fifty, of one account's, that account waits one more window and nobody else does. MAIL FROM and addresses
do not count.

A proof is held back once in a run of absences: nobody keeps a right longer by losing much at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from indicia.domain.identities.identity import ErrorType, FacetState, Status
from indicia.domain.proofs.transitions import OWN_PROOF
from indicia.domain.time import HOUR, Instant, Span

WITHIN: Final[Span] = HOUR
AT_LEAST: Final = 50
ONE_IN_ALL: Final = 100
ONE_IN_AN_ACCOUNT: Final = 10
EACH: Final = 10  # how many zones of one account count among all: one account holds back no other

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
    """Say whether so many zones within the hour, of all verified zones, are our trouble.

    Of `demoted` each account has a part of `EACH` at most.
    """
    return demoted > AT_LEAST and demoted * ONE_IN_ALL > verified


def too_many_of_one(demoted: int, verified: int) -> bool:
    """Say whether so many zones of one account within the hour, of its verified ones, wait a window."""
    return demoted > AT_LEAST and demoted * ONE_IN_AN_ACCOUNT > verified


def demotes(before: FacetState, after: FacetState) -> bool:
    """Say whether a facet that counted as proved counts less afterwards."""
    return _STANDING.get(after.status, 0) < _STANDING.get(before.status, 0)


def revokes(before: FacetState, after: FacetState) -> bool:
    """Say whether a proof of an identity counts less afterwards: what the brake counts."""
    return before.facet in OWN_PROOF and demotes(before, after)


def held_back(before: FacetState, after: FacetState) -> FacetState:
    """Return the facet with the status it had. What was seen is remembered; the error is the service's."""
    return replace(before, absent_since=after.absent_since, error=ErrorType.SERVICE_ERROR)


def delayed(before: FacetState, after: FacetState, until: Instant) -> FacetState:
    """Return the facet with the status it had, which it keeps until then. What was seen is shown."""
    held_until = until if before.held_until is None else before.held_until
    return replace(before, absent_since=after.absent_since, error=after.error, held_until=held_until)


def let_through(after: FacetState, now: Instant) -> FacetState:
    """Return the facet that a person let fall: in this run of absences nothing holds it back any more."""
    return replace(after, held_until=now) if after.absent_since is not None else after
