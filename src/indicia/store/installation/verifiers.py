"""Which verifiers are alive. In real time, as leases are: a moved clock ends nobody."""

from __future__ import annotations

import sqlalchemy as sa

from indicia.domain.time import Instant
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.engine.upsert import insert_or_replace
from indicia.store.installation import tables

_t = tables.verifier.c
_SEEN = insert_or_replace(tables.verifier)
_ALL = Prepared(sa.select(_t.owner, _t.seen_at).order_by(_t.owner))
_REMOVE = Prepared(sa.delete(tables.verifier).where(_t.owner == sa.bindparam("of_owner")))


def beat(s: Session, owner: str, now: Instant, dead_before: Instant) -> tuple[list[str], list[str]]:
    """Say that this verifier is alive; return all who are, in a fixed order, and those found dead just now.

    A dead one is told of once, to whoever finds it; it comes back by saying that it is alive.
    """
    s.run(_SEEN, owner=owner, seen_at=now)
    known = s.all(_ALL)
    dead = [name for name, seen_at in known if seen_at < dead_before and s.run(_REMOVE, of_owner=name)]
    return [name for name, seen_at in known if seen_at >= dead_before], dead


def leave(s: Session, owner: str) -> None:
    """Say that this verifier has ended."""
    s.run(_REMOVE, of_owner=owner)
