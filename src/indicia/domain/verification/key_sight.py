"""Whether the keys themselves are to be seen, where their CNAMEs alone do not tell.

The status of DKIM rests on the records that its owner publishes. Whether mail may be signed rests on the key
at their end (verification.md, Granting), so a key is looked at until the quorum has seen it, and again when a
record on the way to it is missed. An identity whose keys were seen and whose CNAMEs stand costs no question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from indicia.domain.dkim.rotation import KeyLife, sighted
from indicia.domain.identities.identity import Facet, Identity, Status, TokenSet, TokenSetKind
from indicia.domain.proofs.transitions import CARRIED, CHECKED, Evidence, Sight, absence_apart
from indicia.domain.records.expected import ExpectedRecord, key_record
from indicia.domain.time import SECOND, Instant, Span
from indicia.domain.verification.check import (
    Conclusion,
    FacetVerdict,
    KeyVerdict,
    Observations,
    RecordVerdict,
    Rules,
    judge_record,
)

# A token that had no key a moment ago is not asked about: another process of ours may still answer so, and a
# resolver would hold that for the whole negative TTL.
FRESH: Final[Span] = 2 * SECOND


@dataclass(frozen=True, slots=True)
class LiveKey:
    """A key that is published, by us or by its owner, and the selector it is found under."""

    life: KeyLife
    selector: str
    public_key: str


def keys_matter(conclusion: Conclusion, token_set: TokenSet | None) -> bool:
    """Say whether the keys of the set are worth reading after this check of its records."""
    verdict = _dkim(conclusion)
    if token_set is None or verdict is None or not token_set.has_key:
        return False
    some = any(record.sight is Sight.PRESENT for record in verdict.records)
    proved = any(map(_proved, _proofs(conclusion)))
    return (token_set.awaited and some) or (proved and verdict.sight is Sight.ABSENT)


def keys_to_see(
    conclusion: Conclusion, identity: Identity, token_set: TokenSet, keys: Sequence[LiveKey]
) -> tuple[tuple[LiveKey, ExpectedRecord], ...]:
    """Return the keys that are to be looked at now, each with the record in which it should be seen.

    A key that should be seen is looked for once its CNAME is there; one that was seen, once its CNAME is not.
    During the grace period each is looked at. An uploaded key is its record, which was looked at.
    """
    verdict = _dkim(conclusion)
    if verdict is None or token_set.kind is TokenSetKind.EXTERNAL:
        return ()
    sights = {record.record.name: record.sight for record in verdict.records}
    proofs = _proofs(conclusion)
    proved = any(map(_proved, proofs))
    grace = any(Status.TEMPORARY_FAILURE in {each.before.status, each.after.status} for each in proofs)
    wanted = []
    # A set that is awaited, and no key of it: its keys are another installation's, and looked at always.
    always = token_set.awaited and not any(key.life.awaited for key in keys)
    for key in keys:
        record = key_record(identity.name, key.selector, key.public_key)
        sight = sights.get(record.name, Sight.UNKNOWN)
        missed = sight is Sight.ABSENT and proved
        due = (always or key.life.awaited) if sight is Sight.PRESENT else missed
        fresh = len(keys) > 1 and key.life.published_at > conclusion.checked_at - FRESH
        if key.life.retired_at is None and (due or grace) and not fresh:
            wanted.append((key, record))
    return tuple(wanted)


def with_keys(
    conclusion: Conclusion,
    token_set: TokenSet,
    keys: Sequence[LiveKey],
    looked_at: Sequence[tuple[LiveKey, ExpectedRecord]],
    *,
    observations: Observations,
    rules: Rules,
) -> Conclusion:
    """Return the conclusion with what was seen of the keys, and with the next look where one is awaited.

    The facet's state is not touched: it rests on its records (verification.md, Granting).
    """
    verdict = _dkim(conclusion)
    assert verdict is not None
    if token_set.kind is TokenSetKind.EXTERNAL:
        seen = [(key, verdict.records[0]) for key in keys]
    else:
        seen = [(key, judge_record(record, observations, rules.quorum, ())) for key, record in looked_at]
    verdicts = tuple(_verdict(key, record, conclusion.checked_at, rules) for key, record in seen)
    after = {each.before.id: each.after for each in verdicts}
    lives = [after.get(key.life.id, key.life) for key in keys]
    ttls = [record.negative_ttl for _, record in seen if record.negative_ttl is not None]
    due_at = conclusion.due_at
    if due_at is not None and verdict.after.status in CHECKED:
        held = min(max(ttls, default=0) * SECOND, rules.pace.largest)
        waits = [
            max(wait, held)
            for life in lives
            if (wait := _wait(life, conclusion.checked_at, rules)) is not None
        ]
        due_at = min([due_at, *(conclusion.checked_at + wait for wait in waits)])
    if token_set.kind is TokenSetKind.EASY and verdicts:
        shown = replace(verdict, records=(*verdict.records, *(each.seen for each in verdicts)))
        facets = tuple(shown if each is verdict else each for each in conclusion.facets)
    else:
        facets = conclusion.facets
    return replace(conclusion, facets=facets, keys=verdicts, due_at=due_at)


def _dkim(conclusion: Conclusion) -> FacetVerdict | None:
    return next((verdict for verdict in conclusion.facets if verdict.facet is Facet.DKIM), None)


def _proofs(conclusion: Conclusion) -> list[FacetVerdict]:
    """Return the verdicts on the proofs that rest on the records of the present token set."""
    facets = (Facet.DKIM, Facet.CARRIED_DKIM) if conclusion.same_set else (Facet.DKIM,)
    return [verdict for verdict in conclusion.facets if verdict.facet in facets]


def _proved(verdict: FacetVerdict) -> bool:
    """Say whether mail may be signed at present, so that a loss matters."""
    return verdict.before.status in CARRIED


def _verdict(key: LiveKey, seen: RecordVerdict, now: Instant, rules: Rules) -> KeyVerdict:
    apart = absence_apart(Evidence(Sight.ABSENT, None, seen.negative_ttl), rules.windows)
    return KeyVerdict(key.life, sighted(key.life, seen.sight, now, apart), seen)


def _wait(life: KeyLife, now: Instant, rules: Rules) -> Span | None:
    """Return how long until the next look at a key, None where no look is needed.

    A new key is looked for as a pending record is: in steps of half the time it has been there.
    """
    if not life.awaited:
        return None
    pace = rules.pace
    if now - life.published_at < FRESH:
        return FRESH
    if life.seen_at is None:
        return min(max((now - life.published_at) // 2, pace.first), pace.largest)
    return pace.largest
