"""The tables of identities: what people set on a name, and never what was found of it.

What the verifier found is `proofs` and `verification`; so a check never collides with a caller.
"""

from __future__ import annotations

import sqlalchemy as sa

from indicia.store.engine.columns import Big, big, flag, key, metadata, text, word
from indicia.store.engine.owned import Owned, WithIdentity

identity = sa.Table(
    "identity",
    metadata,
    key("id"),
    word("account"),
    word("region"),
    word("name"),
    word("kind"),
    big("created_at"),
    big("version"),
    big("generation"),
    word("origin"),
    flag("signing_enabled"),
    word("next_key_length"),
    sa.Column("token_set_id", Big, sa.ForeignKey("token_set.id"), nullable=True),
    word("legacy_token"),
    flag("legacy_requested"),
    word("mail_from_domain"),
    word("mail_from_behavior"),
    flag("feedback_forwarding"),
    word("configuration_set"),
    sa.UniqueConstraint("account", "region", "name"),
    sa.Index(None, "token_set_id"),
)

# How many identities an account has in a region: the limit is checked at every creation, and counting a
# hundred thousand rows takes longer than creating one.
identity_count = sa.Table(
    "identity_count",
    metadata,
    word("account", primary_key=True),
    word("region", primary_key=True),
    big("identities"),
    sqlite_with_rowid=False,
)

tag = sa.Table(
    "tag",
    metadata,
    word("account", primary_key=True),
    word("region", primary_key=True),
    word("resource", primary_key=True),
    word("key", primary_key=True),
    text("value"),
    sqlite_with_rowid=False,
)

# Which topic hears of an identity's bounces, complaints and deliveries. No row: no topic, no headers.
identity_notification = sa.Table(
    "identity_notification",
    metadata,
    sa.Column("identity_id", Big, sa.ForeignKey("identity.id"), primary_key=True, autoincrement=False),
    word("type", primary_key=True),
    word("topic"),
    flag("headers"),
    sqlite_with_rowid=False,
)

identity_certificate = sa.Table(
    "identity_certificate",
    metadata,
    sa.Column("identity_id", Big, sa.ForeignKey("identity.id"), primary_key=True, autoincrement=False),
    word("sender", primary_key=True),  # the From address, its domain in lower case
    text("from_address"),
    text("certificate_arn"),
    big("created_at"),
    sqlite_with_rowid=False,
)

OWNED = Owned(
    tables=(identity, identity_count, tag, identity_notification, identity_certificate),
    with_identity=(
        WithIdentity(tag, {"account": "account", "region": "region", "resource": "resource"}),
        WithIdentity(identity_notification),
        WithIdentity(identity_certificate),
    ),
    emptied=(identity, identity_count, tag, identity_notification, identity_certificate),
)
