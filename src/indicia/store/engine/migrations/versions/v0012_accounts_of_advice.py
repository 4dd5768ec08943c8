"""Whose each identity is that is looked at for advice, so that accounts take turns."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision: str | None = "0011"

WORD = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the column, and give every look the account of its identity."""
    op.add_column("advice", sa.Column("account", WORD, nullable=False, server_default=""))
    op.create_index(
        "ix_advice_account_due_at",
        "advice",
        ["account", "due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.execute(
        "UPDATE advice SET account = (SELECT identity.account FROM identity WHERE identity.id = identity_id)"
    )
