"""The tables, cut by who writes them.

`identity` is what people set; `facet_state` and `verification` are what the verifier found and when it looks
again; so a check never collides with a caller. `listed` is what both come to. Instants are milliseconds since
the epoch, truth values 0 and 1, closed sets the text of their enum: rows need no result processing on either
database.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

# On SQLite only a column declared INTEGER is the row id itself; BIGINT would add an index.
Big = sa.BigInteger().with_variant(sqlite.INTEGER(), "sqlite")
Flag = sa.SmallInteger()
# Compared and ordered by octets, as SQLite does: pages of names come in the same order everywhere.
Word = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Text = sa.Text()
Octets = sa.LargeBinary()

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, Big, primary_key=True, autoincrement=False)


def _big(name: str) -> sa.Column[int]:
    return sa.Column(name, Big, nullable=False)


def _maybe_big(name: str) -> sa.Column[int]:
    return sa.Column(name, Big, nullable=True)


def _flag(name: str) -> sa.Column[int]:
    return sa.Column(name, Flag, nullable=False)


def _word(name: str, *, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(name, Word, nullable=False, primary_key=primary_key)


def _maybe_word(name: str) -> sa.Column[str]:
    return sa.Column(name, Word, nullable=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, Text, nullable=False)


def _maybe_text(name: str) -> sa.Column[str]:
    return sa.Column(name, Text, nullable=True)


def _octets(name: str) -> sa.Column[bytes]:
    return sa.Column(name, Octets, nullable=False)


meta = sa.Table("meta", metadata, _word("key", primary_key=True), _text("value"))

# Every SigningHostedZone ever used: each stays served (contract, HTTP).
zone = sa.Table("zone", metadata, _word("name", primary_key=True), _big("created_at"))

account = sa.Table(
    "account",
    metadata,
    _word("id", primary_key=True),
    _text("contact"),
    _big("created_at"),
    _flag("production_access"),
    _flag("sending_enabled"),
)

access_key = sa.Table(
    "access_key",
    metadata,
    _word("id", primary_key=True),
    _word("account"),
    _maybe_word("user_name"),  # NULL is the root of the account
    _octets("secret"),  # sealed by the keyring
    _maybe_text("policy"),
    _big("created_at"),
    _maybe_big("revoked_at"),
    sa.Index(None, "account"),
)

# Revoked access keys, until every DKIM key that they have fetched is to be rotated.
key_recall = sa.Table("key_recall", metadata, _word("access_key", primary_key=True), sqlite_with_rowid=False)

token_set = sa.Table(
    "token_set",
    metadata,
    _key("id"),
    _word("kind"),
    _word("zone"),
    _word("domain"),  # for which it was issued; outlives the identity, as its tokens do
    _word("token1"),
    _maybe_word("token2"),  # NULL for BYODKIM, which has one selector
    _maybe_word("token3"),
    _maybe_word("key_length"),
    _big("key_made_at"),
    _flag("has_key"),
    _text("public_key"),
    _flag("awaited"),  # a key of it was not seen, or not seen last time: the verifier looks at the key itself
    _maybe_word("wanted_length"),
    _big("length_chosen_at"),
    _maybe_big("rotation_asked_at"),
    _maybe_big("abandoned_at"),
    _maybe_big("due_at"),  # of the next step in the life of its keys; NULL is never
    _word("home"),  # the region of the other installation that makes its keys; empty for this one
    _big("created_at"),
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
    _word("zone", primary_key=True),
    _word("token", primary_key=True),
    sa.Column("token_set_id", Big, sa.ForeignKey("token_set.id"), nullable=False),
    _big("position"),
    sa.Index(None, "token_set_id"),
)

published_key = sa.Table(
    "published_key",
    metadata,
    _key("id"),
    sa.Column("token_set_id", Big, sa.ForeignKey("token_set.id"), nullable=False),
    _word("zone"),
    _word("token"),
    _text("public_key"),
    _octets("private_key"),  # sealed by the keyring
    _big("bits"),
    _big("created_at"),
    _big("published_at"),
    _maybe_big("seen_at"),
    _maybe_big("signing_at"),
    _maybe_big("retired_at"),
    _maybe_big("withdrawn_at"),
    _maybe_big("absent_since"),
    _maybe_big("lost_at"),
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
    _key("id"),
    _big("bits"),
    _text("public_key"),
    _octets("private_key"),  # sealed by the keyring
    _big("created_at"),
    sa.Index(None, "bits", "id"),
)

# How many unused keys of each length there are to be, and the demand that this follows: domain.key_supply.
key_pool = sa.Table(
    "key_pool",
    metadata,
    _key("bits"),
    _big("wanted"),
    _big("since"),  # in real time
    _big("given"),
    _big("given_before"),
)

identity = sa.Table(
    "identity",
    metadata,
    _key("id"),
    _word("account"),
    _word("region"),
    _word("name"),
    _word("kind"),
    _big("created_at"),
    _big("version"),
    _big("generation"),
    _word("origin"),
    _flag("signing_enabled"),
    _word("next_key_length"),
    sa.Column("token_set_id", Big, sa.ForeignKey("token_set.id"), nullable=True),
    _word("legacy_token"),
    _flag("legacy_requested"),
    _word("mail_from_domain"),
    _word("mail_from_behavior"),
    _flag("feedback_forwarding"),
    _word("configuration_set"),
    sa.UniqueConstraint("account", "region", "name"),
    sa.Index(None, "token_set_id"),
)

# An identity as a list shows it, in the order of the list: one scan of the key is a page. What it says of the
# identity is written with what it is made of, in the same transaction.
listed = sa.Table(
    "listed",
    metadata,
    _word("account", primary_key=True),
    _word("region", primary_key=True),
    _word("kind", primary_key=True),
    _word("name", primary_key=True),
    _word("status"),  # the identity's own: domain.verification.own_status
    sqlite_with_rowid=False,
)

# How many identities an account has in a region: the limit is checked at every creation, and counting a
# hundred thousand rows takes longer than creating one.
identity_count = sa.Table(
    "identity_count",
    metadata,
    _word("account", primary_key=True),
    _word("region", primary_key=True),
    _big("identities"),
    sqlite_with_rowid=False,
)

facet_state = sa.Table(
    "facet_state",
    metadata,
    sa.Column("identity_id", Big, sa.ForeignKey("identity.id"), primary_key=True, autoincrement=False),
    _word("facet", primary_key=True),
    _word("status"),
    _big("generation"),
    _big("since"),
    _maybe_big("deadline"),
    _maybe_big("absent_since"),
    _maybe_word("error"),
    _maybe_word("carried"),  # not read, and NULL; versions before `carried_proof` may run beside this one
    _maybe_big("held_until"),  # by the brake on mass demotion, once in a run of absences
    sqlite_with_rowid=False,
)

# What proved a domain before its owner changed what should be published, and under which token set: the state
# of one more facet, whose expectation nobody can change.
carried_proof = sa.Table(
    "carried_proof",
    metadata,
    sa.Column("identity_id", Big, sa.ForeignKey("identity.id"), primary_key=True, autoincrement=False),
    sa.Column("token_set_id", Big, sa.ForeignKey("token_set.id"), nullable=False),
    _word("status"),
    _big("generation"),
    _big("since"),
    _maybe_big("deadline"),
    _maybe_big("absent_since"),
    _maybe_word("error"),
    _maybe_big("held_until"),
    sa.Index(None, "token_set_id"),
)

# Zones in which a proof was taken away, or would have been: counted by the brake on mass demotion.
demotion = sa.Table(
    "demotion",
    metadata,
    _word("account", primary_key=True),
    _word("zone", primary_key=True),
    _big("at"),
    sa.Index(None, "account", "at"),
    sa.Index(None, "at", "account"),
    sqlite_with_rowid=False,
)

# Accounts whose demotions wait: who is told of it, and shown.
account_brake = sa.Table(
    "account_brake",
    metadata,
    _word("account", primary_key=True),
    _big("since"),
    _big("until"),
    sqlite_with_rowid=False,
)

# Which identities have, or wait for, the keys of one of the same name in another region.
replication = sa.Table(
    "replication",
    metadata,
    sa.Column("identity_id", Big, sa.ForeignKey("identity.id"), primary_key=True, autoincrement=False),
    _word("account"),
    _word("name"),
    _word("region"),  # the replica's own
    _word("parent_region"),
    _text("principal"),
    _word("access_key"),
    sa.Index(None, "account", "name", "parent_region"),
)

# Replicas in other installations: when each was last heard of.
replica_elsewhere = sa.Table(
    "replica_elsewhere",
    metadata,
    sa.Column("identity_id", Big, sa.ForeignKey("identity.id"), primary_key=True, autoincrement=False),
    _word("region", primary_key=True),
    _big("heard_at"),
    sqlite_with_rowid=False,
)

# Only the verifier writes it, at every check: room on the page keeps the updates off the indexes it can keep
# off, and vacuum comes early, because dead entries pile up at the head of the due index.
verification = sa.Table(
    "verification",
    metadata,
    sa.Column("identity_id", Big, sa.ForeignKey("identity.id"), primary_key=True, autoincrement=False),
    _big("shard"),
    _maybe_big("due_at"),  # NULL is never
    _maybe_big("lease_until"),
    _maybe_word("lease_owner"),
    _big("interval_ms"),
    _flag("asked"),
    _big("lane"),  # domain.fairness.Lane
    _maybe_big("last_checked_at"),
    _maybe_big("last_success_at"),
    _maybe_word("error"),
    _maybe_text("soa_zone"),
    _maybe_text("soa_primary"),
    _maybe_text("soa_admin"),
    _maybe_big("soa_serial"),
    _maybe_big("soa_minimum"),
    _maybe_text("zone_cut"),
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

# The verifiers that are alive, on a database that has room for several: each looks at a range of the shards.
verifier = sa.Table(
    "verifier",
    metadata,
    _word("owner", primary_key=True),
    _big("seen_at"),  # in real time, as leases are
    sqlite_with_rowid=False,
)

# Every process with each of its roles, on either database.
heartbeat = sa.Table(
    "heartbeat",
    metadata,
    _word("process", primary_key=True),
    _word("role", primary_key=True),
    _big("seen_at"),  # in real time, as leases are
    sqlite_with_rowid=False,
)

# Token sets that need a key while there is none for them. The sight is that of the identity whose records
# were seen without one; nobody's where nobody has to see any.
key_request = sa.Table(
    "key_request",
    metadata,
    sa.Column("token_set_id", Big, sa.ForeignKey("token_set.id"), primary_key=True, autoincrement=False),
    _big("bits"),
    _flag("by_itself"),  # nobody waits for it: a rotation whose time has come
    _word("account"),
    _big("place"),  # in the queue of its length: domain.fairness.places
    _maybe_big("identity_id"),
    _maybe_big("generation"),  # of the expectation that was seen
    _maybe_big("seen_at"),
    sa.Index(None, "bits", "by_itself", "place", "token_set_id"),
    sa.Index(None, "account", "bits", "by_itself", "place"),
    sqlite_with_rowid=False,
)

key_export = sa.Table(
    "key_export",
    metadata,
    _word("access_key", primary_key=True),
    sa.Column("token_set_id", Big, sa.ForeignKey("token_set.id"), primary_key=True, autoincrement=False),
    _big("key_id"),  # the published key that signed when it was last fetched
    _big("fetched_at"),
    sqlite_with_rowid=False,
)

tag = sa.Table(
    "tag",
    metadata,
    _word("account", primary_key=True),
    _word("region", primary_key=True),
    _word("resource", primary_key=True),
    _word("key", primary_key=True),
    _text("value"),
    sqlite_with_rowid=False,
)

policy = sa.Table(
    "policy",
    metadata,
    sa.Column("identity_id", Big, sa.ForeignKey("identity.id"), primary_key=True, autoincrement=False),
    _word("name", primary_key=True),
    _text("document"),
    _big("created_at"),
    sqlite_with_rowid=False,
)

# Which topic hears of an identity's bounces, complaints and deliveries. No row: no topic, no headers.
identity_notification = sa.Table(
    "identity_notification",
    metadata,
    sa.Column("identity_id", Big, sa.ForeignKey("identity.id"), primary_key=True, autoincrement=False),
    _word("type", primary_key=True),
    _word("topic"),
    _flag("headers"),
    sqlite_with_rowid=False,
)

# Whether mail from one address is signed, whatever its domain does. The address need not be an identity.
signing_override = sa.Table(
    "signing_override",
    metadata,
    _word("account", primary_key=True),
    _word("region", primary_key=True),
    _word("address", primary_key=True),
    _flag("enabled"),
    sqlite_with_rowid=False,
)

configuration_set = sa.Table(
    "configuration_set",
    metadata,
    _word("account", primary_key=True),
    _word("region", primary_key=True),
    _word("name", primary_key=True),
    _big("created_at"),
    _text("options"),
)

verification_template = sa.Table(
    "verification_template",
    metadata,
    _word("account", primary_key=True),
    _word("region", primary_key=True),
    _word("name", primary_key=True),
    _text("from_address"),
    _text("subject"),
    _text("content"),
    _text("success_url"),
    _text("failure_url"),
    _big("created_at"),
    sa.Column("harmless", Octets, nullable=True),  # NULL: of before it was made when it is stored
)

# What an account has in one region beside its identities. A row comes with the first setting.
account_region = sa.Table(
    "account_region",
    metadata,
    _word("account", primary_key=True),
    _word("region", primary_key=True),
    _flag("sending_enabled"),
    sa.Column("production_access", Flag, nullable=True),  # NULL: as the account has it
    _maybe_text("details"),
    _maybe_word("review"),
    _maybe_word("review_case"),
    _maybe_big("reviewed_at"),  # when it was asked for, or decided
    sqlite_with_rowid=False,
)

identity_certificate = sa.Table(
    "identity_certificate",
    metadata,
    sa.Column("identity_id", Big, sa.ForeignKey("identity.id"), primary_key=True, autoincrement=False),
    _word("sender", primary_key=True),  # the From address, its domain in lower case
    _text("from_address"),
    _text("certificate_arn"),
    _big("created_at"),
    sqlite_with_rowid=False,
)

# When the records that no status depends on are looked at next.
advice = sa.Table(
    "advice",
    metadata,
    sa.Column("identity_id", Big, sa.ForeignKey("identity.id"), primary_key=True, autoincrement=False),
    _maybe_big("due_at"),  # NULL is never
    sa.Column("account", Word, nullable=False, server_default=""),  # the identity's
    sa.Index(None, "due_at"),
)
# Whose turn it is, as in the outbox.
sa.Index(
    "ix_advice_account_due_at", advice.c.account, advice.c.due_at, sqlite_where=advice.c.due_at.is_not(None)
)

recommendation = sa.Table(
    "recommendation",
    metadata,
    _word("account", primary_key=True),
    _word("region", primary_key=True),
    _word("name", primary_key=True),
    _word("code", primary_key=True),
    sa.Column("identity_id", Big, sa.ForeignKey("identity.id"), nullable=False),
    _word("status"),
    _big("created_at"),
    _big("updated_at"),
    sa.Index(None, "identity_id"),
    sqlite_with_rowid=False,
)

verification_link = sa.Table(
    "verification_link",
    metadata,
    sa.Column("token_hash", Octets, primary_key=True),  # SHA-256: the token itself is in the mail only
    sa.Column("identity_id", Big, sa.ForeignKey("identity.id"), nullable=False),
    _big("generation"),
    _big("created_at"),
    _big("expires_at"),
    _maybe_big("used_at"),
    _maybe_big("superseded_at"),
    _maybe_text("success_url"),  # of the template that the mail was made with; NULL: our own pages
    _maybe_text("failure_url"),
    sa.Index(None, "identity_id"),
)

mail_sent = sa.Table(
    "mail_sent",
    metadata,
    _key("id"),
    _word("mailbox"),
    _word("domain"),
    _word("account"),
    _big("at"),
    _octets("token_hash"),  # of its link: "this was not me" works on when the identity is gone
    sa.Index(None, "token_hash"),
    sa.Index(None, "mailbox", "at"),
    sa.Index(None, "domain", "at", "account"),
    sa.Index(None, "account", "at"),
    sa.Index(None, "at"),
)

mail_stop = sa.Table("mail_stop", metadata, _word("mailbox", primary_key=True), _big("at"))

# What all processes together may still spend of a rate; a process leases some of it at a time.
rate_budget = sa.Table("rate_budget", metadata, _word("key", primary_key=True), _big("parts"), _big("at"))

outbox = sa.Table(
    "outbox",
    metadata,
    _key("id"),
    _word("kind"),
    _word("subject_key"),
    _octets("payload"),  # sealed by the keyring
    _big("created_at"),
    _maybe_big("due_at"),  # NULL once delivered or given up
    _big("attempts"),
    _maybe_big("lease_until"),
    _maybe_word("lease_owner"),
    _maybe_big("delivered_at"),
    _maybe_text("last_error"),
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

# No reference to the identity: the trail of verdicts outlives it.
evidence = sa.Table(
    "evidence",
    metadata,
    _key("id"),
    _big("identity_id"),
    _word("facet"),
    _big("at"),
    _big("generation"),
    _word("asked_by"),
    _word("status_before"),
    _word("status_after"),
    _word("finding"),
    _word("digest"),  # of what must differ for a verdict to be worth another row
    _text("body"),
    sa.Index(None, "identity_id", "facet", "id"),
)

# What has changed, as it is told: in the history, in mails, to webhooks. Outlives the identity.
event = sa.Table(
    "event",
    metadata,
    _key("id"),
    _word("account"),
    _word("region"),
    _big("identity_id"),  # 0: about no identity
    _word("name"),
    _word("type"),
    _big("at"),
    _flag("demotes"),
    _text("body"),
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
    _word("id", primary_key=True),
    _word("account"),
    _word("region"),
    _text("url"),
    _text("types"),  # of event, separated by spaces; empty for all
    _text("description"),
    _flag("enabled"),
    _octets("secret"),  # sealed by the keyring
    sa.Column("previous_secret", Octets, nullable=True),  # sealed too; signs beside the other for a while
    _maybe_big("previous_until"),
    _big("created_at"),
    _big("failures"),  # in a row
    _maybe_big("failing_since"),
    _maybe_big("resume_at"),  # nothing is delivered before
    _maybe_big("disabled_at"),
    _maybe_text("disabled_because"),
    sa.Column("destination", Word, nullable=False, server_default=""),  # host and port of the URL
    _maybe_big("next_event"),  # to be read from the log; NULL: events are queued as they come
    _maybe_big("next_since"),  # events before this instant are passed over, until one was found
    _maybe_big("deleted_at"),  # gone for everybody, but for what was queued for it
    sa.Index(None, "account", "region"),
)
sa.Index("ix_webhook_deleted_at", webhook.c.deleted_at, sqlite_where=webhook.c.deleted_at.is_not(None))
sa.Index("ix_webhook_behind", webhook.c.account, webhook.c.id, sqlite_where=webhook.c.next_event.is_not(None))

# How the destinations of an account's webhooks have answered of late.
webhook_destination = sa.Table(
    "webhook_destination",
    metadata,
    _word("account", primary_key=True),
    _word("destination", primary_key=True),
    _big("failures"),  # in a row
    _maybe_big("resume_at"),  # nothing is sent there before
    _big("failed_at"),
    sa.Index(None, "failed_at"),
    sqlite_with_rowid=False,
)

# Events that have not come to the webhooks yet: one row an event, written with it, however many there are.
fanout = sa.Table(
    "fanout",
    metadata,
    _key("event_id"),
    _word("account"),
    _word("region"),
    sa.Index(None, "account", "region", "event_id"),
)

# The outbox of webhooks: one row an event and webhook, few of them at a time. What is sent is the event's.
webhook_delivery = sa.Table(
    "webhook_delivery",
    metadata,
    _key("id"),
    sa.Column("webhook_id", Word, sa.ForeignKey("webhook.id"), nullable=False),
    _big("event_id"),
    _big("identity_id"),  # of two of one identity the earlier goes first
    _big("created_at"),
    _maybe_big("due_at"),  # NULL once delivered or given up
    _big("attempts"),
    _maybe_big("lease_until"),
    _maybe_word("lease_owner"),
    _maybe_big("delivered_at"),
    _maybe_big("status"),  # of the last answer
    _maybe_text("last_error"),
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

audit = sa.Table(
    "audit",
    metadata,
    _key("id"),
    _big("at"),
    _word("account"),
    _text("principal"),
    _word("access_key"),
    _text("address"),
    _word("operation"),
    _text("resource"),
    _word("outcome"),
    _word("request_id"),
    # How many calls it stands for, and what else is to be said. Defaults are for rows of before.
    sa.Column("calls", Big, nullable=False, server_default="1"),
    sa.Column("detail", sa.Text(), nullable=False, server_default=""),
    sa.Index(None, "account", "id"),
)

# What CREATE TABLE cannot say on both databases.
STORAGE_PARAMETERS = {
    "verification": (
        "fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, "
        "autovacuum_vacuum_cost_delay = 0"
    ),
    "facet_state": "fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05",
    "key_request": "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500",
    "listed": "fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05",
    "outbox": "fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500",
    "fanout": "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500",
    "webhook_delivery": (
        "fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500"
    ),
}
