"""What has changed, as it is told. Written in the transaction of the change; pruned by age."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from indicia.domain.events.identity_events import Event
from indicia.domain.time import Instant
from indicia.store.engine.ids import new_id
from indicia.store.engine.prepared import POSTGRESQL, Prepared
from indicia.store.engine.session import Session
from indicia.store.events import tables

_e = tables.event.c


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as it was stored. `body` is the JSON that is shown and sent."""

    id: int
    account: str
    region: str
    identity_id: int
    type: str
    at: Instant
    body: str


_ADD = Prepared(sa.insert(tables.event))
_NEWEST = Prepared(
    sa.select(_e.identity_id, sa.func.max(_e.id))
    .where(_e.identity_id.in_(sa.bindparam("ids", expanding=True)))
    .group_by(_e.identity_id)
)
_STORED = (_e.id, _e.account, _e.region, _e.identity_id, _e.type, _e.at, _e.body)
_GET = Prepared(
    sa.select(*_STORED).where(
        _e.id == sa.bindparam("id"),
        _e.account == sa.bindparam("account"),
        _e.region == sa.bindparam("region"),
    )
)
_OF_IDENTITY = Prepared(
    sa.select(*_STORED)
    .where(_e.identity_id == sa.bindparam("identity_id"))
    .order_by(_e.id.desc())
    .limit(sa.bindparam("limit"))
)
_OF_INSTALLATION = Prepared(
    sa.select(*_STORED).where(_e.identity_id == 0, _e.type == sa.bindparam("type")).order_by(_e.id)
)
_DEMOTED = Prepared(
    sa.select(sa.func.count(_e.identity_id.distinct())).where(
        _e.demotes == sa.literal_column("1"), _e.at > sa.bindparam("after")
    )
)


def new_ids(s: Session, identity_ids: Sequence[int]) -> list[int]:
    """Return an id for an event of each of these identities, each later than every one it has.

    The caller holds the identities: no other event of theirs is written meanwhile. Several machines write to
    PostgreSQL, and their clocks differ; the order of an identity's events must not.
    """
    newest: dict[int, int] = {}
    if s.dialect == POSTGRESQL and identity_ids:
        newest = {row[0]: row[1] for row in s.all(_NEWEST, ids=sorted(set(identity_ids)))}
    made: list[int] = []
    for identity_id in identity_ids:
        made.append(max(new_id(), newest.get(identity_id, 0) + 1))
        newest[identity_id] = made[-1]
    return made


def add(s: Session, events: Sequence[tuple[int, Event, str]]) -> None:
    """Store events under their ids, each with its body, which has its id in it."""
    for event_id, event, body in events:
        about = event.about
        s.later(
            _ADD,
            id=event_id,
            account=about.account,
            region=about.region,
            identity_id=about.identity_id,
            name=about.name,
            type=event.type,
            at=event.at,
            demotes=int(event.demotes),
            body=body,
        )


def get(s: Session, event_id: int, account: str, region: str) -> StoredEvent | None:
    """Return an event of the account in the region, None when there is none of that id."""
    row = s.one(_GET, id=event_id, account=account, region=region)
    return None if row is None else StoredEvent(*row)


def of_identity(s: Session, identity_id: int, *, limit: int) -> list[StoredEvent]:
    """Return the events of an identity, newest first."""
    return [StoredEvent(*row) for row in s.all(_OF_IDENTITY, identity_id=identity_id, limit=limit)]


def of_type(s: Session, event_type: str) -> list[StoredEvent]:
    """Return the events of a type that is about no identity, the oldest first."""
    return [StoredEvent(*row) for row in s.all(_OF_INSTALLATION, type=event_type)]


def demoted_after(s: Session, instant: Instant) -> int:
    """Return how many identities lost a proof, in part or in whole, after the instant."""
    row = s.one(_DEMOTED, after=instant)
    return 0 if row is None else int(row[0])
