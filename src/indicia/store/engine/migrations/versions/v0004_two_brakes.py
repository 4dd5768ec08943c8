"""What the brake on mass demotion counts and holds, for each account by itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"

BIG = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
WORD = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Add what is held to the states of facets, and two tables."""
    op.add_column("facet_state", sa.Column("held_until", BIG, nullable=True))
    op.create_table(
        "demotion",
        sa.Column("account", WORD, nullable=False),
        sa.Column("zone", WORD, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("account", "zone", name="pk_demotion"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_demotion_account_at", "demotion", ["account", "at"], unique=False)
    op.create_index("ix_demotion_at_account", "demotion", ["at", "account"], unique=False)
    op.create_table(
        "account_brake",
        sa.Column("account", WORD, nullable=False),
        sa.Column("since", BIG, nullable=False),
        sa.Column("until", BIG, nullable=False),
        sa.PrimaryKeyConstraint("account", name="pk_account_brake"),
        sqlite_with_rowid=False,
    )
