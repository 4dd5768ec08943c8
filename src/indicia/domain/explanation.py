"""Findings in words: what was looked for, what was found, and what to do about it.

Each sentence names the record, quotes at most 100 characters of what was found and says how many more there
were, and ends in an action. The pages in `docs/findings/` tell the longer story.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from indicia.domain import spf
from indicia.domain.findings import Finding
from indicia.domain.names import shown
from indicia.domain.observation import Observation, Reply
from indicia.domain.probing import NOTHING_MORE, Detail
from indicia.domain.records import ExpectedRecord, Purpose, names_unserved_region


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a finding means for one record, and the change that mends it. `fix` is empty when all is well."""

    explanation: str
    fix: str


def found_values(observations: Sequence[Observation]) -> tuple[str, ...]:
    """Return every value that was seen, each once, in the order of the perspectives."""
    return tuple(dict.fromkeys(value for observation in observations for value in observation.values))


def explain(
    record: ExpectedRecord,
    finding: Finding,
    observations: Sequence[Observation],
    detail: Detail = NOTHING_MORE,
) -> Explanation:
    """Return the finding in words for this record; `detail` is what looking further has added."""
    words = _TEXTS[finding](record, observations)
    more = _DETAILS.get(finding)
    return words if more is None else more(record, detail, words)


def _at_place(record: ExpectedRecord, detail: Detail, words: Explanation) -> Explanation:
    if not detail.place:
        return words
    return replace(
        words, explanation=f"The record stands at {shown(detail.place)} instead of at {record.name}."
    )


def _other_type_found(record: ExpectedRecord, detail: Detail, words: Explanation) -> Explanation:
    if not detail.place:
        return words
    what = f"{record.name} has {shown(detail.place)} and no {record.rtype.name} record"
    return replace(words, explanation=f"{what}.")


def _flattened_to(record: ExpectedRecord, detail: Detail, words: Explanation) -> Explanation:
    if not detail.place:
        return words
    what = f"{record.name} answers with {shown(detail.place)} in place of a CNAME"
    return replace(words, explanation=f"{what}: a proxy or CNAME flattening is switched on for it.")


def _which_servers(record: ExpectedRecord, detail: Detail, words: Explanation) -> Explanation:
    if not detail.having and not detail.lacking:
        return words
    kind = record.rtype.name
    told = f"{_listed(detail.having)} have {record.name} {kind}, {_listed(detail.lacking)} have not."
    return replace(words, explanation=f"The zone's name servers disagree: {told}")


def _seconds_left(record: ExpectedRecord, detail: Detail, words: Explanation) -> Explanation:
    if detail.seconds_left is None:
        return words
    wait = f"Nothing to do: it is seen in {detail.seconds_left} s at the latest."
    told = (
        f"{_listed(detail.having)} have {record.name} {record.rtype.name} as expected; the resolver still"
        f" holds an earlier answer, for {detail.seconds_left} s at most."
    )
    return Explanation(told, wait)


def _wrong_servers(record: ExpectedRecord, detail: Detail, words: Explanation) -> Explanation:
    if not detail.having:
        return words
    told = f"{record.name} {record.rtype.name} is published on {_listed(detail.having)}"
    return replace(words, explanation=f"{told}, to which the delegation of the domain does not point.")


def _failing_servers(_: ExpectedRecord, detail: Detail, words: Explanation) -> Explanation:
    if not detail.lacking:
        return words
    return replace(words, explanation=f"{words.explanation} Asked were {_listed(detail.lacking)}.")


def _broken_include(record: ExpectedRecord, detail: Detail, words: Explanation) -> Explanation:
    if not detail.place:
        return words
    where = shown(detail.place)
    return Explanation(
        f"The SPF record at {record.name} leads to {where}, which has no SPF record that can be read:"
        " receivers take that for an error of the whole (RFC 7208 §5.2).",
        f"Take {where} out of the record, or let its owner mend what is published there.",
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


# What ends with a value has no full stop: it would look like a part of it.
def _publish(record: ExpectedRecord) -> str:
    return f"Publish {record.name} {record.rtype.name} {shown(record.value)}"


def _replace(record: ExpectedRecord) -> str:
    return f"Replace the value of {record.name} {record.rtype.name} with {shown(record.value)}"


def _quoted(observations: Sequence[Observation]) -> str:
    values = found_values(observations)
    if not values:
        return "nothing"
    more = f" and {len(values) - 1} more" if len(values) > 1 else ""
    return f'"{shown(values[0])}"{more}'


def _ok(record: ExpectedRecord, _: Sequence[Observation]) -> Explanation:
    return Explanation(f"{record.name} {record.rtype.name} is as expected.", "")


def _missing(record: ExpectedRecord, observations: Sequence[Observation]) -> Explanation:
    exists = any(observation.reply is Reply.NODATA for observation in observations)
    if exists:
        return Explanation(
            f"{record.name} exists, but has no {record.rtype.name} record.",
            f"{_publish(record)}. If the name holds another type, remove that first:"
            " a CNAME stands alone (RFC 1034 §3.6.2)."
            if record.rtype.name == "CNAME"
            else _publish(record),
        )
    return Explanation(f"{record.name} does not exist in the DNS.", _publish(record))


def _simple(explanation: str, fix: str) -> Callable[[ExpectedRecord, Sequence[Observation]], Explanation]:
    """Return a text in which {name}, {type}, {value}, {found} and {zone} are filled in."""

    def fill(record: ExpectedRecord, observations: Sequence[Observation]) -> Explanation:
        places = {
            "name": record.name,
            "type": record.rtype.name,
            "value": shown(record.value),
            "found": _quoted(observations),
            "publish": _publish(record),
            "replace": _replace(record),
        }
        return Explanation(explanation.format(**places), fix.format(**places))

    return fill


def _doubled(record: ExpectedRecord, observations: Sequence[Observation]) -> Explanation:
    if found_values(observations):
        return Explanation(
            f"{record.name} points to {_quoted(observations)}: the zone was appended to the target.",
            f"{_replace(record)}, ending it with a dot if your DNS panel appends the zone to other names.",
        )
    return Explanation(
        f"The record stands at {record.name} with the zone appended once more.",
        "Enter the name relative to the zone, without the domain at its end, in your DNS panel.",
    )


def _unknown_value(record: ExpectedRecord, observations: Sequence[Observation]) -> Explanation:
    if record.purpose is Purpose.MAIL_FROM and any(
        names_unserved_region(record, value) for value in found_values(observations)
    ):
        return Explanation(
            f"{record.name} {record.rtype.name} is {_quoted(observations)}, a host for a region that this"
            " service does not serve: bounces would go nowhere.",
            _replace(record),
        )
    what = {Purpose.DKIM: "key", Purpose.OWNERSHIP: "token"}.get(record.purpose, "value")
    return Explanation(
        f"{record.name} {record.rtype.name} is {_quoted(observations)}, which is another {what}.",
        _replace(record),
    )


def _another_identitys(record: ExpectedRecord, observations: Sequence[Observation]) -> Explanation:
    told = Explanation(
        f"{record.name} holds {_quoted(observations)}, which this service gave to another identity: another"
        " account, another region, or an earlier identity of the same name.",
        _replace(record),
    )
    if record.purpose is not Purpose.OWNERSHIP:
        return told
    # Several TXT records may stand side by side, and the other identity may still need its own.
    return replace(
        told, fix=f"{_publish(record)}, beside the other as long as another account or region needs that."
    )


def _without_us(record: ExpectedRecord, observations: Sequence[Observation]) -> Explanation:
    found = next(filter(spf.is_spf, found_values(observations)), record.value)
    include = next((word for word in record.value.split() if word.startswith("include:")), record.value)
    return Explanation(
        f"The SPF record at {record.name} does not include this service: {_quoted(observations)}.",
        f"Change the record that is there to {spf.including(found, include)}. A second SPF record would make"
        " both void (RFC 7208 §4.5).",
    )


_TEXTS: dict[Finding, Callable[[ExpectedRecord, Sequence[Observation]], Explanation]] = {
    Finding.OK: _ok,
    Finding.MISSING: _missing,
    Finding.DOUBLED_ZONE: _doubled,
    Finding.WRONG_TYPE: _simple(
        "{name} holds a record of another type than {type}: {found}.",
        "Remove that record, then publish {name} {type} {value}.",
    ),
    Finding.FLATTENED: _simple(
        "{name} answers with {found} in place of a CNAME: a proxy or CNAME flattening is switched on for it.",
        "Switch the proxy off for this record (DNS only), so that the CNAME itself is visible.",
    ),
    Finding.WRONG_TARGET: _simple("{name} points to {found}, not to {value}.", "{replace}"),
    Finding.WRONG_VALUE: _unknown_value,
    Finding.OTHER_IDENTITY: _another_identitys,
    Finding.TOKENS_SWAPPED: _simple(
        "{name} points to {found}, which belongs to another of this identity's names.",
        "Give each name the target that begins with the same token: {name} to {value}.",
    ),
    Finding.QUOTED: _simple(
        "The value of {name} has quotes inside the data: {found}. Receivers do not read such a record.",
        "Enter the value without quotes; quotes belong to zone files, not to DNS panels.",
    ),
    Finding.WHITESPACE: _simple(
        "The value of {name} has white space inside it: {found}.", "{replace}, without spaces or line breaks."
    ),
    Finding.TRUNCATED: _simple(
        "The value of {name} was cut short: {found}.",
        "{replace}, in full. Where the panel allows 255 characters, enter it as several quoted strings.",
    ),
    Finding.CASE_CHANGED: _simple(
        "The value of {name} has the right letters in the wrong case: {found}.",
        "{replace}, with capital letters as they are; if the panel changes them, it cannot hold this record.",
    ),
    Finding.UNDERSCORE_LOST: _simple(
        "The record stands at the name without its underscore instead of at {name}.",
        "Publish it at {name}, with the underscore; if the panel refuses underscores, it cannot hold it.",
    ),
    Finding.KEY_MISMATCH: _simple(
        "{name} holds a DKIM key that is not the one this identity signs with.", "{replace}"
    ),
    Finding.KEY_REVOKED: _simple(
        "{name} has an empty p= tag, which says that the key is revoked (RFC 6376 §3.6.1).", "{replace}"
    ),
    Finding.KEY_UNREADABLE: _simple(
        "{name} is not a DKIM key record that receivers can read: {found}.", "{replace}"
    ),
    Finding.KEY_TOO_SHORT: _simple(
        "{name} holds an RSA key of fewer than 1024 bits, which receivers must not accept (RFC 8301 §3.2).",
        "{replace}",
    ),
    Finding.MULTIPLE: _simple(
        "There is more than one {type} record at {name}: {found}.",
        "Keep exactly one: {value}.",
    ),
    Finding.SPF_MISSING_INCLUDE: _without_us,
    Finding.SPF_TOO_MANY_LOOKUPS: _simple(
        "The SPF record at {name} needs more than 10 DNS look-ups, which receivers refuse (RFC 7208 §4.6.4).",
        "Remove includes that are not needed.",
    ),
    Finding.SPF_INVALID: _simple("The SPF record at {name} cannot be read: {found}.", "{replace}"),
    Finding.NOT_EVERYWHERE: _simple(
        "{name} {type} is not the same everywhere: some places see {found}, others do not.",
        "Wait until all of the zone's name servers have the record; if it stays so, compare them one by one.",
    ),
    Finding.NOT_YET_VISIBLE: _simple(
        "The zone's name servers have {name} {type}; the resolver still holds the earlier negative answer.",
        "Nothing to do: the record is seen when the negative answer runs out.",
    ),
    Finding.WRONG_NAME_SERVERS: _simple(
        "{name} {type} is published on servers that the delegation of the domain does not point to.",
        "Publish it with the provider that the domain's NS records name.",
    ),
    Finding.LAME: _simple(
        "The name servers of {name} refuse to answer for the zone.",
        "Ask the DNS provider whether the zone is set up on the servers that the delegation names.",
    ),
    Finding.SERVER_FAILURE: _simple(
        "The name servers of {name} failed to answer (SERVFAIL or an answer that cannot be read).",
        "Ask the DNS provider; nothing changes until an answer comes.",
    ),
    Finding.UNREACHABLE: _simple(
        "No name server of {name} could be reached.",
        "Check the delegation of the domain and that its name servers answer over UDP and TCP.",
    ),
    Finding.BOGUS: _simple(
        "The answer for {name} fails DNSSEC validation.",
        "Mend the signatures or the DS record of the zone; until then nobody who validates sees the record.",
    ),
    Finding.OUR_RESOLVER: _simple(
        "This service's own resolver does not answer; nothing could be learnt about {name}.",
        "Nothing to do for the owner of the domain: the operator of this service must mend the resolver.",
    ),
}

_DETAILS: dict[Finding, Callable[[ExpectedRecord, Detail, Explanation], Explanation]] = {
    Finding.DOUBLED_ZONE: _at_place,
    Finding.UNDERSCORE_LOST: _at_place,
    Finding.WRONG_TYPE: _other_type_found,
    Finding.FLATTENED: _flattened_to,
    Finding.NOT_EVERYWHERE: _which_servers,
    Finding.NOT_YET_VISIBLE: _seconds_left,
    Finding.WRONG_NAME_SERVERS: _wrong_servers,
    Finding.LAME: _failing_servers,
    Finding.SERVER_FAILURE: _failing_servers,
    Finding.UNREACHABLE: _failing_servers,
    Finding.SPF_INVALID: _broken_include,
}
