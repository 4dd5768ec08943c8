"""The tables of the installation: which processes are alive, and which of them look at what."""

from __future__ import annotations

import sqlalchemy as sa

from indicia.store.engine.columns import big, metadata, word
from indicia.store.engine.owned import Owned

# The verifiers that are alive, on a database that has room for several: each looks at a range of the shards.
verifier = sa.Table(
    "verifier",
    metadata,
    word("owner", primary_key=True),
    big("seen_at"),  # in real time, as leases are
    sqlite_with_rowid=False,
)

# Every process with each of its roles, on either database.
heartbeat = sa.Table(
    "heartbeat",
    metadata,
    word("process", primary_key=True),
    word("role", primary_key=True),
    big("seen_at"),  # in real time, as leases are
    sqlite_with_rowid=False,
)

OWNED = Owned(tables=(verifier, heartbeat))
