"""Further looks that tell findings apart: which to take, and what they say.

A record that is not as expected is not there for a reason. The reasons that owners of domains meet most often
can be seen, each at a place of its own: the name with the zone appended once more, the name without its
underscore, another type at the name, the zone's own servers (spec 12; verification.md, Findings). Who looks
is `verifier.investigation`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from indicia.domain.chains import as_seen_in, no_alias
from indicia.domain.check import RecordVerdict
from indicia.domain.dkim import parse_key_record
from indicia.domain.findings import Finding
from indicia.domain.judgement import judge
from indicia.domain.observation import Observation, Question, RecordType, Reply
from indicia.domain.records import ExpectedRecord, Purpose
from indicia.domain.verification import Sight


@dataclass(frozen=True, slots=True)
class Detail:
    """What an investigation adds to a finding, for the words that explain it.

    `place` is where something was found instead, or lies what breaks the record; `seconds_left` how long a
    resolver may still hold its earlier answer, `having` and `lacking` the zone's name servers with and
    without the record.
    """

    place: str = ""
    seconds_left: int | None = None
    having: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()


NOTHING_MORE = Detail()


@dataclass(frozen=True, slots=True)
class ServerView:
    """What one of the zone's own name servers said about a record.

    `delegated` is whether the parent zone names it: a server that only the zone itself names is asked by
    nobody.
    """

    name: str
    observation: Observation
    delegated: bool = True


@dataclass(frozen=True, slots=True)
class Refined:
    """A finding after the further looks, and what they add to it."""

    finding: Finding
    detail: Detail = NOTHING_MORE


# Only what says "not there", "another value" or "no answer" can be told apart further by looking.
_ABSENT = frozenset({Finding.MISSING})
_WRONG = frozenset({Finding.WRONG_TARGET, Finding.WRONG_VALUE, Finding.KEY_MISMATCH})
_UNKNOWN = frozenset({Finding.SERVER_FAILURE, Finding.UNREACHABLE, Finding.LAME})
_SERVERS_KNOW = _ABSENT | _WRONG | _UNKNOWN | {Finding.NOT_EVERYWHERE}

_OTHER_TYPES = {
    RecordType.CNAME: (RecordType.A, RecordType.AAAA, RecordType.TXT, RecordType.MX),
    RecordType.TXT: (RecordType.CNAME, RecordType.A, RecordType.MX),
    RecordType.MX: (RecordType.CNAME, RecordType.A, RecordType.TXT),
}


def doubled(name: str, zone: str) -> str:
    """Return the name with the zone appended once more, as panels make it that append the zone themselves."""
    return f"{name}.{zone}"


def without_underscore(name: str) -> str | None:
    """Return the name as panels spell it that drop the underscore; None where there is none to drop."""
    labels = name.split(".")
    for place, label in enumerate(labels):
        if label in ("_domainkey", "_amazonses", "_dmarc"):
            return ".".join([*labels[:place], label[1:], *labels[place + 1 :]])
    return None


def probes(verdict: RecordVerdict, zone: str) -> tuple[Question, ...]:
    """Return the further questions whose answers may explain the verdict, asked of the resolvers."""
    record = verdict.record
    if verdict.finding not in _ABSENT:
        return ()
    names = [doubled(record.name, zone)]
    bare = without_underscore(record.name)
    if bare is not None:
        names.append(bare)
    questions = [Question(name, record.rtype) for name in names]
    if any(observation.reply is Reply.NODATA for observation in verdict.observations):
        questions += [Question(record.name, rtype) for rtype in _OTHER_TYPES.get(record.rtype, ())]
    return tuple(questions)


def asks_servers(verdict: RecordVerdict) -> bool:
    """Say whether the zone's own name servers can tell more about the verdict."""
    return verdict.finding in _SERVERS_KNOW


def explained_by_probes(
    verdict: RecordVerdict, zone: str, answers: Mapping[Question, Sequence[Observation]]
) -> Refined | None:
    """Return what the further questions explain, None when they explain nothing."""
    record = verdict.record
    place = doubled(record.name, zone)
    if _there(record, place, answers):
        return Refined(Finding.DOUBLED_ZONE, Detail(place=place))
    bare = without_underscore(record.name)
    if bare is not None and _there(record, bare, answers):
        return Refined(Finding.UNDERSCORE_LOST, Detail(place=bare))
    return _other_type(record, answers)


def _there(record: ExpectedRecord, place: str, answers: Mapping[Question, Sequence[Observation]]) -> bool:
    """Say whether the expected value stands at another name; for a CNAME also with the zone at its end."""
    moved = replace(record, name=place, also=())
    for observation in answers.get(Question(place, record.rtype), ()):
        judged = judge(moved, [observation], follow=no_alias)
        if judged.sight is Sight.PRESENT or judged.finding is Finding.DOUBLED_ZONE:
            return True
    return False


def _other_type(record: ExpectedRecord, answers: Mapping[Question, Sequence[Observation]]) -> Refined | None:
    found = [
        observation
        for rtype in _OTHER_TYPES.get(record.rtype, ())
        for observation in answers.get(Question(record.name, rtype), ())
        if observation.reply is Reply.ANSWER
    ]
    if not found:
        return None
    detail = Detail(place=_described(found[0]))
    if record.rtype is RecordType.CNAME and any(map(_flattening, found)):
        return Refined(Finding.FLATTENED, detail)
    return Refined(Finding.WRONG_TYPE, detail)


def _described(observation: Observation) -> str:
    return f"{observation.question.rtype.name} {observation.values[0]}"


def _flattening(observation: Observation) -> bool:
    """Say whether this is what a proxy or CNAME flattening leaves: addresses, or the key itself."""
    if observation.question.rtype is RecordType.TXT:
        return any(parse_key_record(value).key is not None for value in observation.values)
    return observation.question.rtype in (RecordType.A, RecordType.AAAA)


def explained_by_servers(
    verdict: RecordVerdict, views: Sequence[ServerView], siblings: Sequence[str] = ()
) -> Refined | None:
    """Return what the zone's own name servers explain, None when they say what the resolvers say."""
    record, follow = replace(verdict.record, also=()), as_seen_in(verdict.observations)
    judged = [(view, judge(record, [view.observation], siblings, follow)) for view in views]
    asked = [(view, judgement) for view, judgement in judged if view.delegated]
    having = tuple(view.name for view, judgement in asked if judgement.sight is Sight.PRESENT)
    lacking = tuple(view.name for view, judgement in asked if judgement.sight is Sight.ABSENT)
    if verdict.finding in _UNKNOWN:
        return _refusing(asked_views=[view for view, _ in asked])
    if having and lacking:
        return Refined(Finding.NOT_EVERYWHERE, Detail(having=having, lacking=lacking))
    if having:
        return Refined(Finding.NOT_YET_VISIBLE, Detail(seconds_left=_held(verdict), having=having))
    elsewhere = tuple(
        view.name for view, judgement in judged if not view.delegated and judgement.sight is Sight.PRESENT
    )
    if elsewhere:
        return Refined(Finding.WRONG_NAME_SERVERS, Detail(having=elsewhere, lacking=lacking))
    return None


def _held(verdict: RecordVerdict) -> int | None:
    """Return the longest that a resolver may still hold what it answered, in seconds."""
    ttls = [
        ttl
        for observation in verdict.observations
        for ttl in (observation.negative_ttl, observation.ttl)
        if ttl is not None
    ]
    return max(ttls, default=None)


_BY_REPLY = {
    Reply.REFUSED: Finding.LAME,
    Reply.TIMEOUT: Finding.UNREACHABLE,
    Reply.OUR_RESOLVER: Finding.UNREACHABLE,
}


def _refusing(asked_views: Sequence[ServerView]) -> Refined | None:
    """Return how the zone's servers fail: in one way, or SERVER_FAILURE when each in its own."""
    if not asked_views or any(view.observation.reply.authoritative for view in asked_views):
        return None
    kinds = {_BY_REPLY.get(view.observation.reply, Finding.SERVER_FAILURE) for view in asked_views}
    names = tuple(view.name for view in asked_views)
    return Refined(kinds.pop() if len(kinds) == 1 else Finding.SERVER_FAILURE, Detail(lacking=names))


def may_be_another_identitys(verdict: RecordVerdict) -> tuple[str, ...]:
    """Return the found values that may belong to another identity of this service, to be looked up."""
    if verdict.finding is Finding.WRONG_TARGET or (
        verdict.finding is Finding.WRONG_VALUE and verdict.record.purpose is Purpose.OWNERSHIP
    ):
        return tuple(dict.fromkeys(value for seen in verdict.observations for value in seen.values))
    return ()
