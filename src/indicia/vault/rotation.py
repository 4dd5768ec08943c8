"""One token set, one transaction: every step that the life of its keys allows now, a key where one is due.

What may be done is `domain.rotation.plan`'s to say. A process that dies before the commit has done nothing;
after it everything is done: there is no moment between two steps that belong together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from indicia.domain.events import Event
from indicia.domain.identity import TokenSet
from indicia.domain.key_events import KeyNews, of_keys
from indicia.domain.key_sight import FRESH
from indicia.domain.rotation import KeyLife, KeyPace, KeySet, Plan, Stage, StepTaken, plan
from indicia.domain.time import SECOND, Instant, Span
from indicia.store import checks, identities, key_lives, keys
from indicia.store.key_lives import StoredKeys
from indicia.store.keys import PublishedKey
from indicia.store.session import Session

# When to look whether the pool has a key after it had none.
_POOL_AGAIN: Final[Span] = 2 * SECOND


@dataclass(frozen=True, slots=True)
class Advanced:
    """What was done with a set: the steps its keys took, the key that was published for it, if one was.

    `first` says that the set had no key before.
    """

    token_set: TokenSet
    steps: tuple[StepTaken, ...]
    published: PublishedKey | None
    first: bool = False

    @property
    def is_news(self) -> bool:
        """Whether there is anything to tell. A first key is told with its identity."""
        return bool(self.steps) or (self.published is not None and not self.first)

    @property
    def changes_answers(self) -> bool:
        """Whether the key zone has to answer otherwise for one of its tokens."""
        return self.published is not None or any(step.to is Stage.WITHDRAWN for step in self.steps)


def advance(
    s: Session,
    token_set_id: int,
    now: Instant,
    pace: KeyPace,
    *,
    reserve: Mapping[int, int] = MappingProxyType({}),
    wait: bool = True,
    first: bool = False,
) -> Advanced | None:
    """Take every step of the set that is due, and store when its next one is.

    A key that nobody asked for is taken from the pool only where that leaves the `reserve` of its length: new
    identities come first. With `first` a set that has no key gets its first one as soon as there is one:
    whoever made it due wants that. None where there is no such set or, without `wait`, where somebody else
    has it in hand.
    """
    stored = key_lives.hold(s, token_set_id, wait=wait)
    if stored is None:
        return None
    if first and _lacks_key(stored):
        return _give_first(s, stored, now)
    planned = plan(stored.life, now, pace)
    steps = list(planned.steps)
    published = None
    position = planned.publish
    if position is not None and not stored.home:
        published = _publish(s, stored, planned, position, now=now, reserve=reserve)
        if published is None:
            planned = replace(planned, due_at=_earlier(planned.due_at, now + _POOL_AGAIN))
        else:
            planned = plan(_with(planned.after, published, position), now, pace)
            steps += planned.steps
            _look(s, token_set_id, now + FRESH)
    _take(s, stored, steps, now)
    # What another installation does with its keys shows in the DNS alone: they are always looked at.
    awaited = planned.after.awaited or bool(stored.home)
    key_lives.schedule(s, token_set_id, planned.due_at, awaited=awaited)
    return Advanced(stored.token_set, tuple(steps), published)


def _lacks_key(stored: StoredKeys) -> bool:
    life = stored.life
    return life.ours and not stored.token_set.has_key and not stored.home and life.abandoned_at is None


def _give_first(s: Session, stored: StoredKeys, now: Instant) -> Advanced:
    token_set, bits = stored.token_set, stored.life.wanted_bits
    assert bits is not None
    pooled = keys.take_pooled(s, bits)
    if pooled is None:
        key_lives.schedule(s, token_set.id, now + _POOL_AGAIN, awaited=False)
        return Advanced(token_set, (), None)
    published = keys.publish(s, token_set.id, token_set.zone, token_set.tokens[0], pooled, now)
    key_lives.schedule(s, token_set.id, None, awaited=True)
    return Advanced(token_set, (), published, first=True)


def events_of(s: Session, advanced: Advanced, now: Instant, pace: KeyPace) -> list[Event]:
    """Return what every identity under the set is told of what was done: a parent and its replicas.

    The set is held, so that a later step is told later. Who has left the set is told nothing of it.
    """
    if not advanced.is_news:
        return []
    news = KeyNews(advanced.token_set, _life_of(advanced), advanced.steps, now)
    return [
        event
        for identity in identities.sharing(s, advanced.token_set.id)
        for event in of_keys(identity, news, pace)
    ]


def _life_of(advanced: Advanced) -> KeyLife | None:
    key = advanced.published
    if key is None:
        return None
    return KeyLife(key.id, advanced.token_set.tokens.index(key.token), key.bits, key.published_at)


def _take(s: Session, stored: StoredKeys, steps: list[StepTaken], now: Instant) -> None:
    by_id = {key.id: key for key in stored.keys}
    for step in steps:
        key_lives.enter(s, by_id[step.key.id], step.to, now)


def _publish(
    s: Session,
    stored: StoredKeys,
    planned: Plan,
    position: int,
    *,
    now: Instant,
    reserve: Mapping[int, int],
) -> PublishedKey | None:
    bits = planned.after.wanted_bits
    assert bits is not None
    if planned.by_itself and keys.count_pooled(s, bits) <= reserve.get(bits, 0):
        return None
    pooled = keys.take_pooled(s, bits)
    if pooled is None:
        return None
    token_set = stored.token_set
    token = token_set.tokens[position]
    # Until a key of the set signs, the set is shown with the newest it has.
    shown = planned.after.signing is None
    return keys.publish(s, token_set.id, token_set.zone, token, pooled, now, in_use=shown)


def _with(life: KeySet, published: PublishedKey, position: int) -> KeySet:
    born = KeyLife(published.id, position, published.bits, published.published_at)
    return replace(life, keys=(*life.keys, born))


def _look(s: Session, token_set_id: int, at: Instant) -> None:
    """Let every identity that is published under the set be looked at: its new key has to be seen."""
    sharing = identities.sharing(s, token_set_id)
    checks.bring_forward(s, [identity.id for identity in sharing], at)


def _earlier(one: Instant | None, other: Instant) -> Instant:
    return other if one is None else min(one, other)
