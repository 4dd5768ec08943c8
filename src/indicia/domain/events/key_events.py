"""What is told of the keys of an identity: one event for each step of a rotation, with the stages in it.

The first key of a token set comes with its identity and is told as that; from then on each step is told:
published, signing, retired, withdrawn. That a key was seen is a step between two of them, and no event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from indicia.domain.dkim.rotation import KeyLife, KeyPace, PassageCondition, Stage, StepTaken
from indicia.domain.events.identity_events import KEY, Event, What, about
from indicia.domain.identities.identity import Identity, TokenSet
from indicia.domain.time import Instant

_WHAT: Final[Mapping[Stage, What]] = {
    Stage.PUBLISHED: What.PUBLISHED,
    Stage.SIGNING: What.SIGNING,
    Stage.RETIRED: What.RETIRED,
    Stage.WITHDRAWN: What.WITHDRAWN,
}
EFFECTS: Final[Mapping[Stage, str]] = {
    Stage.PUBLISHED: "The next key of {name} ({bits} bits) is under {selector}. It signs when it was seen.",
    Stage.SIGNING: "Mail from {name} is signed with the key of {bits} bits under {selector}.",
    Stage.RETIRED: "Nothing is signed with the key under {selector}. It stays published for mail on its way.",
    Stage.WITHDRAWN: "The key under {selector} is gone: mail that it signed does not verify any more.",
}


@dataclass(frozen=True, slots=True)
class KeyNews:
    """What was done with the keys of a set at one instant.

    `published` is the key that was published, None for none. It is not the set's first.
    """

    token_set: TokenSet
    published: KeyLife | None
    steps: Sequence[StepTaken]
    at: Instant


def of_keys(identity: Identity, news: KeyNews, pace: KeyPace) -> tuple[Event, ...]:
    """Return what an identity that is published under the set is told."""
    steps = [_event(identity, news, step, step.key.stage, pace) for step in news.steps if step.to in _WHAT]
    if news.published is None:
        return tuple(steps)
    published = StepTaken(news.published, Stage.PUBLISHED, PassageCondition.NEEDED)
    return (_event(identity, news, published, Stage.POOLED, pace), *steps)


def _event(identity: Identity, news: KeyNews, step: StepTaken, before: Stage, pace: KeyPace) -> Event:
    going = step.to is Stage.RETIRED
    return Event(
        type=f"{KEY}.{_WHAT[step.to].value}",
        at=news.at,
        about=about(identity),
        cause=step.condition.name.lower(),
        seen=f"{step.condition.value[0].upper()}{step.condition.value[1:]}.",
        effect=EFFECTS[step.to].format(
            name=identity.name, bits=step.key.bits, selector=news.token_set.tokens[step.key.position]
        ),
        before=before,
        after=step.to,
        next_status=Stage.WITHDRAWN if going else None,
        next_at=news.at + pace.linger if going else None,
    )
