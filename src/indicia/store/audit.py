"""Who called what, append-only. Never bodies, never secrets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from indicia.domain.time import Instant
from indicia.store import tables
from indicia.store.ids import new_id
from indicia.store.prepared import Prepared
from indicia.store.session import Session

_a = tables.audit.c


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One call: who, with which key, from which address, which operation on which resource, how it ended."""

    at: Instant
    account: str
    principal: str
    access_key: str
    address: str
    operation: str
    resource: str
    outcome: str
    request_id: str


_ENTRY = (
    _a.at, _a.account, _a.principal, _a.access_key, _a.address, _a.operation, _a.resource, _a.outcome,
    _a.request_id,
)  # fmt: skip
_APPEND = Prepared(sa.insert(tables.audit))
_LATEST = Prepared(
    sa.select(*_ENTRY)
    .where(_a.account == sa.bindparam("account"), _a.id < sa.bindparam("before"))
    .order_by(_a.id.desc())
    .limit(sa.bindparam("limit"))
)
_NEWEST = (1 << 63) - 1


def append(s: Session, entry: AuditEntry) -> None:
    """Add an entry. In the transaction of what it tells of, it is there exactly when that is."""
    append_all(s, [entry])


def append_all(s: Session, entries: Sequence[AuditEntry]) -> None:
    """Add entries, in their order."""
    for entry in entries:
        s.later(
            _APPEND,
            id=new_id(),
            at=entry.at,
            account=entry.account,
            principal=entry.principal,
            access_key=entry.access_key,
            address=entry.address,
            operation=entry.operation,
            resource=entry.resource,
            outcome=entry.outcome,
            request_id=entry.request_id,
        )


def latest(s: Session, account: str, *, limit: int) -> list[AuditEntry]:
    """Return the newest entries of an account, newest first."""
    return [AuditEntry(*row) for row in s.all(_LATEST, account=account, before=_NEWEST, limit=limit)]
