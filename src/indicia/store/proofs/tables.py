"""The tables of proofs: the facets of an identity, what is carried, and the state that lists show."""

from __future__ import annotations

import sqlalchemy as sa

from indicia.store.engine.columns import Big, big, maybe_big, maybe_word, metadata, word
from indicia.store.engine.owned import Owned, WithIdentity

# An identity as a list shows it, in the order of the list: one scan of the key is a page. What it says of the
# identity is written with what it is made of, in the same transaction.
listed = sa.Table(
    "listed",
    metadata,
    word("account", primary_key=True),
    word("region", primary_key=True),
    word("kind", primary_key=True),
    word("name", primary_key=True),
    word("status"),  # the identity's own: domain.verification.own_status
    sqlite_with_rowid=False,
)

facet_state = sa.Table(
    "facet_state",
    metadata,
    sa.Column("identity_id", Big, sa.ForeignKey("identity.id"), primary_key=True, autoincrement=False),
    word("facet", primary_key=True),
    word("status"),
    big("generation"),
    big("since"),
    maybe_big("deadline"),
    maybe_big("absent_since"),
    maybe_word("error"),
    maybe_word("carried"),  # not read, and NULL; versions before `carried_proof` may run beside this one
    maybe_big("held_until"),  # by the brake on mass demotion, once in a run of absences
    sqlite_with_rowid=False,
)

# What proved a domain before its owner changed what should be published, and under which token set: the state
# of one more facet, whose expectation nobody can change.
carried_proof = sa.Table(
    "carried_proof",
    metadata,
    sa.Column("identity_id", Big, sa.ForeignKey("identity.id"), primary_key=True, autoincrement=False),
    sa.Column("token_set_id", Big, sa.ForeignKey("token_set.id"), nullable=False),
    word("status"),
    big("generation"),
    big("since"),
    maybe_big("deadline"),
    maybe_big("absent_since"),
    maybe_word("error"),
    maybe_big("held_until"),
    sa.Index(None, "token_set_id"),
)

OWNED = Owned(
    tables=(listed, facet_state, carried_proof),
    with_identity=(
        WithIdentity(facet_state),
        WithIdentity(carried_proof),
        WithIdentity(listed, {name: name for name in ("account", "region", "kind", "name")}),
    ),
    emptied=(listed, facet_state, carried_proof),
    storage={
        facet_state: "fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05",
        listed: "fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05",
    },
)
