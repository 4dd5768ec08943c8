"""Facts about the installation: the fingerprint of the keyring, the offset of the clock."""

from __future__ import annotations

import sqlalchemy as sa

from indicia.store.engine import tables
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.engine.upsert import insert_or_nothing, insert_or_replace

_GET = Prepared(sa.select(tables.meta.c.value).where(tables.meta.c.key == sa.bindparam("key")))
_PUT = insert_or_replace(tables.meta)
_PUT_ONCE = insert_or_nothing(tables.meta)


def get(s: Session, key: str) -> str | None:
    """Return the value, None when there is none."""
    row = s.one(_GET, key=key)
    return None if row is None else str(row[0])


def put(s: Session, key: str, value: str) -> None:
    """Store the value, over the one that was there."""
    s.run(_PUT, key=key, value=value)


def put_once(s: Session, key: str, value: str) -> str:
    """Store the value if there is none, and return the one that is there now."""
    s.run(_PUT_ONCE, key=key, value=value)
    return get(s, key) or value
