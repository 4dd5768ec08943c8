"""What stands in the way of a record before it is published: other data at its name, or another value.

Told from a look at the DNS as it is now; a conflict moves no state. The finding is that of the record as the
conflict leaves it (verification.md, Findings); the sentence says what is there and what to do about it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from indicia.domain import spf
from indicia.domain.check import RecordVerdict
from indicia.domain.dkim import parse_key_record
from indicia.domain.explanation import found_values
from indicia.domain.findings import Finding
from indicia.domain.names import shown
from indicia.domain.observation import Observation, Question, RecordType, Reply
from indicia.domain.records import Purpose
from indicia.domain.verification import Sight


@dataclass(frozen=True, slots=True)
class Conflict:
    """What a record would meet, in one sentence."""

    finding: Finding
    sentence: str


# RFC 1034 §3.6.2: a CNAME stands alone, so these are what it could not be published beside.
_BESIDE = (RecordType.A, RecordType.AAAA, RecordType.MX, RecordType.TXT, RecordType.NS)


def further_questions(verdict: RecordVerdict) -> tuple[Question, ...]:
    """Return what else has to be asked to know of conflicts: what stands at the name of a CNAME."""
    if verdict.record.rtype is not RecordType.CNAME or not _is_there(verdict):
        return ()
    return tuple(Question(verdict.record.name, rtype) for rtype in _BESIDE)


def _is_there(verdict: RecordVerdict) -> bool:
    """Say whether the name exists without the wanted type."""
    return any(seen.reply is Reply.NODATA for seen in verdict.observations)


def conflict(verdict: RecordVerdict, further: Mapping[Question, Sequence[Observation]]) -> Conflict | None:
    """Return what the record conflicts with, None where it can be published as it is, or is there already."""
    if verdict.sight is Sight.UNKNOWN:
        return None
    record, wrong = verdict.record, verdict.sight is Sight.ABSENT
    if wrong and record.rtype is not RecordType.CNAME and (alias := _alias(verdict)):
        return Conflict(
            Finding.WRONG_TYPE,
            f"{record.name} is an alias of {shown(alias)}, beside which no {record.rtype.name} can stand"
            " (RFC 1034 §3.6.2). Remove the CNAME, or take another name.",
        )
    if record.rtype is RecordType.CNAME:
        return _of_cname(verdict, further)
    if record.rtype is RecordType.MX:
        return _of_mx(verdict) if wrong else None
    if record.purpose is Purpose.MAIL_FROM:
        return _of_spf(verdict)
    if record.purpose is Purpose.DKIM:
        return _of_key(verdict) if wrong else None
    if record.purpose is Purpose.DMARC and verdict.finding is Finding.MULTIPLE:
        return Conflict(
            Finding.MULTIPLE,
            f"{record.name} has more than one DMARC record, and receivers then heed none (RFC 7489 §6.6.3)."
            " Keep one.",
        )
    return None


def _alias(verdict: RecordVerdict) -> str | None:
    """Return what the name is an alias of. Other names at which the record would do are not looked at."""
    return next(
        (
            seen.chain[0]
            for seen in verdict.observations
            if seen.chain and seen.question.name == verdict.record.name
        ),
        None,
    )


def _of_cname(verdict: RecordVerdict, further: Mapping[Question, Sequence[Observation]]) -> Conflict | None:
    record, values = verdict.record, found_values(verdict.observations)
    if values:
        if verdict.sight is Sight.PRESENT:
            return None
        return Conflict(
            verdict.finding,
            f"{record.name} points to {shown(values[0])} already. A name has one CNAME: replace it.",
        )
    beside = [
        seen
        for question in further_questions(verdict)
        for seen in further.get(question, ())
        if seen.reply is Reply.ANSWER and not seen.chain
    ]
    if not beside:
        return None
    told = ", ".join(dict.fromkeys(f"{seen.question.rtype.name} {shown(seen.values[0])}" for seen in beside))
    return Conflict(
        Finding.FLATTENED if any(map(_flattening, beside)) else Finding.WRONG_TYPE,
        f"{record.name} has {told}, beside which no CNAME can stand (RFC 1034 §3.6.2). Remove what is there.",
    )


def _flattening(seen: Observation) -> bool:
    """Say whether this is what a proxy or CNAME flattening leaves: addresses, or the key itself."""
    if seen.question.rtype is RecordType.TXT:
        return any(parse_key_record(value).key is not None for value in seen.values)
    return seen.question.rtype in (RecordType.A, RecordType.AAAA)


def _of_mx(verdict: RecordVerdict) -> Conflict | None:
    values = found_values(verdict.observations)
    if not values:
        return None
    return Conflict(
        verdict.finding,
        f"{verdict.record.name} has MX {', '.join(map(shown, values))} already, and a MAIL FROM domain has"
        " exactly one. Replace what is there, or take a name that receives no mail.",
    )


def _of_spf(verdict: RecordVerdict) -> Conflict | None:
    record = verdict.record
    ours = [value for value in found_values(verdict.observations) if spf.is_spf(value)]
    include = record.value.split()[1]
    if len(ours) > 1:
        return Conflict(
            Finding.MULTIPLE,
            f"{record.name} has {len(ours)} SPF records, and receivers then heed none (RFC 7208 §4.5). Make"
            f" them one, with {include} in it.",
        )
    if not ours or include.lower() in ours[0].lower().split():
        return None
    return Conflict(
        Finding.SPF_MISSING_INCLUDE,
        f"{record.name} has an SPF record already, and a second would make both void (RFC 7208 §4.5). Change"
        f" it to {shown(spf.including(ours[0], include))}",
    )


def _of_key(verdict: RecordVerdict) -> Conflict | None:
    record, values = verdict.record, found_values(verdict.observations)
    if not values:
        return None
    return Conflict(
        verdict.finding,
        f"{record.name} has another TXT record already, and a selector has exactly one (RFC 6376 §3.6.2.2)."
        " Replace it, or take another selector.",
    )
