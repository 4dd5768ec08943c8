"""A whole check: several records, several perspectives, one conclusion."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from looks import IDENTITY, NOW, SOA, TOKEN_SET, TOKENS, ZONE, rules_of

from indicia.domain.identities.identity import ErrorType, Facet, FacetState, Status
from indicia.domain.proofs.transitions import Cause, Sight, start
from indicia.domain.records.observation import Observation, Question, RecordType, Reply
from indicia.domain.time import DAY, HOUR, MINUTE, SECOND
from indicia.domain.verification.check import Observations, conclude, questions_of, records_to_check
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
