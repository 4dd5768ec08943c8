"""Heartbeats: which process runs which role."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"

BIG = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
WORD = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "heartbeat",
        sa.Column("process", WORD, nullable=False),
        sa.Column("role", WORD, nullable=False),
        sa.Column("seen_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("process", "role", name="pk_heartbeat"),
        sqlite_with_rowid=False,
    )
