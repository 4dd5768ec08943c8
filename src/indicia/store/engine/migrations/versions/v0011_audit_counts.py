"""How many calls an entry of the audit log stands for, and what else is to be said of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision: str | None = "0010"

BIG = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    """Add the columns: entries of before stand for one call each, of which nothing else is said."""
    op.add_column("audit", sa.Column("calls", BIG, nullable=False, server_default="1"))
    op.add_column("audit", sa.Column("detail", sa.Text(), nullable=False, server_default=""))
