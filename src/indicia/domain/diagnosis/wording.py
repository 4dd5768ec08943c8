"""What every finding's words are made of: the record and what was seen of it, and the phrases all share.

Nobody is told to remove what is right or harmless: only a CNAME excludes other types (RFC 1034 §3.6.2), and
where a record must stand alone, whoever needs the other one may take another name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from indicia.domain.diagnosis.excerpts import quoted
from indicia.domain.diagnosis.probing import Detail
from indicia.domain.names import shown, under
from indicia.domain.records.expected import ExpectedRecord, Purpose
from indicia.domain.records.observation import Observation, RecordType
from indicia.domain.verification.findings import Finding


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a finding means for one record, and the change that mends it. `fix` is empty when all is well."""

    explanation: str
    fix: str


@dataclass(frozen=True, slots=True)
class Case:
    """What there is to explain: the record, what was seen of it, and what looking further has added."""

    record: ExpectedRecord
    finding: Finding
    observations: Sequence[Observation]
    detail: Detail

    @property
    def name(self) -> str:
        """The name at which the record should be."""
        return self.record.name

    @property
    def kind(self) -> str:
        """What the record is called: an MX, a CNAME, or by its sort where any TXT may stand beside it."""
        return _SORTS.get((self.record.purpose, self.record.rtype), f"{self.record.rtype.name} record")

    @property
    def found(self) -> str:
        """The value that the finding is about."""
        return quoted(self.record, self.finding, self.observations)


_SORTS: Final = {
    (Purpose.MAIL_FROM, RecordType.TXT): "SPF record",
    (Purpose.DMARC, RecordType.TXT): "DMARC record",
}


# What ends with a value has no full stop: it would look like a part of it.
def publish(record: ExpectedRecord) -> str:
    """Return the advice for a record that is not there."""
    return f"Publish {record.name} {record.rtype.name} {shown(record.value)}"


def replacement(record: ExpectedRecord) -> str:
    """Return the advice for a record that has another value and may have one only."""
    return f"Replace the value of {record.name} {record.rtype.name} with {shown(record.value)}"


def lower(sentence: str) -> str:
    """Return the sentence as it goes on after another one."""
    return sentence[0].lower() + sentence[1:]


def relative(case: Case) -> str:
    """Return how the name is entered where a panel appends the zone, if the zone is known."""
    zone = case.detail.zone
    if not zone or not under(case.name, zone) or case.name == zone:
        return ""
    return f". A panel that appends the zone {zone} wants the name as {case.name.removesuffix(f'.{zone}')}"
