"""Findings in words: what was looked for, what was found, and what to do about it.

Each sentence names the record, quotes at most 100 characters of what was found, and ends in an action. The
pages in `docs/findings/` tell the longer story.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from indicia.domain.diagnosis import explained_values as values
from indicia.domain.diagnosis.excerpts import alias_of, all_quoted, found_values
from indicia.domain.diagnosis.probing import NOTHING_MORE, Detail
from indicia.domain.diagnosis.wording import Case, Explanation, publish, relative, replacement
from indicia.domain.names import shown
from indicia.domain.records.expected import ExpectedRecord
from indicia.domain.records.observation import Observation, RecordType, Reply
from indicia.domain.verification.findings import Finding


def explain(
    record: ExpectedRecord,
    finding: Finding,
    observations: Sequence[Observation],
    detail: Detail = NOTHING_MORE,
) -> Explanation:
    """Return the finding in words for this record; `detail` is what looking further has added."""
    return _TEXTS[finding](Case(record, finding, observations, detail))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _ok(case: Case) -> Explanation:
    return Explanation(f"{case.name} {case.record.rtype.name} is as expected.", "")


def _missing(case: Case) -> Explanation:
    record = case.record
    if case.detail.wildcard:
        return _covered(case)
    own = [each for each in case.observations if each.question == record.questions[0]]
    alias = alias_of(record, case.observations)
    nowhere = bool(own) and all(each.reply is Reply.NXDOMAIN for each in own)
    at = f"{shown(alias[-1])}, to which {case.name} leads," if alias else case.name
    if nowhere:
        return Explanation(f"{at} does not exist in the DNS.", publish(record))
    told = f"{at} has no {case.kind}."
    if record.rtype is not RecordType.CNAME:
        return Explanation(told, publish(record))
    return Explanation(
        told,
        f"{publish(record)}. If a record of another type stands at this very name, that has to go first: a"
        " CNAME stands alone (RFC 1034 §3.6.2).",
    )


def _covered(case: Case) -> Explanation:
    """Say that a wildcard answers in the record's place, and that it is in nobody's way."""
    values = found_values(case.record, case.observations)
    alias = alias_of(case.record, case.observations)
    answers = f'"{shown((alias or values)[0])}"' if alias or values else f"no {case.kind}"
    return Explanation(
        f"{case.name} has no record of its own: the wildcard {case.detail.wildcard} answers for it, with"
        f" {answers} (RFC 4592 §3.3).",
        f"{publish(case.record)}. The wildcard is not in the way: a record of the name's own takes its place"
        " there.",
    )


def _doubled(case: Case) -> Explanation:
    place = case.detail.place
    if not place and found_values(case.record, case.observations):
        return Explanation(
            f"{case.name} points to {case.found}: the zone was appended to the target.",
            f"{replacement(case.record)}, ending it with a dot if your DNS panel appends the zone to other"
            " names.",
        )
    at = shown(place) if place else f"{case.name} with the zone appended once more"
    return Explanation(
        f"The record stands at {at} instead of at {case.name}." if place else f"The record stands at {at}.",
        "Enter the name relative to the zone, without the domain at its end, in your DNS panel"
        f"{relative(case) or '.'}",
    )


def _without_underscore(case: Case) -> Explanation:
    at = shown(case.detail.place) or "the name without its underscore"
    return Explanation(
        f"The record stands at {at} instead of at {case.name}.",
        f"Publish it at {case.name}, with the underscore; if the panel refuses underscores, it cannot hold"
        " it.",
    )


def _wrong_level(case: Case) -> Explanation:
    at = shown(case.detail.place) or "a name one level off"
    return Explanation(
        f"A record with this value stands at {at}; it is looked for at {case.name}.",
        f"{publish(case.record)}{relative(case)}",
    )


def _swapped(case: Case) -> Explanation:
    return Explanation(
        f"{case.name} points to {case.found}, which belongs to another of this identity's names.",
        f"Give each name the target that begins with the same token: {case.name} to"
        f" {shown(case.record.value)}.",
    )


def _not_everywhere(case: Case) -> Explanation:
    having, lacking, kind = case.detail.having, case.detail.lacking, case.record.rtype.name
    told = (
        f"{case.name} {kind} is not the same everywhere: some places see"
        f" {all_quoted(case.record, case.observations)}, others do not."
    )
    if having or lacking:
        told = (
            f"The zone's name servers disagree: {_listed(having)} have {case.name} {kind}, {_listed(lacking)}"
            " have not."
        )
    return Explanation(
        told,
        "Wait until all of the zone's name servers have the record; if it stays so, compare them one by one.",
    )


def _not_yet_visible(case: Case) -> Explanation:
    kind, seconds = case.record.rtype.name, case.detail.seconds_left
    if seconds is None:
        return Explanation(
            f"The zone's name servers have {case.name} {kind}; the resolver still holds the earlier negative"
            " answer.",
            "Nothing to do: the record is seen when the negative answer runs out.",
        )
    return Explanation(
        f"{_listed(case.detail.having)} have {case.name} {kind} as expected; the resolver still holds an"
        f" earlier answer, for {seconds} s at most.",
        f"Nothing to do: it is seen in {seconds} s at the latest.",
    )


def _wrong_servers(case: Case) -> Explanation:
    where = f"on {_listed(case.detail.having)}, to which" if case.detail.having else "on servers to which"
    return Explanation(
        f"{case.name} {case.record.rtype.name} is published {where} the delegation of the domain does not"
        " point.",
        "Publish it with the provider that the domain's NS records name.",
    )


def _failing(told: str, fix: str) -> Callable[[Case], Explanation]:
    """Return the text for servers that fail; `{name}` in it is the name that they failed to answer for."""

    def text(case: Case) -> Explanation:
        unanswered = (each for each in case.observations if not each.reply.authoritative)
        at = next((each.question.name for each in unanswered), case.name)
        own = {question.name for question in case.record.questions}
        name = at if at in own else f"{shown(at)}, to which {case.name} leads,"
        asked = f" Asked were {_listed(case.detail.lacking)}." if case.detail.lacking else ""
        return Explanation(told.format(name=name) + asked, fix.format(name=name))

    return text


_TEXTS: Final[dict[Finding, Callable[[Case], Explanation]]] = {
    Finding.OK: _ok,
    Finding.MISSING: _missing,
    Finding.DOUBLED_ZONE: _doubled,
    Finding.WRONG_TYPE: values.other_type,
    Finding.FLATTENED: values.flattened,
    Finding.WRONG_TARGET: values.elsewhere,
    Finding.WRONG_VALUE: values.another_value,
    Finding.OTHER_IDENTITY: values.another_identitys,
    Finding.TOKENS_SWAPPED: _swapped,
    Finding.QUOTED: values.with_quotes,
    Finding.WHITESPACE: values.damaged(
        "The value of {name} has white space inside it: {found}.", "without spaces or line breaks."
    ),
    Finding.TRUNCATED: values.damaged(
        "The value of {name} was cut short: {found}.",
        "in full. Where the panel allows 255 characters, enter it as several quoted strings.",
    ),
    Finding.CASE_CHANGED: values.damaged(
        "The value of {name} has the right letters in the wrong case: {found}.",
        "with capital letters as they are; if the panel changes them, it cannot hold this record.",
    ),
    Finding.UNDERSCORE_LOST: _without_underscore,
    Finding.KEY_MISMATCH: values.key("{name} holds a DKIM key that is not the one this identity signs with."),
    Finding.KEY_REVOKED: values.key(
        "{name} has an empty p= tag, which says that the key is revoked (RFC 6376 §3.6.1)."
    ),
    Finding.KEY_UNREADABLE: values.unreadable_key,
    Finding.KEY_TOO_SHORT: values.key(
        "{name} holds an RSA key of fewer than 1024 bits, which receivers must not accept (RFC 8301 §3.2)."
    ),
    Finding.MULTIPLE: values.several,
    Finding.SPF_MISSING_INCLUDE: values.without_us,
    Finding.SPF_TOO_MANY_LOOKUPS: values.too_many_lookups,
    Finding.SPF_INVALID: values.invalid_spf,
    Finding.NOT_EVERYWHERE: _not_everywhere,
    Finding.NOT_YET_VISIBLE: _not_yet_visible,
    Finding.WRONG_NAME_SERVERS: _wrong_servers,
    Finding.WRONG_LEVEL: _wrong_level,
    Finding.ALIASED: values.aliased,
    Finding.LAME: _failing(
        "The name servers of {name} refuse to answer for the zone.",
        "Ask the DNS provider whether the zone is set up on the servers that the delegation names.",
    ),
    Finding.SERVER_FAILURE: _failing(
        "The name servers of {name} failed to answer (SERVFAIL or an answer that cannot be read).",
        "Ask the DNS provider; nothing changes until an answer comes.",
    ),
    Finding.UNREACHABLE: _failing(
        "No name server of {name} could be reached.",
        "Check the delegation of the domain and that its name servers answer over UDP and TCP.",
    ),
    Finding.BOGUS: _failing(
        "The answer for {name} fails DNSSEC validation.",
        "Mend the signatures or the DS record of the zone; until then nobody who validates sees the record.",
    ),
    Finding.OUR_RESOLVER: _failing(
        "This service's own resolver does not answer; nothing could be learnt about {name}.",
        "Nothing to do for the owner of the domain: the operator of this service must mend the resolver.",
    ),
}
