"""Chains of aliases: where a CNAME leads, link by link, as one perspective sees it.

A question for a CNAME is answered with the first link and no more (RFC 1034 §3.6.2), so each further link
takes a question of its own. A DNAME needs no care here: whoever answers makes a CNAME of it (RFC 6672 §3.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from indicia.domain.records.expected import ExpectedRecord
from indicia.domain.records.observation import Observation, Question, RecordType, Reply

MOST_LINKS: Final = 8
"""Links that are followed, the first included (verification.md, Schedule)."""

Follow: TypeAlias = Callable[[str], Observation | None]
"""What this perspective saw when it asked for the CNAME at a name; None where nobody has asked yet."""


def nobody_asked(_name: str) -> Observation | None:
    """Follow nothing: no link after the first was asked for."""
    return None


def no_alias(name: str) -> Observation:
    """Take every name for one without an alias: a chain then ends with its first link."""
    return Observation(Question(name, RecordType.CNAME), "", Reply.NODATA, 0)


def target_of(observation: Observation) -> str | None:
    """Return where the alias leads, None when there is none, or more than one (RFC 2181 §10.1)."""
    values = observation.values
    if observation.reply is not Reply.ANSWER or len(values) != 1:
        return None
    return values[0].rstrip(".").lower()


def links(first: Observation, end: str, follow: Follow) -> tuple[list[Observation], str | None]:
    """Return the links of the chain after the first, and the name at which somebody has to ask on, if any.

    The chain is followed until it leads to a name without an alias, to one it came from, over the last of
    `MOST_LINKS` links, or into the zone of `end`, where it should end: in our key zone there are no aliases.
    """
    zone = f".{end.partition('.')[2]}"
    found: list[Observation] = []
    passed = {first.question.name}
    target = target_of(first)
    while (
        target is not None and not target.endswith(zone) and target not in passed and len(passed) < MOST_LINKS
    ):
        link = follow(target)
        if link is None:
            return found, target
        passed.add(target)
        found.append(link)
        target = target_of(link)
    return found, None


def following(perspective: int, observations: Mapping[Question, Sequence[Observation]]) -> Follow:
    """Return how to follow aliases in what the perspective of this number saw."""

    def seen(name: str) -> Observation | None:
        views = observations.get(Question(name, RecordType.CNAME), ())
        return views[perspective] if perspective < len(views) else None

    return seen


def as_seen_in(observations: Sequence[Observation]) -> Follow:
    """Return how to follow aliases in what anybody saw, where it is all the same who."""
    seen = {each.question.name: each for each in observations if each.question.rtype is RecordType.CNAME}
    return seen.get


def next_links(
    records: Sequence[ExpectedRecord], observations: Mapping[Question, Sequence[Observation]]
) -> tuple[Question, ...]:
    """Return the questions that aliases lead to and that were not asked yet, of all perspectives together."""
    wanted: dict[Question, None] = {}
    for record in records:
        if record.rtype is not RecordType.CNAME:
            continue
        question, end = record.questions[0], record.value.lower()
        for number, view in enumerate(observations.get(question, ())):
            if not view.values or view.values[0] == end:  # nearly always
                continue
            _, onward = links(view, end, following(number, observations))
            if onward is not None:
                wanted[Question(onward, RecordType.CNAME)] = None
    return tuple(wanted)
