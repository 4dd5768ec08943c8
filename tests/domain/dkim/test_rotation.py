"""The life of a key: each passage when it is due and not before, and none that the table does not have."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indicia.domain.dkim.rotation import (
    LIFE,
    KeyLife,
    KeyPace,
    KeySet,
    PassageCondition,
    RotationPlan,
    Stage,
    needed_from,
    plan,
    sighted,
)
from indicia.domain.proofs.transitions import Sight
from indicia.domain.time import DAY, HOUR, MINUTE, SECOND

T0 = 1_790_000_000_000
PACE = KeyPace(settle=65 * SECOND, linger=5 * DAY, forget=31 * MINUTE, every=180 * DAY)


def published(number: int = 1, position: int = 0, bits: int = 2048, at: int = T0) -> KeyLife:
    """A key that nobody has seen yet."""
    return KeyLife(number, position, bits, at)


def seen(number: int = 1, at: int = T0, **given: int) -> KeyLife:
    """A key that the quorum saw then."""
    return replace(published(number, at=at - SECOND, **given), seen_at=at)


def signing(number: int = 1, at: int = T0, **given: int) -> KeyLife:
    """A key that signs since then."""
    return replace(seen(number, at=at - PACE.settle, **given), signing_at=at)


def retired(number: int = 1, at: int = T0, **given: int) -> KeyLife:
    """A key that signed until then."""
    return replace(signing(number, at=at - DAY, **given), retired_at=at)


def keyset(*keys: KeyLife, wanted_bits: int = 2048, **given: object) -> KeySet:
    """A set of our own keys. Its seed asks for no delay."""
    return replace(KeySet(keys, wanted_bits), **given)


def taken(done: RotationPlan) -> list[tuple[int, Stage]]:
    """The steps, as key and stage."""
    return [(step.key.id, step.to) for step in done.steps]


def test_the_table_leads_from_the_pool_to_withdrawal() -> None:
    """Every stage can be reached and left for one that comes later; withdrawal is the end."""
    order = list(Stage)
    reached = {passage.to for passages in LIFE.values() for passage in passages}

    assert set(LIFE) == set(Stage)
    assert reached == set(Stage) - {Stage.POOLED}
    for stage, passages in LIFE.items():
        assert all(order.index(passage.to) > order.index(stage) for passage in passages)
    assert [stage for stage, passages in LIFE.items() if not passages] == [Stage.WITHDRAWN]


def test_nothing_signs_that_was_not_seen() -> None:
    """Only a key that was seen comes to sign, and it has settled then."""
    ways = [
        (stage, each.condition) for stage, all_ in LIFE.items() for each in all_ if each.to is Stage.SIGNING
    ]

    assert ways == [(Stage.SEEN, PassageCondition.SETTLED)]


@pytest.mark.parametrize(
    ("key", "stage"),
    [
        (published(), Stage.PUBLISHED),
        (seen(), Stage.SEEN),
        (signing(), Stage.SIGNING),
        (retired(), Stage.RETIRED),
        (replace(published(), retired_at=T0), Stage.RETIRED),
        (replace(retired(), withdrawn_at=T0), Stage.WITHDRAWN),
    ],
)
def test_a_key_is_at_the_stage_of_its_last_step(key: KeyLife, stage: Stage) -> None:
    """The instants that are set say where it is."""
    assert key.stage is stage


@pytest.mark.parametrize(
    ("key", "after", "steps"),
    [
        (published(), 365 * DAY, []),
        (seen(), PACE.settle - 1, []),
        (seen(), PACE.settle, [(1, Stage.SIGNING)]),
        (replace(seen(), absent_since=T0), DAY, []),
        (replace(seen(), absent_since=T0, lost_at=T0), DAY, []),
        (signing(), 179 * DAY, []),
        (retired(), PACE.linger - 1, []),
        (retired(), PACE.linger, [(1, Stage.WITHDRAWN)]),
    ],
)
def test_a_single_key(key: KeyLife, after: int, steps: list[tuple[int, Stage]]) -> None:
    """One that was not seen waits; one that was seen settles first; one that signed lingers."""
    assert taken(plan(keyset(key), T0 + after, PACE)) == steps


def test_the_due_time_is_when_something_can_be_done() -> None:
    """At the due time there is a step, a moment before there is none, and at the end none is due."""
    keys = keyset(signing(1, at=T0 - DAY), seen(2, at=T0, position=1))
    found = []
    now = T0
    for _ in range(3):
        done = plan(keys, now, replace(PACE, every=None))
        found.append((now - T0, taken(done)))
        keys = done.after
        if done.due_at is None:
            break
        assert not plan(keys, done.due_at - 1, replace(PACE, every=None)).steps
        now = done.due_at

    assert found == [
        (0, []),
        (PACE.settle, [(2, Stage.SIGNING), (1, Stage.RETIRED)]),
        (PACE.settle + PACE.linger, [(1, Stage.WITHDRAWN)]),
    ]


def test_signing_moves_on_in_one_step() -> None:
    """There is no moment without a key that signs, and none with two."""
    done = plan(keyset(signing(1, at=T0 - DAY), seen(2, position=1)), T0 + PACE.settle, PACE)

    assert [key.stage for key in done.after.keys] == [Stage.RETIRED, Stage.SIGNING]


# -- when the next key is needed


@pytest.mark.parametrize(
    ("keys", "since"),
    [
        (keyset(), None),  # the first key is given when the records are first seen
        (keyset(published()), None),
        (keyset(seen()), None),
        (keyset(signing()), T0 + 180 * DAY),
        (keyset(signing(), asked_at=T0 + HOUR), T0 + HOUR),
        (keyset(signing(at=T0), asked_at=T0 - DAY), T0 + 180 * DAY),  # asked before the key was published
        (keyset(signing(), published(2, 1, at=T0 + HOUR), asked_at=T0 + HOUR), None),
        (keyset(replace(signing(), absent_since=T0, lost_at=T0)), None),
        (keyset(replace(signing(), absent_since=T0, lost_at=T0), asked_at=T0 + 1), T0 + 1),
        (keyset(signing(), wanted_bits=1024), signing().published_at),
        (keyset(published(), wanted_bits=1024), T0),
        (keyset(signing(), published(2, 1, 1024), wanted_bits=1024), None),
        (keyset(retired(), abandoned_at=T0), None),
        (keyset(signing(), ours=False), None),
    ],
)
def test_when_the_next_key_is_needed(keys: KeySet, since: int | None) -> None:
    """By the interval, on request, for another length; one at a time, and only for keys of our own."""
    assert needed_from(keys, PACE) == since


def test_without_an_interval_nothing_rotates_by_itself() -> None:
    """`off` leaves a key as it is until somebody asks."""
    never = replace(PACE, every=None)

    assert needed_from(keyset(signing()), never) is None
    assert needed_from(keyset(signing(), asked_at=T0 + 1), never) == T0 + 1


def test_what_was_made_together_is_not_renewed_together() -> None:
    """A thousand sets spread over a tenth of the interval, none of them early."""
    due = [needed_from(keyset(signing(), seed=seed), PACE) or 0 for seed in range(1000)]

    assert min(due) == T0 + 180 * DAY
    assert max(due) < T0 + 198 * DAY
    assert len(set(due)) == 1000


# -- whose turn it is


@pytest.mark.parametrize(
    ("keys", "position"),
    [
        (keyset(signing(position=0), asked_at=T0), 1),
        (keyset(signing(position=1), asked_at=T0), 2),
        (keyset(signing(position=2), asked_at=T0), 0),
        (keyset(retired(1, position=1), signing(2, position=0), asked_at=T0), 2),
        (keyset(signing(position=0), asked_at=T0, freed=(None, T0 - MINUTE, None)), 2),
        (keyset(signing(position=0), asked_at=T0, freed=(None, T0 - HOUR, None)), 1),
    ],
)
def test_tokens_take_turns(keys: KeySet, position: int) -> None:
    """The next one in turn that is free, and that no resolver remembers another key under."""
    assert plan(keys, T0, PACE).publish == position


def test_where_no_token_is_free_the_rotation_waits() -> None:
    """Nothing that mail may still need is taken away; the set is due when a token is free."""
    keys = keyset(
        retired(1, at=T0 - 2 * DAY, position=0),
        retired(2, at=T0 - DAY, position=1),
        signing(3, at=T0 - DAY, position=2),
        asked_at=T0,
    )

    done = plan(keys, T0, PACE)
    assert (done.publish, done.steps, done.due_at) == (None, (), T0 + 3 * DAY)
    after = plan(plan(keys, T0 + 3 * DAY, PACE).after, T0 + 3 * DAY + PACE.forget, PACE)
    assert after.publish == 0


# -- what is replaced before its time, and what nobody uses


def test_a_key_that_never_signed_gives_way_at_once() -> None:
    """Another length is wanted before the coming key signed: that is withdrawn, the present one signs on."""
    keys = keyset(signing(1), seen(2, position=1), published(3, 2, 1024), wanted_bits=1024)
    done = plan(keys, T0, PACE)

    assert taken(done) == [(2, Stage.WITHDRAWN)]
    assert [key.stage for key in done.after.keys] == [Stage.SIGNING, Stage.PUBLISHED]
    assert done.after.freed == (None, T0, None)


def test_an_abandoned_set_is_withdrawn_after_the_grace() -> None:
    """Every key is retired at once, also one that was coming, and withdrawn when the mail has arrived."""
    keys = keyset(signing(1), published(2, 1), abandoned_at=T0)
    done = plan(keys, T0, PACE)

    assert taken(done) == [(1, Stage.RETIRED), (2, Stage.RETIRED)]
    assert (done.publish, done.due_at) == (None, T0 + PACE.linger)
    assert taken(plan(done.after, T0 + PACE.linger, PACE)) == [(1, Stage.WITHDRAWN), (2, Stage.WITHDRAWN)]


def test_an_uploaded_key_signs_when_it_is_seen_and_goes_when_it_is_left() -> None:
    """What our key zone says has no part in it, and nothing of it is kept."""
    own = keyset(seen(), wanted_bits=None, ours=False, tokens=1, freed=(None,))

    assert taken(plan(own, T0, PACE)) == [(1, Stage.SIGNING)]
    left = replace(own, abandoned_at=T0)
    assert taken(plan(left, T0, PACE)) == [(1, Stage.RETIRED), (1, Stage.WITHDRAWN)]


# -- what a look at a key means


@pytest.mark.parametrize(
    ("key", "sight", "changed"),
    [
        (published(), Sight.PRESENT, {"seen_at": T0 + HOUR}),
        (published(), Sight.ABSENT, {}),
        (published(), Sight.UNKNOWN, {}),
        (seen(), Sight.PRESENT, {}),
        (signing(), Sight.UNKNOWN, {}),
        (signing(), Sight.ABSENT, {"absent_since": T0 + HOUR}),
        (replace(signing(), absent_since=T0 + HOUR - MINUTE + 1), Sight.ABSENT, {}),
        (replace(signing(), absent_since=T0 + HOUR - MINUTE), Sight.ABSENT, {"lost_at": T0 + HOUR}),
        (replace(signing(), absent_since=T0), Sight.UNKNOWN, {}),
        (replace(signing(), absent_since=T0, lost_at=T0 + 1), Sight.ABSENT, {}),
        (
            replace(signing(), absent_since=T0, lost_at=T0 + 1),
            Sight.PRESENT,
            {"absent_since": None, "lost_at": None},
        ),
    ],
)
def test_what_a_look_changes(key: KeyLife, sight: Sight, changed: dict[str, int | None]) -> None:
    """The unknown changes nothing; an absence counts when it is corroborated; one sight restores."""
    assert sighted(key, sight, T0 + HOUR, apart=MINUTE) == replace(key, **changed)  # type: ignore[arg-type]


# -- whatever happens

_EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 20 * DAY)),
        st.tuples(st.just("look"), st.sampled_from(Sight)),
        st.tuples(st.just("ask"), st.just(0)),
        st.tuples(st.just("length"), st.sampled_from([1024, 2048])),
        st.tuples(st.just("leave"), st.just(0)),
    ),
    max_size=60,
)


@settings(max_examples=400, deadline=None)
@given(events=_EVENTS)
def test_whatever_happens_the_rules_hold(events: list[tuple[str, object]]) -> None:
    """Along any path a set that signs goes on signing until it is left, and never breaks a rule.

    At most one key signs; it was seen one settling time before; no token holds two keys, nor another within
    the time in which resolvers remember the last; what signed is not withdrawn before the grace.
    """
    keys, now, number = keyset(published()), T0, 1
    last_under: dict[int, int] = {}
    for event, value in events:
        if event == "wait":
            assert isinstance(value, int)
            now += value
        elif event == "look":
            assert isinstance(value, Sight)
            lives = tuple(
                key if key.retired_at is not None else sighted(key, value, now, MINUTE) for key in keys.keys
            )
            keys = replace(keys, keys=lives)
        elif event == "ask":
            keys = replace(keys, asked_at=now)
        elif event == "length":
            keys = replace(keys, wanted_bits=value)
        elif keys.abandoned_at is None:
            keys = replace(keys, abandoned_at=now)
        signed_before = keys.signing is not None
        while True:
            done = plan(keys, now, PACE)
            for step in done.steps:
                if step.to is Stage.WITHDRAWN:
                    signed = step.key.signing_at is not None
                    assert not signed or now - (step.key.retired_at or now) >= PACE.linger
                    last_under[step.key.position] = now
            keys = done.after
            if done.publish is None:
                break
            number += 1
            assert now - last_under.get(done.publish, -DAY) >= PACE.forget
            assert keys.wanted_bits is not None
            keys = replace(keys, keys=(*keys.keys, KeyLife(number, done.publish, keys.wanted_bits, now)))
        assert done.due_at is None or done.due_at > now
        places = [key.position for key in keys.keys]
        assert len(set(places)) == len(places)
        signers = [key for key in keys.keys if key.stage is Stage.SIGNING]
        assert len(signers) <= 1
        assert all((key.signing_at or 0) - (key.seen_at or now) >= PACE.settle for key in signers)
        if signed_before and keys.abandoned_at is None:
            assert signers
