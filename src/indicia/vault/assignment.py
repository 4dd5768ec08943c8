"""One transaction that hands out keys which are waited for: to each account in its turn.

A key leaves the pool, is published, and completes what waited for it: a process that is killed has done all
of that or nothing. Several on one database take different sets and different keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, TypeAlias

from indicia.domain.dkim.rotation import KeyPace
from indicia.domain.events.identity_events import Event
from indicia.domain.identities.identity import Identity, KeyLength, TokenSet
from indicia.domain.time import Instant
from indicia.store.dkim import key_requests, keys
from indicia.store.dkim.key_requests import KeyRequest, KeySight, WaitingRequest
from indicia.store.dkim.keys import PooledKey
from indicia.store.engine.session import Session
from indicia.store.identities import identities
from indicia.store.verification import checks
from indicia.vault.rotation import advance, events_of

# How many sets of a length get their key in one transaction: others wait for it, a few milliseconds.
BATCH: Final = 64


class CompletedByKey(Protocol):
    """What a key has completed, and what is to be told of it."""

    @property
    def identity(self) -> Identity:
        """Whose proof is complete."""

    @property
    def events(self) -> tuple[Event, ...]:
        """What is told."""


# Completes, in the transaction that publishes keys, what sights allow; the others are looked at again.
Complete: TypeAlias = Callable[[Session, Sequence[KeySight], Instant], Sequence[CompletedByKey]]


@dataclass(slots=True)
class Assigned:
    """What was handed out.

    `left` is how many have left the queue, `given` counts the keys by their length; `published` are the sets
    that answer otherwise from now on. `completed` is what the keys have completed, `events` is to be told.
    """

    left: int = 0
    given: Counter[int] = field(default_factory=Counter)
    published: list[TokenSet] = field(default_factory=list)
    completed: list[Any] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


def assign(s: Session, now: Instant, pace: KeyPace, complete: Complete) -> Assigned:
    """Give those at the head of the queue what keys there are; return what became of that.

    Those whose rotation has come by itself are served where nobody waits, with what the pool can spare.
    """
    done = Assigned()
    for bits in (length.bits for length in KeyLength):
        waiting = key_requests.head(s, bits, BATCH)
        if waiting:
            _serve(s, bits, waiting, _Round(now, pace, complete), done)
            continue
        for each in key_requests.head(s, bits, BATCH, by_itself=True):
            if _rotate(s, each.request, now, pace, done):
                done.given[bits] += 1
    return done


@dataclass(frozen=True, slots=True)
class _Round:
    """When, and by which rules."""

    now: Instant
    pace: KeyPace
    complete: Complete


def _serve(s: Session, bits: int, waiting: Sequence[WaitingRequest], turn: _Round, done: Assigned) -> None:
    pooled = keys.hold_pooled(s, bits, len(waiting))
    used: list[PooledKey] = []
    first: list[tuple[TokenSet, PooledKey]] = []
    served: list[int] = []
    sights: list[KeySight] = []
    for each in waiting:
        token_set, request = each.token_set, each.request
        key = pooled[len(used)] if len(used) < len(pooled) else None
        length = token_set.key_length
        if each.abandoned or (
            token_set.has_key and request.sight is not None
        ):  # left, or given one meanwhile
            served.append(token_set.id)
            sights += [] if request.sight is None else [request.sight]
        elif token_set.has_key:
            if key is not None and _rotate(s, request, turn.now, turn.pace, done, key):
                used.append(key)
        elif length is not None and length.bits != bits:
            key_requests.file(s, [replace(request, bits=length.bits)])
            done.left += 1
        elif key is not None:
            used.append(key)
            first.append((token_set, key))
            served.append(token_set.id)
            sights += [] if request.sight is None else [request.sight]
    keys.publish_firsts(s, first, turn.now)
    keys.remove_pooled(s, used)
    key_requests.withdraw(s, served)
    done.left += len(served)
    done.given[bits] += len(used)
    done.published += [token_set for token_set, _ in first]
    _finish(s, sights, [token_set.id for token_set, _ in first], turn, done)


def _rotate(  # noqa: PLR0917 - as `advance`
    s: Session, request: KeyRequest, now: Instant, pace: KeyPace, done: Assigned, key: PooledKey | None = None
) -> bool:
    """Take the set a step on with the key; say whether it used one. What needs none waits no more."""
    advanced = advance(s, request.token_set_id, now, pace, key=key, wait=False)
    if advanced is None or not advanced.queued:
        key_requests.withdraw(s, [request.token_set_id])
        done.left += 1
    if advanced is None:
        return False
    done.events += events_of(s, advanced, now, pace)
    if advanced.changes_answers:
        done.published.append(advanced.token_set)
    return advanced.published is not None


def _finish(
    s: Session, sights: Sequence[KeySight], given: Sequence[int], turn: _Round, done: Assigned
) -> None:
    """Complete what the sights allow; whoever else is published under these sets is looked at now."""
    completed = turn.complete(s, sights, turn.now) if sights else ()
    done.completed += completed
    done.events += [event for each in completed for event in each.events]
    concerned = {sight.identity_id for sight in sights} | set(identities.sharing_ids(s, given))
    checks.bring_forward(s, concerned - {each.identity.id for each in completed}, turn.now)
