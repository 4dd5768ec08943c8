"""Token sets that need a key queue for it, and how many keys are to be ready is known to all processes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision: str | None = "0006"

BIG = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
WORD = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")

# Where verification is instant a set without a key was looked at again and again by who keeps the keys: these
# queue from now on. All others are found by the verifier when it next sees their records.
_QUEUE_UP = """
    INSERT INTO key_request (token_set_id, bits, by_itself, account, place)
    SELECT t.id, CASE t.key_length WHEN 'RSA_1024_BIT' THEN 1024 ELSE 2048 END, 0, min(i.account), 0
    FROM token_set t JOIN identity i ON i.token_set_id = t.id
    WHERE t.kind = 'AWS_SES' AND t.has_key = 0 AND t.home = '' AND t.due_at IS NOT NULL
        AND t.abandoned_at IS NULL AND t.key_length IS NOT NULL
    GROUP BY t.id, t.key_length
"""


def upgrade() -> None:
    """Create the queue and what says how many keys there are to be."""
    op.create_table(
        "key_pool",
        sa.Column("bits", BIG, autoincrement=False, nullable=False),
        sa.Column("wanted", BIG, nullable=False),
        sa.Column("since", BIG, nullable=False),
        sa.Column("given", BIG, nullable=False),
        sa.Column("given_before", BIG, nullable=False),
        sa.PrimaryKeyConstraint("bits", name="pk_key_pool"),
    )
    op.create_table(
        "key_request",
        sa.Column("token_set_id", BIG, autoincrement=False, nullable=False),
        sa.Column("bits", BIG, nullable=False),
        sa.Column("by_itself", sa.SmallInteger(), nullable=False),
        sa.Column("account", WORD, nullable=False),
        sa.Column("place", BIG, nullable=False),
        sa.Column("identity_id", BIG, nullable=True),
        sa.Column("generation", BIG, nullable=True),
        sa.Column("seen_at", BIG, nullable=True),
        sa.ForeignKeyConstraint(["token_set_id"], ["token_set.id"], name="fk_key_request_token_set_id"),
        sa.PrimaryKeyConstraint("token_set_id", name="pk_key_request"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_key_request_account_bits_by_itself_place",
        "key_request",
        ["account", "bits", "by_itself", "place"],
    )
    op.create_index(
        "ix_key_request_bits_by_itself_place_token_set_id",
        "key_request",
        ["bits", "by_itself", "place", "token_set_id"],
    )
    op.execute(_QUEUE_UP)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "ALTER TABLE key_request SET "
            "(autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500)"
        )
