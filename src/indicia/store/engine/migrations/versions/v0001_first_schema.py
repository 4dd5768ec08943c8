"""Everything: the first schema.

Written out, not taken from `store.tables`: what a step did stays what it did when the tables move on. A test
holds the two together.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None

BIG = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
WORD = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")

STORAGE_PARAMETERS = {
    "verification": (
        "fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, "
        "autovacuum_vacuum_cost_delay = 0"
    ),
    "facet_state": "fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05",
    "listed": "fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05",
    "outbox": "fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500",
    "webhook_delivery": (
        "fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500"
    ),
}


def upgrade() -> None:  # noqa: PLR0915 - a statement a table
    """Create every table."""
    op.create_table(
        "access_key",
        sa.Column("id", WORD, nullable=False),
        sa.Column("account", WORD, nullable=False),
        sa.Column("user_name", WORD, nullable=True),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=True),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("revoked_at", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_access_key"),
    )
    op.create_index("ix_access_key_account", "access_key", ["account"], unique=False)
    op.create_table(
        "account",
        sa.Column("id", WORD, nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("production_access", sa.SmallInteger(), nullable=False),
        sa.Column("sending_enabled", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
    )
    op.create_table(
        "audit",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("account", WORD, nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("access_key", WORD, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("operation", WORD, nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("outcome", WORD, nullable=False),
        sa.Column("request_id", WORD, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_account_id", "audit", ["account", "id"], unique=False)
    op.create_table(
        "configuration_set",
        sa.Column("account", WORD, nullable=False),
        sa.Column("region", WORD, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "name", name="pk_configuration_set"),
    )
    op.create_table(
        "evidence",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("identity_id", BIG, nullable=False),
        sa.Column("facet", WORD, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("generation", BIG, nullable=False),
        sa.Column("asked_by", WORD, nullable=False),
        sa.Column("status_before", WORD, nullable=False),
        sa.Column("status_after", WORD, nullable=False),
        sa.Column("finding", WORD, nullable=False),
        sa.Column("digest", WORD, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_evidence"),
    )
    op.create_index(
        "ix_evidence_identity_id_facet_id", "evidence", ["identity_id", "facet", "id"], unique=False
    )
    op.create_table(
        "identity_count",
        sa.Column("account", WORD, nullable=False),
        sa.Column("region", WORD, nullable=False),
        sa.Column("identities", BIG, nullable=False),
        sa.PrimaryKeyConstraint("account", "region", name="pk_identity_count"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "listed",
        sa.Column("account", WORD, nullable=False),
        sa.Column("region", WORD, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "kind", "name", name="pk_listed"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "mail_sent",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("mailbox", WORD, nullable=False),
        sa.Column("domain", WORD, nullable=False),
        sa.Column("account", WORD, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_mail_sent"),
    )
    op.create_index("ix_mail_sent_account_at", "mail_sent", ["account", "at"], unique=False)
    op.create_index("ix_mail_sent_at", "mail_sent", ["at"], unique=False)
    op.create_index("ix_mail_sent_domain_at", "mail_sent", ["domain", "at"], unique=False)
    op.create_index("ix_mail_sent_mailbox_at", "mail_sent", ["mailbox", "at"], unique=False)
    op.create_index("ix_mail_sent_token_hash", "mail_sent", ["token_hash"], unique=False)
    op.create_table(
        "mail_stop",
        sa.Column("mailbox", WORD, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("mailbox", name="pk_mail_stop"),
    )
    op.create_table(
        "rate_budget",
        sa.Column("key", WORD, nullable=False),
        sa.Column("parts", BIG, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_rate_budget"),
    )
    op.create_table(
        "meta",
        sa.Column("key", WORD, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("subject_key", WORD, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("due_at", BIG, nullable=True),
        sa.Column("attempts", BIG, nullable=False),
        sa.Column("lease_until", BIG, nullable=True),
        sa.Column("lease_owner", WORD, nullable=True),
        sa.Column("delivered_at", BIG, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_due_at", "outbox", ["due_at"], unique=False)
    op.create_index("ix_outbox_subject_key", "outbox", ["subject_key"], unique=False)
    op.create_table(
        "pooled_key",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("bits", BIG, nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("private_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pooled_key"),
    )
    op.create_index("ix_pooled_key_bits_id", "pooled_key", ["bits", "id"], unique=False)
    op.create_table(
        "tag",
        sa.Column("account", WORD, nullable=False),
        sa.Column("region", WORD, nullable=False),
        sa.Column("resource", WORD, nullable=False),
        sa.Column("key", WORD, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "resource", "key", name="pk_tag"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "token_set",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("zone", WORD, nullable=False),
        sa.Column("domain", WORD, nullable=False),
        sa.Column("token1", WORD, nullable=False),
        sa.Column("token2", WORD, nullable=True),
        sa.Column("token3", WORD, nullable=True),
        sa.Column("key_length", WORD, nullable=True),
        sa.Column("key_made_at", BIG, nullable=False),
        sa.Column("has_key", sa.SmallInteger(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("awaited", sa.SmallInteger(), nullable=False),
        sa.Column("wanted_length", WORD, nullable=True),
        sa.Column("length_chosen_at", BIG, nullable=False),
        sa.Column("rotation_asked_at", BIG, nullable=True),
        sa.Column("abandoned_at", BIG, nullable=True),
        sa.Column("due_at", BIG, nullable=True),
        sa.Column("home", WORD, nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_token_set"),
    )
    op.create_index("ix_token_set_domain", "token_set", ["domain"], unique=False)
    op.create_index(
        "ix_token_set_due_at",
        "token_set",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_table(
        "zone",
        sa.Column("name", WORD, nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_zone"),
    )
    op.create_table(
        "identity",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("account", WORD, nullable=False),
        sa.Column("region", WORD, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("version", BIG, nullable=False),
        sa.Column("generation", BIG, nullable=False),
        sa.Column("origin", WORD, nullable=False),
        sa.Column("signing_enabled", sa.SmallInteger(), nullable=False),
        sa.Column("next_key_length", WORD, nullable=False),
        sa.Column("token_set_id", BIG, nullable=True),
        sa.Column("legacy_token", WORD, nullable=False),
        sa.Column("legacy_requested", sa.SmallInteger(), nullable=False),
        sa.Column("mail_from_domain", WORD, nullable=False),
        sa.Column("mail_from_behavior", WORD, nullable=False),
        sa.Column("feedback_forwarding", sa.SmallInteger(), nullable=False),
        sa.Column("configuration_set", WORD, nullable=False),
        sa.ForeignKeyConstraint(["token_set_id"], ["token_set.id"], name="fk_identity_token_set_id"),
        sa.PrimaryKeyConstraint("id", name="pk_identity"),
        sa.UniqueConstraint("account", "region", "name", name="uq_identity_account_region_name"),
    )
    op.create_index("ix_identity_token_set_id", "identity", ["token_set_id"], unique=False)
    op.create_table(
        "published_key",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("token_set_id", BIG, nullable=False),
        sa.Column("zone", WORD, nullable=False),
        sa.Column("token", WORD, nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("private_key", sa.LargeBinary(), nullable=False),
        sa.Column("bits", BIG, nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("published_at", BIG, nullable=False),
        sa.Column("seen_at", BIG, nullable=True),
        sa.Column("signing_at", BIG, nullable=True),
        sa.Column("retired_at", BIG, nullable=True),
        sa.Column("withdrawn_at", BIG, nullable=True),
        sa.Column("absent_since", BIG, nullable=True),
        sa.Column("lost_at", BIG, nullable=True),
        sa.ForeignKeyConstraint(["token_set_id"], ["token_set.id"], name="fk_published_key_token_set_id"),
        sa.PrimaryKeyConstraint("id", name="pk_published_key"),
    )
    op.create_index("ix_published_key_token_set_id", "published_key", ["token_set_id"], unique=False)
    op.create_index(
        "uq_published_key_live",
        "published_key",
        ["zone", "token"],
        unique=True,
        sqlite_where=sa.text("withdrawn_at IS NULL AND zone != ''"),
        postgresql_where=sa.text("withdrawn_at IS NULL AND zone != ''"),
    )
    op.create_table(
        "token",
        sa.Column("zone", WORD, nullable=False),
        sa.Column("token", WORD, nullable=False),
        sa.Column("token_set_id", BIG, nullable=False),
        sa.Column("position", BIG, nullable=False),
        sa.ForeignKeyConstraint(["token_set_id"], ["token_set.id"], name="fk_token_token_set_id"),
        sa.PrimaryKeyConstraint("zone", "token", name="pk_token"),
    )
    op.create_index("ix_token_token_set_id", "token", ["token_set_id"], unique=False)
    op.create_table(
        "replication",
        sa.Column("identity_id", BIG, autoincrement=False, nullable=False),
        sa.Column("account", WORD, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("region", WORD, nullable=False),
        sa.Column("parent_region", WORD, nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("access_key", WORD, nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_replication_identity_id"),
        sa.PrimaryKeyConstraint("identity_id", name="pk_replication"),
    )
    op.create_index(
        "ix_replication_account_name_parent_region",
        "replication",
        ["account", "name", "parent_region"],
        unique=False,
    )
    op.create_table(
        "replica_elsewhere",
        sa.Column("identity_id", BIG, autoincrement=False, nullable=False),
        sa.Column("region", WORD, nullable=False),
        sa.Column("heard_at", BIG, nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_replica_elsewhere_identity_id"),
        sa.PrimaryKeyConstraint("identity_id", "region", name="pk_replica_elsewhere"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "facet_state",
        sa.Column("identity_id", BIG, autoincrement=False, nullable=False),
        sa.Column("facet", WORD, nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.Column("generation", BIG, nullable=False),
        sa.Column("since", BIG, nullable=False),
        sa.Column("deadline", BIG, nullable=True),
        sa.Column("absent_since", BIG, nullable=True),
        sa.Column("error", WORD, nullable=True),
        sa.Column("carried", WORD, nullable=True),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_facet_state_identity_id"),
        sa.PrimaryKeyConstraint("identity_id", "facet", name="pk_facet_state"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "policy",
        sa.Column("identity_id", BIG, autoincrement=False, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_policy_identity_id"),
        sa.PrimaryKeyConstraint("identity_id", "name", name="pk_policy"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "verification",
        sa.Column("identity_id", BIG, autoincrement=False, nullable=False),
        sa.Column("shard", BIG, nullable=False),
        sa.Column("due_at", BIG, nullable=True),
        sa.Column("lease_until", BIG, nullable=True),
        sa.Column("lease_owner", WORD, nullable=True),
        sa.Column("interval_ms", BIG, nullable=False),
        sa.Column("asked", sa.SmallInteger(), nullable=False),
        sa.Column("lane", BIG, nullable=False),
        sa.Column("last_checked_at", BIG, nullable=True),
        sa.Column("last_success_at", BIG, nullable=True),
        sa.Column("error", WORD, nullable=True),
        sa.Column("soa_zone", sa.Text(), nullable=True),
        sa.Column("soa_primary", sa.Text(), nullable=True),
        sa.Column("soa_admin", sa.Text(), nullable=True),
        sa.Column("soa_serial", BIG, nullable=True),
        sa.Column("soa_minimum", BIG, nullable=True),
        sa.Column("zone_cut", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_verification_identity_id"),
        sa.PrimaryKeyConstraint("identity_id", name="pk_verification"),
    )
    op.create_index(
        "ix_verification_shard_lane_due_at",
        "verification",
        ["shard", "lane", "due_at"],
        unique=False,
        sqlite_where=sa.text("lane = 1"),
        postgresql_where=sa.text("lane = 1"),
    )
    op.create_index(
        "ix_verification_lane_due_at",
        "verification",
        ["lane", "due_at"],
        unique=False,
        sqlite_where=sa.text("lane != 1"),
        postgresql_where=sa.text("lane != 1"),
    )
    op.create_table(
        "verifier",
        sa.Column("owner", WORD, nullable=False),
        sa.Column("seen_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("owner", name="pk_verifier"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "verification_template",
        sa.Column("account", WORD, nullable=False),
        sa.Column("region", WORD, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("from_address", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("success_url", sa.Text(), nullable=False),
        sa.Column("failure_url", sa.Text(), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "name", name="pk_verification_template"),
    )
    op.create_table(
        "account_region",
        sa.Column("account", WORD, nullable=False),
        sa.Column("region", WORD, nullable=False),
        sa.Column("sending_enabled", sa.SmallInteger(), nullable=False),
        sa.Column("production_access", sa.SmallInteger(), nullable=True),
        sa.Column("details", sa.Text(), nullable=True),
        sa.Column("review", WORD, nullable=True),
        sa.Column("review_case", WORD, nullable=True),
        sa.Column("reviewed_at", BIG, nullable=True),
        sa.PrimaryKeyConstraint("account", "region", name="pk_account_region"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "identity_certificate",
        sa.Column("identity_id", BIG, autoincrement=False, nullable=False),
        sa.Column("sender", WORD, nullable=False),
        sa.Column("from_address", sa.Text(), nullable=False),
        sa.Column("certificate_arn", sa.Text(), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_identity_certificate_identity_id"),
        sa.PrimaryKeyConstraint("identity_id", "sender", name="pk_identity_certificate"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "advice",
        sa.Column("identity_id", BIG, autoincrement=False, nullable=False),
        sa.Column("due_at", BIG, nullable=True),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_advice_identity_id"),
        sa.PrimaryKeyConstraint("identity_id", name="pk_advice"),
    )
    op.create_index("ix_advice_due_at", "advice", ["due_at"], unique=False)
    op.create_table(
        "recommendation",
        sa.Column("account", WORD, nullable=False),
        sa.Column("region", WORD, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("code", WORD, nullable=False),
        sa.Column("identity_id", BIG, nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("updated_at", BIG, nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_recommendation_identity_id"),
        sa.PrimaryKeyConstraint("account", "region", "name", "code", name="pk_recommendation"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_recommendation_identity_id", "recommendation", ["identity_id"], unique=False)
    op.create_table(
        "verification_link",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("identity_id", BIG, nullable=False),
        sa.Column("generation", BIG, nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("expires_at", BIG, nullable=False),
        sa.Column("used_at", BIG, nullable=True),
        sa.Column("superseded_at", BIG, nullable=True),
        sa.Column("success_url", sa.Text(), nullable=True),
        sa.Column("failure_url", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_verification_link_identity_id"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_verification_link"),
    )
    op.create_index("ix_verification_link_identity_id", "verification_link", ["identity_id"], unique=False)
    _create_settings()
    _create_events()

    if op.get_context().dialect.name == "postgresql":
        for table, parameters in STORAGE_PARAMETERS.items():
            op.execute(f"ALTER TABLE {table} SET ({parameters})")


def _create_settings() -> None:
    """Create what people set on identities beside the identity's own row."""
    op.create_table(
        "identity_notification",
        sa.Column("identity_id", BIG, autoincrement=False, nullable=False),
        sa.Column("type", WORD, nullable=False),
        sa.Column("topic", WORD, nullable=False),
        sa.Column("headers", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["identity_id"], ["identity.id"], name="fk_identity_notification_identity_id"
        ),
        sa.PrimaryKeyConstraint("identity_id", "type", name="pk_identity_notification"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "signing_override",
        sa.Column("account", WORD, nullable=False),
        sa.Column("region", WORD, nullable=False),
        sa.Column("address", WORD, nullable=False),
        sa.Column("enabled", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "address", name="pk_signing_override"),
        sqlite_with_rowid=False,
    )


def _create_events() -> None:
    """Create what is told of changes, and to whom."""
    op.create_table(
        "event",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("account", WORD, nullable=False),
        sa.Column("region", WORD, nullable=False),
        sa.Column("identity_id", BIG, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("type", WORD, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("demotes", sa.SmallInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
    )
    op.create_index("ix_event_identity_id_id", "event", ["identity_id", "id"], unique=False)
    op.create_index(
        "ix_event_demotions",
        "event",
        ["at", "identity_id"],
        unique=False,
        sqlite_where=sa.text("demotes = 1"),
        postgresql_where=sa.text("demotes = 1"),
    )
    op.create_table(
        "webhook",
        sa.Column("id", WORD, nullable=False),
        sa.Column("account", WORD, nullable=False),
        sa.Column("region", WORD, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("types", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("enabled", sa.SmallInteger(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("previous_secret", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until", BIG, nullable=True),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("failures", BIG, nullable=False),
        sa.Column("failing_since", BIG, nullable=True),
        sa.Column("resume_at", BIG, nullable=True),
        sa.Column("disabled_at", BIG, nullable=True),
        sa.Column("disabled_because", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_webhook"),
    )
    op.create_index("ix_webhook_account_region", "webhook", ["account", "region"], unique=False)
    op.create_table(
        "webhook_delivery",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("webhook_id", WORD, nullable=False),
        sa.Column("event_id", BIG, nullable=False),
        sa.Column("identity_id", BIG, nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("due_at", BIG, nullable=True),
        sa.Column("attempts", BIG, nullable=False),
        sa.Column("lease_until", BIG, nullable=True),
        sa.Column("lease_owner", WORD, nullable=True),
        sa.Column("delivered_at", BIG, nullable=True),
        sa.Column("status", BIG, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhook.id"], name="fk_webhook_delivery_webhook_id"),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_delivery"),
    )
    op.create_index(
        "ix_webhook_delivery_webhook_id_id", "webhook_delivery", ["webhook_id", "id"], unique=False
    )
    for name, columns in (
        ("ix_webhook_delivery_order", ["webhook_id", "identity_id", "id"]),
        ("ix_webhook_delivery_due", ["webhook_id", "due_at"]),
    ):
        op.create_index(
            name,
            "webhook_delivery",
            columns,
            unique=False,
            sqlite_where=sa.text("due_at IS NOT NULL"),
            postgresql_where=sa.text("due_at IS NOT NULL"),
        )
