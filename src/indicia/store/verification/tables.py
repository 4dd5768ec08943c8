"""The tables of verification: when each identity is looked at, what was found, and what the brake counts."""

from __future__ import annotations

import sqlalchemy as sa

from indicia.domain.verification.brake import WITHIN
from indicia.store.engine.columns import (
    Big,
    big,
    flag,
    key,
    maybe_big,
    maybe_text,
    maybe_word,
    metadata,
    text,
    word,
)
from indicia.store.engine.owned import Age, Forgotten, Owned, WithIdentity

# Zones in which a proof was taken away, or would have been: counted by the brake on mass demotion.
demotion = sa.Table(
    "demotion",
    metadata,
    word("account", primary_key=True),
    word("zone", primary_key=True),
    big("at"),
    sa.Index(None, "account", "at"),
    sa.Index(None, "at", "account"),
    sqlite_with_rowid=False,
)

# Accounts whose demotions wait: who is told of it, and shown.
account_brake = sa.Table(
    "account_brake",
    metadata,
    word("account", primary_key=True),
    big("since"),
    big("until"),
    sqlite_with_rowid=False,
)

# Only the verifier writes it, at every check: room on the page keeps the updates off the indexes it can keep
# off, and vacuum comes early, because dead entries pile up at the head of the due index.
verification = sa.Table(
    "verification",
    metadata,
    sa.Column("identity_id", Big, sa.ForeignKey("identity.id"), primary_key=True, autoincrement=False),
    big("shard"),
    maybe_big("due_at"),  # NULL is never
    maybe_big("lease_until"),
    maybe_word("lease_owner"),
    big("interval_ms"),
    flag("asked"),
    big("lane"),  # domain.fairness.Lane
    maybe_big("last_checked_at"),
    maybe_big("last_success_at"),
    maybe_word("error"),
    maybe_text("soa_zone"),
    maybe_text("soa_primary"),
    maybe_text("soa_admin"),
    maybe_big("soa_serial"),
    maybe_big("soa_minimum"),
    maybe_text("zone_cut"),
)
# The routine, shard by shard: a new identity is not in it, and need not be put into some page of sixty-four.
sa.Index(
    "ix_verification_shard_lane_due_at",
    verification.c.shard,
    verification.c.lane,
    verification.c.due_at,
    sqlite_where=verification.c.lane == sa.literal_column("1"),
)
# The queues beside the routine: short, so that one index serves them for all shards.
sa.Index(
    "ix_verification_lane_due_at",
    verification.c.lane,
    verification.c.due_at,
    sqlite_where=verification.c.lane != sa.literal_column("1"),
)

# No reference to the identity: the trail of verdicts outlives it.
evidence = sa.Table(
    "evidence",
    metadata,
    key("id"),
    big("identity_id"),
    word("facet"),
    big("at"),
    big("generation"),
    word("asked_by"),
    word("status_before"),
    word("status_after"),
    word("finding"),
    word("digest"),  # of what must differ for a verdict to be worth another row
    text("body"),
    sa.Index(None, "identity_id", "facet", "id"),
)

OWNED = Owned(
    tables=(demotion, account_brake, verification, evidence),
    with_identity=(WithIdentity(verification),),
    emptied=(verification, evidence),
    forgotten=(
        Forgotten("demotions", demotion.c.at, Age.CLOCK, WITHIN),
        Forgotten("demotions", account_brake.c.until, Age.CLOCK, WITHIN),
    ),
    storage={
        verification: (
            "fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, "
            "autovacuum_vacuum_cost_delay = 0"
        )
    },
)
