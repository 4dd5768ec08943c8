"""The rounds of questions that a judgement on SPF takes: what a record includes is asked for, and so on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from indicia.domain.diagnosis import spf
from indicia.domain.records.observation import Observation, Question, RecordType

if TYPE_CHECKING:
    from indicia.verifier.dns.observer import DnsObserver

_MOST_ROUNDS: Final = spf.MOST_LOOKUPS + 1  # each but the last follows an include at least


@dataclass(frozen=True, slots=True)
class Judged:
    """A judgement. It is `certain` when of every record that it goes through it is known what it says."""

    judgement: spf.SpfJudgement
    certain: bool


async def judge(observer: DnsObserver, texts: Sequence[str], include: str) -> Judged | None:
    """Return the judgement on the TXT records of a name, None where they lead on for too long."""
    fetched: dict[str, str | spf.NoRecord] = {}
    for _ in range(_MOST_ROUNDS):
        judged = spf.judge(texts, include, fetched)
        if isinstance(judged, spf.SpfJudgement):
            return Judged(judged, spf.NoRecord.UNKNOWN not in fetched.values())
        questions = [Question(name, RecordType.TXT) for name in judged.names]
        answers = await observer.observe(questions)
        fetched |= {question.name: _record(answers[question]) for question in questions}
    return None


def _record(seen: Sequence[Observation]) -> str | spf.NoRecord:
    """Return the SPF record that any perspective sees; it is absent where all say so that can tell."""
    values = [value for each in seen for value in each.values]
    told = any(each.reply.authoritative for each in seen)
    return next(filter(spf.is_spf, values), spf.NoRecord.ABSENT if told else spf.NoRecord.UNKNOWN)
