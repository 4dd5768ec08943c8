"""Questions whose answers are known before they are asked: by them a resolver that lies is found out.

An absence takes a right away, so whoever reports one has to say the truth about names of which it is known
that they are there, and that they are not (verification.md, Observations). None of them is in the hands of a
tenant: whoever could make one fail would keep what he has for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from indicia.domain.records.observation import Observation, Question, RecordType, Reply

CONTROL_TEXT: Final = "This name is there to be asked for: it tells a resolver that lies."
_BELOW: Final = "control._domainkey"


def control_zone(key_zone: str) -> str:
    """Return the name below which everything is there, in a key zone.

    Under `_domainkey`, as what is proved is: there are filters that deny names with an underscore.
    """
    return f"{_BELOW}.{key_zone}"


class Control(Enum):
    """What a control question is about. The value completes "it denies ..." or "it knows ..."."""

    ROOT = "the name servers of the root"
    KEY_ZONE = "the key zone of this service"
    KEY_NAME = "a name in the key zone of this service"
    TOP = "a top-level domain"
    NOBODY = "a name that nobody has"
    NOBODY_OURS = "a name in the key zone of this service that is not there"


# These are told from what is not delegated yet, or not served yet, by having been seen once.
LEARNED: Final = frozenset({Control.KEY_ZONE, Control.KEY_NAME})
_THERE: Final = frozenset({Control.ROOT, Control.KEY_ZONE, Control.KEY_NAME})
# What those make up who answer everything: a page to search with, a wildcard.
_MADE_UP: Final = (RecordType.A, RecordType.TXT, RecordType.MX)


@dataclass(frozen=True, slots=True)
class ControlQuestion:
    """A question, and what it is about."""

    control: Control
    question: Question


def control_questions(key_zone: str, label: str, tops: Iterable[str] = ()) -> tuple[ControlQuestion, ...]:
    """Return what is asked of a perspective. `label` is a random one: what was never asked is in no cache.

    `tops` are top-level domains: of all that is above a domain, what is surely in no tenant's hands.
    """
    nobody = [
        ControlQuestion(control, Question(name, rtype))
        for control, name in ((Control.NOBODY, label), (Control.NOBODY_OURS, f"{label}.{key_zone}"))
        for rtype in _MADE_UP
    ]
    return (
        ControlQuestion(Control.ROOT, Question(".", RecordType.NS)),
        ControlQuestion(Control.KEY_ZONE, Question(key_zone, RecordType.SOA)),
        ControlQuestion(Control.KEY_NAME, Question(f"{label}.{control_zone(key_zone)}", RecordType.TXT)),
        *nobody,
        *(ControlQuestion(Control.TOP, Question(top, RecordType.SOA)) for top in tops),
    )


def passes(asked: ControlQuestion, seen: Observation) -> bool:
    """Say whether the answer is the right one."""
    control = asked.control
    if control is Control.KEY_NAME:
        return seen.values == (CONTROL_TEXT,)
    if control is Control.KEY_ZONE:
        return seen.reply is Reply.ANSWER and seen.soa is not None and seen.soa.zone == asked.question.name
    if control in _THERE:
        return seen.reply is Reply.ANSWER
    return seen.reply.authoritative


def fails(asked: ControlQuestion, seen: Observation, known: Collection[Control]) -> bool:
    """Say whether the answer shows that this perspective cannot be believed.

    `known` are those of `LEARNED` that have passed here before. That our own zone, or a top-level domain,
    cannot be had at this moment is no lie; that the root cannot is as good as one.
    """
    control = asked.control
    if control is Control.ROOT:
        return not passes(asked, seen)
    if control is Control.TOP:
        return seen.reply is Reply.NXDOMAIN
    if control is Control.NOBODY_OURS:
        return Control.KEY_ZONE in known and seen.reply is Reply.ANSWER
    if control is Control.NOBODY:
        return seen.reply is Reply.ANSWER
    return control in known and seen.reply.authoritative and not passes(asked, seen)


def what_is_wrong(asked: ControlQuestion, seen: Observation) -> str:
    """Return in words how the control failed."""
    question = asked.question
    what = f"{question.name} {question.rtype.name}"
    if seen.reply is Reply.ANSWER:
        verb = "answers wrongly for" if asked.control in _THERE else "answers for"
        return f"it {verb} {asked.control.value} ({what}: {', '.join(seen.values)[:100]})"
    verb = "denies" if seen.reply.authoritative else "cannot say"
    return f"it {verb} {asked.control.value} ({what}: {seen.reply.value})"
