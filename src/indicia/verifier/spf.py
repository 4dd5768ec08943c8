"""The rounds of questions that a judgement on SPF takes: what a record includes is asked for, and so on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from indicia.domain import spf
from indicia.domain.observation import Question, RecordType

if TYPE_CHECKING:
    from indicia.verifier.checker import Eyes

_MOST_ROUNDS: Final = 12


@dataclass(frozen=True, slots=True)
class Judged:
    """A judgement. It is `certain` when every record that it goes through was to be had, or is not there."""

    judgement: spf.SpfJudgement
    certain: bool


async def judge(eyes: Eyes, texts: Sequence[str], include: str) -> Judged | None:
    """Return the judgement on the TXT records of a name, None where they lead on for too long."""
    fetched: dict[str, str | None] = {}
    certain = True
    for _ in range(_MOST_ROUNDS):
        judged = spf.judge(texts, include, fetched)
        if isinstance(judged, spf.SpfJudgement):
            return Judged(judged, certain)
        questions = [Question(name, RecordType.TXT) for name in judged.names]
        answers = await eyes.observe(questions)
        for question in questions:
            seen = answers[question]
            values = [value for each in seen for value in each.values]
            fetched[question.name] = next(filter(spf.is_spf, values), None)
            certain = certain and any(each.reply.authoritative for each in seen)
    return None
