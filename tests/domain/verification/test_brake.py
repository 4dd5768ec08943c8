"""How much at once is too much, and what the brake leaves of a state."""

from __future__ import annotations

from dataclasses import replace

import pytest

from indicia.domain.identities.identity import ErrorType, Facet, FacetState, Status
from indicia.domain.proofs.transitions import Evidence, Sight, Windows, step
from indicia.domain.time import HOUR, MINUTE
from indicia.domain.verification.brake import (
    Brake,
    delayed,
    demotes,
    held_back,
    let_through,
    revokes,
    too_many,
    too_many_of_one,
)

NOW = 1_800_000_000_000
WINDOWS = Windows(records=72 * HOUR, link=24 * HOUR, corroborate=15 * MINUTE)
STANDING = FacetState(Facet.DKIM, Status.SUCCESS, 1, since=NOW - HOUR, absent_since=NOW - HOUR)
ABSENT = Evidence(Sight.ABSENT, ErrorType.HOST_NOT_FOUND, negative_ttl=60)
FALLEN = step(STANDING, ABSENT, NOW, WINDOWS).state


@pytest.mark.parametrize(
    ("demoted", "verified", "all_wait", "one_waits"),
    [
        (50, 50, False, False),
        (51, 51, True, True),
        (51, 509, True, True),
        (51, 510, True, False),
        (51, 5_099, True, False),
        (51, 5_100, False, False),
        (60, 6_000, False, False),
        (61, 6_000, True, False),
        (601, 6_000, True, True),
        (60, 0, True, True),
    ],
)
def test_how_much_is_too_much(demoted: int, verified: int, all_wait: bool, one_waits: bool) -> None:
    """More than fifty, and more than one in a hundred of all or one in ten of one account's."""
    assert (too_many(demoted, verified), too_many_of_one(demoted, verified)) == (all_wait, one_waits)


def test_mail_from_is_demoted_and_revokes_nothing() -> None:
    """It is no proof of its identity: the brake does not count it."""
    before, after = replace(STANDING, facet=Facet.MAIL_FROM), replace(FALLEN, facet=Facet.MAIL_FROM)

    assert (demotes(before, after), revokes(before, after)) == (True, False)
    assert (demotes(STANDING, FALLEN), revokes(STANDING, FALLEN)) == (True, True)


def test_what_is_held_keeps_its_status_and_remembers_what_was_seen() -> None:
    """By the brake for all the error is the service's; by that for one account it is what was seen."""
    for held, error, until in (
        (held_back(STANDING, FALLEN), ErrorType.SERVICE_ERROR, None),
        (delayed(STANDING, FALLEN, NOW + HOUR), ErrorType.HOST_NOT_FOUND, NOW + HOUR),
    ):
        assert (held.status, held.since, held.absent_since) == (Status.SUCCESS, STANDING.since, NOW - HOUR)
        assert (held.error, held.held_until) == (error, until)


def test_a_proof_is_held_once_in_a_run_of_absences() -> None:
    """The first instant stays, through the steps of the status, and ends when the record is seen again."""
    held = delayed(STANDING, FALLEN, NOW + HOUR)
    again = delayed(held, FALLEN, NOW + 9 * HOUR)
    fallen = step(again, ABSENT, NOW + 2 * HOUR, WINDOWS).state
    back = step(fallen, Evidence(Sight.PRESENT, None), NOW + 3 * HOUR, WINDOWS).state

    assert (again.held_until, fallen.held_until, back.held_until) == (NOW + HOUR, NOW + HOUR, None)
    assert fallen.status is Status.TEMPORARY_FAILURE
    assert let_through(FALLEN, NOW).held_until == NOW


def test_a_person_lets_all_through_until_then() -> None:
    """A release holds before its end, and not at it; without one nothing is released."""
    released = Brake(paused_at=NOW - HOUR, released_until=NOW)

    assert released.released(NOW - 1)
    assert not released.released(NOW)
    assert Brake() == Brake(paused_at=None, released_until=None)
    assert not Brake(paused_at=NOW - HOUR).released(NOW)


def test_what_was_delayed_keeps_its_first_end() -> None:
    """A second absence in the same run does not move the moment until which a proof is kept."""
    first = delayed(STANDING, FALLEN, NOW + HOUR)
    second = delayed(first, FALLEN, NOW + 2 * HOUR)

    assert (first.held_until, second.held_until) == (NOW + HOUR, NOW + HOUR)
    assert delayed(replace(STANDING, held_until=NOW - HOUR), FALLEN, NOW + HOUR).held_until == NOW - HOUR


def test_what_a_person_lets_fall_is_held_no_more() -> None:
    """In this run of absences; without one there is nothing to remember."""
    assert let_through(FALLEN, NOW + MINUTE).held_until == NOW + MINUTE
    standing = replace(STANDING, absent_since=None)
    assert let_through(standing, NOW + MINUTE) == standing


def test_each_step_down_counts_less() -> None:
    """From proved to the grace, from the grace to nothing; up, aside and from nothing is no demotion."""
    order = [Status.SUCCESS, Status.TEMPORARY_FAILURE, Status.FAILED]
    fallen = {
        (before, after)
        for before in Status
        for after in Status
        if demotes(replace(STANDING, status=before), replace(STANDING, status=after))
    }

    nothing = set(Status) - set(order[:2])
    assert fallen == {(order[0], order[1])} | {(before, after) for before in order[:2] for after in nothing}
