"""How to publish an identity's records wrongly, one way for each finding. Pure: the steps are the result.

What is published here goes through the same DNS, the same perspectives and the same judgement as everything
else: a finding is never made up, its cause is published. `broken` returns the steps; whoever talks to the
sandbox takes them (`publishing`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec

from indicia.domain.diagnosis.probing import doubled, one_level_off, without_underscore
from indicia.domain.records.expected import Purpose
from indicia.domain.verification.findings import Finding
from indicia.sandbox.faces import DELEGATED, NOBODY, Face

_ELSEWHERE: Final = "mail.example.net"
_WEB: Final = "192.0.2.7"  # TEST-NET-1: an address for examples, as a web page would have it
# The public halves of two keys that nobody has: one sound, and one too short (RFC 8301 §3.2).
_FOREIGN_KEY: Final = (
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC+IM7kFl0S7M6luK/n6MI8ZGbgDwpCysveCRRhliHkFCgTventa5"
    "sGq/1UvJ+qJADYhvPvXvpn9BklsmocF8FkEBHEmtsbOMCEVNhlHkfQi1/k5QWpap2Zj6QljiHXGoAmLdowga7mFDJS"
    "xGVUADiSLwnFeNfgzZFEVvMUNFheOQIDAQAB"
)
_SHORT_KEY: Final = (
    "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAN54+iFy5YtpNGn37R9QHXGY5V+dHZvieln2n37U+k+/CVAl98qvsKLv5t"
    "Cphp996+hLIZ7xhWfAPhbXqp8ock0CAwEAAQ=="
)


class UnbreakableError(Exception):
    """No record of the identity could have that finding. The sentence says what it takes."""


class ListedRecord(msgspec.Struct, frozen=True):
    """A record that should be published, as the service lists it."""

    facet: str
    name: str
    type: str
    value: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Put:
    """A record set is published; for those alone whom `shown_by` names, if it names any."""

    name: str
    type: str
    values: tuple[str, ...]
    shown_by: tuple[str, ...] = ()

    def call(self) -> tuple[str, dict[str, Any]]:
        """Return method and body of the call that does this."""
        body = {"name": self.name, "type": self.type, "values": self.values, "shown_by": self.shown_by}
        return "PUT", body


@dataclass(frozen=True, slots=True)
class Fail:
    """Every question for a name fails."""

    name: str
    rcode: str

    def call(self) -> tuple[str, dict[str, Any]]:
        """Return method and body of the call that does this."""
        return "PUT", {"name": self.name, "rcode": self.rcode}


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Nothing is published at a name any more."""

    name: str

    def call(self) -> tuple[str, dict[str, Any]]:
        """Return method and body of the call that does this."""
        return "DELETE", {"name": self.name}


Step: TypeAlias = Put | Fail | Withdraw


@dataclass(frozen=True, slots=True)
class RecordSurroundings:
    """What is around a record: zone and domain, its siblings, and the records of another identity of ours."""

    zone: str
    domain: str
    records: Sequence[ListedRecord]
    others: Sequence[ListedRecord] = ()


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to break: which records it is for, what is published in their place, what an identity needs."""

    concerns: Callable[[ListedRecord], bool]
    steps: Callable[[ListedRecord, RecordSurroundings], Sequence[Step]]
    takes: str


def sound(records: Sequence[ListedRecord]) -> tuple[Step, ...]:
    """Return the steps that publish the records as they should be."""
    sets: dict[tuple[str, str], list[str]] = {}
    for record in records:
        sets.setdefault((record.name, record.type), []).append(record.value)
    return tuple(Put(name, kind, tuple(values)) for (name, kind), values in sets.items())


def broken(finding: Finding, records: Sequence[ListedRecord], place: RecordSurroundings) -> tuple[Step, ...]:
    """Return the steps that publish the records so that some of them have the finding, and the others `OK`.

    Raises: `UnbreakableError` when the finding fits none of them.
    """
    if finding is Finding.OK:
        raise UnbreakableError("OK is what records have that are published as they are: break nothing")
    way = _WAYS[finding]
    concerned = [record for record in records if way.concerns(record)]
    if finding is Finding.MISSING:
        concerned = [record for record in concerned if record.name == concerned[0].name]
    if not concerned:
        raise UnbreakableError(f"{finding.value} takes {way.takes}, and there is none to publish")
    steps: list[Step] = [step for record in concerned for step in way.steps(record, place)]
    steps += sound([record for record in records if record not in concerned])
    withdrawn = dict.fromkeys(Withdraw(record.name) for record in concerned)
    # A name that is published does not fail any more, so what fails comes last.
    failing = [step for step in steps if isinstance(step, Fail)]
    return (*withdrawn, *_merged([step for step in steps if isinstance(step, Put)]), *dict.fromkeys(failing))


def _merged(puts: Sequence[Put]) -> tuple[Put, ...]:
    """Return them with one for each name and type."""
    sets: dict[tuple[str, str], Put] = {}
    for put in puts:
        have = sets.get((put.name, put.type))
        values = put.values if have is None else tuple(dict.fromkeys((*have.values, *put.values)))
        sets[put.name, put.type] = Put(put.name, put.type, values, put.shown_by)
    return tuple(sets.values())


def _any(_record: ListedRecord) -> bool:
    return True


def _required(record: ListedRecord) -> bool:
    return record.required


def _alias(record: ListedRecord) -> bool:
    return record.type == "CNAME"


def _key(record: ListedRecord) -> bool:
    return record.facet == "dkim" and record.type == "TXT"


def _ownership(record: ListedRecord) -> bool:
    return record.facet == "ownership"


def _spf(record: ListedRecord) -> bool:
    return record.facet == "mail_from" and record.type == "TXT"


def _of_the_identity(record: ListedRecord) -> bool:
    """Say whether the record does not count at another level: a policy of the organisation's does."""
    return record.facet != "dmarc"


def _not(kind: Callable[[ListedRecord], bool]) -> Callable[[ListedRecord], bool]:
    return lambda record: not kind(record)


def _of(*kinds: Callable[[ListedRecord], bool]) -> Callable[[ListedRecord], bool]:
    return lambda record: any(kind(record) for kind in kinds)


def _mx(record: ListedRecord) -> bool:
    return record.type == "MX"


def _underscored(record: ListedRecord) -> bool:
    return without_underscore(record.name) is not None


def _nothing(_record: ListedRecord, _place: RecordSurroundings) -> Sequence[Step]:
    return ()


def _at(
    name: Callable[[ListedRecord, RecordSurroundings], str],
) -> Callable[[ListedRecord, RecordSurroundings], Sequence[Step]]:
    """Return what publishes the right value at another name."""
    return lambda record, place: [Put(name(record, place), record.type, (record.value,))]


def _with(*change: Callable[[str], str]) -> Callable[[ListedRecord, RecordSurroundings], Sequence[Step]]:
    """Return what publishes other values at the right name."""
    return lambda record, _: [Put(record.name, record.type, tuple(each(record.value) for each in change))]


def _shown_by(*faces: Face) -> Callable[[ListedRecord, RecordSurroundings], Sequence[Step]]:
    shown_by = tuple(face.value for face in faces)
    return lambda record, _: [Put(record.name, record.type, (record.value,), shown_by)]


def _failing(rcode: str) -> Callable[[ListedRecord, RecordSurroundings], Sequence[Step]]:
    return lambda record, _: [Put(record.name, record.type, (record.value,)), Fail(record.name, rcode)]


def _as_text(record: ListedRecord, _place: RecordSurroundings) -> Sequence[Step]:
    """Publish as a TXT what should be a CNAME or an MX."""
    return [Put(record.name, "TXT", (record.value,))]


def _other_level(record: ListedRecord, place: RecordSurroundings) -> str:
    return one_level_off(Purpose(record.facet), [record.name], place.domain, place.zone)[0]


def _swapped(record: ListedRecord, place: RecordSurroundings) -> Sequence[Step]:
    targets = [each.value for each in place.records if _alias(each)]
    following = targets[(targets.index(record.value) + 1) % len(targets)]
    return [Put(record.name, record.type, (following,))]


def _anothers(record: ListedRecord, place: RecordSurroundings) -> Sequence[Step]:
    own = [each for each in place.records if _alias(each)]
    targets = [each.value for each in place.others if _alias(each)]
    return [Put(record.name, record.type, (targets[own.index(record) % len(targets)],))]


def _undelegated(record: ListedRecord, place: RecordSurroundings) -> Sequence[Step]:
    """Publish at a server that the zone names and its parent does not."""
    named = tuple(f"{face.value}.{place.zone}" for face in (*DELEGATED, Face.NS3))
    return [Put(place.zone, "NS", named), *_shown_by(Face.NS3)(record, place)]


def _unreachable(record: ListedRecord, place: RecordSurroundings) -> Sequence[Step]:
    """Let the zone's servers be where nobody answers, and the resolver say so."""
    moved = [Put(f"{face.value}.{place.zone}", "A", (NOBODY,)) for face in DELEGATED]
    return [*moved, *_failing("UNREACHABLE")(record, place)]


def _truncated(value: str) -> str:
    """Return what is left when a form takes one string only (RFC 1035 §3.3: 255 octets), or less."""
    return value[: min(255, len(value) * 2 // 3)]


def _swap_case(value: str) -> str:
    return value[:2] + value[2:].swapcase() if value.startswith("p=") else value.swapcase()


def _spaced(value: str) -> str:
    return f"{value[: len(value) // 2]} {value[len(value) // 2 :]}"


def _more_lookups(value: str) -> str:
    """Add as many terms as it takes to ask too often (RFC 7208 §4.6.4: ten at most)."""
    version, _, rest = value.partition(" ")
    return " ".join([version, *(f"a:h{number}.example.net" for number in range(10)), rest])


_ALIASES = "a domain with Easy DKIM"
_KEYS = "a domain with a DKIM key of its own (BYODKIM)"
_TOKENS = "a domain that VerifyDomainIdentity was called for"
_MAIL_FROM = "an identity with a custom MAIL FROM domain"
_SOMETHING = "an identity with records"
_TEXTS = "an identity with records other than CNAMEs"

_WAYS: Final[Mapping[Finding, _Way]] = {
    Finding.MISSING: _Way(_of(_required, _any), _nothing, _SOMETHING),
    Finding.DOUBLED_ZONE: _Way(_any, _at(lambda record, place: doubled(record.name, place.zone)), _SOMETHING),
    Finding.WRONG_TYPE: _Way(_of(_alias, _mx), _as_text, f"{_ALIASES}, or {_MAIL_FROM}"),
    Finding.FLATTENED: _Way(_alias, lambda record, _: [Put(record.name, "A", (_WEB,))], _ALIASES),
    Finding.WRONG_TARGET: _Way(_alias, _with(lambda _: _ELSEWHERE), _ALIASES),
    Finding.WRONG_VALUE: _Way(
        _of(_ownership, _mx),
        lambda record, _: [
            Put(record.name, record.type, ("10 mail.example.net" if _mx(record) else "another-token",))
        ],
        f"{_TOKENS}, or {_MAIL_FROM}",
    ),
    Finding.OTHER_IDENTITY: _Way(_alias, _anothers, _ALIASES),
    Finding.TOKENS_SWAPPED: _Way(_alias, _swapped, _ALIASES),
    Finding.QUOTED: _Way(_key, _with(lambda value: f'"{value}"'), _KEYS),
    Finding.WHITESPACE: _Way(_ownership, _with(_spaced), _TOKENS),
    Finding.TRUNCATED: _Way(_of(_ownership, _key), _with(_truncated), f"{_TOKENS}, or {_KEYS}"),
    Finding.CASE_CHANGED: _Way(_of(_ownership, _key), _with(_swap_case), f"{_TOKENS}, or {_KEYS}"),
    Finding.UNDERSCORE_LOST: _Way(
        _underscored, _at(lambda record, _: without_underscore(record.name) or record.name), _SOMETHING
    ),
    Finding.KEY_MISMATCH: _Way(_key, _with(lambda _: f"p={_FOREIGN_KEY}"), _KEYS),
    Finding.KEY_REVOKED: _Way(_key, _with(lambda _: "p="), _KEYS),
    Finding.KEY_UNREADABLE: _Way(_key, _with(lambda _: "v=DKIM1; k=rsa; p=not*base64"), _KEYS),
    Finding.KEY_TOO_SHORT: _Way(_key, _with(lambda _: f"p={_SHORT_KEY}"), _KEYS),
    Finding.MULTIPLE: _Way(
        lambda record: not _of(_alias, _ownership)(record),
        lambda record, _: [Put(record.name, record.type, (record.value, _second(record)))],
        f"{_KEYS}, or {_MAIL_FROM}",
    ),
    Finding.SPF_MISSING_INCLUDE: _Way(_spf, _with(lambda _: "v=spf1 mx ~all"), _MAIL_FROM),
    Finding.SPF_TOO_MANY_LOOKUPS: _Way(_spf, _with(_more_lookups), _MAIL_FROM),
    Finding.SPF_INVALID: _Way(_spf, _with(lambda value: f"{value} ip4"), _MAIL_FROM),
    Finding.NOT_EVERYWHERE: _Way(_any, _shown_by(Face.NS1), _SOMETHING),
    Finding.NOT_YET_VISIBLE: _Way(_any, _shown_by(*DELEGATED), _SOMETHING),
    Finding.WRONG_NAME_SERVERS: _Way(_any, _undelegated, _SOMETHING),
    Finding.WRONG_LEVEL: _Way(_of_the_identity, _at(_other_level), _SOMETHING),
    Finding.ALIASED: _Way(_not(_alias), lambda record, _: [Put(record.name, "CNAME", (_ELSEWHERE,))], _TEXTS),
    Finding.LAME: _Way(_any, _failing("REFUSED"), _SOMETHING),
    Finding.SERVER_FAILURE: _Way(_any, _failing("SERVFAIL"), _SOMETHING),
    Finding.UNREACHABLE: _Way(_any, _unreachable, _SOMETHING),
    Finding.BOGUS: _Way(_any, _failing("BOGUS"), _SOMETHING),
    Finding.OUR_RESOLVER: _Way(_any, _failing("BLOCKED"), _SOMETHING),
}


def _second(record: ListedRecord) -> str:
    """Return another record of the same sort."""
    if record.type == "MX":
        return "20 mail.example.net"
    if record.facet == "dkim":
        return f"p={_FOREIGN_KEY}"
    return {"mail_from": "v=spf1 mx ~all", "dmarc": "v=DMARC1; p=reject;"}.get(record.facet, record.value)
