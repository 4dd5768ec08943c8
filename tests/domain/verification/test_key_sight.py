"""When the keys themselves are looked at, and when again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from looks import IDENTITY, NOW, TOKEN_SET, TOKENS, rules_of

from indicia.domain.dkim.rotation import KeyLife
from indicia.domain.identities.identity import Facet, FacetState, Status, TokenSetKind
from indicia.domain.proofs.transitions import Sight
from indicia.domain.records.expected import dkim_records, key_record
from indicia.domain.records.observation import Observation, Question, RecordType, Reply
from indicia.domain.time import DAY, HOUR, MINUTE, SECOND
from indicia.domain.verification.check import Conclusion, FacetVerdict, RecordVerdict
from indicia.domain.verification.findings import Finding
from indicia.domain.verification.key_sight import FRESH, LiveKey, keys_matter, keys_to_see, with_keys

AWAITED_SET = replace(TOKEN_SET, awaited=True)
RECORDS = dkim_records(IDENTITY.name, TOKEN_SET)
NEW = KeyLife(1, 0, 2048, NOW - HOUR)
SEEN = replace(NEW, id=2, seen_at=NOW - 30 * MINUTE)


def _verdict(
    sights: Sequence[Sight], before: Status, after: Status | None = None, facet: Facet = Facet.DKIM
) -> FacetVerdict:
    was = FacetState(facet, before, 1, since=NOW - DAY)
    now = replace(was, status=after or before)
    whole = Sight.ABSENT if Sight.ABSENT in sights else sights[0]
    records = tuple(
        RecordVerdict(record, sight, None, Finding.OK, None, ())
        for record, sight in zip(RECORDS, sights, strict=False)
    )
    return FacetVerdict(facet, was, now, None, whole, Finding.OK, records)


def _checked(*facets: FacetVerdict, same_set: bool = False, due_at: int | None = NOW + DAY) -> Conclusion:
    return Conclusion(
        1,
        1,
        NOW,
        facets,
        succeeded=True,
        error=None,
        soa=None,
        due_at=due_at,
        interval=MINUTE,
        same_set=same_set,
    )


P, A, U = Sight.PRESENT, Sight.ABSENT, Sight.UNKNOWN


@pytest.mark.parametrize(
    ("sights", "status", "awaited", "has_key", "matter"),
    [
        ((P, P, P), Status.PENDING, True, True, True),
        ((P, A, A), Status.PENDING, True, True, True),
        ((A, A, A), Status.PENDING, True, True, False),
        ((U, U, U), Status.SUCCESS, True, True, False),
        ((P, P, P), Status.PENDING, True, False, False),
        ((P, P, P), Status.SUCCESS, False, True, False),
        ((P, P, A), Status.SUCCESS, False, True, True),
        ((P, P, A), Status.TEMPORARY_FAILURE, False, True, True),
        ((P, P, A), Status.PENDING, False, True, False),
    ],
)
def test_whether_keys_are_worth_reading(
    sights: Sequence[Sight], status: Status, awaited: bool, has_key: bool, matter: bool
) -> None:
    """Where one is awaited behind a record that is there, and where what is proved misses a record."""
    token_set = replace(TOKEN_SET, awaited=awaited, has_key=has_key)

    assert keys_matter(_checked(_verdict(sights, status)), token_set) is matter
    assert not keys_matter(_checked(_verdict(sights, status)), None)
    assert not keys_matter(_checked(_verdict(sights, status, facet=Facet.OWNERSHIP)), token_set)


def _looked_at(conclusion: Conclusion, *lives: KeyLife, awaited: bool = False) -> list[int]:
    keys = [LiveKey(life, TOKENS[life.position].upper(), f"key{life.id}") for life in lives]
    found = keys_to_see(conclusion, IDENTITY, replace(TOKEN_SET, awaited=awaited), keys)
    assert [record for _, record in found] == [
        key_record(IDENTITY.name, key.selector, key.public_key) for key, _ in found
    ]
    return [key.life.id for key, _ in found]


def test_a_key_is_looked_for_behind_a_record_that_is_there() -> None:
    """Until it was seen; then no more, as long as its record stands."""
    there, gone = _checked(_verdict((P, P, P), Status.PENDING)), _checked(_verdict((A, P, P), Status.PENDING))

    assert _looked_at(there, NEW, SEEN) == [1]
    assert _looked_at(gone, NEW, SEEN) == []
    assert _looked_at(there, replace(SEEN, absent_since=NOW - MINUTE)) == [2]
    assert _looked_at(there, replace(NEW, retired_at=NOW)) == []


def test_a_key_is_looked_for_where_its_record_is_missed() -> None:
    """Of what is proved; a record that nobody could ask for is not missed."""
    missed = (A, P, P)
    assert _looked_at(_checked(_verdict(missed, Status.SUCCESS)), NEW, SEEN) == [1, 2]
    assert _looked_at(_checked(_verdict((U, P, P), Status.SUCCESS)), NEW, SEEN) == []
    assert _looked_at(_checked(_verdict(missed, Status.SUCCESS)), replace(SEEN, position=1)) == []


def test_every_key_is_looked_at_in_the_grace() -> None:
    """From the check that begins it to the one that ends it, whatever is seen of the records."""
    for before, after in (
        (Status.SUCCESS, Status.TEMPORARY_FAILURE),
        (Status.TEMPORARY_FAILURE, Status.TEMPORARY_FAILURE),
        (Status.TEMPORARY_FAILURE, Status.SUCCESS),
    ):
        assert _looked_at(_checked(_verdict((U, P, P), before, after)), SEEN) == [2]
        assert _looked_at(_checked(_verdict((P, P, P), before, after)), SEEN) == [2]
    assert _looked_at(_checked(_verdict((P, P, P), Status.SUCCESS)), SEEN) == []


def test_a_carried_proof_counts_while_it_rests_on_the_same_set() -> None:
    """After a change of length the records are the same; after a change of method they are not."""
    own = _verdict((A, P, P), Status.PENDING)
    carried = _verdict((A, P, P), Status.SUCCESS, facet=Facet.CARRIED_DKIM)

    assert _looked_at(_checked(own, carried, same_set=True), SEEN) == [2]
    assert _looked_at(_checked(own, carried), SEEN) == []


def test_keys_of_another_installation_are_always_looked_at() -> None:
    """The set is awaited and no key here is: whether they are seen is nobody else's to say."""
    there = _checked(_verdict((P, P, P), Status.PENDING))

    assert _looked_at(there, SEEN, awaited=True) == [2]
    assert _looked_at(there, SEEN, NEW, awaited=True) == [1]


def test_a_token_that_has_just_got_a_key_is_left_alone() -> None:
    """For two seconds, where another key is there to look at: a denial would be held for long."""
    there = _checked(_verdict((P, P, P), Status.PENDING))
    fresh, aged = replace(NEW, published_at=NOW - FRESH + 1), replace(NEW, published_at=NOW - FRESH)

    assert _looked_at(there, fresh, SEEN) == []
    assert _looked_at(there, aged, SEEN) == [1]
    assert _looked_at(there, fresh) == [1]


def test_an_uploaded_key_is_its_record() -> None:
    """Nothing further is asked for, and the verdict on the record is that on the key."""
    external = replace(TOKEN_SET, kind=TokenSetKind.EXTERNAL)
    checked = _checked(_verdict((P,), Status.PENDING))
    key = LiveKey(NEW, TOKENS[0], "key1")

    assert keys_to_see(checked, IDENTITY, external, [key]) == ()
    judged = with_keys(checked, external, [key], (), observations={}, rules=rules_of(1))
    assert [(each.after.seen_at, each.seen) for each in judged.keys] == [(NOW, checked.facets[0].records[0])]
    assert judged.facets == checked.facets


def _seen_keys(
    lives: Sequence[KeyLife], reply: Reply, status: Status = Status.PENDING, **more: int | None
) -> Conclusion:
    keys = [LiveKey(life, TOKENS[life.position], "MIIB") for life in lives]
    looked_at = [(key, key_record(IDENTITY.name, key.selector, key.public_key)) for key in keys]
    observations = {
        Question(record.name, RecordType.TXT): [
            Observation(
                Question(record.name, RecordType.TXT), "p0", reply, NOW, negative_ttl=more.get("negative_ttl")
            )
        ]
        for _, record in looked_at
    }
    checked = _checked(_verdict((P, P, P), status), due_at=more.get("due_at", NOW + DAY))
    return with_keys(checked, AWAITED_SET, keys, looked_at, observations=observations, rules=rules_of(1))


@pytest.mark.parametrize(
    ("published", "negative_ttl", "wait"),
    [
        (1 * SECOND, None, FRESH),
        (2 * SECOND, None, 10 * SECOND),
        (50 * SECOND, None, 25 * SECOND),
        (10 * HOUR, None, 15 * MINUTE),
        (50 * SECOND, 40, 40 * SECOND),
        (50 * SECOND, 7, 25 * SECOND),
        (50 * SECOND, 86_400, 15 * MINUTE),
    ],
)
def test_when_a_new_key_is_looked_for_again(published: int, negative_ttl: int | None, wait: int) -> None:
    """After half the time it has been there, within the pace, and not while a denial of it is held."""
    life = replace(NEW, published_at=NOW - published)
    judged = _seen_keys([life], Reply.NXDOMAIN, negative_ttl=negative_ttl)

    assert judged.due_at == NOW + wait


def test_a_key_that_was_seen_once_is_looked_for_at_the_largest_pace() -> None:
    """One that is missed now; one that is there needs no look, and an earlier one for the records stays."""
    young = replace(SEEN, published_at=NOW - 4 * MINUTE)
    assert _seen_keys([young], Reply.NXDOMAIN).due_at == NOW + 15 * MINUTE
    assert _seen_keys([SEEN], Reply.SERVFAIL).due_at == NOW + DAY
    assert _seen_keys([SEEN], Reply.NXDOMAIN, due_at=NOW + MINUTE).due_at == NOW + MINUTE
    assert _seen_keys([SEEN], Reply.NXDOMAIN, due_at=None).due_at is None
    assert _seen_keys([SEEN], Reply.NXDOMAIN, Status.FAILED).due_at == NOW + DAY


def test_the_soonest_key_says_when() -> None:
    """Of several, each by its own age; the longest denial of any holds for all."""
    young, old = replace(NEW, published_at=NOW - 40 * SECOND), replace(NEW, id=3, position=1)

    assert _seen_keys([old, young], Reply.NXDOMAIN).due_at == NOW + 20 * SECOND
    assert _seen_keys([old, young], Reply.NXDOMAIN, negative_ttl=90).due_at == NOW + 90 * SECOND


def test_what_was_seen_of_keys_is_shown_with_their_records() -> None:
    """The verdict of DKIM has them too; its state stays."""
    judged = _seen_keys([NEW], Reply.NXDOMAIN)
    (facet,) = judged.facets

    assert facet.records[-1] == judged.keys[0].seen
    assert len(facet.records) == 4
    assert facet.after.status is Status.PENDING
