"""One token set, one transaction: every step that the life of its keys allows now, a key where one is due.

What may be done is `domain.dkim.rotation.plan`'s to say. A process that dies before the commit has done
nothing; after it everything is done: there is no moment between two steps that belong together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from indicia.domain.dkim.rotation import KeyLife, KeyPace, KeySet, RotationPlan, Stage, StepTaken, plan
from indicia.domain.events.identity_events import Event
from indicia.domain.events.key_events import KeyNews, of_keys
from indicia.domain.identities.identity import TokenSet
from indicia.domain.time import Instant
from indicia.domain.verification.key_sight import FRESH
from indicia.store.dkim import key_requests, keys
from indicia.store.dkim import rotation as rotations
from indicia.store.dkim.key_requests import KeyRequest
from indicia.store.dkim.keys import PooledKey, PublishedKey
from indicia.store.dkim.rotation import StoredKeys
from indicia.store.engine.session import Session
from indicia.store.identities import identities
from indicia.store.verification import checks


@dataclass(frozen=True, slots=True)
class Advanced:
    """What was done with a set: the steps its keys took, the key that was published for it, if one was.

    `queued` says that it needs one and waits for it.
    """

    token_set: TokenSet
    steps: tuple[StepTaken, ...]
    published: PublishedKey | None
    queued: bool = False

    @property
    def is_news(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.steps) or self.published is not None

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
    key: PooledKey | None = None,
    wait: bool = True,
) -> Advanced | None:
    """Take every step of the set that is due, and store when its next one is.

    Where it needs another key it gets `key`, which the caller takes out of the pool, or one that the pool can
    spare; without one the set queues up for it. None where there is no such set or, without `wait`, where
    somebody else has it in hand.
    """
    stored = rotations.hold(s, token_set_id, wait=wait)
    if stored is None:
        return None
    planned = plan(stored.life, now, pace)
    steps = list(planned.steps)
    published, queued = None, False
    position = planned.publish
    if position is not None and not stored.home:
        published = _publish(s, stored, planned, position, now=now, key=key)
        if published is None:
            queued = _queue_up(s, token_set_id, planned)
        else:
            planned = plan(_with(planned.after, published, position), now, pace)
            steps += planned.steps
            _look(s, token_set_id, now + FRESH)
    _take(s, stored, steps, now)
    # What another installation does with its keys shows in the DNS alone: they are always looked at.
    awaited = planned.after.awaited or bool(stored.home)
    rotations.schedule(s, token_set_id, planned.due_at, awaited=awaited)
    return Advanced(stored.token_set, tuple(steps), published, queued)


def _queue_up(s: Session, token_set_id: int, planned: RotationPlan) -> bool:
    """Let the set wait for a key, on behalf of the account whose it is. False where it is nobody's."""
    bits, owner = planned.after.wanted_bits, next(iter(identities.sharing(s, token_set_id)), None)
    if owner is None or bits is None:
        return False
    key_requests.file(s, [KeyRequest(token_set_id, owner.account, bits, planned.by_itself)])
    return True


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
        rotations.enter(s, by_id[step.key.id], step.to, now)


def _publish(
    s: Session,
    stored: StoredKeys,
    planned: RotationPlan,
    position: int,
    *,
    now: Instant,
    key: PooledKey | None,
) -> PublishedKey | None:
    bits = planned.after.wanted_bits
    assert bits is not None
    if key is None:
        key = next(iter(keys.take_spare(s, bits, 1)), None)
    if key is None or key.bits != bits:
        return None
    token_set = stored.token_set
    token = token_set.tokens[position]
    # Until a key of the set signs, the set is shown with the newest it has.
    shown = planned.after.signing is None
    return keys.publish(s, token_set.id, token_set.zone, token, key, now, in_use=shown)


def _with(life: KeySet, published: PublishedKey, position: int) -> KeySet:
    born = KeyLife(published.id, position, published.bits, published.published_at)
    return replace(life, keys=(*life.keys, born))


def _look(s: Session, token_set_id: int, at: Instant) -> None:
    """Let every identity that is published under the set be looked at: its new key has to be seen."""
    sharing = identities.sharing(s, token_set_id)
    checks.bring_forward(s, [identity.id for identity in sharing], at)
