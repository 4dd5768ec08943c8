"""Values as a sentence quotes them: at most 100 characters, of which the flaw is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from indicia.domain.diagnosis.spf import invalid_term
from indicia.domain.dkim.key_flaws import named_flaw
from indicia.domain.records.expected import ExpectedRecord
from indicia.domain.records.observation import Observation, RecordType
from indicia.domain.verification.chains import target_of
from indicia.domain.verification.findings import Finding
from indicia.domain.verification.judgement import finding_of_text

_WIDEST: Final = 100


def excerpt(text: str, at: int) -> str:
    """Return the text around the place `at` (from 0), with how much of it is before and after."""
    if len(text) <= _WIDEST:
        return text
    start = max(0, min(at - _WIDEST // 2, len(text) - _WIDEST))
    after = len(text) - start - _WIDEST
    before = f"({start} characters before) ..." if start else ""
    return f"{before}{text[start : start + _WIDEST]}{f'... ({after} more characters)' if after else ''}"


def found_values(record: ExpectedRecord, observations: Sequence[Observation]) -> tuple[str, ...]:
    """Return every value that was seen where the record should be, each once, as the perspectives come."""
    names = {question.name for question in record.questions}
    return tuple(
        dict.fromkeys(
            value
            for observation in observations
            if observation.question.name in names
            for value in observation.values
        )
    )


def value_in_question(record: ExpectedRecord, finding: Finding, observations: Sequence[Observation]) -> str:
    """Return the value that a finding is about, the empty text where there is none.

    Of several TXT records at a name one is meant, and the others may be somebody's.
    """
    values = found_values(record, observations)
    if record.rtype is RecordType.TXT:
        meant = (value for value in values if finding_of_text(record, value) is finding)
        return next(meant, values[0] if values else "")
    return values[0] if values else ""


def quoted(record: ExpectedRecord, finding: Finding, observations: Sequence[Observation]) -> str:
    """Return the value that the finding is about in quotation marks, cut round its flaw."""
    value = value_in_question(record, finding, observations)
    return f'"{excerpt(value, _place(record, finding, value))}"' if value else "nothing"


def all_quoted(record: ExpectedRecord, observations: Sequence[Observation]) -> str:
    """Return the first value that was seen, and how many more there are."""
    values = found_values(record, observations)
    if not values:
        return "nothing"
    more = f" and {len(values) - 1} more" if len(values) > 1 else ""
    return f'"{excerpt(values[0], 0)}"{more}'


def chain_end(record: ExpectedRecord, observations: Sequence[Observation]) -> str | None:
    """Return where a chain of CNAMEs ends that begins at the record's name; None where it has one link."""
    ends = (target_of(each) for each in observations if each.question.name != record.name)
    return next((end for end in reversed([*ends]) if end is not None), None)


def alias_of(record: ExpectedRecord, observations: Sequence[Observation]) -> tuple[str, ...]:
    """Return the targets through which the record's name was followed, as the first perspective saw them."""
    own = (each for each in observations if each.question == record.questions[0] and each.chain)
    return next((each.chain for each in own), ())


def _place(record: ExpectedRecord, finding: Finding, value: str) -> int:
    if finding is Finding.TRUNCATED:
        return len(value)
    if finding is Finding.KEY_UNREADABLE:
        flaw = named_flaw(value)
        return 0 if flaw is None else flaw.at
    if finding is Finding.SPF_INVALID:
        return value.find(invalid_term(value) or "")
    if finding in _WHERE_IT_DIFFERS:
        return _difference(value, record.value)
    return 0


_WHERE_IT_DIFFERS: Final = frozenset(
    {Finding.QUOTED, Finding.WHITESPACE, Finding.CASE_CHANGED, Finding.WRONG_TARGET, Finding.DOUBLED_ZONE}
)


def _difference(value: str, wanted: str) -> int:
    """Return the first place at which a value is not as it should be, an opening mark and tags aside."""
    start = max(value.find(wanted[:8]), 0)
    pairs = zip(value[start:], wanted, strict=False)
    return start + next((at for at, (one, other) in enumerate(pairs) if one != other), len(wanted))
