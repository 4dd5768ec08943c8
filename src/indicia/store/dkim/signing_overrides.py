"""Whether mail from single addresses is signed, whatever their domain does (spec 3.7)."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from indicia.store.dkim import tables
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.engine.upsert import insert_or_replace

_o = tables.signing_override.c
_PUT = insert_or_replace(tables.signing_override)
_MANY = Prepared(
    sa.select(_o.address, _o.enabled).where(
        _o.account == sa.bindparam("account"),
        _o.region == sa.bindparam("region"),
        _o.address.in_(sa.bindparam("addresses", expanding=True)),
    )
)


def put(s: Session, account: str, region: str, address: str, *, enabled: bool) -> None:
    """Store the switch of an address, over the one it had. Deleting its identity removes it."""
    s.run(_PUT, account=account, region=region, address=address, enabled=int(enabled))


def many(s: Session, account: str, region: str, addresses: Sequence[str]) -> dict[str, bool]:
    """Return the switches of those of the addresses that have one."""
    if not addresses:
        return {}
    rows = s.all(_MANY, account=account, region=region, addresses=addresses)
    return {address: enabled == 1 for address, enabled in rows}
