"""What a look at the installation itself asks the database: its clock, and where bounces are awaited."""

from __future__ import annotations

import sqlalchemy as sa

from indicia.domain.time import Instant
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.identities import tables as identities_tables

_i = identities_tables.identity.c
_MAIL_FROM_REGIONS = Prepared(sa.select(_i.region).where(_i.mail_from_domain != "").distinct())
_CLOCK = Prepared(
    sa.select(sa.cast(sa.func.extract("epoch", sa.func.clock_timestamp()) * 1000, sa.BigInteger))
)


def mail_from_regions(s: Session) -> list[str]:
    """Return the regions in which an identity has a custom MAIL FROM domain. Reads the whole table."""
    return sorted(row[0] for row in s.all(_MAIL_FROM_REGIONS))


def server_clock(s: Session) -> Instant:
    """Return what time it is on the database's machine. On PostgreSQL only: SQLite has no other clock."""
    row = s.one(_CLOCK)
    assert row is not None
    return int(row[0])
