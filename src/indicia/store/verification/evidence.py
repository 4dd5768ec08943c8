"""The trail of verdicts: what a check saw of a facet, stored when it differs from what the last one saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from indicia.domain.identities.identity import Facet, Status
from indicia.domain.time import Instant
from indicia.domain.verification.asking import AskedBy
from indicia.store.engine import rows
from indicia.store.engine.ids import new_id
from indicia.store.engine.prepared import Cell, Prepared
from indicia.store.engine.session import Session
from indicia.store.verification import tables

_e = tables.evidence.c
KEPT = 20  # verdicts a facet of an identity


@dataclass(frozen=True, slots=True)
class StoredVerdict:
    """One verdict on one facet. `body` is JSON that says what each perspective saw.

    `digest` stands for what the verdict rests on, without instants, latencies and what is left of TTLs: a
    verdict with the digest of the one before is not stored again.
    """

    identity_id: int
    facet: Facet
    at: Instant
    generation: int
    asked_by: AskedBy
    status_before: Status
    status_after: Status
    finding: str
    digest: str
    body: str


_COLUMNS = (
    _e.identity_id, _e.facet, _e.at, _e.generation, _e.asked_by, _e.status_before, _e.status_after,
    _e.finding, _e.digest, _e.body,
)  # fmt: skip
_LAST = Prepared(
    sa.select(_e.identity_id, _e.facet, _e.digest, _e.generation, _e.status_after).where(
        _e.id.in_(
            sa.select(sa.func.max(_e.id))
            .where(_e.identity_id.in_(sa.bindparam("ids", expanding=True)))
            .group_by(_e.identity_id, _e.facet)
        )
    )
)
_NEWEST = Prepared(
    sa.select(_e.facet, _e.id, _e.at, _e.digest, _e.body).where(
        _e.id.in_(
            sa.select(sa.func.max(_e.id))
            .where(_e.identity_id == sa.bindparam("identity_id"))
            .group_by(_e.facet)
        )
    )
)
_NEWEST_OF = Prepared(
    sa.select(_e.identity_id, _e.id, _e.at, _e.digest, _e.body).where(
        _e.id.in_(
            sa.select(sa.func.max(_e.id))
            .where(_e.identity_id.in_(sa.bindparam("ids", expanding=True)), _e.facet == sa.bindparam("facet"))
            .group_by(_e.identity_id)
        )
    )
)
_EXPLAIN = Prepared(
    sa.update(tables.evidence)
    .where(_e.id == sa.bindparam("of_id"))
    .values(finding=sa.bindparam("finding"), body=sa.bindparam("body"))
)
_INSERT = Prepared(sa.insert(tables.evidence))
_older = tables.evidence.alias().c
_PRUNE = Prepared(
    sa.delete(tables.evidence).where(
        _e.identity_id == sa.bindparam("identity_id"),
        _e.facet == sa.bindparam("facet"),
        _e.id
        <= sa.select(_older.id)
        .where(_older.identity_id == sa.bindparam("identity_id"), _older.facet == sa.bindparam("facet"))
        .order_by(_older.id.desc())
        .limit(1)
        .offset(KEPT)
        .scalar_subquery(),
    )
)
_HISTORY = Prepared(
    sa.select(*_COLUMNS)
    .where(_e.identity_id == sa.bindparam("identity_id"))
    .order_by(_e.id.desc())
    .limit(sa.bindparam("limit"))
)
_FORGET = Prepared(sa.delete(tables.evidence).where(_e.identity_id == sa.bindparam("identity_id")))


def add(s: Session, verdicts: Sequence[StoredVerdict]) -> int:
    """Store the verdicts that differ from the last on their facet, and return how many did.

    A verdict that moved a status, or is on another generation, always differs. The last `KEPT` of each facet
    are kept.
    """
    if not verdicts:
        return 0
    last = {
        (identity_id, facet): rest
        for identity_id, facet, *rest in s.all(_LAST, ids=sorted({each.identity_id for each in verdicts}))
    }
    fresh: list[dict[str, Cell]] = []
    for each in verdicts:
        key = (each.identity_id, each.facet.value)
        rests_on = [each.digest, each.generation, each.status_after.value]
        if each.status_before is each.status_after and last.get(key) == rests_on:
            continue
        last[key] = rests_on
        fresh.append(_row(each))
    s.many(_INSERT, fresh)
    s.many(_PRUNE, [{"identity_id": row["identity_id"], "facet": row["facet"]} for row in fresh])
    return len(fresh)


def _row(verdict: StoredVerdict) -> dict[str, Cell]:
    return {
        "id": new_id(),
        "identity_id": verdict.identity_id,
        "facet": verdict.facet.value,
        "at": verdict.at,
        "generation": verdict.generation,
        "asked_by": verdict.asked_by.value,
        "status_before": verdict.status_before.value,
        "status_after": verdict.status_after.value,
        "finding": verdict.finding,
        "digest": verdict.digest,
        "body": verdict.body,
    }


def history(s: Session, identity_id: int, *, limit: int) -> list[StoredVerdict]:
    """Return the stored verdicts of an identity, newest first. They outlive the identity."""
    return [
        StoredVerdict(
            row[0], rows.FACETS[row[1]], row[2], row[3], AskedBy(row[4]), rows.STATUSES[row[5]],
            rows.STATUSES[row[6]], row[7], row[8], row[9],
        )
        for row in s.all(_HISTORY, identity_id=identity_id, limit=limit)
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """The newest verdict on a facet, as it is stored."""

    id: int
    at: Instant
    digest: str
    body: str


def newest(s: Session, identity_id: int) -> dict[Facet, Line]:
    """Return the newest verdict on each facet."""
    return {rows.FACETS[row[0]]: Line(*row[1:]) for row in s.all(_NEWEST, identity_id=identity_id)}


def newest_of(s: Session, identity_ids: Sequence[int], facet: Facet) -> dict[int, Line]:
    """Return the newest verdict on the facet of each of these identities, where there is one."""
    found = s.all(_NEWEST_OF, ids=identity_ids, facet=facet.value) if identity_ids else []
    return {row[0]: Line(*row[1:]) for row in found}


def explain(s: Session, verdict_id: int, *, finding: str, body: str) -> None:
    """Put what looking further has found into a verdict that is still kept. Its digest stays as it was."""
    s.run(_EXPLAIN, of_id=verdict_id, finding=finding, body=body)


def append(s: Session, verdict: StoredVerdict) -> None:
    """Store a verdict whatever the last one was. The last `KEPT` of the facet are kept."""
    s.run(_INSERT, **_row(verdict))
    s.run(_PRUNE, identity_id=verdict.identity_id, facet=verdict.facet.value)


def forget(s: Session, identity_id: int) -> None:
    """Remove the trail of an identity."""
    s.run(_FORGET, identity_id=identity_id)
