"""SPF as advice: what a MAIL FROM domain's record amounts to (RFC 7208)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicia.domain.findings import Finding
from indicia.domain.spf import Needed, SpfJudgement, is_spf, judge, parse

OURS = "mail.example"
MANY = "v=spf1 " + " ".join(f"a:h{number}.example" for number in range(10)) + " -all"


@pytest.mark.parametrize(
    ("records", "fetched", "finding", "lookups"),
    [
        ([], {}, Finding.MISSING, 0),
        (["v=spf10 -all", "unrelated"], {}, Finding.MISSING, 0),
        (["v=spf1 include:mail.example ~all"], {OURS: "v=spf1 ip4:192.0.2.1 -all"}, Finding.OK, 1),
        (["V=SPF1 include:MAIL.example. -all"], {OURS: None}, Finding.OK, 1),
        (["v=spf1 -all"], {}, Finding.SPF_MISSING_INCLUDE, 0),
        (["v=spf1 include:mail.example -all", "v=spf1 -all"], {}, Finding.MULTIPLE, 0),
        (["v=spf1 include: -all"], {}, Finding.SPF_INVALID, 0),
        (["v=spf1 unknown:x -all"], {}, Finding.SPF_INVALID, 0),
        (["v=spf1 -x=1"], {}, Finding.SPF_INVALID, 0),
        (
            ["v=spf1 redirect=other.example"],
            {"other.example": "v=spf1 include:mail.example -all", OURS: None},
            Finding.OK,
            2,
        ),
        (["v=spf1 include:mail.example -all"], {OURS: MANY}, Finding.SPF_TOO_MANY_LOOKUPS, 11),
        (
            ["v=spf1 include:loop.example include:mail.example -all"],
            {"loop.example": "v=spf1 include:loop.example -all", OURS: None},
            Finding.OK,
            3,
        ),
    ],
)
def test_what_a_record_amounts_to(
    records: list[str], fetched: dict[str, str | None], finding: Finding, lookups: int
) -> None:
    """Version, syntax, one record only, at most ten look-ups through every include, and our include."""
    judged = judge(records, OURS, fetched)

    assert isinstance(judged, SpfJudgement)
    assert (finding, lookups) == (judged.finding, judged.lookups)


def test_what_is_needed_is_asked_for() -> None:
    """Includes that were not fetched yet are named; once they are, there is a judgement."""
    record = "v=spf1 include:a.example include:mail.example -all"

    assert Needed(("a.example", "mail.example")) == judge([record], OURS, {})
    assert Needed(("b.example",)) == judge(
        [record], OURS, {"a.example": "v=spf1 include:b.example -all", OURS: None}
    )


def test_a_macro_is_not_fetched() -> None:
    """A name with a macro depends on the mail; it is counted and not looked up."""
    judged = judge(["v=spf1 include:%{d}.example include:mail.example -all"], OURS, {OURS: None})

    assert isinstance(judged, SpfJudgement)
    assert (Finding.OK, 2) == (judged.finding, judged.lookups)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text makes the reader fail."""
    terms = parse(text)

    assert terms is None or isinstance(terms, tuple)
    assert is_spf("v=spf1")
