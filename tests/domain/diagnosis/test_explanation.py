"""Findings in words."""

from __future__ import annotations

import pytest

from indicia.domain.diagnosis.explanation import explain
from indicia.domain.records.expected import ExpectedRecord, Purpose
from indicia.domain.records.observation import Observation, RecordType, Reply
from indicia.domain.verification.findings import Finding

CNAME = ExpectedRecord(
    Purpose.DKIM, "tok._domainkey.example.com", RecordType.CNAME, "tok.dkim.example.net", required=True
)


def _saw(reply: Reply, *values: str, record: ExpectedRecord = CNAME) -> Observation:
    return Observation(record.questions[0], "local", reply, 0, values=values)


@pytest.mark.parametrize("finding", Finding)
def test_every_finding_has_words(finding: Finding) -> None:
    """Each finding of the closed list explains itself and, unless all is well, says what to do."""
    words = explain(CNAME, finding, [_saw(Reply.ANSWER, "elsewhere.example")])

    assert words.explanation.endswith(".")
    assert (finding is Finding.OK) == (words.fix == "")
    assert "{" not in words.explanation + words.fix


@pytest.mark.parametrize(
    ("finding", "observation", "explanation", "fix"),
    [
        (
            Finding.MISSING,
            _saw(Reply.NXDOMAIN),
            "tok._domainkey.example.com does not exist in the DNS.",
            "Publish tok._domainkey.example.com CNAME tok.dkim.example.net",
        ),
        (
            Finding.MISSING,
            _saw(Reply.NODATA),
            "tok._domainkey.example.com has no CNAME record.",
            (
                "Publish tok._domainkey.example.com CNAME tok.dkim.example.net. If a record of another type"
                " stands at this very name, that has to go first: a CNAME stands alone (RFC 1034 §3.6.2)."
            ),
        ),
        (
            Finding.WRONG_TARGET,
            _saw(Reply.ANSWER, "elsewhere.example"),
            'tok._domainkey.example.com points to "elsewhere.example", not to tok.dkim.example.net.',
            "Replace the value of tok._domainkey.example.com CNAME with tok.dkim.example.net",
        ),
    ],
)
def test_the_sentences(finding: Finding, observation: Observation, explanation: str, fix: str) -> None:
    """The sentences name what was looked for, what was found, and what to do."""
    words = explain(CNAME, finding, [observation])

    assert (explanation, fix) == (words.explanation, words.fix)


MX = ExpectedRecord(
    Purpose.MAIL_FROM,
    "bounce.example.com",
    RecordType.MX,
    "10 feedback-smtp.us-east-1.mail.example",
    required=True,
)
_REPLACED = f"eplace the value of bounce.example.com MX with {MX.value}"


@pytest.mark.parametrize(
    ("value", "explanation", "fix"),
    [
        (
            "10 Feedback-SMTP.us-east1.mail.example",
            (
                'bounce.example.com MX is "10 Feedback-SMTP.us-east1.mail.example", a host for a region that'
                " this service does not serve: bounces would go nowhere."
            ),
            f"R{_REPLACED}",
        ),
        (
            "10 mx.example.com",
            ("bounce.example.com has MX 10 mx.example.com already, and a MAIL FROM domain has exactly one."),
            (
                "If mail is received by it, set another MAIL FROM domain, one that receives none; else"
                f" r{_REPLACED}"
            ),
        ),
    ],
)
def test_an_mx_for_a_region_that_is_not_served_is_told_from_any_other(
    value: str, explanation: str, fix: str
) -> None:
    """A host that looks like one of ours and is none is named as what it is; another may be in use."""
    words = explain(MX, Finding.WRONG_VALUE, [_saw(Reply.ANSWER, value, record=MX)])

    assert (words.explanation, words.fix) == (explanation, fix)


def test_long_values_are_cut_and_counted() -> None:
    """A value is quoted up to 100 characters, and the sentence says how many more there were."""
    words = explain(CNAME, Finding.WRONG_TARGET, [_saw(Reply.ANSWER, "x" * 130)])

    assert "x" * 100 + "... (30 more characters)" in words.explanation
    assert "x" * 101 not in words.explanation
