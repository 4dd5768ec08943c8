"""Whether what should be published can be published at all: each derived name has the limit of any name.

An identity whose records no server can hold would wait for them for ever, and its name servers be blamed.
"""

from __future__ import annotations

from collections.abc import Iterable

from indicia.domain.dkim.key_record import TOKEN_LENGTH, TOKENS_OF_A_SET
from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identities.identity import TokenSet, TokenSetKind
from indicia.domain.names import MAX_DOMAIN, shown
from indicia.domain.records.expected import ExpectedRecord, dkim_records, mx_host, ownership_record
from indicia.domain.records.observation import RecordType


def refuse_unpublishable(records: Iterable[ExpectedRecord]) -> None:
    """Refuse what takes a record whose name, or the name it points to, is too long for the DNS.

    Raises: `Fault` INVALID_PARAMETER that says which, and how long it would be.
    """
    reason = unpublishable(records)
    if reason is not None:
        refuse(FaultKind.INVALID_PARAMETER, reason)


def unpublishable(records: Iterable[ExpectedRecord]) -> str | None:
    """Return why the first record that the DNS cannot hold cannot be published, None where all can."""
    for record in records:
        what = f"{shown(record.name)} {record.rtype.name}"
        for name in (record.name, *_target(record)):
            if len(name) > MAX_DOMAIN:  # RFC 1035 §2.3.4
                whose = "its name" if name is record.name else "the name that it points to"
                return (
                    f"The record {what} cannot be published: {whose} would be {len(name)} octets long, and"
                    f" names in the DNS have {MAX_DOMAIN} at most."
                )
    return None


def dkim_to_be(domain: str, zone: str, selector: str | None = None) -> tuple[ExpectedRecord, ...]:
    """Return the records of DKIM as they will be, as far as their names are concerned.

    Tokens of ours are not drawn yet, and all of one length; `selector` is the owner's for a key of his own.
    """
    kind = TokenSetKind.EASY if selector is None else TokenSetKind.EXTERNAL
    tokens = ("x" * TOKEN_LENGTH,) * TOKENS_OF_A_SET if selector is None else (selector,)
    return dkim_records(domain, TokenSet(0, kind, tokens, zone, None, 0, has_key=False))


def ownership_to_be(domain: str) -> tuple[ExpectedRecord, ...]:
    """Return the legacy TXT as it will be, as far as its name is concerned."""
    return (ownership_record(domain, ""),)


def _target(record: ExpectedRecord) -> tuple[str, ...]:
    if record.rtype is RecordType.CNAME:
        return (record.value,)
    return (mx_host(record.value),) if record.rtype is RecordType.MX else ()
