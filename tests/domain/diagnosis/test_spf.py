"""SPF as advice: what a MAIL FROM domain's record amounts to (RFC 7208)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicia.domain.diagnosis.spf import NoRecord, RecordsNeeded, SpfJudgement, is_spf, judge, parse
from indicia.domain.verification.findings import Finding

OURS = "mail.example"
MANY = "v=spf1 " + " ".join(f"a:h{number}.example" for number in range(10)) + " -all"


@pytest.mark.parametrize(
    ("records", "fetched", "finding", "lookups"),
    [
        ([], {}, Finding.MISSING, 0),
        (["v=spf10 -all", "unrelated"], {}, Finding.MISSING, 0),
        (["v=spf1 include:mail.example ~all"], {OURS: "v=spf1 ip4:192.0.2.1 -all"}, Finding.OK, 1),
        (["V=SPF1 include:MAIL.example. -all"], {OURS: NoRecord.ABSENT}, Finding.OK, 1),
        (["v=spf1 -all"], {}, Finding.SPF_MISSING_INCLUDE, 0),
        (["v=spf1 include:mail.example -all", "v=spf1 -all"], {}, Finding.MULTIPLE, 0),
        (["v=spf1 include: -all"], {}, Finding.SPF_INVALID, 0),
        (["v=spf1 unknown:x -all"], {}, Finding.SPF_INVALID, 0),
        (["v=spf1 -x=1"], {}, Finding.SPF_INVALID, 0),
        (
            ["v=spf1 redirect=other.example"],
            {"other.example": "v=spf1 include:mail.example -all", OURS: NoRecord.UNKNOWN},
            Finding.OK,
            2,
        ),
        (["v=spf1 include:mail.example -all"], {OURS: MANY}, Finding.SPF_TOO_MANY_LOOKUPS, 11),
        # A receiver that goes round in a circle ends at its eleventh look-up too.
        (
            ["v=spf1 include:loop.example include:mail.example -all"],
            {"loop.example": "v=spf1 include:loop.example -all", OURS: NoRecord.ABSENT},
            Finding.SPF_TOO_MANY_LOOKUPS,
            11,
        ),
        # What is included twice costs twice.
        (
            ["v=spf1 include:five.example include:five.example -all"],
            {"five.example": "v=spf1 a:a.example a:b.example mx ptr exists:c.example -all"},
            Finding.SPF_TOO_MANY_LOOKUPS,
            11,
        ),
        # RFC 7208 §5.1, §6.1: nothing after `all` is tested, and a redirect beside it counts for nothing.
        (["v=spf1 -all include:mail.example"], {}, Finding.SPF_MISSING_INCLUDE, 0),
        (["v=spf1 redirect=other.example -all"], {}, Finding.SPF_MISSING_INCLUDE, 0),
        # RFC 7208 §5.2, §6.1: an include that leads to no record is an error of the whole.
        (
            ["v=spf1 include:gone.example include:mail.example -all"],
            {"gone.example": NoRecord.ABSENT, OURS: NoRecord.ABSENT},
            Finding.SPF_INVALID,
            2,
        ),
        (["v=spf1 redirect=bad.example"], {"bad.example": "v=spf1 bogus"}, Finding.SPF_INVALID, 1),
        (
            ["v=spf1 include:silent.example include:mail.example -all"],
            {"silent.example": NoRecord.UNKNOWN, OURS: NoRecord.ABSENT},
            Finding.OK,
            2,
        ),
    ],
)
def test_what_a_record_amounts_to(
    records: list[str], fetched: dict[str, str | NoRecord], finding: Finding, lookups: int
) -> None:
    """Version, syntax, one record only, at most ten look-ups through every include, and our include."""
    judged = judge(records, OURS, fetched)

    assert isinstance(judged, SpfJudgement)
    assert (finding, lookups) == (judged.finding, judged.lookups)


def test_what_is_needed_is_asked_for() -> None:
    """Includes that were not fetched yet are named; once they are, there is a judgement."""
    record = "v=spf1 include:a.example include:mail.example -all"

    assert RecordsNeeded(("a.example", "mail.example")) == judge([record], OURS, {})
    assert RecordsNeeded(("b.example",)) == judge(
        [record], OURS, {"a.example": "v=spf1 include:b.example -all", OURS: NoRecord.UNKNOWN}
    )


def test_nothing_is_asked_for_once_there_are_too_many() -> None:
    """Two thousand includes are too many before any of them was looked at; ten are asked for, and no more."""
    names = [f"n{number}.victim.example" for number in range(2000)]
    record = "v=spf1 " + " ".join(f"include:{name}" for name in names)
    ten = "v=spf1 " + " ".join(f"include:{name}" for name in names[:10])

    judged = judge([record], OURS, {})

    assert isinstance(judged, SpfJudgement)
    assert (judged.finding, judged.lookups) == (Finding.SPF_TOO_MANY_LOOKUPS, 11)
    assert judge([ten], OURS, {}) == RecordsNeeded(tuple(names[:10]))


def test_who_asks_for_what_is_needed_asks_for_ten_names_at_most() -> None:
    """However includes lead on, each record with two more: a judgement is there after ten names."""
    fetched: dict[str, str | NoRecord] = {}
    judged = judge(["v=spf1 include:a.example include:b.example"], OURS, fetched)
    while isinstance(judged, RecordsNeeded):
        fetched |= {
            name: f"v=spf1 include:l{name} include:r{name}" for name in judged.names if name not in fetched
        }
        judged = judge(["v=spf1 include:a.example include:b.example"], OURS, fetched)

    assert judged.finding is Finding.SPF_TOO_MANY_LOOKUPS
    assert len(fetched) <= 10


def test_the_include_that_breaks_it_is_named() -> None:
    """The first that a receiver comes to, and that is known to have no record."""
    fetched: dict[str, str | NoRecord] = {"a.example": NoRecord.UNKNOWN, "b.example": NoRecord.ABSENT}
    judged = judge(["v=spf1 include:a.example include:b.example -all"], OURS, fetched)

    assert isinstance(judged, SpfJudgement)
    assert judged.broken == "b.example"


def test_a_macro_is_not_fetched() -> None:
    """A name with a macro depends on the mail; it is counted and not looked up."""
    judged = judge(["v=spf1 include:%{d}.example include:mail.example -all"], OURS, {OURS: NoRecord.UNKNOWN})

    assert isinstance(judged, SpfJudgement)
    assert (Finding.OK, 2) == (judged.finding, judged.lookups)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text makes the reader fail."""
    terms = parse(text)

    assert terms is None or isinstance(terms, tuple)
    assert is_spf("v=spf1")
