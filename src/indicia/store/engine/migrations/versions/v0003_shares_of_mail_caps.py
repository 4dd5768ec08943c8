"""Count the mails to a domain, all of them and those of one account, without reading their rows."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    """Put the account into the index by domain."""
    op.create_index("ix_mail_sent_domain_at_account", "mail_sent", ["domain", "at", "account"], unique=False)
    op.drop_index("ix_mail_sent_domain_at", table_name="mail_sent")
