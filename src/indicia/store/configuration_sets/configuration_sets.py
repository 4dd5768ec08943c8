"""Configuration sets, as far as identities need them. Options are JSON that this module does not read."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from indicia.domain.time import Instant
from indicia.store.configuration_sets import tables
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.engine.upsert import insert_or_nothing
from indicia.store.identities import tags

_c = tables.configuration_set.c


@dataclass(frozen=True, slots=True)
class ConfigurationSet:
    """A configuration set and its options, JSON as the operations wrote it."""

    name: str
    created_at: Instant
    options: str


_HOME = (_c.account == sa.bindparam("account"), _c.region == sa.bindparam("region"))
_BY_NAME = (*_HOME, _c.name == sa.bindparam("name"))
_CREATE = insert_or_nothing(tables.configuration_set)
_GET = Prepared(sa.select(_c.name, _c.created_at, _c.options).where(*_BY_NAME))
_LOCKED = Prepared(sa.select(_c.name, _c.created_at, _c.options).where(*_BY_NAME).with_for_update())
_NAMES = Prepared(
    sa.select(_c.name)
    .where(*_HOME, _c.name > sa.bindparam("after"))
    .order_by(_c.name)
    .limit(sa.bindparam("limit"))
)
_UPDATE = Prepared(
    sa.update(tables.configuration_set)
    .where(
        _c.account == sa.bindparam("of_account"),
        _c.region == sa.bindparam("of_region"),
        _c.name == sa.bindparam("of_name"),
    )
    .values(options=sa.bindparam("options"))
)
_DELETE = Prepared(sa.delete(tables.configuration_set).where(*_BY_NAME))


def create(s: Session, account: str, region: str, name: str, *, at: Instant, options: str = "{}") -> bool:
    """Add a configuration set and return True; return False when the name is taken."""
    return s.run(_CREATE, account=account, region=region, name=name, created_at=at, options=options) == 1


def exists(s: Session, account: str, region: str, name: str) -> bool:
    """Return whether there is one of that name."""
    return s.one(_GET, account=account, region=region, name=name) is not None


def get(
    s: Session, account: str, region: str, name: str, *, to_change: bool = False
) -> ConfigurationSet | None:
    """Return the configuration set, None when there is none of that name.

    With `to_change` nobody else changes it before this transaction ends.
    """
    row = s.one(_LOCKED if to_change else _GET, account=account, region=region, name=name)
    return None if row is None else ConfigurationSet(*row)


def names(s: Session, account: str, region: str, *, after: str, limit: int) -> list[str]:
    """Return the next names of configuration sets in their order, beginning behind `after`."""
    return [row[0] for row in s.all(_NAMES, account=account, region=region, after=after, limit=limit)]


def put_options(s: Session, account: str, region: str, name: str, options: str) -> bool:
    """Store the options. Return whether there is a configuration set of that name."""
    return s.run(_UPDATE, of_account=account, of_region=region, of_name=name, options=options) == 1


def delete(s: Session, account: str, region: str, name: str) -> bool:
    """Remove the configuration set with its tags. Return whether there was one."""
    tags.remove_all(s, account, region, f"configuration-set/{name}")
    return s.run(_DELETE, account=account, region=region, name=name) == 1
