"""Every SigningHostedZone this installation ever used. Each stays served (contract, HTTP)."""

from __future__ import annotations

import sqlalchemy as sa

from indicia.domain.time import Instant
from indicia.store.dkim import tables
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.engine.upsert import insert_or_nothing

_ADD = insert_or_nothing(tables.zone)
_ALL = Prepared(sa.select(tables.zone.c.name).order_by(tables.zone.c.name))


def add(s: Session, name: str, at: Instant) -> None:
    """Note that keys are published in the zone. Nothing happens when that is known."""
    s.run(_ADD, name=name, created_at=at)


def names(s: Session) -> list[str]:
    """Return every zone, in order."""
    return [row[0] for row in s.all(_ALL)]
