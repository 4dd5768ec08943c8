"""SPF as far as advice needs it: would mail sent by this service pass for a MAIL FROM domain?

Not an evaluator for receivers: nothing here looks at the address of a client. The record is read (RFC 7208
§4.6, §12), the terms that cost a look-up are counted through every include as a receiver comes to them
(§4.6.4), and the include of this service is searched. Whoever asks fetches the records that are still needed
and asks again. It ends where receivers end: at the eleventh look-up, and at an include that leads to no
record. Only includes and redirects are fetched; the hosts of `a`, `mx`, `ptr` and `exists` are counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from indicia.domain.verification.findings import Finding

MOST_LOOKUPS = 10  # RFC 7208 §4.6.4

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
    """What the record amounts to.

    `lookups` are those that a receiver makes, who ends with the eleventh; `through` says which includes were
    followed. `broken` is the one that makes the whole record an error, empty where none does.
    """

    finding: Finding
    lookups: int
    through: tuple[str, ...]
    broken: str = ""


class NoRecord(Enum):
    """Why there is no SPF record of a name to be read."""

    ABSENT = "absent"  # the name has none: to receivers a permanent error (RFC 7208 §5.2, §6.1)
    UNKNOWN = "unknown"  # nobody can say at this moment


@dataclass(frozen=True, slots=True)
class RecordsNeeded:
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


def invalid_term(text: str) -> str | None:
    """Return the first term of an SPF record that is none, as it is written; None where each is one."""
    return next((word for word in text.split(" ")[1:] if word and parse(f"v=spf1 {word}") is None), None)


def merged(texts: Sequence[str], include: str) -> str:
    """Return one SPF record with the mechanisms of several and one more, before the mildest `all` of theirs.

    A modifier is not taken over: `redirect` means something only where nothing else is said (RFC 7208 §6.1).
    """
    words = [word for text in texts for word in text.split()[1:] if "=" not in word]
    ends = [word for word in words if word.lower().lstrip("+-~?") == "all"]
    terms = dict.fromkeys([word for word in words if word not in ends] + [include])
    mildest = min(ends, key=lambda word: "+a?~-".find(word[0].lower()), default="~all")
    return " ".join(["v=spf1", *terms, mildest])


def including(text: str, include: str) -> str:
    """Return the SPF record with one more mechanism, before the one that always matches (RFC 7208 §5.1)."""
    words = text.split()
    ends = [at for at, word in enumerate(words) if word.lower().lstrip("+-~?") == "all"]
    at = ends[0] if ends else len(words)
    return " ".join([*words[:at], include, *words[at:]])


def judge(
    records: Sequence[str], include: str, fetched: Mapping[str, str | NoRecord]
) -> SpfJudgement | RecordsNeeded:
    """Return what the TXT records of a MAIL FROM domain amount to, or what has to be fetched first.

    `include` is the name of this service's own SPF record, which is not the domain's owner to mend. `fetched`
    holds the SPF record of each name that was asked for.
    """
    ours = [record for record in records if is_spf(record)]
    if not ours:
        return SpfJudgement(Finding.MISSING, 0, ())
    if len(ours) > 1:  # RFC 7208 §4.5: permerror
        return SpfJudgement(Finding.MULTIPLE, 0, ())
    terms = parse(ours[0])
    if terms is None:
        return SpfJudgement(Finding.SPF_INVALID, 0, ())
    return _follow(terms, include.lower(), fetched)


def _follow(
    terms: Sequence[Term], include: str, fetched: Mapping[str, str | NoRecord]
) -> SpfJudgement | RecordsNeeded:
    ways, lookups, broken = [iter(_tested(terms))], 0, ""
    through: dict[str, None] = {}
    needed: dict[str, None] = {}
    while ways:
        term = next(ways[-1], None)
        if term is None:
            ways.pop()
            continue
        if not _costs(term):
            continue
        lookups += 1
        if lookups > MOST_LOOKUPS:  # whatever else there is: no receiver comes to it
            return SpfJudgement(Finding.SPF_TOO_MANY_LOOKUPS, lookups, tuple(through))
        name = _leads_to(term)
        if name is None:
            continue
        through[name] = None
        found = fetched.get(name)
        inner = parse(found) if isinstance(found, str) else None
        if found is None:
            needed[name] = None
        elif inner is not None:
            ways.append(iter(_tested(inner)))
        elif found is not NoRecord.UNKNOWN and name != include:
            broken = broken or name
    if needed:
        return RecordsNeeded(tuple(needed))
    return SpfJudgement(_finding(broken, included=include in through), lookups, tuple(through), broken)


def _finding(broken: str, *, included: bool) -> Finding:
    if broken:
        return Finding.SPF_INVALID
    return Finding.OK if included else Finding.SPF_MISSING_INCLUDE


def _tested(terms: Sequence[Term]) -> list[Term]:
    """Return the terms that a receiver may come to, in its order.

    Nothing after `all` is tested, and where there is one a redirect counts for nothing (RFC 7208 §5.1, §6.1).
    """
    mechanisms = [term for term in terms if not term.modifier]
    ends = [at for at, term in enumerate(mechanisms) if term.name == "all"]
    if ends:
        return mechanisms[: ends[0]]
    return mechanisms + [term for term in terms if term.modifier and term.name == "redirect"]


def _costs(term: Term) -> bool:
    return (term.name == "redirect") if term.modifier else term.name in _COSTLY


def _leads_to(term: Term) -> str | None:
    """Return the name of the further SPF record to which the term leads, None where it leads to none.

    A name with a macro depends on the mail (RFC 7208 §7): it is counted and not followed.
    """
    if term.name not in ("include", "redirect") or "%" in term.value:
        return None
    return term.value.lower().rstrip(".")
