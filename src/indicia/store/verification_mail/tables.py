"""The tables of verification by mail: templates, links, who was written to, and mails that wait."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from indicia.domain.time import DAY, Span
from indicia.store.engine.columns import (
    Big,
    Octets,
    Word,
    big,
    key,
    maybe_big,
    maybe_text,
    maybe_word,
    metadata,
    octets,
    text,
    word,
)
from indicia.store.engine.owned import Age, Along, Forgotten, Owned, Sealed, WithIdentity

verification_template = sa.Table(
    "verification_template",
    metadata,
    word("account", primary_key=True),
    word("region", primary_key=True),
    word("name", primary_key=True),
    text("from_address"),
    text("subject"),
    text("content"),
    text("success_url"),
    text("failure_url"),
    big("created_at"),
    sa.Column("harmless", Octets, nullable=True),  # NULL: of before it was made when it is stored
)

verification_link = sa.Table(
    "verification_link",
    metadata,
    sa.Column("token_hash", Octets, primary_key=True),  # SHA-256: the token itself is in the mail only
    sa.Column("identity_id", Big, sa.ForeignKey("identity.id"), nullable=False),
    big("generation"),
    big("created_at"),
    big("expires_at"),
    maybe_big("used_at"),
    maybe_big("superseded_at"),
    maybe_text("success_url"),  # of the template that the mail was made with; NULL: our own pages
    maybe_text("failure_url"),
    sa.Index(None, "identity_id"),
)

mail_sent = sa.Table(
    "mail_sent",
    metadata,
    key("id"),
    word("mailbox"),
    word("domain"),
    word("account"),
    big("at"),
    octets("token_hash"),  # of its link: "this was not me" works on when the identity is gone
    sa.Index(None, "token_hash"),
    sa.Index(None, "mailbox", "at"),
    sa.Index(None, "domain", "at", "account"),
    sa.Index(None, "account", "at"),
    sa.Index(None, "at"),
)

mail_stop = sa.Table("mail_stop", metadata, word("mailbox", primary_key=True), big("at"))

outbox = sa.Table(
    "outbox",
    metadata,
    key("id"),
    word("kind"),
    word("subject_key"),
    octets("payload"),  # sealed by the keyring
    big("created_at"),
    maybe_big("due_at"),  # NULL once delivered or given up
    big("attempts"),
    maybe_big("lease_until"),
    maybe_word("lease_owner"),
    maybe_big("delivered_at"),
    maybe_text("last_error"),
    sa.Column("account", Word, nullable=False, server_default=""),  # on whose behalf; empty: nobody's
    sa.Index(None, "due_at"),
    sa.Index(None, "subject_key"),
)
# Whose turn it is: the head of each account, however much it has waiting.
sa.Index(
    "ix_outbox_account_due_at",
    outbox.c.account,
    outbox.c.due_at,
    sqlite_where=outbox.c.due_at.is_not(None),
)

OUTBOX_PAYLOAD = Sealed(outbox.c.payload, "outbox.payload")

# Letters that are delivered or given up. Those that wait stay.
LETTERS_KEPT: Final[Span] = 30 * DAY
# That a mailbox was written to, and the link it was sent: "this was not me" works that long.
MAILINGS_KEPT: Final[Span] = 90 * DAY

OWNED = Owned(
    tables=(verification_template, verification_link, mail_sent, mail_stop, outbox),
    sealed=(OUTBOX_PAYLOAD,),
    with_identity=(WithIdentity(verification_link),),
    emptied=(verification_template, verification_link, mail_sent, mail_stop, outbox),
    forgotten=(
        Forgotten("letters", outbox.c.id, Age.ID, LETTERS_KEPT, only=outbox.c.due_at.is_(None)),
        Forgotten(
            "mailings",
            mail_sent.c.at,
            Age.CLOCK,
            MAILINGS_KEPT,
            along=(
                Along(
                    verification_link.c.token_hash,
                    of=mail_sent.c.token_hash,
                    only=verification_link.c.expires_at < sa.bindparam("now"),
                ),
            ),
        ),
    ),
    storage={
        outbox: "fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500"
    },
)
