"""A verdict as it is kept: what was expected, what each perspective saw, what followed.

The trail of the verdicts is this record and nothing else (verification.md, Evidence).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from indicia.domain.diagnosis.probing import NOTHING_MORE, Detail, Refined
from indicia.domain.identities.identity import FacetState, Status
from indicia.domain.proofs.transitions import Cause, Sight
from indicia.domain.records.observation import Observation
from indicia.domain.time import Instant
from indicia.domain.verification.asking import AskedBy
from indicia.domain.verification.check import Conclusion, FacetVerdict, RecordVerdict
from indicia.domain.verification.findings import Finding
from indicia.domain.verification.judgement import worst
from indicia.store.verification.evidence import Line, StoredVerdict


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


class SeenDetail(msgspec.Struct, omit_defaults=True, frozen=True):
    """What looking further has added: see `domain.diagnosis.probing.Detail`."""

    place: str = ""
    seconds_left: int | None = None
    having: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    wildcard: str = ""
    dname: str = ""
    zone: str = ""


class SeenRecord(msgspec.Struct, omit_defaults=True, frozen=True):
    """One expected record, what was seen of it, and what that means."""

    name: str
    type: str
    expected: str
    sight: str
    finding: str
    observations: tuple[SeenObservation, ...]
    error: str | None = None
    detail: SeenDetail | None = None


class Body(msgspec.Struct, omit_defaults=True, frozen=True):
    """The evidence of one facet in one check.

    `looked` is the serial of the zone when it was looked further why a record is not there, `NO_SERIAL` where
    it was not known, None where nobody looked.
    """

    sight: str
    records: tuple[SeenRecord, ...]
    cause: str | None = None
    deadline: int | None = None
    looked: int | None = None


NO_SERIAL: Final = -1

_encoder = msgspec.json.Encoder()
_read: Final = msgspec.json.Decoder(Body).decode


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


def _record(verdict: RecordVerdict, refined: Refined | None) -> SeenRecord:
    found = Refined(verdict.finding) if refined is None else refined
    return SeenRecord(
        name=verdict.record.name,
        type=verdict.record.rtype.name,
        expected=verdict.record.value,
        sight=verdict.sight.value,
        finding=found.finding.value,
        error=verdict.error.value if verdict.error else None,
        observations=tuple(map(seen, verdict.observations)),
        detail=None if found.detail == NOTHING_MORE else _detail(found.detail),
    )


def _detail(detail: Detail) -> SeenDetail:
    return SeenDetail(
        place=detail.place,
        seconds_left=detail.seconds_left,
        having=detail.having,
        lacking=detail.lacking,
        wildcard=detail.wildcard,
        dname=detail.dname,
        zone=detail.zone,
    )


_NOT_REFINED: Final[Mapping[RecordVerdict, Refined]] = {}


def finding(verdict: FacetVerdict, refined: Mapping[RecordVerdict, Refined]) -> Finding:
    """Return the finding that stands for the facet after looking further: that of the record it turns on."""
    error = worst([record.error for record in verdict.records])
    telling = next(record for record in verdict.records if record.error is error)
    return refined[telling].finding if telling in refined else verdict.finding


def body(
    verdict: FacetVerdict,
    refined: Mapping[RecordVerdict, Refined] = _NOT_REFINED,
    looked: int | None = None,
) -> str:
    """Return the evidence as JSON, with what looking further has made of it, and at which serial."""
    return _encoder.encode(
        Body(
            sight=verdict.sight.value,
            cause=verdict.cause.value if verdict.cause else None,
            deadline=verdict.after.deadline,
            looked=looked,
            records=tuple([_record(record, refined.get(record)) for record in verdict.records]),
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


def of(conclusion: Conclusion, verdict: FacetVerdict, asked_by: AskedBy) -> StoredVerdict:
    """Return the verdict as it is stored."""
    return StoredVerdict(
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
    unmoved = verdict.after == verdict.before and verdict.after.status is not Status.PENDING
    return unmoved and all(record.error is None for record in verdict.records)


def completed(
    identity_id: int, before: FacetState, after: FacetState, line: Line | None, at: Instant
) -> StoredVerdict:
    """Return the verdict that a key has completed: what it rests on is the one that was stored before."""
    seen_before = Body(Sight.PRESENT.value, ()) if line is None else _read(line.body)
    rests_on = ("" if line is None else line.digest, after.generation, after.status.value)
    return StoredVerdict(
        identity_id=identity_id,
        facet=after.facet,
        at=at,
        generation=after.generation,
        asked_by=AskedBy.KEY,
        status_before=before.status,
        status_after=after.status,
        finding=Finding.OK.value,
        digest=hashlib.sha256(_encoder.encode(rests_on)).hexdigest()[:32],
        body=_encoder.encode(replace(seen_before, cause=Cause.PROVED.value, deadline=None)).decode(),
    )
