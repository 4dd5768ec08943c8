"""The tables of accounts: their access keys, what they have in a region, and what was done."""

from __future__ import annotations

import sqlalchemy as sa

from indicia.store.engine.columns import (
    Big,
    Flag,
    big,
    flag,
    key,
    maybe_big,
    maybe_text,
    maybe_word,
    metadata,
    octets,
    text,
    word,
)
from indicia.store.engine.owned import Age, Forgotten, Owned, Sealed

account = sa.Table(
    "account",
    metadata,
    word("id", primary_key=True),
    text("contact"),
    big("created_at"),
    flag("production_access"),
    flag("sending_enabled"),
)

access_key = sa.Table(
    "access_key",
    metadata,
    word("id", primary_key=True),
    word("account"),
    maybe_word("user_name"),  # NULL is the root of the account
    octets("secret"),  # sealed by the keyring
    maybe_text("policy"),
    big("created_at"),
    maybe_big("revoked_at"),
    sa.Index(None, "account"),
)

# What an account has in one region beside its identities. A row comes with the first setting.
account_region = sa.Table(
    "account_region",
    metadata,
    word("account", primary_key=True),
    word("region", primary_key=True),
    flag("sending_enabled"),
    sa.Column("production_access", Flag, nullable=True),  # NULL: as the account has it
    maybe_text("details"),
    maybe_word("review"),
    maybe_word("review_case"),
    maybe_big("reviewed_at"),  # when it was asked for, or decided
    sqlite_with_rowid=False,
)

audit = sa.Table(
    "audit",
    metadata,
    key("id"),
    big("at"),
    word("account"),
    text("principal"),
    word("access_key"),
    text("address"),
    word("operation"),
    text("resource"),
    word("outcome"),
    word("request_id"),
    # How many calls it stands for, and what else is to be said. Defaults are for rows of before.
    sa.Column("calls", Big, nullable=False, server_default="1"),
    sa.Column("detail", sa.Text(), nullable=False, server_default=""),
    sa.Index(None, "account", "id"),
)

ACCESS_KEY_SECRET = Sealed(access_key.c.secret, "access key {}")

OWNED = Owned(
    tables=(account, access_key, account_region, audit),
    sealed=(ACCESS_KEY_SECRET,),
    emptied=(account_region,),
    forgotten=(Forgotten("audit", audit.c.id, Age.ID, None),),
)
