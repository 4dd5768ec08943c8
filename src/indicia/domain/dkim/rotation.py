"""The life of a DKIM key, from the pool to its withdrawal. The passages are data.

`LIFE` says for each stage what may follow and on which condition; `plan` reads it. What is not in the table
does not happen: nothing signs that the quorum has not seen, and nothing that signed is withdrawn before the
mail it signed has arrived. Tests, the code and the diagrams in the documentation read this table.

A token set has three tokens and at most one key that signs. A rotation goes to the next token in turn: the
new key is published, seen, signs; the one before it stays published for as long as mail may be under way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from indicia.domain.proofs.transitions import Sight
from indicia.domain.time import DAY, MINUTE, SECOND, Instant, Span

# How long a resolver may hold a key, and that a token has none, as the key zone says with each answer.
KEY_TTL: Final[Span] = 30 * MINUTE
NEGATIVE_TTL: Final[Span] = MINUTE  # contract, DNS key zone: at most 60 s
# How long a process of ours may answer from memory what another one has changed.
ANSWER_AGE: Final[Span] = 5 * SECOND


class Stage(Enum):
    """Where a key is in its life. The value is what is shown."""

    POOLED = "pooled"  # made in the background; nobody's
    PUBLISHED = "published"  # in the key zone, under a token of its set
    SEEN = "seen"  # the quorum has seen it through the CNAME of the domain
    SIGNING = "signing"  # mail is signed with it
    RETIRED = "retired"  # signs no more; published while mail it signed may be under way
    WITHDRAWN = "withdrawn"  # not in the key zone; its private half is erased


class PassageCondition(Enum):
    """What must hold for a passage. The value is what the documentation says."""

    NEEDED = "the set needs a key, and a token is free"
    SEEN = "the quorum sees the key through the CNAME"
    SETTLED = "one negative TTL of the key zone has passed since it was seen, and it is still seen"
    SUCCEEDED = "a later key of the set signs"
    SUPERSEDED = "a later key took its place before it signed anything"
    ABANDONED = "no identity uses the set any more"
    LINGERED = "the longest TTL and the age of the oldest mail in a queue have passed since it was retired"


@dataclass(frozen=True, slots=True)
class Passage:
    """One way from a stage to the next."""

    to: Stage
    condition: PassageCondition


LIFE: Final[dict[Stage, tuple[Passage, ...]]] = {
    Stage.POOLED: (Passage(Stage.PUBLISHED, PassageCondition.NEEDED),),
    Stage.PUBLISHED: (
        Passage(Stage.SEEN, PassageCondition.SEEN),
        Passage(Stage.RETIRED, PassageCondition.ABANDONED),
        Passage(Stage.WITHDRAWN, PassageCondition.SUPERSEDED),
    ),
    Stage.SEEN: (
        Passage(Stage.RETIRED, PassageCondition.ABANDONED),
        Passage(Stage.WITHDRAWN, PassageCondition.SUPERSEDED),
        Passage(Stage.SIGNING, PassageCondition.SETTLED),
    ),
    Stage.SIGNING: (
        Passage(Stage.RETIRED, PassageCondition.ABANDONED),
        Passage(Stage.RETIRED, PassageCondition.SUCCEEDED),
    ),
    Stage.RETIRED: (Passage(Stage.WITHDRAWN, PassageCondition.LINGERED),),
    Stage.WITHDRAWN: (),
}


@dataclass(frozen=True, slots=True)
class KeyPace:
    """How long each stage takes at least.

    `settle`: from seen to signing. `linger`: from retired to withdrawn. `forget`: from withdrawn to another
    key under the same token. `every`: how long a key signs before the next is published, None for always.
    """

    settle: Span = NEGATIVE_TTL + ANSWER_AGE
    linger: Span = 5 * DAY
    forget: Span = KEY_TTL + ANSWER_AGE
    every: Span | None = 180 * DAY


@dataclass(frozen=True, slots=True)
class KeyLife:
    """One key of a set, from its publication on.

    `position` is that of its token in the set. `seen_at` is when the quorum first saw it. `absent_since` is
    the first absence of the present run of absences, `lost_at` when a second look corroborated it.
    """

    id: int
    position: int
    bits: int
    published_at: Instant
    seen_at: Instant | None = None
    signing_at: Instant | None = None
    retired_at: Instant | None = None
    withdrawn_at: Instant | None = None
    absent_since: Instant | None = None
    lost_at: Instant | None = None

    @property
    def stage(self) -> Stage:
        """How far it has come: the last step it took."""
        if self.withdrawn_at is not None:
            return Stage.WITHDRAWN
        if self.retired_at is not None:
            return Stage.RETIRED
        if self.signing_at is not None:
            return Stage.SIGNING
        return Stage.PUBLISHED if self.seen_at is None else Stage.SEEN

    @property
    def visible(self) -> bool:
        """True while the quorum has seen it and its absence is not corroborated."""
        return self.seen_at is not None and self.lost_at is None

    @property
    def awaited(self) -> bool:
        """True when a look at it could let it sign: it was not seen yet, or not seen last time."""
        waiting = self.stage in {Stage.PUBLISHED, Stage.SEEN, Stage.SIGNING}
        return waiting and (self.seen_at is None or self.absent_since is not None)


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of a token set, the oldest first, with what is wanted of them.

    `tokens` is how many there are, `freed` when the last key under each was withdrawn. `ours` is false for an
    uploaded key: its owner publishes it, and there is no other. `wanted_bits` is the length the next key has.
    `asked_at` is when somebody asked for a rotation, `abandoned_at` when the last identity left the set.
    `seed` spreads over time what sets do by themselves.
    """

    keys: tuple[KeyLife, ...]
    wanted_bits: int | None
    tokens: int = 3
    freed: tuple[Instant | None, ...] = (None, None, None)
    ours: bool = True
    asked_at: Instant | None = None
    abandoned_at: Instant | None = None
    seed: int = 0

    @property
    def signing(self) -> KeyLife | None:
        """The key that mail is signed with."""
        return next((key for key in reversed(self.keys) if key.stage is Stage.SIGNING), None)

    @property
    def newest(self) -> KeyLife | None:
        """The key that signs last of those that sign or will."""
        return next((key for key in reversed(self.keys) if key.retired_at is None), None)

    @property
    def awaited(self) -> bool:
        """True when the verifier has to look at a key itself, not at its CNAME alone."""
        return any(key.awaited for key in self.keys)


@dataclass(frozen=True, slots=True)
class StepTaken:
    """One passage that a key takes now, and the condition that let it."""

    key: KeyLife
    to: Stage
    condition: PassageCondition


@dataclass(frozen=True, slots=True)
class RotationPlan:
    """What is to be done with a set now, and when to look at it again.

    `after` is the set once the steps are taken. `publish` is the position at which a key is to be published
    now, None for nowhere; `by_itself` says that nobody asked for it and nobody waits.
    """

    steps: tuple[StepTaken, ...]
    after: KeySet
    publish: int | None
    by_itself: bool
    due_at: Instant | None


def signs_from(keys: KeySet, pace: KeyPace) -> Instant | None:
    """Return from when the newest key may sign, None where it was not seen yet or there is none."""
    newest = keys.newest
    return None if newest is None or newest.seen_at is None else newest.seen_at + pace.settle


def plan(keys: KeySet, now: Instant, pace: KeyPace) -> RotationPlan:
    """Return everything that may be done at `now`. The set's own next instant is in it, None for none."""
    steps: list[StepTaken] = []
    while (step := _next_step(keys, now, pace)) is not None:
        steps.append(step)
        keys = _take(keys, step, now)
    due = [at for key in keys.keys for at in _instants(keys, key, pace) if at > now]
    needed = needed_from(keys, pace)
    publish = None
    if needed is not None:
        position, free = _turn(keys, now, pace)
        if needed <= now and free is not None and free <= now:
            publish = position
        elif free is not None:
            due.append(max(needed, free))
        # Without a token that will be free by itself, the set waits for a key to be retired: a step of it.
    by_itself = keys.newest is not None and keys.newest.bits == keys.wanted_bits and not _asked(keys)
    return RotationPlan(tuple(steps), keys, publish, by_itself, min(due, default=None))


def _next_step(keys: KeySet, now: Instant, pace: KeyPace) -> StepTaken | None:
    for key in keys.keys:
        for passage in LIFE[key.stage]:
            since = _HOLDS[passage.condition](keys, key, pace)
            if since is not None and since <= now:
                return StepTaken(key, passage.to, passage.condition)
    return None


def _instants(keys: KeySet, key: KeyLife, pace: KeyPace) -> list[Instant]:
    found = [_HOLDS[passage.condition](keys, key, pace) for passage in LIFE[key.stage]]
    return [at for at in found if at is not None]


_MARKS: Final = {
    Stage.SIGNING: "signing_at",
    Stage.RETIRED: "retired_at",
    Stage.WITHDRAWN: "withdrawn_at",
}


def _take(keys: KeySet, step: StepTaken, now: Instant) -> KeySet:
    """Return the set after the step. A withdrawn key leaves it."""
    marked = replace(step.key, **{_MARKS[step.to]: now})
    kept = tuple(marked if key.id == marked.id else key for key in keys.keys)
    if step.to is not Stage.WITHDRAWN:
        return replace(keys, keys=kept)
    freed = tuple(now if at == marked.position else since for at, since in enumerate(keys.freed))
    return replace(keys, keys=tuple(key for key in kept if key.id != marked.id), freed=freed)


def _later(keys: KeySet, key: KeyLife) -> Sequence[KeyLife]:
    at = next(index for index, each in enumerate(keys.keys) if each.id == key.id)
    return keys.keys[at + 1 :]


def _settled(keys: KeySet, key: KeyLife, pace: KeyPace) -> Instant | None:
    """Grant strictly: a single look that missed the key is enough to wait."""
    if key.seen_at is None or key.absent_since is not None or keys.abandoned_at is not None:
        return None
    # What the key zone says has no part in an uploaded key.
    return key.seen_at + (pace.settle if keys.ours else 0)


def _succeeded(keys: KeySet, key: KeyLife, _: KeyPace) -> Instant | None:
    began = [later.signing_at for later in _later(keys, key) if later.stage is Stage.SIGNING]
    return min((at for at in began if at is not None), default=None)


def _superseded(keys: KeySet, key: KeyLife, _: KeyPace) -> Instant | None:
    newer = [later.published_at for later in _later(keys, key) if later.retired_at is None]
    return min(newer, default=None)


def _abandoned(keys: KeySet, _key: KeyLife, _: KeyPace) -> Instant | None:
    return keys.abandoned_at


def _lingered(keys: KeySet, key: KeyLife, pace: KeyPace) -> Instant | None:
    assert key.retired_at is not None
    return key.retired_at + (pace.linger if keys.ours else 0)


def _never(_keys: KeySet, _key: KeyLife, _: KeyPace) -> Instant | None:
    """Return that it is not for the plan: what the DNS shows, the verifier says."""
    return None


# From which instant a condition holds; None while it is not known ever to hold.
_HOLDS: Final[dict[PassageCondition, Callable[[KeySet, KeyLife, KeyPace], Instant | None]]] = {
    PassageCondition.NEEDED: _never,  # of the set, not of a key: `needed_from`
    PassageCondition.SEEN: _never,
    PassageCondition.SETTLED: _settled,
    PassageCondition.SUCCEEDED: _succeeded,
    PassageCondition.SUPERSEDED: _superseded,
    PassageCondition.ABANDONED: _abandoned,
    PassageCondition.LINGERED: _lingered,
}


def needed_from(keys: KeySet, pace: KeyPace) -> Instant | None:
    """Return from when the set needs its next key, None while it needs none.

    Its first key is not this function's matter: a set has it from its creation, or gets it when its records
    are first seen (verification.md, Keys). A rotation begins only when no other is under way; a change of the
    length does not wait for one.
    """
    newest = keys.newest
    if not keys.ours or newest is None or keys.abandoned_at is not None:
        return None
    if newest.bits != keys.wanted_bits:
        return newest.published_at
    if newest.stage is not Stage.SIGNING or newest.signing_at is None:
        return None
    if keys.asked_at is not None and _asked(keys):
        return keys.asked_at
    if pace.every is None or newest.lost_at is not None:
        return None
    # A tenth of the interval later at most, so that what was verified together is not renewed together.
    return newest.signing_at + pace.every + keys.seed % 1000 * (pace.every // 10_000)


def _asked(keys: KeySet) -> bool:
    """Say whether a rotation was asked for that has not begun: its key would be younger than the wish."""
    newest = keys.newest
    return keys.asked_at is not None and newest is not None and newest.published_at < keys.asked_at


def _turn(keys: KeySet, now: Instant, pace: KeyPace) -> tuple[int, Instant | None]:
    """Return the position whose turn it is, and from when it is free.

    The first free one after the newest key's; where none is free, the one that is so first. A token is not
    used again before every resolver has forgotten the key that was under it.
    """
    newest = keys.newest
    begin = 0 if newest is None else newest.position + 1
    order = [(begin + step) % keys.tokens for step in range(keys.tokens)]
    free = [(position, _free_from(keys, position, pace)) for position in order]
    for position, at in free:
        if at is not None and at <= now:
            return position, at
    known = [(at, position) for position, at in free if at is not None]
    if not known:
        return order[0], None
    at, position = min(known)
    return position, at


def _free_from(keys: KeySet, position: int, pace: KeyPace) -> Instant | None:
    held = [key for key in keys.keys if key.position == position]
    if not held:
        freed = keys.freed[position]
        return 0 if freed is None else freed + pace.forget
    if any(key.retired_at is None for key in held):
        return None
    return max(key.retired_at + pace.linger + pace.forget for key in held if key.retired_at is not None)


def sighted(key: KeyLife, sight: Sight, now: Instant, apart: Span) -> KeyLife:
    """Return the key after the verifier looked at it.

    As with records (verification.md, Taking away): the unknown changes nothing, an absence counts when two
    looks at least `apart` from each other see it, and one sight of it restores.
    """
    if sight is Sight.PRESENT:
        seen_at = now if key.seen_at is None else key.seen_at
        return replace(key, seen_at=seen_at, absent_since=None, lost_at=None)
    if sight is Sight.UNKNOWN or key.seen_at is None:
        return key
    if key.absent_since is None:
        return replace(key, absent_since=now)
    if key.lost_at is None and now - key.absent_since >= apart:
        return replace(key, lost_at=now)
    return key
