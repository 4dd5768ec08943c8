"""Which identities are replicas: whose keys they have or wait for, and who asked for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from indicia.domain.time import Instant
from indicia.store.dkim import tables
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.engine.upsert import insert_or_replace

_r = tables.replication.c


@dataclass(frozen=True, slots=True)
class Replication:
    """One replica. `principal` and `access_key` are its maker's, whose permission counts (spec 3.8)."""

    identity_id: int
    account: str
    name: str
    region: str
    parent_region: str
    principal: str
    access_key: str


_COLUMNS = (
    _r.identity_id, _r.account, _r.name, _r.region, _r.parent_region, _r.principal, _r.access_key,
)  # fmt: skip
_PUT = insert_or_replace(tables.replication)
_GET = Prepared(sa.select(*_COLUMNS).where(_r.identity_id == sa.bindparam("identity_id")))
_OF_PARENTS = Prepared(
    sa.select(*_COLUMNS)
    .where(
        _r.account == sa.bindparam("account"),
        _r.name.in_(sa.bindparam("names", expanding=True)),
        _r.parent_region == sa.bindparam("parent_region"),
    )
    .order_by(_r.name, _r.region)
)
_REMOVE = Prepared(sa.delete(tables.replication).where(_r.identity_id == sa.bindparam("identity_id")))


def put(s: Session, replication: Replication) -> None:
    """Store that the identity is a replica of that parent, whatever it was before."""
    s.run(
        _PUT,
        identity_id=replication.identity_id,
        account=replication.account,
        name=replication.name,
        region=replication.region,
        parent_region=replication.parent_region,
        principal=replication.principal,
        access_key=replication.access_key,
    )


def get(s: Session, identity_id: int) -> Replication | None:
    """Return whose replica the identity is, None when it is none."""
    row = s.one(_GET, identity_id=identity_id)
    return None if row is None else Replication(*row)


def of_parents(s: Session, account: str, region: str, names: Sequence[str]) -> list[Replication]:
    """Return the replicas that name one of these parents, whether they have its keys yet or not."""
    found = s.all(_OF_PARENTS, account=account, names=names, parent_region=region)
    return [Replication(*row) for row in found]


def remove(s: Session, identity_id: int) -> None:
    """Store that the identity is no replica."""
    s.run(_REMOVE, identity_id=identity_id)


_e = tables.replica_elsewhere.c
_HEAR = insert_or_replace(tables.replica_elsewhere)
_ELSEWHERE = Prepared(
    sa.select(_e.region)
    .where(_e.identity_id == sa.bindparam("identity_id"), _e.heard_at > sa.bindparam("since"))
    .order_by(_e.region)
)


def hear(s: Session, parent_id: int, region: str, at: Instant) -> None:
    """Store that a replica in another installation's region asked for the parent's keys."""
    s.run(_HEAR, identity_id=parent_id, region=region, heard_at=at)


def elsewhere(s: Session, parent_id: int, since: Instant) -> list[str]:
    """Return the regions of other installations from which a replica was heard since then."""
    return [row[0] for row in s.all(_ELSEWHERE, identity_id=parent_id, since=since)]
