"""A proof that is carried is looked at: what it rests on, and the state of it.

Until now a changed DKIM facet kept a status of before (`facet_state.carried`), and nobody looked at the
records that it rested on. They are looked at from now on: those of the token set that the identity left at
that moment, or the present ones where it left none. Where neither is known nothing is carried any more.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision: str | None = "0007"

BIG = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
WORD = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")

# What follows is written out, not put together: a step stays what it was.
_CARRY = """
    INSERT INTO carried_proof (identity_id, token_set_id, status, generation, since, deadline)
    SELECT id, left_set, carried, generation, since,
        CASE WHEN carried = 'TEMPORARY_FAILURE' THEN deadline END
    FROM (
        SELECT i.id AS id, f.carried AS carried, f.generation AS generation, f.since AS since,
            f.deadline AS deadline,
            COALESCE(
                (SELECT max(t.id) FROM token_set t WHERE t.domain = i.name AND t.abandoned_at = f.since),
                i.token_set_id
            ) AS left_set
        FROM facet_state f JOIN identity i ON i.id = f.identity_id
        WHERE f.facet = 'dkim' AND f.status = 'PENDING' AND f.carried IS NOT NULL
    ) AS found
    WHERE left_set IS NOT NULL
"""
# What is carried no more shows in lists as what its other proof says, the legacy record.
_LIST = """
    UPDATE listed SET status = COALESCE(
        (
            SELECT o.status FROM facet_state o JOIN identity i ON i.id = o.identity_id
            WHERE i.account = listed.account AND i.region = listed.region AND i.name = listed.name
                AND o.facet = 'ownership' AND o.status IN ('SUCCESS', 'TEMPORARY_FAILURE')
        ),
        'PENDING'
    )
    WHERE EXISTS (
        SELECT 1 FROM facet_state f JOIN identity i ON i.id = f.identity_id
        WHERE i.account = listed.account AND i.region = listed.region AND i.name = listed.name
            AND f.facet = 'dkim' AND f.status = 'PENDING' AND f.carried IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM carried_proof c WHERE c.identity_id = i.id)
    )
"""


def upgrade() -> None:
    """Create the table and fill it with what is carried now."""
    op.create_table(
        "carried_proof",
        sa.Column("identity_id", BIG, autoincrement=False, nullable=False),
        sa.Column("token_set_id", BIG, nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.Column("generation", BIG, nullable=False),
        sa.Column("since", BIG, nullable=False),
        sa.Column("deadline", BIG, nullable=True),
        sa.Column("absent_since", BIG, nullable=True),
        sa.Column("error", WORD, nullable=True),
        sa.Column("held_until", BIG, nullable=True),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_carried_proof_identity_id"),
        sa.ForeignKeyConstraint(["token_set_id"], ["token_set.id"], name="fk_carried_proof_token_set_id"),
        sa.PrimaryKeyConstraint("identity_id", name="pk_carried_proof"),
    )
    op.create_index("ix_carried_proof_token_set_id", "carried_proof", ["token_set_id"], unique=False)
    op.execute(_CARRY)
    op.execute(_LIST)
