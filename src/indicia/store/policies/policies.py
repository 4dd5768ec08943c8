"""Sending authorization policies of identities."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from indicia.domain.time import Instant
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.engine.upsert import insert_or_nothing, insert_or_replace
from indicia.store.policies import tables

_p = tables.policy.c
_OF_IDENTITY = _p.identity_id == sa.bindparam("identity_id")
_OF_NAME = _p.name == sa.bindparam("name")
_CREATE = insert_or_nothing(tables.policy)
_PUT = insert_or_replace(tables.policy, keep=frozenset({"created_at"}))
_ALL = Prepared(sa.select(_p.name, _p.document).where(_OF_IDENTITY).order_by(_p.name))
_SOME = Prepared(
    sa.select(_p.name, _p.document)
    .where(_OF_IDENTITY, _p.name.in_(sa.bindparam("names", expanding=True)))
    .order_by(_p.name)
)
_DELETE = Prepared(sa.delete(tables.policy).where(_OF_IDENTITY, _OF_NAME))


def create(s: Session, identity_id: int, name: str, document: str, at: Instant) -> bool:
    """Add a policy and return True; return False, with nothing changed, when the name is taken."""
    return s.run(_CREATE, identity_id=identity_id, name=name, document=document, created_at=at) == 1


def put(s: Session, identity_id: int, name: str, document: str, at: Instant) -> None:
    """Store a policy, over the one of that name."""
    s.run(_PUT, identity_id=identity_id, name=name, document=document, created_at=at)


def of(s: Session, identity_id: int, names: Sequence[str] | None = None) -> dict[str, str]:
    """Return the documents of the identity's policies by name, in order; only the named ones if given."""
    if names is None:
        rows = s.all(_ALL, identity_id=identity_id)
    elif names:
        rows = s.all(_SOME, identity_id=identity_id, names=names)
    else:
        rows = []
    return {row[0]: row[1] for row in rows}


def delete(s: Session, identity_id: int, name: str) -> bool:
    """Remove a policy. Return whether there was one."""
    return s.run(_DELETE, identity_id=identity_id, name=name) == 1
