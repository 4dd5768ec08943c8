"""The table of policies."""

from __future__ import annotations

import sqlalchemy as sa

from indicia.store.engine.columns import Big, big, metadata, text, word
from indicia.store.engine.owned import Owned, WithIdentity

policy = sa.Table(
    "policy",
    metadata,
    sa.Column("identity_id", Big, sa.ForeignKey("identity.id"), primary_key=True, autoincrement=False),
    word("name", primary_key=True),
    text("document"),
    big("created_at"),
    sqlite_with_rowid=False,
)

OWNED = Owned(tables=(policy,), with_identity=(WithIdentity(policy),), emptied=(policy,))
