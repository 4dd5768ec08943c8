"""The tables of DKIM: zones, token sets and tokens, keys, who shares them, and who waits for one."""

from __future__ import annotations

import sqlalchemy as sa

from indicia.store.engine.columns import (
    Big,
    big,
    flag,
    key,
    maybe_big,
    maybe_word,
    metadata,
    octets,
    text,
    word,
)
from indicia.store.engine.owned import Owned, Sealed, WithIdentity

# Every SigningHostedZone ever used: each stays served (contract, HTTP).
zone = sa.Table("zone", metadata, word("name", primary_key=True), big("created_at"))

# Revoked access keys, until every DKIM key that they have fetched is to be rotated.
key_recall = sa.Table("key_recall", metadata, word("access_key", primary_key=True), sqlite_with_rowid=False)

token_set = sa.Table(
    "token_set",
    metadata,
    key("id"),
    word("kind"),
    word("zone"),
    word("domain"),  # for which it was issued; outlives the identity, as its tokens do
    word("token1"),
    maybe_word("token2"),  # NULL for BYODKIM, which has one selector
    maybe_word("token3"),
    maybe_word("key_length"),
    big("key_made_at"),
    flag("has_key"),
    text("public_key"),
    flag("awaited"),  # a key of it was not seen, or not seen last time: the verifier looks at the key itself
    maybe_word("wanted_length"),
    big("length_chosen_at"),
    maybe_big("rotation_asked_at"),
    maybe_big("abandoned_at"),
    maybe_big("due_at"),  # of the next step in the life of its keys; NULL is never
    word("home"),  # the region of the other installation that makes its keys; empty for this one
    big("created_at"),
    sa.Index(None, "domain"),
)
sa.Index(
    "ix_token_set_due_at",
    token_set.c.due_at,
    sqlite_where=token_set.c.due_at.is_not(None),
)

# Every token ever issued. A row is never deleted, so that no token is ever issued twice.
token = sa.Table(
    "token",
    metadata,
    word("zone", primary_key=True),
    word("token", primary_key=True),
    sa.Column("token_set_id", Big, sa.ForeignKey("token_set.id"), nullable=False),
    big("position"),
    sa.Index(None, "token_set_id"),
)

published_key = sa.Table(
    "published_key",
    metadata,
    key("id"),
    sa.Column("token_set_id", Big, sa.ForeignKey("token_set.id"), nullable=False),
    word("zone"),
    word("token"),
    text("public_key"),
    octets("private_key"),  # sealed by the keyring
    big("bits"),
    big("created_at"),
    big("published_at"),
    maybe_big("seen_at"),
    maybe_big("signing_at"),
    maybe_big("retired_at"),
    maybe_big("withdrawn_at"),
    maybe_big("absent_since"),
    maybe_big("lost_at"),
    sa.Index(None, "token_set_id"),
)

# One live key a token. Uploaded keys have no zone: two customers may well choose the same selector.
_LIVE = sa.and_(published_key.c.withdrawn_at.is_(None), published_key.c.zone != sa.literal_column("''"))
sa.Index(
    "uq_published_key_live",
    published_key.c.zone,
    published_key.c.token,
    unique=True,
    sqlite_where=_LIVE,
)

pooled_key = sa.Table(
    "pooled_key",
    metadata,
    key("id"),
    big("bits"),
    text("public_key"),
    octets("private_key"),  # sealed by the keyring
    big("created_at"),
    sa.Index(None, "bits", "id"),
)

# How many unused keys of each length there are to be, and the demand that this follows: domain.key_supply.
key_pool = sa.Table(
    "key_pool",
    metadata,
    key("bits"),
    big("wanted"),
    big("since"),  # in real time
    big("given"),
    big("given_before"),
)

# Which identities have, or wait for, the keys of one of the same name in another region.
replication = sa.Table(
    "replication",
    metadata,
    sa.Column("identity_id", Big, sa.ForeignKey("identity.id"), primary_key=True, autoincrement=False),
    word("account"),
    word("name"),
    word("region"),  # the replica's own
    word("parent_region"),
    text("principal"),
    word("access_key"),
    sa.Index(None, "account", "name", "parent_region"),
)

# Replicas in other installations: when each was last heard of.
replica_elsewhere = sa.Table(
    "replica_elsewhere",
    metadata,
    sa.Column("identity_id", Big, sa.ForeignKey("identity.id"), primary_key=True, autoincrement=False),
    word("region", primary_key=True),
    big("heard_at"),
    sqlite_with_rowid=False,
)

# Token sets that need a key while there is none for them. The sight is that of the identity whose records
# were seen without one; nobody's where nobody has to see any.
key_request = sa.Table(
    "key_request",
    metadata,
    sa.Column("token_set_id", Big, sa.ForeignKey("token_set.id"), primary_key=True, autoincrement=False),
    big("bits"),
    flag("by_itself"),  # nobody waits for it: a rotation whose time has come
    word("account"),
    big("place"),  # in the queue of its length: domain.fairness.places
    maybe_big("identity_id"),
    maybe_big("generation"),  # of the expectation that was seen
    maybe_big("seen_at"),
    sa.Index(None, "bits", "by_itself", "place", "token_set_id"),
    sa.Index(None, "account", "bits", "by_itself", "place"),
    sqlite_with_rowid=False,
)

key_export = sa.Table(
    "key_export",
    metadata,
    word("access_key", primary_key=True),
    sa.Column("token_set_id", Big, sa.ForeignKey("token_set.id"), primary_key=True, autoincrement=False),
    big("key_id"),  # the published key that signed when it was last fetched
    big("fetched_at"),
    sqlite_with_rowid=False,
)

# Whether mail from one address is signed, whatever its domain does. The address need not be an identity.
signing_override = sa.Table(
    "signing_override",
    metadata,
    word("account", primary_key=True),
    word("region", primary_key=True),
    word("address", primary_key=True),
    flag("enabled"),
    sqlite_with_rowid=False,
)

# A key moves sealed from the pool to where it is published.
PRIVATE_KEY = Sealed(published_key.c.private_key, "dkim private key")
POOLED_PRIVATE_KEY = Sealed(pooled_key.c.private_key, PRIVATE_KEY.purpose)

OWNED = Owned(
    tables=(
        zone,
        key_recall,
        token_set,
        token,
        published_key,
        pooled_key,
        key_pool,
        replication,
        replica_elsewhere,
        key_request,
        key_export,
        signing_override,
    ),
    sealed=(PRIVATE_KEY, POOLED_PRIVATE_KEY),
    with_identity=(
        WithIdentity(replication),
        WithIdentity(replica_elsewhere),
        WithIdentity(signing_override, {"account": "account", "region": "region", "address": "name"}),
    ),
    emptied=(
        token_set,
        token,
        published_key,
        replication,
        replica_elsewhere,
        key_request,
        key_export,
        signing_override,
    ),
    storage={key_request: "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500"},
)
