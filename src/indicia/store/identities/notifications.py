"""Topics of identities: what is set for each type of notification. A write of its identity goes with each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from indicia.domain.identities.notifications import Notification, NotificationType
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.engine.upsert import insert_or_replace
from indicia.store.identities import tables

_n = tables.identity_notification.c
_TYPES: Final = {member.value: member for member in NotificationType}
_PUT = insert_or_replace(tables.identity_notification)
_OF_MANY = Prepared(
    sa.select(_n.identity_id, _n.type, _n.topic, _n.headers).where(
        _n.identity_id.in_(sa.bindparam("ids", expanding=True))
    )
)


def put(s: Session, identity_id: int, kind: NotificationType, notification: Notification) -> None:
    """Store what is set for one type, over what was."""
    s.run(
        _PUT,
        identity_id=identity_id,
        type=kind.value,
        topic=notification.topic,
        headers=int(notification.headers),
    )


def of(s: Session, identity_id: int) -> dict[NotificationType, Notification]:
    """Return what is set for the identity, by type; a type for which nothing was ever set is absent."""
    return of_many(s, (identity_id,))[identity_id]


def of_many(s: Session, identity_ids: Sequence[int]) -> dict[int, dict[NotificationType, Notification]]:
    """Return what is set for each of the identities, in one statement."""
    found: dict[int, dict[NotificationType, Notification]] = {each: {} for each in identity_ids}
    if found:
        for identity_id, kind, topic, headers in s.all(_OF_MANY, ids=list(found)):
            found[identity_id][_TYPES[kind]] = Notification(topic, headers == 1)
    return found
