"""One check of one identity: from what was seen to what is stored. Pure: the engine asks, this decides."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from indicia.domain.dkim.rotation import KeyLife
from indicia.domain.identities.identity import (
    CarriedProof,
    ErrorType,
    Facet,
    FacetState,
    Identity,
    IdentityKind,
    Status,
    TokenSet,
)
from indicia.domain.proofs.transitions import (
    CHECKED,
    Cause,
    Evidence,
    Sight,
    Windows,
    absence_apart,
    coupled,
    expire_link,
    own_status,
    step,
)
from indicia.domain.records.expected import ExpectedRecord, dkim_records, required_records
from indicia.domain.records.observation import Observation, Question, RecordType, Reply, Soa, soa_around
from indicia.domain.time import Instant, Span
from indicia.domain.verification.chains import following
from indicia.domain.verification.findings import Finding
from indicia.domain.verification.judgement import Judgement, judge, worst
from indicia.domain.verification.quorum import all_of, combine
from indicia.domain.verification.schedule import Look, Pace, grown, next_due

# What each question came back with, one observation a perspective, in the order of the perspectives.
Observations = Mapping[Question, Sequence[Observation]]


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings a check depends on.

    `quorum` is how many perspectives must agree; `regions` are those that are served.
    """

    service_domain: str
    quorum: int
    windows: Windows
    pace: Pace
    regions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RecordVerdict:
    """What the perspectives together say about one expected record, and in `sights` each by itself."""

    record: ExpectedRecord
    sight: Sight
    error: ErrorType | None
    finding: Finding
    negative_ttl: int | None
    observations: tuple[Observation, ...]
    sights: tuple[Sight, ...] = ()


@dataclass(frozen=True, slots=True)
class FacetVerdict:
    """What one check means for one facet: the state before and after, and why it moved, if it did."""

    facet: Facet
    before: FacetState
    after: FacetState
    cause: Cause | None
    sight: Sight
    finding: Finding
    records: tuple[RecordVerdict, ...]


@dataclass(frozen=True, slots=True)
class KeyVerdict:
    """What one look means for one key."""

    before: KeyLife
    after: KeyLife
    seen: RecordVerdict


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What is to be stored after one check.

    `account` is whose the identity is. `generation` is that of the expectation the evidence was gathered for;
    it lands on no other. `due_at` is
    None when looking again can change nothing. `succeeded` says whether a proof of the identity was seen.
    `keys` is what was seen of keys themselves, where that was asked (`domain.verification.key_sight`).
    `awaits_key` says that the first key of its token set is all that DKIM waits for. `superseded` says
    that what was carried is needed no more: the new proof is there. `same_set` says that what is carried
    rests on the records that are published now, as after a change of the key's length.
    """

    identity_id: int
    generation: int
    checked_at: Instant
    facets: tuple[FacetVerdict, ...]
    succeeded: bool
    error: ErrorType | None
    soa: Soa | None
    due_at: Instant | None
    interval: Span
    keys: tuple[KeyVerdict, ...] = ()
    awaits_key: bool = False
    superseded: bool = False
    same_set: bool = False
    account: str = ""


def takes_away(conclusion: Conclusion) -> bool:
    """Say whether an absence is worth a control question: something is lost by it, or begins to be.

    (verification.md, Observations.) What an account waits for, and has not got yet, cannot be lost before the
    end of its window.
    """
    return any(
        verdict.sight is Sight.ABSENT
        and bool(verdict.records)
        and verdict.after != verdict.before
        and (verdict.cause is not None or verdict.before.status is not Status.PENDING)
        for verdict in conclusion.facets
    ) or any(key.seen.sight is Sight.ABSENT and key.after != key.before for key in conclusion.keys)


def distrusted(observations: Observations, perspectives: Collection[str]) -> Observations:
    """Return what was seen, with that of these perspectives as our own trouble: a control question failed."""
    return {
        question: tuple(
            each._replace(reply=Reply.OUR_RESOLVER) if each.perspective in perspectives else each
            for each in seen
        )
        for question, seen in observations.items()
    }


def judge_record(
    record: ExpectedRecord, observations: Observations, quorum: int, siblings: Sequence[str]
) -> RecordVerdict:
    """Return the perspectives' common verdict on a record.

    A perspective that was not asked counts as one that knows nothing. Perspectives that disagree are unknown,
    whatever each of them saw. What was seen of a chain of aliases is a part of the verdict.
    """
    answers = [observations.get(question, ()) for question in record.questions]
    judged = [
        judge(record, views, siblings, following(perspective, observations))
        for perspective, views in enumerate(zip(*answers, strict=True))
    ]
    seen = tuple([observation for views in answers for observation in views])
    if any(judgement.links for judgement in judged):
        seen += tuple([link for judgement in judged for link in judgement.links])
    if len(judged) == 1 and quorum == 1:
        (only,) = judged
        return RecordVerdict(
            record, only.sight, only.error, only.finding, only.negative_ttl, seen, (only.sight,)
        )
    sights = tuple([judgement.sight for judgement in judged])
    return _common(record, combine(sights, quorum), judged, seen, sights)


_BY_AGREEMENT = {Sight.PRESENT: 0, Sight.ABSENT: 1, Sight.UNKNOWN: 2}
_BY_FINDING = {finding: number for number, finding in enumerate(Finding)}


def _first(findings: Iterable[Finding]) -> Finding:
    """Return one finding of several, the same one in whatever order the perspectives are asked."""
    return min(findings, key=_BY_FINDING.__getitem__)


def _common(
    record: ExpectedRecord,
    sight: Sight,
    judged: Sequence[Judgement],
    seen: tuple[Observation, ...],
    sights: tuple[Sight, ...],
) -> RecordVerdict:
    agreeing = [judgement for judgement in judged if judgement.sight is sight]
    if sight is Sight.UNKNOWN and len(set(sights)) > 1:
        # The perspectives disagree, or too few of them know: no quorum (verification.md, ErrorType).
        unlike = max(sights, key=_BY_AGREEMENT.__getitem__)
        blind = (judgement.finding for judgement in judged if judgement.sight is Sight.UNKNOWN)
        finding = Finding.NOT_EVERYWHERE if unlike is not Sight.UNKNOWN else _first(blind)
        return RecordVerdict(record, sight, ErrorType.SERVICE_ERROR, finding, None, seen, sights)
    if not agreeing:
        return RecordVerdict(
            record, Sight.UNKNOWN, ErrorType.SERVICE_ERROR, Finding.OUR_RESOLVER, None, seen, sights
        )
    error = worst([judgement.error for judgement in agreeing])
    typical = _first(judgement.finding for judgement in agreeing if judgement.error is error)
    ttls = [judgement.negative_ttl for judgement in agreeing if judgement.negative_ttl is not None]
    return RecordVerdict(record, sight, error, typical, max(ttls, default=None), seen, sights)


def questions_of(
    records: Mapping[Facet, Sequence[ExpectedRecord]], identity: Identity
) -> tuple[Question, ...]:
    """Return every question of a check, each once: the records', and the SOA of a domain's zone.

    Address identities have no SOA (verification.md, ErrorType): only their MAIL FROM is looked at.
    """
    asked = {
        question: None for group in records.values() for record in group for question in record.questions
    }
    if asked and identity.kind is IdentityKind.DOMAIN:
        asked[Question(identity.name, RecordType.SOA)] = None
    return tuple(asked)


def records_to_check(
    identity: Identity,
    token_set: TokenSet | None,
    facets: Mapping[Facet, FacetState],
    rules: Rules,
    carried: CarriedProof | None = None,
) -> dict[Facet, tuple[ExpectedRecord, ...]]:
    """Return the records of those facets that looking can still change, those of what is carried included."""
    required = required_records(identity, token_set, rules.service_domain, rules.regions)
    if carried is not None:
        required[Facet.CARRIED_DKIM] = dkim_records(identity.name, carried.token_set)
    return {
        facet: records
        for facet, records in required.items()
        if facet in facets and facets[facet].status in CHECKED
    }


def conclude(
    identity: Identity,
    token_set: TokenSet | None,
    facets: Mapping[Facet, FacetState],
    records: Mapping[Facet, Sequence[ExpectedRecord]],
    observations: Observations,
    *,
    rules: Rules,
    now: Instant,
    interval: Span,
    jitter: float,
    replication: Evidence | None = None,
    carried: CarriedProof | None = None,
) -> Conclusion:
    """Return what follows from the observations of one check made at `now` of these `records_to_check`.

    `replication` is how a replica stands to its parent, None for any other identity; `carried` is what proved
    it before its owner changed what should be published.
    """
    verdicts = [
        _judge_facet(facets[facet], expected, observations, token_set, rules=rules, now=now)
        for facet, expected in records.items()
    ]
    superseded = carried is not None and any(
        verdict.facet is Facet.DKIM and verdict.after.status is Status.SUCCESS for verdict in verdicts
    )
    if superseded:
        verdicts = [verdict for verdict in verdicts if verdict.facet is not Facet.CARRIED_DKIM]
        facets = {facet: state for facet, state in facets.items() if facet is not Facet.CARRIED_DKIM}
    if Facet.LINK in facets:
        verdicts.append(_judge_link(facets[Facet.LINK], now))
    if replication is not None:
        verdicts += _judge_replication(facets, replication, now, rules)
    after = dict(facets) | {verdict.facet: verdict.after for verdict in verdicts}
    proofs = [verdict for verdict in verdicts if verdict.facet in _PROOFS]
    seen = [
        verdict.facet
        for verdict in proofs
        if verdict.after.status is Status.SUCCESS and verdict.sight is Sight.PRESENT
    ]
    # That the records of before are there says nothing of what is wrong with those that are waited for.
    wrong = None if set(seen) - {Facet.CARRIED_DKIM} else worst([each.after.error for each in proofs])
    ttls = [record.negative_ttl for verdict in verdicts for record in verdict.records]
    held = max((ttl for ttl in ttls if ttl is not None), default=None)
    apart = absence_apart(Evidence(Sight.ABSENT, None, held), rules.windows)
    awaits_key = any(map(_awaits_key, verdicts))
    # The keys of a replica may be another installation's: only looking tells when they are there.
    completed_by_key = awaits_key and Facet.REPLICATION not in facets
    look = Look(now, interval, jitter, held, apart, awaits_key=completed_by_key)
    moved = any(verdict.cause is not None for verdict in verdicts)
    following = rules.pace.first if moved else grown(interval, rules.pace)
    return Conclusion(
        identity_id=identity.id,
        generation=identity.generation,
        checked_at=now,
        facets=tuple(verdicts),
        succeeded=bool(seen),
        error=_shown_error(verdicts, wrong),
        soa=_enclosing_soa(identity, observations),
        due_at=next_due(after, look, rules.pace),
        interval=following,
        awaits_key=awaits_key,
        superseded=superseded,
        same_set=carried is not None and token_set is not None and carried.token_set.id == token_set.id,
        account=identity.account,
    )


# What proves a domain by its records.
_PROOFS: Final = (Facet.DKIM, Facet.OWNERSHIP, Facet.CARRIED_DKIM)


def _awaits_key(verdict: FacetVerdict) -> bool:
    """Say whether all records were seen and the facet waits for the first key (Condition.KEY_PUBLISHED)."""
    waits = verdict.sight is Sight.PRESENT and verdict.after.status is Status.PENDING
    return waits and verdict.facet is Facet.DKIM


def _judge_facet(
    state: FacetState,
    records: Sequence[ExpectedRecord],
    observations: Observations,
    token_set: TokenSet | None,
    *,
    rules: Rules,
    now: Instant,
) -> FacetVerdict:
    siblings = [record.value.lower() for record in records]
    judged = tuple([judge_record(record, observations, rules.quorum, siblings) for record in records])
    sight = all_of([verdict.sight for verdict in judged])
    errors = [verdict.error for verdict in judged]
    error = worst(errors)
    # What makes the facet unlike "all present" is what its error and finding speak of.
    telling = judged[errors.index(error) if error is not None else 0]
    ttls = [verdict.negative_ttl for verdict in judged if verdict.negative_ttl is not None]
    has_key = state.facet is not Facet.DKIM or (token_set is not None and token_set.has_key)
    change = step(state, Evidence(sight, error, max(ttls, default=None), has_key), now, rules.windows)
    return FacetVerdict(state.facet, state, change.state, change.cause, sight, telling.finding, judged)


def _judge_link(state: FacetState, now: Instant) -> FacetVerdict:
    change = expire_link(state, now)
    return FacetVerdict(Facet.LINK, state, change.state, change.cause, Sight.UNKNOWN, Finding.MISSING, ())


def _judge_replication(
    facets: Mapping[Facet, FacetState], evidence: Evidence, now: Instant, rules: Rules
) -> list[FacetVerdict]:
    """Return how the replica stands to its parent; where it has given up, so has its DKIM."""
    state = facets[Facet.REPLICATION]
    change = step(state, evidence, now, rules.windows)
    after = change.state
    if after.status is Status.SUCCESS:
        after = replace(
            after, absent_since=None
        )  # it leads nowhere, and waits to be corroborated for nothing
    finding = Finding.OK if evidence.sight is Sight.PRESENT else Finding.MISSING
    verdicts = [FacetVerdict(state.facet, state, after, change.cause, evidence.sight, finding, ())]
    also = coupled(after, facets, now)
    if also is not None:
        before, moved = facets[also.state.facet], also.state
        verdicts.append(
            FacetVerdict(moved.facet, before, moved, also.cause, Sight.UNKNOWN, Finding.MISSING, ())
        )
    return verdicts


def _shown_error(verdicts: Sequence[FacetVerdict], otherwise: ErrorType | None) -> ErrorType | None:
    """Return what keeps a replica from its parent, or what is wrong with the records."""
    replications = (verdict for verdict in verdicts if verdict.facet is Facet.REPLICATION)
    return next((verdict.after.error for verdict in replications), None) or otherwise


def _enclosing_soa(identity: Identity, observations: Observations) -> Soa | None:
    """Return the SOA of the zone around the domain, as the first perspective that knows it sees it."""
    seen = observations.get(Question(identity.name, RecordType.SOA), ())
    return next((soa for observation in seen if (soa := soa_around(identity.name, observation))), None)


def verified(facets: Mapping[Facet, FacetState]) -> bool:
    """Say whether the identity's own proof stands, grace period included."""
    return own_status(dict(facets)) in (Status.SUCCESS, Status.TEMPORARY_FAILURE)
