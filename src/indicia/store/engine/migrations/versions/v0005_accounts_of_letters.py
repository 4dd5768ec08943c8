"""Whose each letter of the outbox is, so that accounts take turns."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"

WORD = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the column, which is empty for letters from before: they share nothing with anybody."""
    op.add_column("outbox", sa.Column("account", WORD, nullable=False, server_default=""))
    op.create_index(
        "ix_outbox_account_due_at",
        "outbox",
        ["account", "due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
