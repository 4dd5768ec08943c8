"""The tables of diagnosis: what is recommended, and when that is looked at next."""

from __future__ import annotations

import sqlalchemy as sa

from indicia.store.engine.columns import Big, Word, big, maybe_big, metadata, word
from indicia.store.engine.owned import Owned, WithIdentity

# When the records that no status depends on are looked at next.
advice = sa.Table(
    "advice",
    metadata,
    sa.Column("identity_id", Big, sa.ForeignKey("identity.id"), primary_key=True, autoincrement=False),
    maybe_big("due_at"),  # NULL is never
    sa.Column("account", Word, nullable=False, server_default=""),  # the identity's
    sa.Index(None, "due_at"),
)
# Whose turn it is, as in the outbox.
sa.Index(
    "ix_advice_account_due_at", advice.c.account, advice.c.due_at, sqlite_where=advice.c.due_at.is_not(None)
)

recommendation = sa.Table(
    "recommendation",
    metadata,
    word("account", primary_key=True),
    word("region", primary_key=True),
    word("name", primary_key=True),
    word("code", primary_key=True),
    sa.Column("identity_id", Big, sa.ForeignKey("identity.id"), nullable=False),
    word("status"),
    big("created_at"),
    big("updated_at"),
    sa.Index(None, "identity_id"),
    sqlite_with_rowid=False,
)

OWNED = Owned(
    tables=(advice, recommendation),
    with_identity=(WithIdentity(advice), WithIdentity(recommendation)),
    emptied=(advice, recommendation),
)
