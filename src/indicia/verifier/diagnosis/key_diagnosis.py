"""What a diagnosis says beyond the records that should be published: keys behind them, and what is left over.

A key is ours to publish, and its owner's name servers are theirs: whose trouble it is that a key is not to be
seen is looked for, at the key's own name in our key zone. A record that is left over from an identity of
before harms nobody; whoever cleans up is told that it is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from indicia.domain.diagnosis.explanation import explain
from indicia.domain.diagnosis.wording import Explanation
from indicia.domain.identities.identity import IdentityKind, TokenSetKind
from indicia.domain.proofs.transitions import Sight
from indicia.domain.records.expected import ExpectedRecord, dkim_records, key_record
from indicia.domain.records.observation import RecordType
from indicia.domain.verification.check import Observations, RecordVerdict, Rules, judge_record
from indicia.domain.verification.findings import Finding
from indicia.domain.verification.key_sight import LiveKey
from indicia.store.dkim import rotation
from indicia.store.engine.database import Database
from indicia.store.engine.session import Session
from indicia.store.identities.identities import IdentityView
from indicia.verifier.dns.observer import DnsObserver

_MOST_LEFT_OVER = 5  # token sets of before


@dataclass(frozen=True, slots=True)
class Remark:
    """One further record, what was seen of it, and what that means."""

    verdict: RecordVerdict
    finding: Finding
    words: Explanation


@dataclass(frozen=True, slots=True)
class _Left:
    """A record of an earlier token set, and whether its key is still published for mail on its way."""

    record: ExpectedRecord
    needed: bool


@dataclass(frozen=True, slots=True)
class _Further:
    keys: tuple[LiveKey, ...]
    left: tuple[_Left, ...]


async def remarks(
    database: Database,
    observer: DnsObserver,
    rules: Rules,
    view: IdentityView,
    verdicts: Sequence[RecordVerdict],
) -> list[Remark]:
    """Return what there is to say of the identity's keys and of what earlier identities have left."""
    if view.identity.kind is not IdentityKind.DOMAIN:
        return []
    further = await database.reading(partial(_further, view=view))
    there = {verdict.record.name for verdict in verdicts if verdict.sight is Sight.PRESENT}
    keys = {record: home for record, home in _keys(view, further.keys) if record.name in there}
    left = [each.record for each in further.left]
    seen = await _observed(observer, [*keys, *left])
    hidden = [
        home for record, home in keys.items() if _judged(record, seen, rules).sight is not Sight.PRESENT
    ]
    at_home = await _observed(observer, hidden)
    carried = view.carried is not None
    return [_of_key(record, home, {**seen, **at_home}, rules) for record, home in keys.items()] + [
        remark
        for each in further.left
        if (remark := _left_over(each, seen, rules, carried=carried)) is not None
    ]


async def _observed(observer: DnsObserver, records: Sequence[ExpectedRecord]) -> Observations:
    questions = [question for record in records for question in record.questions]
    return await observer.observe(questions) if questions else {}


def _judged(record: ExpectedRecord, seen: Observations, rules: Rules) -> RecordVerdict:
    return judge_record(record, seen, rules.quorum, ())


def _further(s: Session, view: IdentityView) -> _Further:
    token_set, domain = view.token_set, view.identity.name
    keys = () if token_set is None else rotation.live(s, token_set.id)
    left = [
        _Left(record, bool(rotation.live(s, each.id)))
        for each in rotation.left_by(s, domain, limit=_MOST_LEFT_OVER)
        for record in dkim_records(domain, each)
    ]
    return _Further(keys, tuple(left))


def _keys(view: IdentityView, keys: Sequence[LiveKey]) -> list[tuple[ExpectedRecord, ExpectedRecord]]:
    """Return where the keys should be seen that sign, or will, and where each stands in our key zone.

    An uploaded key is a record of its own.
    """
    token_set = view.token_set
    if token_set is None or token_set.kind is not TokenSetKind.EASY:
        return []
    records = [
        (key_record(view.identity.name, key.selector, key.public_key), f"{key.selector}.{token_set.zone}")
        for key in keys
        if key.life.retired_at is None
    ]
    return [(record, replace(record, name=home)) for record, home in records]


_OURS = "Nothing to do for the owner of the domain: the operator of this service publishes the key."


def _of_key(record: ExpectedRecord, home: ExpectedRecord, seen: Observations, rules: Rules) -> Remark:
    verdict = _judged(record, seen, rules)
    if verdict.sight is Sight.PRESENT:
        return Remark(verdict, verdict.finding, explain(record, verdict.finding, verdict.observations))
    there = _judged(home, seen, rules)
    if there.sight is Sight.PRESENT:
        return _hidden_by_its_owner(verdict)
    # At its own name it is not to be seen either: our zone, or the way to it.
    words = explain(home, there.finding, there.observations)
    told = (
        f"The CNAME at {record.name} is right, but the key at its end is not to be seen, and no mail is"
        f" signed with it. {words.explanation}"
    )
    return Remark(verdict, verdict.finding, Explanation(told, _OURS))


def _hidden_by_its_owner(verdict: RecordVerdict) -> Remark:
    """Return what is to be done where the key is seen at its own name and not through the CNAME to it."""
    name, target = verdict.record.name, _target(verdict)
    begin = f"The CNAME at {name} is right and the key is published, but a question for the key at {name}"
    if verdict.sight is Sight.UNKNOWN:
        words = explain(verdict.record, verdict.finding, verdict.observations)
        told = f"{begin} is not answered, so no mail is signed with it. {words.explanation}"
        return Remark(verdict, verdict.finding, Explanation(told, words.fix))
    if verdict.finding is Finding.MISSING and target:
        told = f"{begin}, which leads to {target}, was answered with nothing a moment before."
        return Remark(verdict, verdict.finding, Explanation(told, "Look again in a minute."))
    told = (
        f"{begin} is answered as if the CNAME were not there, so no mail is signed with it: a CNAME answers"
        " for every type (RFC 1034 §3.6.2)."
    )
    fix = "Ask the DNS provider why a question for another type does not lead on through the CNAME"
    if verdict.finding is not Finding.MISSING:
        fix = f"Remove the TXT record at {name}: beside a CNAME no other record can stand"
    return Remark(verdict, verdict.finding, Explanation(told, f"{fix}."))


def _target(verdict: RecordVerdict) -> str:
    chains = (each.chain for each in verdict.observations if each.question.rtype is RecordType.TXT)
    return next((chain[-1] for chain in chains if chain), "")


def _left_over(left: _Left, seen: Observations, rules: Rules, *, carried: bool) -> Remark | None:
    record = left.record
    verdict = _judged(record, seen, rules)
    if verdict.sight is not Sight.PRESENT:
        return None
    told = (
        f"{record.name} still points to the key of an earlier identity, which was deleted or has changed its"
        " method since."
    )
    if carried:
        fix = "Leave it until the new records are seen: until then what was proved before rests on it."
    elif left.needed:
        fix = "Leave it for some days: mail that was signed with its key may still be on its way."
    else:
        fix = f"Nothing to do: it harms nobody. {record.name} {record.rtype.name} may be removed."
    return Remark(verdict, Finding.OTHER_IDENTITY, Explanation(told, fix))
