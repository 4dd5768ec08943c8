"""A verdict as it is kept: what was expected, what each perspective saw, what followed.

The trail of the verdicts is this record and nothing else (verification.md, Evidence).
"""

from __future__ import annotations

import hashlib

import msgspec

from indicia.domain.check import Conclusion, FacetVerdict, RecordVerdict
from indicia.domain.observation import Observation
from indicia.store.evidence import Evidence


class SeenObservation(msgspec.Struct, omit_defaults=True, frozen=True):
    """What one perspective saw, verbatim. Latency is in milliseconds, TTLs in seconds."""

    perspective: str
    name: str
    type: str
    reply: str
    at: int
    latency: float
    server: str = ""
    values: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    ttl: int | None = None
    negative_ttl: int | None = None
    secure: bool = False
    extended: tuple[tuple[int, str], ...] = ()


class SeenRecord(msgspec.Struct, omit_defaults=True, frozen=True):
    """One expected record, what was seen of it, and what that means."""

    name: str
    type: str
    expected: str
    sight: str
    finding: str
    observations: tuple[SeenObservation, ...]
    error: str | None = None


class Body(msgspec.Struct, omit_defaults=True, frozen=True):
    """The evidence of one facet in one check."""

    sight: str
    records: tuple[SeenRecord, ...]
    cause: str | None = None
    deadline: int | None = None


_encoder = msgspec.json.Encoder()


def seen(observation: Observation) -> SeenObservation:
    """Return the observation as it is stored and shown."""
    return SeenObservation(
        perspective=observation.perspective,
        name=observation.question.name,
        type=observation.question.rtype.name,
        reply=observation.reply.value,
        at=observation.at,
        latency=round(observation.latency_ms, 1),
        server=observation.server,
        values=observation.values,
        chain=observation.chain,
        ttl=observation.ttl,
        negative_ttl=observation.negative_ttl,
        secure=observation.secure,
        extended=observation.extended,
    )


def _record(verdict: RecordVerdict) -> SeenRecord:
    return SeenRecord(
        name=verdict.record.name,
        type=verdict.record.rtype.name,
        expected=verdict.record.value,
        sight=verdict.sight.value,
        finding=verdict.finding.value,
        error=verdict.error.value if verdict.error else None,
        observations=tuple(map(seen, verdict.observations)),
    )


def body(verdict: FacetVerdict) -> str:
    """Return the evidence as JSON."""
    return _encoder.encode(
        Body(
            sight=verdict.sight.value,
            cause=verdict.cause.value if verdict.cause else None,
            deadline=verdict.after.deadline,
            records=tuple(map(_record, verdict.records)),
        )
    ).decode()


def _digest(conclusion: Conclusion, verdict: FacetVerdict) -> str:
    """Return what the verdict rests on, in short: no instants, no latencies, nothing left of TTLs."""
    rests_on = (
        conclusion.generation,
        verdict.sight.value,
        verdict.after.status.value,
        [
            (record.record.name, record.record.value, record.finding.value, _replies(record))
            for record in verdict.records
        ],
    )
    return hashlib.sha256(_encoder.encode(rests_on)).hexdigest()[:32]


def _replies(record: RecordVerdict) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(seen.perspective, seen.reply.value, tuple(sorted(seen.values))) for seen in record.observations]


def of(conclusion: Conclusion, verdict: FacetVerdict, asked_by: str) -> Evidence:
    """Return the verdict as it is stored."""
    return Evidence(
        identity_id=conclusion.identity_id,
        facet=verdict.facet,
        at=conclusion.checked_at,
        generation=conclusion.generation,
        asked_by=asked_by,
        status_before=verdict.before.status,
        status_after=verdict.after.status,
        finding=verdict.finding.value,
        digest=_digest(conclusion, verdict),
        body=body(verdict),
    )


def worth_keeping(result: Conclusion) -> list[FacetVerdict]:
    """Return the verdicts that tell something a reader of the trail does not know yet.

    A verified facet that was seen as it should be, once more, is told by the time of the last check.
    """
    moved = {key.seen for key in result.keys if key.before != key.after}
    return [
        verdict
        for verdict in result.facets
        if verdict.cause is not None
        or verdict.before != verdict.after
        or not _as_ever(verdict)
        or (moved and not moved.isdisjoint(verdict.records))
    ]


def _as_ever(verdict: FacetVerdict) -> bool:
    return all(record.error is None for record in verdict.records) and verdict.after == verdict.before
