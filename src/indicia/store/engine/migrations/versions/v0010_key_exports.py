"""Which access key fetched which DKIM keys is remembered, and they are rotated when it is revoked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision: str | None = "0009"

BIG = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
WORD = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Create what was fetched, and the marks of revoked access keys."""
    op.create_table(
        "key_export",
        sa.Column("access_key", WORD, nullable=False),
        sa.Column("token_set_id", BIG, autoincrement=False, nullable=False),
        sa.Column("key_id", BIG, nullable=False),
        sa.Column("fetched_at", BIG, nullable=False),
        sa.ForeignKeyConstraint(["token_set_id"], ["token_set.id"], name="fk_key_export_token_set_id"),
        sa.PrimaryKeyConstraint("access_key", "token_set_id", name="pk_key_export"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "key_recall",
        sa.Column("access_key", WORD, nullable=False),
        sa.PrimaryKeyConstraint("access_key", name="pk_key_recall"),
        sqlite_with_rowid=False,
    )
