"""Tags of whatever can be tagged. A resource is `identity/NAME`, `configuration-set/NAME` and so on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.engine.upsert import insert_or_replace
from indicia.store.identities import tables

_t = tables.tag.c
_OF_RESOURCE = (
    _t.account == sa.bindparam("account"),
    _t.region == sa.bindparam("region"),
    _t.resource == sa.bindparam("resource"),
)
_PUT = insert_or_replace(tables.tag)
_ALL = Prepared(sa.select(_t.key, _t.value).where(*_OF_RESOURCE).order_by(_t.key))
_REMOVE = Prepared(
    sa.delete(tables.tag).where(*_OF_RESOURCE, _t.key.in_(sa.bindparam("keys", expanding=True)))
)
_REMOVE_ALL = Prepared(sa.delete(tables.tag).where(*_OF_RESOURCE))


def put(s: Session, account: str, region: str, resource: str, tags: Mapping[str, str]) -> None:
    """Give the resource these tags, over those it has with the same keys."""
    owner = {"account": account, "region": region, "resource": resource}
    for key in sorted(tags):
        s.later(_PUT, **owner, key=key, value=tags[key])


def of(s: Session, account: str, region: str, resource: str) -> tuple[tuple[str, str], ...]:
    """Return the tags of the resource in the order of their keys."""
    rows = s.all(_ALL, account=account, region=region, resource=resource)
    return tuple([(key, value) for key, value in rows])


def remove(s: Session, account: str, region: str, resource: str, keys: Sequence[str]) -> None:
    """Take these tags from the resource; keys it does not have are no matter."""
    if keys:
        s.run(_REMOVE, account=account, region=region, resource=resource, keys=keys)


def remove_all(s: Session, account: str, region: str, resource: str) -> None:
    """Take every tag from the resource. Identities lose theirs when they are deleted."""
    s.run(_REMOVE_ALL, account=account, region=region, resource=resource)
