"""Further looks that tell findings apart: which to take, and what they say.

A record that is not as expected is not there for a reason. The reasons that owners of domains meet most often
can be seen, each at a place of its own: the name with the zone appended once more, the name without its
underscore, the name one level off, another type at the name, a name beside it that nobody has, the zone's own
servers (spec 12; verification.md, Findings). Who looks is `verifier.diagnosis.investigation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from indicia.domain.dkim.key_record import parse_key_record
from indicia.domain.names import under
from indicia.domain.proofs.transitions import Sight
from indicia.domain.records.expected import ExpectedRecord, Purpose, mx_host
from indicia.domain.records.observation import Observation, Question, RecordType, Reply
from indicia.domain.verification.chains import Follow, no_alias, nobody_asked
from indicia.domain.verification.check import RecordVerdict
from indicia.domain.verification.findings import Finding
from indicia.domain.verification.judgement import judge
from indicia.domain.verification.synthesis import KnownAnswers, Surroundings, alike, redirection, wildcard


@dataclass(frozen=True, slots=True)
class Detail:
    """What an investigation adds to a finding, for the words that explain it.

    `place` is where something was found instead, what stands there, or where lies what breaks the record;
    `seconds_left` how long a resolver may still hold its earlier answer, `having` and `lacking` the zone's
    name servers with and without the record. `wildcard` answers in place of a record of the name's own;
    `dname` is where everything beside the name is redirected; `zone` is the zone in which the name has to be
    entered.
    """

    place: str = ""
    seconds_left: int | None = None
    having: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    wildcard: str = ""
    dname: str = ""
    zone: str = ""


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


@dataclass(frozen=True, slots=True)
class QuestionsNeeded:
    """What has to be asked before there can be an explanation."""

    questions: tuple[Question, ...]


# Only what says "not there", "another value" or "no answer" can be told apart further by the zone's servers.
_UNKNOWN = frozenset({Finding.SERVER_FAILURE, Finding.UNREACHABLE, Finding.LAME})
_SERVERS_KNOW = _UNKNOWN | {
    Finding.MISSING,
    Finding.WRONG_TARGET,
    Finding.WRONG_VALUE,
    Finding.KEY_MISMATCH,
    Finding.NOT_EVERYWHERE,
}

# What a CNAME cannot stand beside (RFC 1034 §3.6.2), and what a wildcard most often has for the others.
_BESIDE = {
    RecordType.CNAME: (RecordType.A, RecordType.AAAA, RecordType.TXT, RecordType.MX, RecordType.NS),
    RecordType.TXT: (RecordType.A, RecordType.MX),
    RecordType.MX: (RecordType.A, RecordType.TXT),
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


def one_level_off(purpose: Purpose, names: Sequence[str], domain: str, zone: str) -> tuple[str, ...]:
    """Return where a record of these names is published by mistake when they are written for another level.

    Under the apex of the zone or the parent of the identity, in place of the identity; or, the other way
    round, with the identity's first label once more, as it comes of a name that is meant for the parent's
    zone. A policy of DMARC at a domain above is no mistake: it counts there (RFC 7489 §6.6.3).
    """
    if purpose is Purpose.DMARC:
        return ()
    parent = domain.partition(".")[2]
    levels = [zone, f"{domain.partition('.')[0]}.{domain}"]
    # A MAIL FROM domain has no value of its own: outside of the zone such a record may well be another's.
    if "." in parent and (under(parent, zone) or purpose is not Purpose.MAIL_FROM):
        levels.insert(1, parent)
    places = (
        f"{name.removesuffix(domain)}{level}" for level in levels for name in names if under(name, domain)
    )
    return tuple(dict.fromkeys(place for place in places if place not in names))


def can_be_explained(verdict: RecordVerdict) -> bool:
    """Say whether looking further can tell more about the verdict.

    A key is not looked into: what is wrong with one is told by the key zone, and by who answers for its name.
    """
    if verdict.record.purpose is Purpose.KEY:
        return False
    return verdict.sight is Sight.ABSENT or verdict.finding in _SERVERS_KNOW


def asks_servers(verdict: RecordVerdict, refined: Refined | None) -> bool:
    """Say whether the zone's own name servers can tell more, after what other looks have explained.

    What comes from a wildcard may be what a resolver still holds from before the record was published.
    """
    if refined is not None:
        return refined.finding is Finding.MISSING
    return verdict.finding in _SERVERS_KNOW


def explained_by_probes(
    verdict: RecordVerdict,
    around: Surroundings,
    answers: Mapping[Question, Sequence[Observation]],
    *,
    places: bool = True,
) -> Refined | QuestionsNeeded | None:
    """Return what further questions explain, what has to be asked for it, None when they explain nothing.

    `answers` holds what was seen so far; `places` is whether other names are looked at.
    """
    if verdict.sight is not Sight.ABSENT:
        return None
    asked = KnownAnswers({**_by_question(verdict.observations), **answers})
    found = _explained(verdict, around, asked, places=places)
    return QuestionsNeeded(tuple(asked.missing)) if asked.missing else found


def _by_question(observations: Sequence[Observation]) -> dict[Question, tuple[Observation, ...]]:
    seen: dict[Question, tuple[Observation, ...]] = {}
    for each in observations:
        seen[each.question] = (*seen.get(each.question, ()), each)
    return seen


def _explained(
    verdict: RecordVerdict, around: Surroundings, asked: KnownAnswers, *, places: bool
) -> Refined | None:
    record = verdict.record
    from_wildcard = wildcard(record.name, record.rtype, around, asked, _BESIDE[record.rtype])
    missing = verdict.finding is Finding.MISSING
    in_the_way = _other_type(record, asked) if missing and not from_wildcard else None
    misplaced = _misplaced(record, around, asked) if places and (missing or from_wildcard) else None
    if in_the_way is not None or misplaced is not None:
        return in_the_way or misplaced
    if from_wildcard:
        return Refined(Finding.MISSING, Detail(wildcard=from_wildcard))
    dname = redirection(record.name, record.rtype, around, asked)
    return Refined(Finding.ALIASED, Detail(dname=dname)) if dname else None


def _misplaced(record: ExpectedRecord, around: Surroundings, asked: KnownAnswers) -> Refined | None:
    """Return where the record stands instead. All places are asked before one is told."""
    there = [each for each in _places(record, around) if _there(record, each[1], around, asked)]
    told = (Refined(finding, Detail(place=place, zone=around.zone)) for finding, place in there)
    return next(told, None)


def _places(record: ExpectedRecord, around: Surroundings) -> Iterator[tuple[Finding, str]]:
    yield Finding.DOUBLED_ZONE, doubled(record.name, around.zone)
    bare = without_underscore(record.name)
    if bare is not None:
        yield Finding.UNDERSCORE_LOST, bare
    names = (record.name, *record.also)
    for place in one_level_off(record.purpose, names, around.domain, around.zone):
        yield Finding.WRONG_LEVEL, place


def _there(record: ExpectedRecord, place: str, around: Surroundings, asked: KnownAnswers) -> bool:
    """Say whether the expected value stands at another name; for a CNAME also with the zone at its end.

    What a wildcard synthesises there was published at no such name.
    """
    moved = replace(record, name=place, also=())
    seen = asked.at(place, record.rtype)
    judged = [judge(moved, [observation], follow=no_alias) for observation in seen]
    if not any(each.sight is Sight.PRESENT or each.finding is Finding.DOUBLED_ZONE for each in judged):
        return False
    return not alike(seen, asked.at(around.sibling(place), record.rtype))


def _other_type(record: ExpectedRecord, asked: KnownAnswers) -> Refined | None:
    """Return what of another type explains the absence, None where that could stand beside the record.

    Only a CNAME excludes other types (RFC 1034 §3.6.2). Beside an MX a TXT is worth a word where it holds
    what belongs into the MX.
    """
    own = asked.at(record.name, record.rtype)
    if not any(each.reply is Reply.NODATA and not each.chain for each in own):
        return None
    found = [
        each
        for rtype in _BESIDE[record.rtype]
        for each in asked.at(record.name, rtype)
        if each.reply is Reply.ANSWER and not each.chain
    ]
    if record.rtype is RecordType.CNAME and found:
        finding = Finding.FLATTENED if any(map(_flattening, found)) else Finding.WRONG_TYPE
        return Refined(finding, Detail(place=_described(found)))
    misfiled = next((each for each in found if _holds(record, each)), None)
    return None if misfiled is None else Refined(Finding.WRONG_TYPE, Detail(place=_described([misfiled])))


def _holds(record: ExpectedRecord, observation: Observation) -> bool:
    """Say whether a TXT holds the value of the MX that is wanted, with its preference or without."""
    if record.rtype is not RecordType.MX or observation.question.rtype is not RecordType.TXT:
        return False
    texts = (value.strip() for value in observation.values)
    return any(text and mx_host(text) == mx_host(record.value) for text in texts)


def _described(found: Sequence[Observation]) -> str:
    """Return the records as type and value, each once."""
    told = (f"{each.question.rtype.name} {value}" for each in found for value in each.values)
    return ", ".join(dict.fromkeys(told))


def _flattening(observation: Observation) -> bool:
    """Say whether this is what a proxy or CNAME flattening leaves: addresses, or the key itself."""
    if observation.question.rtype is RecordType.TXT:
        return any(parse_key_record(value).key is not None for value in observation.values)
    return observation.question.rtype in (RecordType.A, RecordType.AAAA)


def explained_by_servers(
    verdict: RecordVerdict,
    views: Sequence[ServerView],
    siblings: Sequence[str] = (),
    follow: Follow = nobody_asked,
) -> Refined | None:
    """Return what the zone's own name servers explain, None when they say what the resolvers say.

    `follow` says where aliases lead that the servers have: other people's zones, which the resolvers know.
    """
    record = replace(verdict.record, also=())
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
