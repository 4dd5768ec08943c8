"""One record, one perspective: is the expected record there, and if not, what is there instead?

Every function here takes what should be published and what was observed, and returns a `Judgement`. The rules
of comparison are those of spec 4.4; a variant is tolerated only where receivers tolerate it too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from indicia.domain.dkim.key_record import QUOTATION_MARK, KeyFlaw, parse_key_record
from indicia.domain.identities.identity import ErrorType
from indicia.domain.proofs.transitions import Sight
from indicia.domain.records.expected import ExpectedRecord, Purpose, mx_host
from indicia.domain.records.observation import Observation, RecordType, Reply
from indicia.domain.verification.chains import Follow, links, nobody_asked, target_of
from indicia.domain.verification.findings import Finding


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one observation means for one expected record. `negative_ttl` is in seconds.

    `links` are those of an alias after the first, as they were seen.
    """

    sight: Sight
    error: ErrorType | None
    finding: Finding
    negative_ttl: int | None = None
    links: tuple[Observation, ...] = ()


_PRESENT = Judgement(Sight.PRESENT, None, Finding.OK)


def _wrong(finding: Finding) -> Judgement:
    return Judgement(Sight.ABSENT, ErrorType.INVALID_VALUE, finding)


# verification.md, ErrorType and Findings: what a reply that says nothing about the zone is called.
_UNKNOWN: dict[Reply, tuple[ErrorType, Finding]] = {
    Reply.SERVFAIL: (ErrorType.DNS_SERVER_ERROR, Finding.SERVER_FAILURE),
    Reply.REFUSED: (ErrorType.DNS_SERVER_ERROR, Finding.LAME),
    Reply.FORMERR: (ErrorType.DNS_SERVER_ERROR, Finding.SERVER_FAILURE),
    Reply.NOTIMP: (ErrorType.DNS_SERVER_ERROR, Finding.SERVER_FAILURE),
    Reply.BOGUS: (ErrorType.DNS_SERVER_ERROR, Finding.BOGUS),
    Reply.NO_AUTHORITY: (ErrorType.HOST_NOT_FOUND, Finding.UNREACHABLE),
    Reply.TRUNCATED: (ErrorType.DNS_SERVER_ERROR, Finding.SERVER_FAILURE),
    Reply.GARBAGE: (ErrorType.DNS_SERVER_ERROR, Finding.SERVER_FAILURE),
    Reply.TIMEOUT: (ErrorType.SERVICE_ERROR, Finding.UNREACHABLE),
    Reply.OUR_RESOLVER: (ErrorType.SERVICE_ERROR, Finding.OUR_RESOLVER),
}


def judge(
    record: ExpectedRecord,
    observations: Sequence[Observation],
    siblings: Sequence[str] = (),
    follow: Follow = nobody_asked,
) -> Judgement:
    """Return what one perspective's observations mean for the record.

    `observations` answer the record's questions, in their order; `siblings` are the right targets of the
    identity's other records, by which swapped tokens are told; `follow` says where aliases lead on. The
    record is present when any of its names has it; it is absent only when every one of them was seen without
    it.
    """
    judged = [_judge_one(record, observation, siblings, follow) for observation in observations]
    for judgement in judged:
        if judgement.sight is Sight.PRESENT:
            return judgement
    for judgement in judged:
        if judgement.sight is Sight.UNKNOWN:
            return judgement
    return judged[0]


def _judge_one(
    record: ExpectedRecord, observation: Observation, siblings: Sequence[str], follow: Follow
) -> Judgement:
    if observation.reply is Reply.ANSWER and record.rtype is RecordType.CNAME:
        return _cname(record, observation, siblings, follow)
    judged = _judge_reply(record, observation)
    if judged.sight is Sight.ABSENT and _is_aliased(record, observation):
        return replace(judged, finding=Finding.ALIASED)
    return judged


def _judge_reply(record: ExpectedRecord, observation: Observation) -> Judgement:
    if observation.reply is Reply.NXDOMAIN:
        return Judgement(Sight.ABSENT, ErrorType.HOST_NOT_FOUND, Finding.MISSING, observation.negative_ttl)
    if observation.reply is Reply.NODATA:
        return Judgement(Sight.ABSENT, ErrorType.TYPE_NOT_FOUND, Finding.MISSING, observation.negative_ttl)
    if observation.reply is Reply.ANSWER:
        return _COMPARISONS[record.purpose, record.rtype](record, observation.values)
    return _unknown(observation.reply)


def _is_aliased(record: ExpectedRecord, observation: Observation) -> bool:
    """Say whether the record's own name leads elsewhere, so that nothing can be published beside its CNAME.

    The key of Easy DKIM is behind an alias as it should be. Other names at which a record would do may lead
    wherever they like.
    """
    if record.purpose is Purpose.KEY or not observation.chain:
        return False
    return observation.question.name == record.name


def _unknown(reply: Reply) -> Judgement:
    error, finding = _UNKNOWN[reply]
    return Judgement(Sight.UNKNOWN, error, finding)


def _cname(
    record: ExpectedRecord, observation: Observation, siblings: Sequence[str], follow: Follow
) -> Judgement:
    """Compare where a CNAME leads. Case and the trailing dot mean nothing (RFC 4343; spec 4.4).

    An alias of an alias of ours is ours (verification.md, Findings: a chain that ends at ours). A link that
    was not asked for, or that nobody could tell of, leaves it unknown where the chain ends.
    """
    values, expected = observation.values, record.value.lower()
    if len(values) == 1 and values[0] == expected:  # as our own client spells it: nearly always
        return _PRESENT
    further, onward = links(observation, expected, follow)
    last = further[-1] if further else observation
    if target_of(last) == expected:
        return replace(_PRESENT, links=tuple(further))
    if onward is not None:
        judged = _unknown(Reply.OUR_RESOLVER)
    elif not last.reply.authoritative:
        judged = _unknown(last.reply)
    else:
        judged = _elsewhere(observation, further, expected, siblings)
    return replace(judged, links=tuple(further))


def _elsewhere(
    first: Observation, further: Sequence[Observation], expected: str, siblings: Sequence[str]
) -> Judgement:
    """Return what a chain means that ends at another name than the right one."""
    ends = (target_of(each) for each in (first, *further))
    target = [end for end in ends if end is not None][-1:] or [min(first.values).rstrip(".").lower()]
    return _wrong(_kind_of_target(target[0], expected, siblings))


def _kind_of_target(target: str, expected: str, siblings: Sequence[str]) -> Finding:
    if target in siblings:
        return Finding.TOKENS_SWAPPED
    if target.startswith(expected + "."):
        return Finding.DOUBLED_ZONE
    return Finding.WRONG_TARGET


def _ownership(record: ExpectedRecord, values: Sequence[str]) -> Judgement:
    """Compare the legacy TXT: any one of several records may hold it (spec 4.4).

    The token is compared in its case. One surrounding pair of quotes and the prefix `amazonses:` are
    accepted: the token has no other reader whom they could mislead.
    """
    token = record.value
    accepted = {token, f'"{token}"', f"amazonses:{token}", f'"amazonses:{token}"'}
    if any(value in accepted for value in values):
        return _PRESENT
    damage: tuple[tuple[Finding, Callable[[str], bool]], ...] = (
        (Finding.WHITESPACE, lambda value: _BLANK.sub("", value) == token),
        (Finding.QUOTED, lambda value: _BLANK.sub("", QUOTATION_MARK.sub("", value)) == token),
        (Finding.CASE_CHANGED, lambda value: value.lower() == token.lower()),
        (Finding.TRUNCATED, lambda value: len(value) >= 8 and token.startswith(value)),
    )
    for finding, damaged in damage:
        if any(map(damaged, map(_bare, values))):
            return _wrong(finding)
    return _wrong(Finding.WRONG_VALUE)


# White space, and what word processors set in its place: the octets of UTF-8, one a character.
_BLANK: Final = re.compile("\u00c2\u00a0|\u00e2\u0080[\u0080-\u008b\u00af]|\u00ef\u00bb\u00bf|\\s")


def _bare(value: str) -> str:
    """Return a legacy token without what is accepted round it: one pair of quotes, and the prefix."""
    bare = value.strip()
    if len(bare) > 1 and bare[0] == bare[-1] == '"':
        bare = bare[1:-1].strip()
    return bare.removeprefix("amazonses:")


_KEY_FINDINGS = {KeyFlaw.REVOKED: Finding.KEY_REVOKED, KeyFlaw.TOO_SHORT: Finding.KEY_TOO_SHORT}


def _key(record: ExpectedRecord, values: Sequence[str]) -> Judgement:
    """Compare a DKIM key record with the public half of the key that signs.

    RFC 6376 §3.6.2.2: more than one record at a selector is undefined for receivers, so it proves nothing. A
    flaw that receivers do not forgive is not forgiven here, quotes inside the data above all.
    """
    if len(values) > 1:
        return _wrong(Finding.MULTIPLE)
    found = parse_key_record(values[0])
    expected = record.value.removeprefix("p=")
    if found.usable and found.key == parse_key_record(record.value).key:
        return _PRESENT
    unquoted = QUOTATION_MARK.sub("", values[0])
    if unquoted != values[0] and parse_key_record(unquoted).public_key == expected:
        return _wrong(Finding.QUOTED)
    if found.public_key != expected and expected.startswith(found.public_key or "-"):
        return _wrong(Finding.TRUNCATED)
    if found.public_key != expected and found.public_key.lower() == expected.lower():
        return _wrong(Finding.CASE_CHANGED)
    for flaw in found.flaws:
        return _wrong(_KEY_FINDINGS.get(flaw, Finding.KEY_UNREADABLE))
    return _wrong(Finding.KEY_MISMATCH)


def _mail_from_mx(record: ExpectedRecord, values: Sequence[str]) -> Judgement:
    """Compare the MX of MAIL FROM: exactly one, any preference, the host of a served region (spec 4.4)."""
    if len(values) > 1:
        return _wrong(Finding.MULTIPLE)
    host = mx_host(values[0])
    if host == mx_host(record.value) or host in record.hosts:
        return _PRESENT
    return _wrong(Finding.WRONG_VALUE)


def _advice(record: ExpectedRecord, values: Sequence[str]) -> Judgement:
    """Compare a record that no status depends on: there is one of its sort, or there is not."""
    version = record.value.partition(" ")[0].rstrip(";").lower()
    ours = [value for value in values if value.lower().startswith(version)]
    if not ours:
        return Judgement(Sight.ABSENT, ErrorType.INVALID_VALUE, Finding.MISSING)
    if len(ours) > 1:
        return _wrong(Finding.MULTIPLE)
    if record.purpose is Purpose.MAIL_FROM and record.value.split()[1].lower() not in ours[0].lower().split():
        return _wrong(Finding.SPF_MISSING_INCLUDE)
    return _PRESENT


_COMPARISONS: dict[tuple[Purpose, RecordType], Callable[[ExpectedRecord, Sequence[str]], Judgement]] = {
    (Purpose.DKIM, RecordType.TXT): _key,
    (Purpose.KEY, RecordType.TXT): _key,
    (Purpose.OWNERSHIP, RecordType.TXT): _ownership,
    (Purpose.MAIL_FROM, RecordType.MX): _mail_from_mx,
    (Purpose.MAIL_FROM, RecordType.TXT): _advice,
    (Purpose.DMARC, RecordType.TXT): _advice,
}


def finding_of_text(record: ExpectedRecord, value: str) -> Finding:
    """Return what one TXT value would mean for the record if it stood alone."""
    return _COMPARISONS[record.purpose, RecordType.TXT](record, (value,)).finding


# spec 5 and verification.md: several records failing differently.
PRECEDENCE = (
    ErrorType.INVALID_VALUE,
    ErrorType.TYPE_NOT_FOUND,
    ErrorType.HOST_NOT_FOUND,
    ErrorType.DNS_SERVER_ERROR,
    ErrorType.SERVICE_ERROR,
)


def worst(errors: Sequence[ErrorType | None]) -> ErrorType | None:
    """Return the one error that stands for several: the one that says most about what is published."""
    told = {error for error in errors if error is not None}
    return next((error for error in PRECEDENCE if error in told), None) if told else None
