"""Events come to webhooks by way of the loop that delivers; how destinations answer is remembered."""

from __future__ import annotations

from urllib.parse import urlsplit

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision: str | None = "0008"

BIG = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
WORD = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables, and give every webhook its destination."""
    op.create_table(
        "fanout",
        sa.Column("event_id", BIG, autoincrement=False, nullable=False),
        sa.Column("account", WORD, nullable=False),
        sa.Column("region", WORD, nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_fanout"),
    )
    op.create_index(
        "ix_fanout_account_region_event_id", "fanout", ["account", "region", "event_id"], unique=False
    )
    op.create_table(
        "webhook_destination",
        sa.Column("account", WORD, nullable=False),
        sa.Column("destination", WORD, nullable=False),
        sa.Column("failures", BIG, nullable=False),
        sa.Column("resume_at", BIG, nullable=True),
        sa.Column("failed_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("account", "destination", name="pk_webhook_destination"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_webhook_destination_failed_at", "webhook_destination", ["failed_at"], unique=False)
    op.add_column("webhook", sa.Column("destination", WORD, nullable=False, server_default=""))
    for name in ("next_event", "next_since", "deleted_at"):
        op.add_column("webhook", sa.Column(name, BIG, nullable=True))
    _partial("ix_webhook_deleted_at", "webhook", ["deleted_at"], "deleted_at IS NOT NULL")
    _partial("ix_webhook_behind", "webhook", ["account", "id"], "next_event IS NOT NULL")
    _partial("ix_webhook_delivery_next", "webhook_delivery", ["due_at"], "due_at IS NOT NULL")
    op.create_index("ix_event_account_region_id", "event", ["account", "region", "id"], unique=False)
    if op.get_context().dialect.name == "postgresql":
        op.execute(
            "ALTER TABLE fanout SET "
            "(autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500)"
        )
    _name_destinations()


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=False, sqlite_where=condition, postgresql_where=condition)


def _name_destinations() -> None:
    webhook = sa.table(
        "webhook", sa.column("id", WORD), sa.column("url", sa.Text), sa.column("destination", WORD)
    )
    connection = op.get_bind()
    for identifier, url in connection.execute(sa.select(webhook.c.id, webhook.c.url)).fetchall():
        parts = urlsplit(url)
        destination = f"{parts.hostname or ''}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
        connection.execute(
            sa.update(webhook).where(webhook.c.id == identifier).values(destination=destination)
        )
