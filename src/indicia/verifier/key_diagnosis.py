"""What a diagnosis says beyond the records that should be published: keys behind them, and what is left over.

A key is ours to publish, so what is wrong with it is never mended by its reader. A record that is left over
from an identity of before harms nobody; whoever cleans up is told that it is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from indicia.domain.check import Observations, RecordVerdict, Rules, judge_record
from indicia.domain.explanation import Explanation, explain
from indicia.domain.findings import Finding
from indicia.domain.identity import IdentityKind, TokenSet, TokenSetKind
from indicia.domain.key_sight import LiveKey
from indicia.domain.records import ExpectedRecord, dkim_records, key_record
from indicia.domain.verification import Sight
from indicia.store import key_lives
from indicia.store.database import Database
from indicia.store.identities import IdentityView
from indicia.store.session import Session
from indicia.verifier.checker import Eyes

_MOST_LEFT_OVER = 5  # token sets of before


@dataclass(frozen=True, slots=True)
class Remark:
    """One further record, what was seen of it, and what that means."""

    verdict: RecordVerdict
    finding: Finding
    words: Explanation


@dataclass(frozen=True, slots=True)
class _Further:
    keys: tuple[LiveKey, ...]
    left: tuple[TokenSet, ...]


async def remarks(
    database: Database, eyes: Eyes, rules: Rules, view: IdentityView, verdicts: Sequence[RecordVerdict]
) -> list[Remark]:
    """Return what there is to say of the identity's keys and of what earlier identities have left."""
    if view.identity.kind is not IdentityKind.DOMAIN:
        return []
    further = await database.reading(partial(_further, view=view))
    there = {verdict.record.name for verdict in verdicts if verdict.sight is Sight.PRESENT}
    keys = [record for record in _keys(view, further.keys) if record.name in there]
    left = [record for each in further.left for record in dkim_records(view.identity.name, each)]
    questions = [question for record in (*keys, *left) for question in record.questions]
    seen = await eyes.observe(questions) if questions else {}
    return [_of_key(record, seen, rules) for record in keys] + [
        remark for record in left if (remark := _left_over(record, seen, rules)) is not None
    ]


def _further(s: Session, view: IdentityView) -> _Further:
    token_set = view.token_set
    keys = () if token_set is None else key_lives.live(s, token_set.id)
    return _Further(keys, tuple(key_lives.left_by(s, view.identity.name, limit=_MOST_LEFT_OVER)))


def _keys(view: IdentityView, keys: Sequence[LiveKey]) -> list[ExpectedRecord]:
    """Return where the keys should be seen that sign, or will; an uploaded one is a record of its own."""
    if view.token_set is None or view.token_set.kind is not TokenSetKind.EASY:
        return []
    return [
        key_record(view.identity.name, key.selector, key.public_key)
        for key in keys
        if key.life.retired_at is None
    ]


def _of_key(record: ExpectedRecord, seen: Observations, rules: Rules) -> Remark:
    verdict = judge_record(record, seen, rules.quorum, ())
    words = explain(record, verdict.finding, verdict.observations)
    if verdict.finding is not Finding.OK:
        words = Explanation(
            f"The CNAME at {record.name} is right, but the key at its end is not to be seen, and no mail is"
            f" signed with it. {words.explanation}",
            "Nothing to do for the owner of the domain: the operator of this service publishes the key.",
        )
    return Remark(verdict, verdict.finding, words)


def _left_over(record: ExpectedRecord, seen: Observations, rules: Rules) -> Remark | None:
    verdict = judge_record(record, seen, rules.quorum, ())
    if verdict.sight is not Sight.PRESENT:
        return None
    words = Explanation(
        f"{record.name} still points to the key of an earlier identity, which was deleted or has changed its"
        " method since.",
        f"Remove {record.name} {record.rtype.name}: nothing needs it any more.",
    )
    return Remark(verdict, Finding.OTHER_IDENTITY, words)
