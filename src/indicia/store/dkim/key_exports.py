"""Which access key has fetched which DKIM keys, and what follows when it is revoked.

`access.revoke` leaves a mark and no more. Whoever keeps the keys drains it, a bounded number of token sets a
transaction: each gets the wish for its next key, and the row is gone.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from indicia.domain.dkim.rotation import Stage
from indicia.domain.time import Instant
from indicia.store.dkim import rotation as rotations
from indicia.store.dkim import tables
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.engine.upsert import insert_or_replace


@dataclass(frozen=True, slots=True)
class KeyExport:
    """An access key that fetched the keys of a token set. `key_id` is the one that signed then."""

    access_key: str
    token_set_id: int
    key_id: int
    fetched_at: Instant


_e, _r = tables.key_export.c, tables.key_recall.c
_NOTE = insert_or_replace(tables.key_export)
_OF_SET = Prepared(
    sa.select(_e.access_key, _e.token_set_id, _e.key_id, _e.fetched_at)
    .where(_e.token_set_id == sa.bindparam("token_set_id"))
    .order_by(_e.access_key)
)
_RECALLED = Prepared(sa.select(_r.access_key).order_by(_r.access_key).limit(1))
_FETCHED = Prepared(
    sa.select(_e.token_set_id, _e.key_id)
    .where(_e.access_key == sa.bindparam("access_key"))
    .order_by(_e.token_set_id)
    .limit(sa.bindparam("limit"))
)
_FORGET = Prepared(
    sa.delete(tables.key_export).where(
        _e.access_key == sa.bindparam("of_key"), _e.token_set_id == sa.bindparam("of_set")
    )
)
_DRAINED = Prepared(
    sa.delete(tables.key_recall).where(
        _r.access_key == sa.bindparam("of_key"), ~sa.exists().where(_e.access_key == sa.bindparam("of_key"))
    )
)


def note(s: Session, export: KeyExport) -> None:
    """Remember it, in the place of what the same access key fetched of the set before."""
    s.run(
        _NOTE,
        access_key=export.access_key,
        token_set_id=export.token_set_id,
        key_id=export.key_id,
        fetched_at=export.fetched_at,
    )


def of_set(s: Session, token_set_id: int) -> list[KeyExport]:
    """Return who has fetched keys of the set and was not revoked since."""
    return [KeyExport(*row) for row in s.all(_OF_SET, token_set_id=token_set_id)]


def recalled(s: Session) -> str | None:
    """Return a revoked access key whose DKIM keys are still to be rotated, None where there is none."""
    row = s.one(_RECALLED)
    return None if row is None else str(row[0])


def recall(s: Session, access_key: str, now: Instant, limit: int) -> int:
    """Let at most `limit` sets be rotated, now, whose signing key the access key has fetched.

    Returns how many are done with, whether or not they had to be; 0 where there is no more, or somebody else
    has them all in hand. A set that is in a rotation already, or has signed with a later key since, is left
    alone: what was fetched is on its way out.
    """
    done = 0
    for token_set_id, key_id in s.all(_FETCHED, access_key=access_key, limit=limit):
        stored = rotations.hold(s, token_set_id, wait=False)
        if stored is None:
            continue
        newest = stored.life.newest
        if newest is not None and newest.id == key_id and newest.stage is Stage.SIGNING:
            rotations.ask_rotation(s, token_set_id, now)
            rotations.bring_forward(s, token_set_id, now)
        s.run(_FORGET, of_key=access_key, of_set=token_set_id)
        done += 1
    s.run(_DRAINED, of_key=access_key)
    return done
