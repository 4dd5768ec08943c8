"""SPF as far as advice needs it: would mail sent by this service pass for a MAIL FROM domain?

Not an evaluator for receivers: nothing here looks at the address of a client. The record is read (RFC 7208
§4.6, §12), the terms that cost a look-up are counted through every include (§4.6.4), and the include of this
service is searched. Whoever asks fetches the records that are still needed and asks again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from indicia.domain.findings import Finding

MOST_LOOKUPS = 10  # RFC 7208 §4.6.4
_MOST_RECORDS = 40  # a loop of includes ends here at the latest

_TERM = re.compile(
    r"(?P<qualifier>[-+?~]?)(?P<name>[a-z][a-z0-9_.-]*)(?P<rest>[:/=].*)?\Z", re.IGNORECASE | re.ASCII
)
# RFC 7208 §5: the mechanisms, and those of them that cost a look-up; §6: the modifier that does.
_MECHANISMS = frozenset({"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"})
_COSTLY = frozenset({"include", "a", "mx", "ptr", "exists"})


@dataclass(frozen=True, slots=True)
class Term:
    """One term of an SPF record: a mechanism with its qualifier, or a modifier (which has none)."""

    name: str
    value: str
    qualifier: str
    modifier: bool


@dataclass(frozen=True, slots=True)
class SpfJudgement:
    """What the record amounts to. `lookups` counts every include, `through` says which were followed."""

    finding: Finding
    lookups: int
    through: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Needed:
    """The names whose SPF records have to be fetched before there can be a judgement."""

    names: tuple[str, ...]


def is_spf(text: str) -> bool:
    """Say whether a TXT record is an SPF record (RFC 7208 §4.5): the version, alone or before a space."""
    version = text[:7].lower()
    return version == "v=spf1 " or text.lower() == "v=spf1"


def parse(text: str) -> tuple[Term, ...] | None:
    """Return the terms of an SPF record, None when it has a syntax error (RFC 7208 §4.6, §12)."""
    terms: list[Term] = []
    for word in text.split(" ")[1:]:
        if not word:
            continue
        matched = _TERM.match(word)
        if matched is None:
            return None
        name, rest = matched["name"].lower(), matched["rest"] or ""
        modifier = rest.startswith("=")
        if modifier and matched["qualifier"]:
            return None
        if not modifier and (name not in _MECHANISMS or not _well_formed(name, rest)):
            return None
        terms.append(Term(name, rest.lstrip(":="), matched["qualifier"] or "+", modifier))
    return tuple(terms)


def _well_formed(name: str, rest: str) -> bool:
    """Say whether a mechanism has the value it must have, or none where it must not (RFC 7208 §5)."""
    if name == "all":
        return not rest
    if name in ("include", "exists", "ip4", "ip6"):
        return rest.startswith(":") and len(rest) > 1
    return True


def including(text: str, include: str) -> str:
    """Return the SPF record with one more mechanism, before the one that always matches (RFC 7208 §5.1)."""
    words = text.split()
    ends = [at for at, word in enumerate(words) if word.lower().lstrip("+-~?") == "all"]
    at = ends[0] if ends else len(words)
    return " ".join([*words[:at], include, *words[at:]])


def judge(records: Sequence[str], include: str, fetched: Mapping[str, str | None]) -> SpfJudgement | Needed:
    """Return what the TXT records of a MAIL FROM domain amount to, or what has to be fetched first.

    `include` is the name of this service's own SPF record. `fetched` holds the SPF record of each name that
    was asked for, None where it has none or could not be had.
    """
    ours = [record for record in records if is_spf(record)]
    if not ours:
        return SpfJudgement(Finding.MISSING, 0, ())
    if len(ours) > 1:  # RFC 7208 §4.5: permerror
        return SpfJudgement(Finding.MULTIPLE, 0, ())
    return _follow(ours[0], include.lower(), fetched)


def _follow(record: str, include: str, fetched: Mapping[str, str | None]) -> SpfJudgement | Needed:
    queue, lookups = [record], 0
    through: list[str] = []
    while queue and len(through) < _MOST_RECORDS:
        terms = parse(queue.pop(0))
        if terms is None:
            return SpfJudgement(Finding.SPF_INVALID, lookups, tuple(through))
        lookups += sum(map(_costs, terms))
        # RFC 7208 §7: a name with a macro depends on the mail; it is counted and not followed.
        fresh = [name for name in _leading_on(terms) if name not in through and "%" not in name]
        through += dict.fromkeys(fresh)
        queue += [text for text in map(fetched.get, fresh) if text is not None]
    needed = tuple(name for name in through if name not in fetched)
    if needed:
        return Needed(needed)
    return SpfJudgement(_finding(lookups, included=include in through), lookups, tuple(through))


def _finding(lookups: int, *, included: bool) -> Finding:
    if lookups > MOST_LOOKUPS:
        return Finding.SPF_TOO_MANY_LOOKUPS
    return Finding.OK if included else Finding.SPF_MISSING_INCLUDE


def _costs(term: Term) -> bool:
    return (term.name == "redirect") if term.modifier else term.name in _COSTLY


def _leading_on(terms: Sequence[Term]) -> list[str]:
    """Return the names of further SPF records: of includes, and of a redirect where nothing says `all`."""
    names = [term.value.lower().rstrip(".") for term in terms if term.name == "include" and not term.modifier]
    if not any(term.name == "all" for term in terms):  # RFC 7208 §6.1
        names += [
            term.value.lower().rstrip(".") for term in terms if term.modifier and term.name == "redirect"
        ]
    return names
