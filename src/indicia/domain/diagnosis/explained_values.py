"""What stands at the right name in place of the right record, in words: another type or value, damage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from indicia.domain.diagnosis import spf
from indicia.domain.diagnosis.excerpts import alias_of, all_quoted, chain_end, found_values, value_in_question
from indicia.domain.diagnosis.wording import Case, Explanation, lower, publish, replacement
from indicia.domain.dkim.key_flaws import named_flaw
from indicia.domain.names import shown
from indicia.domain.records.expected import ExpectedRecord, Purpose, names_unserved_region
from indicia.domain.records.observation import RecordType

_LONGEST_SPF: Final = 450  # characters (RFC 7208 §3.4)


def aliased(case: Case) -> Explanation:
    """ALIASED: what the name leads to, and how to do without a record at it or without the alias."""
    record, dname = case.record, case.detail.dname
    parent = case.name.partition(".")[2]
    if dname:
        told = (
            f"{case.name} is redirected to {shown(dname)}, with every name beside it, by a DNAME at {parent}"
            " or above, below which no record can stand (RFC 6672 §2.3)."
        )
        alias = "DNAME"
    else:
        target = (*alias_of(record, case.observations), "another name")[0]
        told = (
            f"{case.name} is an alias of {shown(target)}, beside which no {record.rtype.name} can stand"
            " (RFC 1034 §3.6.2)."
        )
        alias = "CNAME"
    remove = f"remove the {alias}, if nothing else needs it, and {lower(publish(record))}"
    return Explanation(told, f"{_instead(case)}, or {remove}")


def _instead(case: Case) -> str:
    """Return what is done where an alias has to stay."""
    record = case.record
    if record.rtype is RecordType.CNAME:
        return f"Let the DNAME lead to {record.value.partition('.')[2]}"
    if record.purpose is Purpose.OWNERSHIP and record.also:
        return f"Publish {record.also[0]} TXT {shown(record.value)}"
    if record.purpose is Purpose.MAIL_FROM:
        return "Set another MAIL FROM domain"
    if record.purpose is Purpose.DKIM:
        return "Take another selector"
    return f"Have the {case.kind} published where the alias leads"


def other_type(case: Case) -> Explanation:
    """WRONG_TYPE: what excludes the CNAME, or holds the value where nobody looks for it."""
    record, place = case.record, shown(case.detail.place)
    if record.rtype is not RecordType.CNAME:
        where = f"as {place}" if place else "in a record of another type"
        return Explanation(
            f"{case.name} has the value of the {record.rtype.name} {where}, where nobody looks for it.",
            publish(record),
        )
    what = place or f"a record of another type ({case.found})"
    return Explanation(
        f"{case.name} has {what}, beside which no CNAME can stand (RFC 1034 §3.6.2).",
        f"Remove what stands there, then {lower(publish(record))}",
    )


def flattened(case: Case) -> Explanation:
    """FLATTENED: what answers in place of the CNAME."""
    what = shown(case.detail.place) or case.found
    return Explanation(
        f"{case.name} answers with {what} in place of a CNAME, beside which no CNAME can stand (RFC 1034"
        " §3.6.2): a proxy or CNAME flattening is switched on for it, or the record has the wrong type.",
        "Switch the proxy off for this record (DNS only), so that the CNAME itself is visible. Where there is"
        f" none, remove what stands there, then {lower(publish(case.record))}",
    )


def elsewhere(case: Case) -> Explanation:
    """WRONG_TARGET: where the CNAME leads, to its end."""
    end = chain_end(case.record, case.observations)
    onward = f' and from there on to "{shown(end)}"' if end is not None else ""
    return Explanation(
        f"{case.name} points to {case.found}{onward}, not to {shown(case.record.value)}.",
        replacement(case.record),
    )


def another_value(case: Case) -> Explanation:
    """WRONG_VALUE: what is there, and whether ours goes beside it or in its place."""
    record = case.record
    if record.purpose is Purpose.OWNERSHIP:
        told = f"{case.name} TXT is {all_quoted(record, case.observations)}, which is another token."
        return Explanation(told, f"{publish(record)}, beside what is there.")
    if record.rtype is RecordType.MX:
        return _another_mx(case)
    told = f"{case.name} {record.rtype.name} is {case.found}, which is another value."
    return Explanation(told, replacement(record))


def _another_mx(case: Case) -> Explanation:
    record = case.record
    values = found_values(record, case.observations)
    if any(names_unserved_region(record, value) for value in values):
        return Explanation(
            f"{case.name} MX is {case.found}, a host for a region that this service does not serve: bounces"
            " would go nowhere.",
            replacement(record),
        )
    told = ", ".join(map(shown, values)) or "another host"
    return Explanation(
        f"{case.name} has MX {told} already, and a MAIL FROM domain has exactly one.",
        f"If mail is received by it, set another MAIL FROM domain, one that receives none; else"
        f" {lower(replacement(record))}",
    )


def another_identitys(case: Case) -> Explanation:
    """OTHER_IDENTITY: that the value is of this service, and not of this identity."""
    record = case.record
    told = (
        f"{case.name} holds {all_quoted(record, case.observations)}, which this service gave to another"
        " identity: another account, another region, or an earlier identity of the same name."
    )
    if record.purpose is not Purpose.OWNERSHIP:
        return Explanation(told, replacement(record))
    # Several TXT records may stand side by side, and the other identity may still need its own.
    return Explanation(
        told, f"{publish(record)}, beside the other as long as another account or region needs that."
    )


def several(case: Case) -> Explanation:
    """MULTIPLE: what there is several of, and which of them to keep."""
    record = case.record
    values = found_values(record, case.observations)
    if record.purpose is Purpose.MAIL_FROM and record.rtype is RecordType.TXT:
        ours, include = [value for value in values if spf.is_spf(value)], _include(record)
        return Explanation(
            f"{case.name} has {len(ours)} SPF records, and receivers then heed none (RFC 7208 §4.5).",
            _change("Make them one", spf.merged(ours, include), include),
        )
    if record.purpose is Purpose.DMARC:
        return Explanation(
            f"{case.name} has more than one DMARC record, and receivers then heed none (RFC 7489 §6.6.3).",
            "Keep exactly one, the policy that is meant.",
        )
    if record.rtype is RecordType.MX:
        return Explanation(
            f"{case.name} has {len(values)} MX records, and a MAIL FROM domain has exactly one:"
            f" {', '.join(map(shown, values))}.",
            "If mail is received by another of them, set another MAIL FROM domain, one that receives none;"
            f" else keep one alone: {record.value}",
        )
    return Explanation(
        f"{case.name} has {len(values)} TXT records, and a selector has exactly one (RFC 6376 §3.6.2.2):"
        f" {all_quoted(record, case.observations)}.",
        f"If another service needs another of them, take another selector; else keep one alone:"
        f" {shown(record.value)}",
    )


def damaged(told: str, how: str) -> Callable[[Case], Explanation]:
    """Return the text for a value that is right but for one damage, and how to enter it instead."""

    def text(case: Case) -> Explanation:
        record = case.record
        wanted = f"that value of {case.name} {record.rtype.name} with {shown(record.value)}"
        return Explanation(told.format(name=case.name, found=case.found), f"Replace {wanted}, {how}")

    return text


def with_quotes(case: Case) -> Explanation:
    """QUOTED: where the marks are."""
    whose = "this service does" if case.record.purpose is Purpose.OWNERSHIP else "receivers do"
    return Explanation(
        f"The value of {case.name} has quotes inside the data: {case.found}. With them {whose} not read it.",
        "Enter the value without quotes; quotes belong to zone files, not to DNS panels.",
    )


def key(told: str) -> Callable[[Case], Explanation]:
    """Return the text for a key that is none to sign with."""

    def text(case: Case) -> Explanation:
        return Explanation(told.format(name=case.name), _replace_key(case))

    return text


def _replace_key(case: Case) -> str:
    return (
        "A selector has exactly one TXT record (RFC 6376 §3.6.2.2): if another service needs this one, take"
        f" another selector; else {lower(replacement(case.record))}"
    )


def unreadable_key(case: Case) -> Explanation:
    """KEY_UNREADABLE: the flaw to mend first, with its place."""
    flaw = named_flaw(value_in_question(case.record, case.finding, case.observations))
    why = "" if flaw is None else f": {flaw.told}"
    return Explanation(
        f"{case.name} is not a DKIM key record that receivers can read{why} (RFC 6376 §3.6.1). It is"
        f" {case.found}.",
        _replace_key(case),
    )


def _include(record: ExpectedRecord) -> str:
    return next((word for word in record.value.split() if word.startswith("include:")), record.value)


def _change(how: str, text: str, include: str) -> str:
    """Return the advice with the record to publish, uncut, where that is no longer than one may be."""
    if len(text) > _LONGEST_SPF:
        return f"{how} one with {include} in it, before what always matches."
    return f"{how} {text}"


def without_us(case: Case) -> Explanation:
    """SPF_MISSING_INCLUDE: the record as it should be."""
    record = case.record
    include = _include(record)
    found = next(filter(spf.is_spf, found_values(record, case.observations)), record.value)
    return Explanation(
        f"The SPF record at {case.name} does not include this service: {case.found}.",
        "A second SPF record would make both void (RFC 7208 §4.5)."
        f" {_change('Change it to', spf.including(found, include), include)}",
    )


def too_many_lookups(case: Case) -> Explanation:
    """SPF_TOO_MANY_LOOKUPS: where receivers end."""
    return Explanation(
        f"The SPF record at {case.name} needs more than 10 DNS look-ups, which receivers refuse (RFC 7208"
        " §4.6.4).",
        "Remove includes that are not needed.",
    )


def invalid_spf(case: Case) -> Explanation:
    """SPF_INVALID: the term that is none, or that the fault is in a record of somebody else."""
    record = case.record
    if case.detail.place:
        where = shown(case.detail.place)
        return Explanation(
            f"The SPF record at {case.name} leads to {where}, which has no SPF record that can be read:"
            " receivers take that for an error of the whole (RFC 7208 §5.2).",
            f"Take {where} out of the record, or let its owner mend what is published there.",
        )
    found = next(filter(spf.is_spf, found_values(record, case.observations)), "")
    term = spf.invalid_term(found)
    which = f'"{shown(term)}" is no term of SPF' if term else "it is no SPF record"
    return Explanation(
        f"The SPF record at {case.name} cannot be read: {which} (RFC 7208 §4.6.1). It is {case.found}.",
        f"Mend that term, or take it out; {_include(record)} has to be in the record.",
    )
