"""The tables of events: what has changed, and the webhooks that hear of it."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from indicia.domain.events.identity_events import IDENTITY, What
from indicia.domain.time import DAY, Span
from indicia.store.engine.columns import (
    Octets,
    Word,
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
from indicia.store.engine.owned import Age, Along, Forgotten, Owned, Sealed
from indicia.store.verification.tables import evidence

# What has changed, as it is told: in the history, in mails, to webhooks. Outlives the identity.
event = sa.Table(
    "event",
    metadata,
    key("id"),
    word("account"),
    word("region"),
    big("identity_id"),  # 0: about no identity
    word("name"),
    word("type"),
    big("at"),
    flag("demotes"),
    text("body"),
    sa.Index(None, "identity_id", "id"),
    sa.Index(None, "account", "region", "id"),  # the log that webhooks read when they are behind
)
# Counted by the brake on mass demotion; nearly empty at all other times.
sa.Index(
    "ix_event_demotions",
    event.c.at,
    event.c.identity_id,
    sqlite_where=event.c.demotes == sa.literal_column("1"),
)

webhook = sa.Table(
    "webhook",
    metadata,
    word("id", primary_key=True),
    word("account"),
    word("region"),
    text("url"),
    text("types"),  # of event, separated by spaces; empty for all
    text("description"),
    flag("enabled"),
    octets("secret"),  # sealed by the keyring
    sa.Column("previous_secret", Octets, nullable=True),  # sealed too; signs beside the other for a while
    maybe_big("previous_until"),
    big("created_at"),
    big("failures"),  # in a row
    maybe_big("failing_since"),
    maybe_big("resume_at"),  # nothing is delivered before
    maybe_big("disabled_at"),
    maybe_text("disabled_because"),
    sa.Column("destination", Word, nullable=False, server_default=""),  # host and port of the URL
    maybe_big("next_event"),  # to be read from the log; NULL: events are queued as they come
    maybe_big("next_since"),  # events before this instant are passed over, until one was found
    maybe_big("deleted_at"),  # gone for everybody, but for what was queued for it
    sa.Index(None, "account", "region"),
)
sa.Index("ix_webhook_deleted_at", webhook.c.deleted_at, sqlite_where=webhook.c.deleted_at.is_not(None))
sa.Index("ix_webhook_behind", webhook.c.account, webhook.c.id, sqlite_where=webhook.c.next_event.is_not(None))

# How the destinations of an account's webhooks have answered of late.
webhook_destination = sa.Table(
    "webhook_destination",
    metadata,
    word("account", primary_key=True),
    word("destination", primary_key=True),
    big("failures"),  # in a row
    maybe_big("resume_at"),  # nothing is sent there before
    big("failed_at"),
    sa.Index(None, "failed_at"),
    sqlite_with_rowid=False,
)

# Events that have not come to the webhooks yet: one row an event, written with it, however many there are.
fanout = sa.Table(
    "fanout",
    metadata,
    key("event_id"),
    word("account"),
    word("region"),
    sa.Index(None, "account", "region", "event_id"),
)

# The outbox of webhooks: one row an event and webhook, few of them at a time. What is sent is the event's.
webhook_delivery = sa.Table(
    "webhook_delivery",
    metadata,
    key("id"),
    sa.Column("webhook_id", Word, sa.ForeignKey("webhook.id"), nullable=False),
    big("event_id"),
    big("identity_id"),  # of two of one identity the earlier goes first
    big("created_at"),
    maybe_big("due_at"),  # NULL once delivered or given up
    big("attempts"),
    maybe_big("lease_until"),
    maybe_word("lease_owner"),
    maybe_big("delivered_at"),
    maybe_big("status"),  # of the last answer
    maybe_text("last_error"),
    sa.Index(None, "webhook_id", "id"),
)

_WAITING = webhook_delivery.c.due_at.is_not(None)
sa.Index(
    "ix_webhook_delivery_order",
    webhook_delivery.c.webhook_id,
    webhook_delivery.c.identity_id,
    webhook_delivery.c.id,
    sqlite_where=_WAITING,
)
sa.Index(
    "ix_webhook_delivery_due",
    webhook_delivery.c.webhook_id,
    webhook_delivery.c.due_at,
    sqlite_where=_WAITING,
)
sa.Index("ix_webhook_delivery_next", webhook_delivery.c.due_at, sqlite_where=_WAITING)

WEBHOOK_SECRET = Sealed(webhook.c.secret, "webhook secret {}")
PREVIOUS_WEBHOOK_SECRET = Sealed(webhook.c.previous_secret, WEBHOOK_SECRET.purpose)

DELETED = f"{IDENTITY}.{What.DELETED.value}"

# Events, what became of their delivery, and the verdicts on identities whose deletion they tell of.
EVENTS_KEPT: Final[Span] = 90 * DAY
# That the destination of a webhook has failed: no pause is as long.
FAILURES_KEPT: Final[Span] = DAY

OWNED = Owned(
    tables=(event, webhook, webhook_destination, fanout, webhook_delivery),
    sealed=(WEBHOOK_SECRET, PREVIOUS_WEBHOOK_SECRET),
    emptied=(event, webhook, webhook_destination, fanout, webhook_delivery),
    forgotten=(
        Forgotten("deliveries", webhook_delivery.c.id, Age.ID, EVENTS_KEPT),
        Forgotten(
            "events",
            event.c.id,
            Age.ID,
            EVENTS_KEPT,
            # What still waits to be delivered of an event ends when its turn comes.
            along=(
                Along(
                    evidence.c.identity_id,
                    of=event.c.identity_id,
                    among=event.c.type == sa.literal_column(f"'{DELETED}'"),
                ),
            ),
            parts=10,  # with an event go up to a hundred verdicts
        ),
        Forgotten("failures", webhook_destination.c.failed_at, Age.CLOCK, FAILURES_KEPT),
    ),
    storage={
        fanout: "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500",
        webhook_delivery: (
            "fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500"
        ),
    },
)
