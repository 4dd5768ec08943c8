"""Who called what, append-only. Never bodies, never secrets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from indicia.domain.time import Instant
from indicia.store.accounts import tables
from indicia.store.engine.ids import new_id
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session

_a = tables.audit.c


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One call: who, with which key, from which address, which operation on which resource, how it ended.

    `calls` is how many calls the entry stands for: more than one where refused ones are summed up. `detail`
    is what else belongs to it, in words.
    """

    at: Instant
    account: str
    principal: str
    access_key: str
    address: str
    operation: str
    resource: str
    outcome: str
    request_id: str
    calls: int = 1
    detail: str = ""


@dataclass(frozen=True, slots=True)
class AuditSelection:
    """Which entries are asked for: of one account, or of all; from one instant on, and before another."""

    account: str | None = None
    since: Instant | None = None
    until: Instant | None = None


_ENTRY = (
    _a.at, _a.account, _a.principal, _a.access_key, _a.address, _a.operation, _a.resource, _a.outcome,
    _a.request_id, _a.calls, _a.detail,
)  # fmt: skip
_APPEND = Prepared(sa.insert(tables.audit))
_LATEST = Prepared(
    sa.select(*_ENTRY)
    .where(_a.account == sa.bindparam("account"), _a.id < sa.bindparam("before"))
    .order_by(_a.id.desc())
    .limit(sa.bindparam("limit"))
)
_PAGE = (
    sa.select(_a.id, *_ENTRY)
    .where(_a.id > sa.bindparam("after"), _a.at >= sa.bindparam("since"), _a.at < sa.bindparam("until"))
    .order_by(_a.id)
    .limit(sa.bindparam("limit"))
)
_OF_ALL = Prepared(_PAGE)
_OF_ACCOUNT = Prepared(_PAGE.where(_a.account == sa.bindparam("account")))
_LAST = Prepared(sa.select(sa.func.max(_a.id)))
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
            calls=entry.calls,
            detail=entry.detail,
        )


def latest(s: Session, account: str, *, limit: int) -> list[AuditEntry]:
    """Return the newest entries of an account, newest first."""
    return [AuditEntry(*row) for row in s.all(_LATEST, account=account, before=_NEWEST, limit=limit)]


def last(s: Session) -> int:
    """Return the id of the entry that was added last, 0 where there is none."""
    row = s.one(_LAST)
    return 0 if row is None or row[0] is None else int(row[0])


def page(s: Session, wanted: AuditSelection, *, after: int, limit: int) -> list[tuple[int, AuditEntry]]:
    """Return the next entries in the order in which they were added, with their ids, beginning behind one."""
    statement = _OF_ALL if wanted.account is None else _OF_ACCOUNT
    of = {} if wanted.account is None else {"account": wanted.account}
    since = 0 if wanted.since is None else wanted.since
    until = _NEWEST if wanted.until is None else wanted.until
    rows = s.all(statement, after=after, since=since, until=until, limit=limit, **of)
    return [(row[0], AuditEntry(*row[1:])) for row in rows]
