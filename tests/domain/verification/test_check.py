"""A whole check: several records, several perspectives, one conclusion."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from looks import IDENTITY, NOW, SOA, TOKEN_SET, TOKENS, ZONE, rules_of

from indicia.domain.identities.identity import CarriedProof, ErrorType, Facet, FacetState, Status
from indicia.domain.proofs.transitions import Cause, Evidence, Sight, Windows, start
from indicia.domain.records.observation import Observation, Question, RecordType, Reply
from indicia.domain.time import DAY, HOUR, MINUTE, SECOND
from indicia.domain.verification.check import (
    Observations,
    Rules,
    conclude,
    judge_record,
    questions_of,
    records_to_check,
    takes_away,
    verified,
)
from indicia.domain.verification.findings import Finding


def _seen(*views: dict[str, Reply]) -> Observations:
    """Return what perspectives saw: each view says how the CNAME of a token was answered."""
    observations: dict[Question, list[Observation]] = {}
    for number, view in enumerate(views):
        for token in TOKENS:
            question = Question(f"{token}._domainkey.example.com", RecordType.CNAME)
            reply = view.get(token, Reply.ANSWER)
            values = (f"{token}.{ZONE}",) if reply is Reply.ANSWER else ()
            observations.setdefault(question, []).append(
                Observation(question, f"p{number}", reply, NOW, values=values, negative_ttl=60)
            )
    soa = Question("example.com", RecordType.SOA)
    observations[soa] = [Observation(soa, "p0", Reply.ANSWER, NOW, soa=SOA)]
    return observations


def _conclude(state: FacetState, observations: Observations, perspectives: int, now: int = NOW):  # type: ignore[no-untyped-def]
    return conclude(
        IDENTITY,
        TOKEN_SET,
        {Facet.DKIM: state},
        records_to_check(IDENTITY, TOKEN_SET, {Facet.DKIM: state}, rules_of(1)),
        observations,
        rules=rules_of(perspectives),
        now=now,
        interval=10 * SECOND,
        jitter=0.0,
    )


PENDING = start(Facet.DKIM, 1, NOW, 72 * HOUR)
VERIFIED = FacetState(Facet.DKIM, Status.SUCCESS, 1, since=NOW)
SUSPECTED = replace(VERIFIED, absent_since=NOW - HOUR)


@pytest.mark.parametrize(
    ("views", "sight"),
    [
        ([{}], Sight.PRESENT),
        ([{"bbbb": Reply.NXDOMAIN}], Sight.ABSENT),
        ([{"bbbb": Reply.SERVFAIL}], Sight.UNKNOWN),
        ([{"aaaa": Reply.SERVFAIL, "bbbb": Reply.NXDOMAIN}], Sight.ABSENT),
        ([{}, {}], Sight.PRESENT),
        ([{}, {"aaaa": Reply.NXDOMAIN}], Sight.UNKNOWN),
        ([{"aaaa": Reply.NXDOMAIN}, {"aaaa": Reply.NODATA}], Sight.ABSENT),
        ([{}, {}, {"aaaa": Reply.NXDOMAIN}], Sight.PRESENT),
        ([{}, {"aaaa": Reply.TIMEOUT}, {"aaaa": Reply.NXDOMAIN}], Sight.UNKNOWN),
        ([{"aaaa": Reply.NXDOMAIN}, {"aaaa": Reply.TIMEOUT}, {"aaaa": Reply.NXDOMAIN}], Sight.ABSENT),
    ],
)
def test_what_perspectives_see_together(views: list[dict[str, Reply]], sight: Sight) -> None:
    """All records by the quorum are present; one record absent by the quorum is absent; else unknown."""
    result = _conclude(PENDING, _seen(*views), len(views))

    assert sight is result.facets[0].sight


_REPLIES = st.sampled_from([Reply.ANSWER, Reply.NXDOMAIN, Reply.NODATA, Reply.SERVFAIL, Reply.TIMEOUT])
_VIEWS = st.lists(st.dictionaries(st.sampled_from(TOKENS), _REPLIES), min_size=2, max_size=4)


@given(views=_VIEWS, order=st.randoms(use_true_random=False), suspected=st.booleans())
def test_the_same_observations_in_another_order_give_the_same_verdict(
    views: list[dict[str, Reply]], order: Random, suspected: bool
) -> None:
    """Whichever perspective is asked first: sight, state, finding, error and the next look are the same."""
    state = SUSPECTED if suspected else PENDING
    shuffled = views[:]
    order.shuffle(shuffled)
    one, other = _conclude(state, _seen(*views), len(views)), _conclude(state, _seen(*shuffled), len(views))

    assert one.facets[0].after == other.facets[0].after
    assert one.facets[0].sight is other.facets[0].sight
    assert (one.facets[0].finding, one.error, one.due_at) == (
        other.facets[0].finding, other.error, other.due_at,
    )  # fmt: skip


@given(
    status=st.sampled_from(Status),
    after=st.integers(min_value=0, max_value=400 * DAY),
    suspected=st.booleans(),
    has_key=st.booleans(),
)
def test_a_check_moves_nothing_without_evidence(
    status: Status, after: int, suspected: bool, has_key: bool
) -> None:
    """Asked for at any time, of any state: where nothing was seen every status stays as it was."""
    state = FacetState(
        Facet.DKIM, status, 1, since=NOW, deadline=NOW + HOUR, absent_since=NOW if suspected else None
    )
    token_set = replace(TOKEN_SET, has_key=has_key)
    result = conclude(
        IDENTITY,
        token_set,
        {Facet.DKIM: state},
        records_to_check(IDENTITY, token_set, {Facet.DKIM: state}, rules_of(1)),
        {},
        rules=rules_of(1),
        now=NOW + after,
        interval=10 * SECOND,
        jitter=0.0,
    )

    assert all(verdict.cause is None and verdict.after.status is status for verdict in result.facets)
    assert not result.succeeded


def test_one_lying_resolver_neither_verifies_nor_demotes() -> None:
    """With two perspectives, what only one of them sees moves nothing, and is shown as a disagreement."""
    never = _conclude(PENDING, _seen({}, {"aaaa": Reply.NXDOMAIN}), 2)
    still = _conclude(SUSPECTED, _seen({}, {"aaaa": Reply.NXDOMAIN}), 2)

    assert Status.PENDING is never.facets[0].after.status
    assert Status.SUCCESS is still.facets[0].after.status
    assert (Finding.NOT_EVERYWHERE, ErrorType.SERVICE_ERROR) == (still.facets[0].finding, still.error)


def test_success_says_so() -> None:
    """A check that sees everything has no error, the SOA of the zone, and the next look within a day."""
    result = _conclude(PENDING, _seen({}), 1)

    assert Cause.PROVED is result.facets[0].cause
    assert (True, None, SOA) == (result.succeeded, result.error, result.soa)
    assert NOW < (result.due_at or 0) <= NOW + DAY


def test_the_worst_error_stands_for_all() -> None:
    """Records failing differently are told by INVALID_VALUE, then TYPE_NOT_FOUND, then HOST_NOT_FOUND."""
    result = _conclude(PENDING, _seen({"aaaa": Reply.NXDOMAIN, "bbbb": Reply.NODATA}), 1)

    assert ErrorType.TYPE_NOT_FOUND is result.error


def test_an_error_of_a_verified_identity_is_shown_and_cleared() -> None:
    """Unknown keeps SUCCESS and says why; the next good look clears it."""
    troubled = _conclude(VERIFIED, _seen({"aaaa": Reply.SERVFAIL}), 1)
    assert (Status.SUCCESS, ErrorType.DNS_SERVER_ERROR) == (troubled.facets[0].after.status, troubled.error)

    mended = _conclude(troubled.facets[0].after, _seen({}), 1)
    assert (Status.SUCCESS, None) == (mended.facets[0].after.status, mended.error)


def test_a_failed_facet_is_not_looked_for() -> None:
    """Nothing is asked for a facet that only a new start can move."""
    failed = {Facet.DKIM: replace(PENDING, status=Status.FAILED)}

    assert () == questions_of(records_to_check(IDENTITY, TOKEN_SET, failed, rules_of(1)), IDENTITY)


def test_records_without_a_key_wait_for_it() -> None:
    """Three right CNAMEs do not verify while the token set has no published key."""
    result = conclude(
        IDENTITY,
        replace(TOKEN_SET, has_key=False),
        {Facet.DKIM: PENDING},
        records_to_check(IDENTITY, TOKEN_SET, {Facet.DKIM: PENDING}, rules_of(1)),
        _seen({}),
        rules=rules_of(1),
        now=NOW,
        interval=10 * SECOND,
        jitter=0.0,
    )

    assert Status.PENDING is result.facets[0].after.status


def test_an_absence_is_looked_at_again_soon() -> None:
    """The first absence of a verified facet is corroborated after its negative TTL, not a day later."""
    result = _conclude(VERIFIED, _seen({"aaaa": Reply.NXDOMAIN}), 1)

    assert NOW + MINUTE == result.due_at
    assert Status.SUCCESS is result.facets[0].after.status


# Unlike numbers throughout: each negative TTL is one that no other record, perspective or pace has.
_WIDE = replace(rules_of(2), quorum=2, windows=Windows(72 * HOUR, 24 * HOUR, 2 * HOUR))


def _absent(ttls: dict[str, tuple[int | None, ...]], perspectives: int) -> Observations:
    """Return observations in which each token that is named is absent, for so long at each perspective."""
    views = [dict.fromkeys(ttls, Reply.NXDOMAIN)] * perspectives
    return {
        question: [
            each._replace(negative_ttl=ttls[token][number]) if (token := question.name[:4]) in ttls else each
            for number, each in enumerate(seen)
        ]
        for question, seen in _seen(*views).items()
    }


def _conclude_by(rules: Rules, state: FacetState, observations: Observations, now: int = NOW):  # type: ignore[no-untyped-def]
    records = records_to_check(IDENTITY, TOKEN_SET, {Facet.DKIM: state}, rules)
    return conclude(
        IDENTITY, TOKEN_SET, {Facet.DKIM: state}, records, observations,
        rules=rules, now=now, interval=40 * SECOND, jitter=0.0,
    )  # fmt: skip


def test_the_longest_held_denial_of_several_perspectives_counts() -> None:
    """A record is corroborated only when no perspective can have its answer from a cache any more."""
    record = records_to_check(IDENTITY, TOKEN_SET, {Facet.DKIM: VERIFIED}, _WIDE)[Facet.DKIM][0]

    assert judge_record(record, _absent({"aaaa": (120, 900)}, 2), 2, ()).negative_ttl == 900
    assert judge_record(record, _absent({"aaaa": (900, 120)}, 2), 2, ()).negative_ttl == 900
    assert judge_record(record, _absent({"aaaa": (None, 120)}, 2), 2, ()).negative_ttl == 120
    assert judge_record(record, _absent({"aaaa": (None, None)}, 2), 2, ()).negative_ttl is None


def test_the_longest_held_denial_of_several_records_counts() -> None:
    """The second absence is no corroboration, and no look is due, while any record may come from a cache."""
    seen = _absent({"aaaa": (300, 300), "bbbb": (1800, 1800), "cccc": (60, 60)}, 2)
    suspected = replace(VERIFIED, absent_since=NOW)
    early, late = (_conclude_by(_WIDE, suspected, seen, NOW + after * SECOND) for after in (1799, 1800))

    assert Status.SUCCESS is early.facets[0].after.status
    assert Status.TEMPORARY_FAILURE is late.facets[0].after.status
    assert NOW + 1800 * SECOND == _conclude_by(_WIDE, VERIFIED, seen).due_at


def test_a_move_of_state_begins_the_pace_anew() -> None:
    """After a move the next intervals are short again; while nothing moves they grow."""
    moved = _conclude_by(rules_of(1), PENDING, _seen({}))
    fallen = _conclude_by(rules_of(1), SUSPECTED, _seen({"aaaa": Reply.NXDOMAIN}))
    still = _conclude_by(rules_of(1), PENDING, _seen({"aaaa": Reply.NXDOMAIN}))

    assert (moved.interval, fallen.interval) == (10 * SECOND, 10 * SECOND)
    assert still.interval > 40 * SECOND


REPLICATION = start(Facet.REPLICATION, 1, NOW, 72 * HOUR)


def _replicated(state: FacetState, dkim: FacetState, evidence: Evidence, now: int = NOW):  # type: ignore[no-untyped-def]
    facets = {Facet.DKIM: dkim, Facet.REPLICATION: state}
    records = records_to_check(IDENTITY, TOKEN_SET, facets, rules_of(1))
    return conclude(
        IDENTITY, TOKEN_SET, facets, records, _seen({"aaaa": Reply.SERVFAIL}),
        rules=rules_of(1), now=now, interval=10 * SECOND, jitter=0.0, replication=evidence,
    )  # fmt: skip


def test_a_replica_stands_beside_its_records() -> None:
    """How it stands to its parent is a verdict of its own, with its finding; its error goes before theirs."""
    apart = Evidence(Sight.ABSENT, ErrorType.REPLICATION_ACCESS_DENIED)
    there = _replicated(REPLICATION, PENDING, Evidence(Sight.PRESENT, None)).facets[-1]
    lacking = _replicated(REPLICATION, PENDING, apart)

    assert (there.facet, there.finding, there.cause) == (Facet.REPLICATION, Finding.OK, Cause.PROVED)
    assert there.after.status is Status.SUCCESS
    assert (lacking.facets[-1].finding, lacking.facets[-1].cause) == (Finding.MISSING, None)
    assert lacking.error is ErrorType.REPLICATION_ACCESS_DENIED
    assert _conclude(PENDING, _seen({"aaaa": Reply.SERVFAIL}), 1).error is ErrorType.DNS_SERVER_ERROR


def test_a_replica_that_gives_up_takes_its_dkim_along() -> None:
    """Both fail in one check, for one cause; DKIM that is proved already stays."""
    ended = replace(REPLICATION, absent_since=NOW - HOUR, deadline=NOW)
    apart = Evidence(Sight.ABSENT, ErrorType.REPLICATION_PRIMARY_NOT_FOUND)
    both = _replicated(ended, PENDING, apart)
    one = _replicated(ended, VERIFIED, apart)

    assert [(each.facet, each.after.status, each.cause) for each in both.facets[1:]] == [
        (Facet.REPLICATION, Status.FAILED, Cause.WINDOW_ENDED),
        (Facet.DKIM, Status.FAILED, Cause.WINDOW_ENDED),
    ]
    assert [each.facet for each in one.facets[1:]] == [Facet.REPLICATION]


def test_a_replica_waits_for_nothing_to_be_corroborated() -> None:
    """What it once shares it keeps: an absence after that is no suspicion."""
    shares = FacetState(Facet.REPLICATION, Status.SUCCESS, 1, since=NOW)
    after = (
        _replicated(shares, VERIFIED, Evidence(Sight.ABSENT, ErrorType.REPLICATION_ACCESS_DENIED))
        .facets[-1]
        .after
    )

    assert (after.status, after.absent_since) == (Status.SUCCESS, None)


CARRIED_STATE = FacetState(Facet.CARRIED_DKIM, Status.SUCCESS, 1, since=NOW - DAY)
BEFORE = CarriedProof(CARRIED_STATE, replace(TOKEN_SET, id=7, tokens=("dddd",)))


def _with_carried(replies: dict[str, Reply], carried: CarriedProof | None = BEFORE):  # type: ignore[no-untyped-def]
    facets = {Facet.DKIM: PENDING, Facet.CARRIED_DKIM: CARRIED_STATE}
    records = records_to_check(IDENTITY, TOKEN_SET, facets, rules_of(1), BEFORE)
    question = Question("dddd._domainkey.example.com", RecordType.CNAME)
    before = Observation(question, "p0", Reply.ANSWER, NOW, values=(f"dddd.{ZONE}",))
    return conclude(
        IDENTITY, TOKEN_SET, facets, records, {**_seen(replies), question: [before]},
        rules=rules_of(1), now=NOW, interval=10 * SECOND, jitter=0.0, carried=carried,
    )  # fmt: skip


def test_what_is_carried_goes_when_the_new_proof_is_there() -> None:
    """And not before, whatever else proves the identity; what was never carried is not superseded."""
    waiting, there = _with_carried({"aaaa": Reply.NXDOMAIN}), _with_carried({})

    assert (waiting.superseded, {each.facet for each in waiting.facets}) == (
        False,
        {Facet.DKIM, Facet.CARRIED_DKIM},
    )
    assert (there.superseded, [each.facet for each in there.facets]) == (True, [Facet.DKIM])
    assert not _with_carried({}, carried=None).superseded
    assert not _conclude(PENDING, _seen({}), 1).superseded


def test_records_of_before_say_nothing_of_those_waited_for() -> None:
    """The identity stands by what is carried, and the error is that of its new records."""
    waiting = _with_carried({"aaaa": Reply.NXDOMAIN})

    assert (waiting.succeeded, waiting.error) == (True, ErrorType.HOST_NOT_FOUND)
    assert waiting.same_set is False
    same = _with_carried({}, CarriedProof(CARRIED_STATE, TOKEN_SET))
    assert same.same_set is True


@pytest.mark.parametrize(
    ("state", "seen", "taken"),
    [
        (VERIFIED, {"aaaa": Reply.NXDOMAIN}, True),
        (SUSPECTED, {"aaaa": Reply.NXDOMAIN}, True),
        (VERIFIED, {"aaaa": Reply.SERVFAIL}, False),
        (VERIFIED, {}, False),
        (PENDING, {"aaaa": Reply.NXDOMAIN}, False),
        (replace(PENDING, absent_since=NOW - HOUR, deadline=NOW), {"aaaa": Reply.NXDOMAIN}, True),
        # Remembered already, too soon to be corroborated, and its error as before: nothing new is lost.
        (
            replace(VERIFIED, absent_since=NOW, error=ErrorType.HOST_NOT_FOUND),
            {"aaaa": Reply.NXDOMAIN},
            False,
        ),
    ],
)
def test_what_an_absence_takes_away(state: FacetState, seen: dict[str, Reply], taken: bool) -> None:
    """A suspicion, a fall, the end of a window: these are worth a control question, and nothing else is."""
    assert takes_away(_conclude(state, _seen(seen), 1)) is taken


def test_a_replica_loses_nothing_that_a_resolver_could_deny() -> None:
    """How it stands to its parent is read from the store: no resolver is asked whether it tells the truth."""
    ended = replace(REPLICATION, absent_since=NOW - HOUR, deadline=NOW)
    apart = Evidence(Sight.ABSENT, ErrorType.REPLICATION_PRIMARY_NOT_FOUND)

    assert not takes_away(_replicated(ended, VERIFIED, apart))


@pytest.mark.parametrize("status", Status)
def test_a_proof_stands_during_the_grace(status: Status) -> None:
    """SUCCESS and what is within its grace count as verified."""
    stands = verified({Facet.DKIM: replace(VERIFIED, status=status)})

    assert stands is (status in {Status.SUCCESS, Status.TEMPORARY_FAILURE})
