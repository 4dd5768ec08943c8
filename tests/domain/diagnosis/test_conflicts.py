"""What stands in the way of a record that is to be published, and what stands beside it."""

from __future__ import annotations

import pytest

from indicia.domain.diagnosis.conflicts import conflict
from indicia.domain.diagnosis.probing import Detail, Refined
from indicia.domain.identities.identity import ErrorType
from indicia.domain.proofs.transitions import Sight
from indicia.domain.records.expected import ExpectedRecord, Purpose, ownership_record
from indicia.domain.records.observation import Observation, RecordType, Reply
from indicia.domain.verification.check import RecordVerdict
from indicia.domain.verification.findings import Finding

MX = ExpectedRecord(
    Purpose.MAIL_FROM,
    "bounce.example.com",
    RecordType.MX,
    "10 feedback-smtp.us-east-1.mail.example",
    required=True,
)
CNAME = ExpectedRecord(
    Purpose.DKIM, "tok._domainkey.example.com", RecordType.CNAME, "tok.dkim.mail.example", required=True
)
TOKEN = ownership_record("example.com", "t" * 43 + "=")


def seen(record: ExpectedRecord, finding: Finding, *values: str) -> RecordVerdict:
    """A verdict on what is not right."""
    reply = Reply.ANSWER if values else Reply.NODATA
    observations = tuple(Observation(each, "local", reply, 0, values=values) for each in record.questions)
    return RecordVerdict(record, Sight.ABSENT, ErrorType.INVALID_VALUE, finding, None, observations)


@pytest.mark.parametrize("finding", [Finding.WRONG_VALUE, Finding.OTHER_IDENTITY, Finding.QUOTED])
def test_another_token_stands_beside_ours(finding: Finding) -> None:
    """Several TXT records share a name, so nothing that is published there is in the way of one more."""
    assert conflict(seen(TOKEN, finding, "another token"), None) is None


def test_a_type_beside_an_mx_is_not_in_its_way() -> None:
    """A TXT that holds the value of the MX is told of by the doctor, and can stay while the MX is added."""
    found = Refined(Finding.WRONG_TYPE, Detail(place=f"TXT {MX.value}"))
    assert conflict(seen(MX, Finding.MISSING), found) is None


@pytest.mark.parametrize(
    ("record", "finding", "detail"),
    [
        (CNAME, Finding.WRONG_TYPE, Detail(place="TXT something")),
        (CNAME, Finding.FLATTENED, Detail(place="A 192.0.2.1")),
        (MX, Finding.WRONG_VALUE, Detail()),
        (MX, Finding.MULTIPLE, Detail()),
        (MX, Finding.ALIASED, Detail(dname="example.net")),
        (TOKEN, Finding.ALIASED, Detail(dname="example.net")),
    ],
)
def test_what_cannot_stand_beside_it_is_in_its_way(
    record: ExpectedRecord, finding: Finding, detail: Detail
) -> None:
    """A CNAME stands alone, a MAIL FROM domain has one MX, and beside an alias stands nothing."""
    found = conflict(seen(record, Finding.MISSING), Refined(finding, detail))

    assert found is not None
    assert found.finding is finding
    assert record.name in found.sentence


@pytest.mark.parametrize("record", [CNAME, MX, TOKEN])
@pytest.mark.parametrize("sight", [Sight.PRESENT, Sight.UNKNOWN])
def test_only_what_was_seen_to_be_absent_meets_anything(record: ExpectedRecord, sight: Sight) -> None:
    """What is there needs no publishing, and what nobody could see is told by the finding."""
    verdict = RecordVerdict(record, sight, None, Finding.SERVER_FAILURE, None, ())
    assert conflict(verdict, None) is None
