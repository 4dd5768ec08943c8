"""What is left of the content of a template, beside it: made once, when it is stored."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision: str | None = "0005"


def upgrade() -> None:
    """Add the column. Of templates that are there already it is made when they are next sent."""
    op.add_column("verification_template", sa.Column("harmless", sa.LargeBinary(), nullable=True))
