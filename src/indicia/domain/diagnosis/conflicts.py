"""What stands in the way of a record before it is published: other data at its name, or another value.

Told from a look at the DNS as it is now, in the words of the finding; a conflict moves no state. What can
stand beside the record is none: another TXT beside ours, any type beside an MX (RFC 1034 §3.6.2 has only a
CNAME stand alone), a wildcard (RFC 4592).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from indicia.domain.diagnosis.explanation import explain
from indicia.domain.diagnosis.probing import Refined
from indicia.domain.proofs.transitions import Sight
from indicia.domain.records.expected import Purpose
from indicia.domain.records.observation import RecordType
from indicia.domain.verification.check import RecordVerdict
from indicia.domain.verification.findings import Finding


@dataclass(frozen=True, slots=True)
class Conflict:
    """What a record would meet, and what to do about it."""

    finding: Finding
    sentence: str


# Nothing is there that the record would meet.
_FREE: Final = frozenset({Finding.OK, Finding.MISSING})


def conflict(verdict: RecordVerdict, refined: Refined | None) -> Conflict | None:
    """Return what the record conflicts with, None where it can be published as it is, or is there already."""
    found = refined or Refined(verdict.finding)
    if verdict.sight is not Sight.ABSENT or found.finding in _FREE or _stands_beside(verdict, found.finding):
        return None
    words = explain(verdict.record, found.finding, verdict.observations, found.detail)
    return Conflict(found.finding, f"{words.explanation} {words.fix}")


def _stands_beside(verdict: RecordVerdict, finding: Finding) -> bool:
    """Say whether what was found can stay where it is while the record is published."""
    if finding is Finding.ALIASED:
        return False
    if finding is Finding.WRONG_TYPE:
        return verdict.record.rtype is not RecordType.CNAME
    return verdict.record.purpose is Purpose.OWNERSHIP
