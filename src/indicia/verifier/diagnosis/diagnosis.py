"""A look that changes nothing: every record that should be published, what is there instead, what to do.

The same expectation, the same perspectives and the same judgement as the engine's; only the last step
differs: words instead of a change of state.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import msgspec

from indicia.domain.diagnosis.excerpts import found_values
from indicia.domain.diagnosis.explanation import explain
from indicia.domain.diagnosis.probing import Refined
from indicia.domain.diagnosis.wording import Explanation
from indicia.domain.fairness import Shares
from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identities.identity import Facet, FacetState, Identity, IdentityKind, Status
from indicia.domain.names import IdentityName, fold, shown
from indicia.domain.proofs.transitions import Sight, own_status
from indicia.domain.records.expected import ExpectedRecord, Purpose, expected_records, records_to_leave
from indicia.domain.time import Instant, rfc3339
from indicia.domain.verification.check import Observations, RecordVerdict, Rules, distrusted, judge_record
from indicia.domain.verification.findings import Finding
from indicia.runtime.clock import Clock
from indicia.store.engine.database import Database
from indicia.store.identities import identities
from indicia.store.identities.identities import IdentityView
from indicia.verifier.diagnosis import dmarc
from indicia.verifier.diagnosis.asking import AskedEnoughError, Asking, ZoneLook
from indicia.verifier.diagnosis.investigation import Investigator
from indicia.verifier.diagnosis.key_diagnosis import remarks
from indicia.verifier.dns import chains
from indicia.verifier.engine.evidence import SeenObservation, seen

_WITHIN: Final = 5.0  # seconds for the control questions
_PATIENCE: Final = 5.0  # seconds until the zone has rested
_AT_ONCE: Final = 32
_PARTS: Final = (4,)  # of these, one part in so many is the most of one account


class Verdict(Enum):
    """Where the identity stands, in one word for people."""

    VERIFIED = "verified"
    PENDING = "pending"
    AT_RISK = "at_risk"
    FAILED = "failed"


_VERDICTS = {
    Status.SUCCESS: Verdict.VERIFIED,
    Status.TEMPORARY_FAILURE: Verdict.AT_RISK,
    Status.PENDING: Verdict.PENDING,
    Status.NOT_STARTED: Verdict.PENDING,
    Status.FAILED: Verdict.FAILED,
}


class DiagnosedRecord(msgspec.Struct, frozen=True):
    """One expected record and what there is to say about it."""

    facet: str
    name: str
    type: str
    expected: str
    required: bool
    found: tuple[str, ...]
    finding: str
    explanation: str
    fix: str
    observations: tuple[SeenObservation, ...]


class PerspectivesAsked(msgspec.Struct, frozen=True):
    """Through how many perspectives was looked, and how many must agree."""

    names: tuple[str, ...]
    quorum: int


class Diagnosis(msgspec.Struct, frozen=True):
    """What was seen just now. Instants are RFC 3339 in UTC, None where there is none."""

    identity: str
    checked_at: str
    verdict: str
    next_check_at: str | None
    deadline: str | None
    perspectives: PerspectivesAsked
    records: tuple[DiagnosedRecord, ...]


def _maybe(instant: Instant | None) -> str | None:
    return None if instant is None else rfc3339(instant)


@dataclass(frozen=True, slots=True)
class Doctor:
    """Looks when asked, as fast as zones may be asked because somebody wishes it. Never writes.

    `registrable` returns the domain of the organisation that a domain belongs to; by itself each is its own.
    `unbelieved` returns the perspectives, asked for a domain within so many seconds, whose absences nobody
    should act on; None believes all of them.
    """

    database: Database
    asking: Asking
    rules: Rules
    clock: Clock
    investigator: Investigator | None = None
    registrable: Callable[[str], str] = str
    unbelieved: Callable[[str, float], Awaitable[Collection[str]]] | None = None
    shares: Shares = field(default_factory=lambda: Shares(_AT_ONCE, _PARTS))

    async def diagnose(self, account: str, region: str, name: str) -> Diagnosis:
        """Return the diagnosis of an identity as the DNS stands at this moment.

        Raises: `Fault` NOT_FOUND when the account has no such identity in the region; THROTTLED while too
        many are made at once, or its zone was asked as much as it may be.
        """
        view = await self.database.reading(lambda s: identities.view(s, account, region, fold(name)))
        if view is None:
            refuse(FaultKind.NOT_FOUND, f"Email identity <{shown(name)}> does not exist.")
        if not self.shares.take((account,)):
            refuse(FaultKind.THROTTLED, "Too many diagnoses are made at once; ask again in a few seconds.")
        try:
            observer = await self.asking.begin(
                account, _domain_of(view.identity), view.soa, patience=_PATIENCE
            )
            return await self._diagnosed(view, observer)
        except AskedEnoughError as enough:
            refuse(
                FaultKind.THROTTLED,
                f"The name servers of {shown(enough.zone)} were asked as much as they may be"
                f" (INDICIA_ZONE_RATE); ask again in {math.ceil(enough.seconds)} s.",
            )
        finally:
            self.shares.give((account,))

    async def _diagnosed(self, view: IdentityView, observer: ZoneLook) -> Diagnosis:
        rules = self.rules
        records = expected_records(view.identity, view.token_set, rules.service_domain, rules.regions)
        left = records_to_leave(view.identity, view.carried.token_set if view.carried else None, records)
        now = self.clock.now()
        asked = (*records, *left)
        questions = tuple(dict.fromkeys(question for record in asked for question in record.questions))
        observations = await chains.observe(observer, asked, questions) if questions else {}
        siblings = [record.value.lower() for record in records]
        verdicts = [judge_record(record, observations, self.rules.quorum, siblings) for record in records]
        if self.unbelieved is not None and any(map(_required_and_absent, verdicts)):
            liars = await self.unbelieved(_domain_of(view.identity), _WITHIN)
            observations = distrusted(observations, liars)
            verdicts = [judge_record(record, observations, self.rules.quorum, siblings) for record in records]
        refined: dict[RecordVerdict, Refined] = {}
        if self.investigator is not None:
            looking = self.investigator.through(observer)
            refined = await looking.investigate(_domain_of(view.identity), verdicts, siblings)
        policy = None
        if view.identity.kind is IdentityKind.DOMAIN:
            policy = await dmarc.judged(observer, self.rules, view, self.registrable)
        further = await remarks(self.database, observer, self.rules, view, verdicts)
        return Diagnosis(
            identity=view.identity.name,
            checked_at=rfc3339(now),
            verdict=_VERDICTS[_standing(view)].value,
            next_check_at=_maybe(view.due_at),
            deadline=_maybe(_deadline(view.facets)),
            perspectives=PerspectivesAsked(self.asking.observer.names, self.rules.quorum),
            records=(
                *(
                    _shown(verdict, *policy)
                    if policy is not None and verdict.record.purpose is Purpose.DMARC
                    else _diagnosed(verdict, refined.get(verdict))
                    for verdict in verdicts
                ),
                *(_shown(remark.verdict, remark.finding, remark.words) for remark in further),
                *(self._left(record, left, observations) for record in left),
            ),
        )

    def _left(
        self, record: ExpectedRecord, left: Sequence[ExpectedRecord], observations: Observations
    ) -> DiagnosedRecord:
        """Return what there is to say of a record that proved the identity before a change."""
        siblings = [each.value.lower() for each in left]
        verdict = judge_record(record, observations, self.rules.quorum, siblings)
        return msgspec.structs.replace(_diagnosed(verdict, None), facet=Facet.CARRIED_DKIM.value)


def _required_and_absent(verdict: RecordVerdict) -> bool:
    return verdict.record.required and verdict.sight is Sight.ABSENT


def _domain_of(identity: Identity) -> str:
    return IdentityName(identity.kind, identity.name).domain


def _standing(view: IdentityView) -> Status:
    if view.identity.kind is IdentityKind.EMAIL_ADDRESS and Facet.LINK not in view.facets:
        return Status.NOT_STARTED
    return own_status(dict(view.facets))


def _deadline(facets: Mapping[Facet, FacetState]) -> Instant | None:
    return min((state.deadline for state in facets.values() if state.deadline is not None), default=None)


def _diagnosed(verdict: RecordVerdict, refined: Refined | None) -> DiagnosedRecord:
    refined = refined or Refined(verdict.finding)
    words = explain(verdict.record, refined.finding, verdict.observations, refined.detail)
    return _shown(verdict, refined.finding, words)


def _shown(verdict: RecordVerdict, finding: Finding, words: Explanation) -> DiagnosedRecord:
    left_over = finding is Finding.OTHER_IDENTITY and verdict.sight is Sight.PRESENT
    purpose = Purpose.DKIM if verdict.record.purpose is Purpose.KEY else verdict.record.purpose
    return DiagnosedRecord(
        facet=purpose.value,
        name=verdict.record.name,
        type=verdict.record.rtype.name,
        expected="" if left_over else verdict.record.value,
        required=verdict.record.required and not left_over,
        found=found_values(verdict.record, verdict.observations),
        finding=finding.value,
        explanation=words.explanation,
        fix=words.fix,
        observations=tuple(map(seen, verdict.observations)),
    )
