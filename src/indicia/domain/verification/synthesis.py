"""What a zone synthesises, told from what is published in it: wildcards (RFC 4592) and DNAMEs (RFC 6672).

No answer says so itself, but a sibling that nobody can have published gets what is synthesised too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from indicia.domain.names import under
from indicia.domain.records.observation import Observation, Question, RecordType, Reply

# Between a name and the apex of its zone; above so many more a wildcard is named by its nearest place.
_MOST_ANCESTORS: Final = 8


@dataclass(slots=True)
class KnownAnswers:
    """What was seen so far. It notes what else is looked for in it, so that it can be asked."""

    seen: Mapping[Question, Sequence[Observation]]
    missing: dict[Question, None] = field(default_factory=dict)

    def at(self, name: str, rtype: RecordType) -> Sequence[Observation]:
        """Return what the perspectives saw; nothing where that was not asked yet."""
        question = Question(name, rtype)
        if question not in self.seen:
            self.missing[question] = None
            return ()
        return self.seen[question]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where an identity's records stand: its domain, the zone that holds it, and a label that nobody has."""

    domain: str
    zone: str
    nobody: str

    def sibling(self, name: str) -> str:
        """Return a name beside this one that nobody has published."""
        return f"{self.nobody}.{name.partition('.')[2]}"


def positive(observation: Observation) -> bool:
    """Say whether something answers for the name: a record, or an alias that leads on."""
    return observation.reply is Reply.ANSWER or bool(observation.chain)


def alike(these: Sequence[Observation], those: Sequence[Observation]) -> bool:
    """Say whether a perspective saw the same at two names. That there is nothing is the same, however said.

    NODATA does not tell that a name exists: some servers say it of those that do not (RFC 9824 §3.1).
    """
    others = {each.perspective: _said(each) for each in those}
    return any((said := _said(each)) is not None and said == others.get(each.perspective) for each in these)


def _said(observation: Observation) -> tuple[frozenset[str], tuple[str, ...]] | None:
    """Return what an answer says of the name, None where it says nothing."""
    if not observation.reply.authoritative:
        return None
    return frozenset(observation.values), observation.chain


def wildcard(
    name: str, rtype: RecordType, around: Surroundings, asked: KnownAnswers, others: Sequence[RecordType]
) -> str:
    """Return the wildcard that answers for the name, the empty text where none does.

    `rtype` is the wanted type, `others` those that a wildcard may have instead. A synthesised answer is that
    of the sibling too, for every type: a name that exists is covered by no wildcard (RFC 4592 §3.3.1).
    """
    sibling = around.sibling(name)
    own = asked.at(name, rtype)
    if any(each.reply is Reply.NXDOMAIN and not each.chain for each in own):
        return ""
    types = (rtype,) if any(map(positive, own)) else (rtype, *others)
    pairs = {each: (asked.at(name, each), asked.at(sibling, each)) for each in types}
    telling = [each for each, (here, _) in pairs.items() if any(map(positive, here))]
    if not telling or not all(alike(here, there) for here, there in pairs.values()):
        return ""
    return f"*.{_closest_encloser(name, telling[0], around, asked)}"


def _closest_encloser(name: str, rtype: RecordType, around: Surroundings, asked: KnownAnswers) -> str:
    """Return the longest ancestor that exists: the wildcard that answers for the name stands right below it.

    An ancestor that does not exist is answered for by the same wildcard; the apex always exists.
    """
    made_up = asked.at(name, rtype)
    ancestors: list[str] = []
    above = name.partition(".")[2]
    while above != around.zone and under(above, around.zone) and len(ancestors) < _MOST_ANCESTORS:
        ancestors.append(above)
        above = above.partition(".")[2]
    exist = [each for each in ancestors if not alike(asked.at(each, rtype), made_up)]
    return exist[0] if exist else above


def redirection(name: str, rtype: RecordType, around: Surroundings, asked: KnownAnswers) -> str:
    """Return where a DNAME redirects what is beside the name and the name with it, empty where none does.

    A wildcard leads every name to one target, a DNAME each to its own (RFC 6672 §2.2).
    """
    label, nobody = f"{name.partition('.')[0]}.", f"{around.nobody}."
    there = {_target(each, rtype) for each in asked.at(around.sibling(name), rtype)}
    for target in (_target(each, rtype) for each in asked.at(name, rtype)):
        if target.startswith(label) and f"{nobody}{target.removeprefix(label)}" in there:
            return target.removeprefix(label)
    return ""


def _target(observation: Observation, rtype: RecordType) -> str:
    """Return the name that the first alias leads to, empty where there is none."""
    if rtype is RecordType.CNAME:
        return observation.values[0] if observation.values else ""
    return observation.chain[0] if observation.chain else ""
