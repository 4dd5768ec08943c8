"""Which process runs which role, and when it last said so. In real time, as leases are."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from indicia.domain.installation.presence import Heartbeat
from indicia.domain.time import Instant
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.engine.upsert import insert_or_replace
from indicia.store.installation import tables

_t = tables.heartbeat.c
_BEAT = insert_or_replace(tables.heartbeat)
_ALL = Prepared(sa.select(_t.process, _t.role, _t.seen_at).order_by(_t.role, _t.process))
_LEAVE = Prepared(sa.delete(tables.heartbeat).where(_t.process == sa.bindparam("of_process")))
_PRUNE = Prepared(sa.delete(tables.heartbeat).where(_t.seen_at < sa.bindparam("before")))


def beat(s: Session, process: str, roles: Iterable[str], now: Instant) -> None:
    """Say that the process is alive and has these roles."""
    for role in sorted(roles):
        s.run(_BEAT, process=process, role=role, seen_at=now)


def leave(s: Session, process: str) -> None:
    """Say that the process has ended in good order: nobody misses it, only its roles."""
    s.run(_LEAVE, of_process=process)


def everyone(s: Session) -> tuple[Heartbeat, ...]:
    """Return the last heartbeat of every process and role that is remembered."""
    return tuple(Heartbeat(process, role, seen_at) for process, role, seen_at in s.all(_ALL))


def prune(s: Session, before: Instant) -> int:
    """Forget who was last seen before then, and return how many rows that were."""
    return s.run(_PRUNE, before=before)
