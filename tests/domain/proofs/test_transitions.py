"""The state tables: what moves a facet, and what never does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicia.domain.identities.identity import ErrorType, Facet, FacetState, Status
from indicia.domain.proofs.transitions import (
    CHECKED,
    COUPLED,
    LINK,
    TABLES,
    Cause,
    Evidence,
    Sight,
    TransitionCondition,
    Windows,
    carry,
    coupled,
    expire_link,
    key_came,
    own_status,
    start,
    step,
    use_link,
)
from indicia.domain.time import DAY, HOUR, MINUTE, SECOND

NOW = 1_800_000_000_000
WINDOWS = Windows(records=72 * HOUR, link=24 * HOUR, corroborate=15 * MINUTE)

PRESENT = Evidence(Sight.PRESENT, None)
ABSENT = Evidence(Sight.ABSENT, ErrorType.HOST_NOT_FOUND, negative_ttl=60)
UNKNOWN = Evidence(Sight.UNKNOWN, ErrorType.SERVICE_ERROR)

sights = st.sampled_from([PRESENT, ABSENT, UNKNOWN])
spans = st.integers(min_value=0, max_value=4 * DAY)


def _state(status: Status, **changes: object) -> FacetState:
    return FacetState(Facet.DKIM, status, 1, since=NOW, **changes)  # type: ignore[arg-type]


def _run(state: FacetState, looks: list[tuple[Evidence, int]], at: int = NOW) -> list[FacetState]:
    """Return the state after each look; each look comes so many milliseconds after the one before."""
    states = [state]
    for evidence, span in looks:
        at += span
        states.append(step(states[-1], evidence, at, WINDOWS).state)
    return states


def test_pending_becomes_success_at_the_first_corroborated_sight() -> None:
    """One sight by the quorum grants: PENDING becomes SUCCESS, and the window is over."""
    change = step(start(Facet.DKIM, 1, NOW, WINDOWS.records), PRESENT, NOW + SECOND, WINDOWS)

    assert Status.SUCCESS is change.state.status
    assert Cause.PROVED is change.cause
    assert change.state.deadline is None


def test_success_waits_for_the_key() -> None:
    """The records alone do not grant Easy DKIM: the key they lead to must be published first."""
    unpublished = Evidence(Sight.PRESENT, None, key_published=False)
    change = step(start(Facet.DKIM, 1, NOW, WINDOWS.records), unpublished, NOW + SECOND, WINDOWS)

    assert Status.PENDING is change.state.status


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        pytest.param([(ABSENT, 0)], Status.SUCCESS, id="one absence is a suspicion"),
        pytest.param([(ABSENT, 0), (ABSENT, 59 * SECOND)], Status.SUCCESS, id="too close together"),
        pytest.param([(ABSENT, 0), (ABSENT, 60 * SECOND)], Status.TEMPORARY_FAILURE, id="corroborated"),
        pytest.param(
            [(ABSENT, 0), (PRESENT, 30 * SECOND), (ABSENT, 40 * SECOND)],
            Status.SUCCESS,
            id="seen in between: the count starts again",
        ),
        pytest.param(
            [(ABSENT, 0), (UNKNOWN, 30 * SECOND), (ABSENT, 40 * SECOND)],
            Status.TEMPORARY_FAILURE,
            id="the unknown neither counts nor clears",
        ),
        pytest.param([(UNKNOWN, DAY)] * 30, Status.SUCCESS, id="a month of nothing"),
    ],
)
def test_what_takes_success_away(looks: list[tuple[Evidence, int]], expected: Status) -> None:
    """SUCCESS is lost to two sights of an absence far enough apart, and to nothing else."""
    assert expected is _run(_state(Status.SUCCESS), looks)[-1].status


def test_the_grace_period_ends_only_with_an_absence_seen_at_its_end() -> None:
    """Downtime over the end of the window fails nobody; an absence observed after it does."""
    lost = _run(_state(Status.SUCCESS), [(ABSENT, 0), (ABSENT, HOUR)])[-1]
    after = NOW + HOUR + WINDOWS.records

    assert lost.deadline == after
    assert Status.TEMPORARY_FAILURE is step(lost, ABSENT, after - 1, WINDOWS).state.status
    assert Status.TEMPORARY_FAILURE is step(lost, UNKNOWN, after + DAY, WINDOWS).state.status
    assert Status.FAILED is step(lost, ABSENT, after, WINDOWS).state.status
    assert Status.SUCCESS is step(lost, PRESENT, after + DAY, WINDOWS).state.status


def test_a_pending_window_in_which_only_trouble_was_seen_is_extended() -> None:
    """A window of unknowns ends in nothing; the first absence after it still needs a second one."""
    pending = start(Facet.DKIM, 1, NOW, WINDOWS.records)
    states = _run(
        pending, [(UNKNOWN, WINDOWS.records), (ABSENT, HOUR), (ABSENT, 30 * SECOND), (ABSENT, 30 * SECOND)]
    )

    assert [Status.PENDING] * 4 + [Status.FAILED] == [state.status for state in states]


looked_at = st.sampled_from(sorted(TABLES, key=lambda facet: facet.value))


@given(looked_at, st.sampled_from(Status), st.lists(spans, max_size=20), st.booleans())
def test_unknown_never_demotes(facet: Facet, status: Status, gaps: list[int], suspected: bool) -> None:
    """From every state, any number of unknowns over any time leaves the status as it was.

    Neither does it begin or end a suspicion, or a deadline.
    """
    before = replace(
        _state(status, deadline=NOW + HOUR, absent_since=NOW if suspected else None), facet=facet
    )
    states = _run(before, [(UNKNOWN, gap) for gap in gaps])

    assert {(status, before.deadline, before.absent_since)} == {
        (state.status, state.deadline, state.absent_since) for state in states
    }


steps = st.lists(st.tuples(st.sampled_from([PRESENT, ABSENT, UNKNOWN, None]), spans), max_size=40)


@given(looked_at, st.sampled_from([Status.FAILED, Status.PENDING, Status.SUCCESS]), steps)
def test_no_way_from_failed_to_success_without_a_new_start_and_new_proof(
    facet: Facet, status: Status, taken: list[tuple[Evidence | None, int]]
) -> None:
    """Whatever is seen: between FAILED and SUCCESS a person began anew, and after that it was seen.

    A step without evidence is such a start.
    """
    at, state = NOW, replace(_state(status, deadline=NOW + HOUR), facet=facet)
    failed = status is Status.FAILED
    begun = not failed
    for evidence, gap in taken:
        at += gap
        if evidence is None:
            state = start(facet, state.generation + 1, at, WINDOWS.records)
            begun = True
            continue
        state = step(state, evidence, at, WINDOWS).state
        if state.status is Status.FAILED:
            failed, begun = True, False
        if state.status is Status.SUCCESS and failed:
            assert begun
            assert evidence is PRESENT
            failed = False


@given(looked_at, st.lists(st.tuples(sights, spans), max_size=40))
def test_every_move_is_in_the_table(facet: Facet, looks: list[tuple[Evidence, int]]) -> None:
    """Whatever is seen in whatever order, each change of status is one that the table of its facet names."""
    at, state = NOW, start(facet, 1, NOW, WINDOWS.records)
    for evidence, gap in looks:
        at += gap
        change = step(state, evidence, at, WINDOWS)
        if change.state.status is not state.status:
            transition = TABLES[facet][state.status, evidence.sight]
            assert (transition.to, transition.cause) == (change.state.status, change.cause)
            assert evidence.sight is not Sight.UNKNOWN
        else:
            assert change.cause is None
        state = change.state


@given(looked_at, st.sampled_from(sorted(CHECKED, key=lambda status: status.value)), steps)
def test_downtime_and_a_moved_clock_fail_nobody(
    facet: Facet, status: Status, taken: list[tuple[Evidence | None, int]]
) -> None:
    """However much time passes between two looks, FAILED rests on what was seen, and when.

    On an absence at or after the end of the window, and on an earlier one, far enough from it, with no sight
    of the record between them. A step without evidence is time in which nobody looked.
    """
    at, state = NOW, replace(_state(status, deadline=NOW + HOUR), facet=facet)
    absences: list[int] = []
    for evidence, gap in taken:
        at += gap
        if evidence is None:
            continue
        deadline = state.deadline
        absences = [] if evidence is PRESENT else [*absences, *([at] if evidence is ABSENT else [])]
        following = step(state, evidence, at, WINDOWS).state
        if following.status is Status.FAILED and state.status is not Status.FAILED:
            assert evidence is ABSENT
            assert deadline is not None
            assert at >= deadline
            assert at - absences[0] >= MINUTE
        if following.status is Status.SUCCESS and state.status is not Status.SUCCESS:
            assert evidence is PRESENT
        state = following


def test_the_tables_have_no_unknown_and_no_way_out_of_failed() -> None:
    """The tables themselves hold the two promises, so that no code has to keep them."""
    for table in TABLES.values():
        assert all(sight is not Sight.UNKNOWN for _, sight in table)
        assert all(status in CHECKED for status, _ in table)
        assert {TransitionCondition.WINDOW_ENDED} == {
            transition.condition for transition in table.values() if transition.to is Status.FAILED
        }
    assert {Status.PENDING} == {status for status, _ in LINK}


def test_every_facet_has_a_table() -> None:
    """Each facet that there is moves by data: what is looked up by `TABLES`, an address by `LINK`."""
    assert set(Facet) == {*TABLES, Facet.LINK}


def test_a_replica_that_has_given_up_awaits_no_records() -> None:
    """Its DKIM fails with it while that is PENDING, and keeps any other status."""
    gone = replace(_state(Status.FAILED), facet=Facet.REPLICATION)
    for status in Status:
        change = coupled(gone, {Facet.DKIM: _state(status, deadline=NOW + HOUR)}, NOW + DAY)
        moved = None if change is None else (change.state.status, change.state.since, change.cause)
        expected = (Status.FAILED, NOW + DAY, Cause.WINDOW_ENDED) if status is Status.PENDING else None
        assert expected == moved
    assert coupled(gone, {}, NOW) is None
    assert list(COUPLED) == [(Facet.REPLICATION, Status.FAILED)]


def test_a_change_of_method_does_not_revoke() -> None:
    """What DKIM had proved is carried as it was: its generation, its memory of an absence, its deadline."""
    proved = _state(Status.TEMPORARY_FAILURE, deadline=NOW + HOUR, absent_since=NOW, held_until=NOW + DAY)
    kept = carry(proved)

    assert kept == replace(proved, facet=Facet.CARRIED_DKIM)
    anew = start(Facet.DKIM, 2, NOW + HOUR, WINDOWS.records)
    assert own_status({Facet.DKIM: anew, Facet.CARRIED_DKIM: kept}) is Status.TEMPORARY_FAILURE


@pytest.mark.parametrize("status", [Status.NOT_STARTED, Status.PENDING, Status.FAILED])
def test_what_proves_nothing_is_not_carried(status: Status) -> None:
    """Neither what has failed nor what waits takes the place of what is carried already."""
    assert carry(_state(status)) is None
    assert carry(None) is None


def test_what_is_carried_falls_by_what_is_seen_of_it() -> None:
    """By the table of any proof that stands: lost, restored, failed at the end of its own window."""
    kept = carry(_state(Status.SUCCESS))
    assert kept is not None
    seen = _run(kept, [(ABSENT, 0), (ABSENT, HOUR), (PRESENT, HOUR), (ABSENT, HOUR), (ABSENT, HOUR)])
    lost = seen[-1]

    assert [state.status for state in seen[2:]] == [
        *(Status.TEMPORARY_FAILURE, Status.SUCCESS, Status.SUCCESS, Status.TEMPORARY_FAILURE),
    ]
    assert lost.deadline is not None
    assert step(lost, ABSENT, lost.deadline, WINDOWS).state.status is Status.FAILED
    assert (Status.PENDING, Sight.PRESENT) not in TABLES[Facet.CARRIED_DKIM]


@pytest.mark.parametrize(
    ("facets", "expected"),
    [
        ({}, Status.NOT_STARTED),
        ({Facet.DKIM: Status.PENDING}, Status.PENDING),
        ({Facet.DKIM: Status.FAILED, Facet.OWNERSHIP: Status.SUCCESS}, Status.SUCCESS),
        ({Facet.DKIM: Status.TEMPORARY_FAILURE, Facet.OWNERSHIP: Status.PENDING}, Status.TEMPORARY_FAILURE),
        ({Facet.DKIM: Status.FAILED, Facet.OWNERSHIP: Status.PENDING}, Status.PENDING),
        ({Facet.DKIM: Status.PENDING, Facet.MAIL_FROM: Status.SUCCESS}, Status.PENDING),
        ({Facet.DKIM: Status.PENDING, Facet.CARRIED_DKIM: Status.SUCCESS}, Status.SUCCESS),
        ({Facet.DKIM: Status.FAILED, Facet.CARRIED_DKIM: Status.SUCCESS}, Status.SUCCESS),
        ({Facet.LINK: Status.FAILED}, Status.FAILED),
    ],
)
def test_either_proof_verifies_and_mail_from_never_does(
    facets: dict[Facet, Status], expected: Status
) -> None:
    """A domain is as verified as its best proof; MAIL FROM is no proof."""
    states = {facet: FacetState(facet, status, 1, since=NOW) for facet, status in facets.items()}

    assert expected is own_status(states)


def test_a_link_expires_at_the_end_of_its_window_and_not_before() -> None:
    """An address is FAILED 24 h after its mail unless the link was used."""
    pending = start(Facet.LINK, 1, NOW, WINDOWS.link)

    assert Status.PENDING is expire_link(pending, NOW + WINDOWS.link - 1).state.status
    assert Cause.LINK_EXPIRED is expire_link(pending, NOW + WINDOWS.link).cause
    failed = expire_link(pending, NOW + WINDOWS.link).state
    assert use_link(failed, NOW + WINDOWS.link).cause is None
    used = use_link(pending, NOW + HOUR)
    assert Cause.LINK_USED is used.cause
    assert Status.SUCCESS is expire_link(used.state, NOW + 10 * DAY).state.status


def test_a_key_completes_what_was_seen_without_it() -> None:
    """All records seen, and then the key: SUCCESS, and nothing is left of what was missed before."""
    waiting = start(Facet.DKIM, 1, NOW, WINDOWS.records)
    seen = step(waiting, replace(PRESENT, key_published=False), NOW, WINDOWS).state
    change = key_came(seen, 1, NOW, NOW + MINUTE, WINDOWS)

    assert seen.status is Status.PENDING
    assert change is not None
    assert change.cause is Cause.PROVED
    assert (change.state.status, change.state.since) == (Status.SUCCESS, NOW + MINUTE)
    assert (change.state.deadline, change.state.absent_since, change.state.error) == (None, None, None)


@pytest.mark.parametrize(
    ("state", "generation", "age"),
    [
        (_state(Status.PENDING), 1, WINDOWS.corroborate + 1),  # too old: it is looked at first
        (_state(Status.PENDING), 1, -1),  # the clock went back
        (_state(Status.PENDING), 2, 0),  # for another expectation
        *((_state(status), 1, 0) for status in Status if status is not Status.PENDING),
    ],
)
def test_what_a_key_does_not_complete(state: FacetState, generation: int, age: int) -> None:
    """A sight that is too old or of something else completes nothing, and nothing leads out of FAILED."""
    assert key_came(state, generation, NOW, NOW + age, WINDOWS) is None


_GRANTED_BY = {
    Facet.DKIM: TransitionCondition.KEY_PUBLISHED,
    Facet.OWNERSHIP: TransitionCondition.ALWAYS,
    Facet.MAIL_FROM: TransitionCondition.ALWAYS,
    Facet.REPLICATION: TransitionCondition.ALWAYS,
}


@pytest.mark.parametrize("facet", TABLES)
def test_the_ways_of_each_facet(facet: Facet) -> None:
    """Each way out of a state, with where it leads, on which condition, and what the history calls it.

    Records are lost and come back; a replica only gets there or gives up; what is carried was granted before.
    """
    moves = {
        (before.value, sight.value): (way.to.value, way.condition, way.cause.value)
        for (before, sight), way in TABLES[facet].items()
    }
    ended = ("Failed", TransitionCondition.WINDOW_ENDED, "window_ended")
    expected: dict[tuple[str, str], tuple[str, TransitionCondition, str]] = {}
    if facet in _GRANTED_BY:
        expected |= {
            ("Pending", "present"): ("Success", _GRANTED_BY[facet], "proved"),
            ("Pending", "absent"): ended,
        }
    if facet is not Facet.REPLICATION:
        expected |= {
            ("Success", "absent"): ("TemporaryFailure", TransitionCondition.CORROBORATED, "lost"),
            ("TemporaryFailure", "present"): ("Success", TransitionCondition.ALWAYS, "restored"),
            ("TemporaryFailure", "absent"): ended,
        }

    assert {
        (before.casefold().replace("_", ""), sight): (to.casefold().replace("_", ""), condition, cause)
        for (before, sight), (to, condition, cause) in moves.items()
    } == {
        (before.casefold(), sight): (to.casefold(), condition, cause)
        for (before, sight), (to, condition, cause) in expected.items()
    }
