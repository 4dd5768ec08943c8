"""What is forgotten, and what is not: on both databases, a few rows at a time."""

from __future__ import annotations

import asyncio
from typing import Any

import sqlalchemy as sa
from values import add

from indicia.announcements.event_recorder import EventRecorder
from indicia.app.housekeeping import tidy
from indicia.domain.events.identity_events import deleted
from indicia.domain.identities.identity import Facet, Status
from indicia.domain.rates import Allowance
from indicia.domain.time import DAY
from indicia.domain.verification.asking import AskedBy
from indicia.runtime.clock import real_now
from indicia.store.accounts import audit
from indicia.store.accounts.audit import AuditEntry
from indicia.store.engine import budgets
from indicia.store.engine.database import Database
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.queue import Lease
from indicia.store.events import fanout, webhook_deliveries, webhooks
from indicia.store.events import tables as events_tables
from indicia.store.events.tables import EVENTS_KEPT
from indicia.store.events.webhooks import Webhook
from indicia.store.identities import identities
from indicia.store.verification import evidence
from indicia.store.verification import tables as verification_tables
from indicia.store.verification.evidence import StoredVerdict
from indicia.store.verification_mail import links, mailings, outbox
from indicia.store.verification_mail import tables as verification_mail_tables
from indicia.store.verification_mail.tables import LETTERS_KEPT, MAILINGS_KEPT

NOW = real_now()


def count(database: Database, table: sa.Table) -> int:
    """How many rows a table has."""
    row = database.read(lambda s: s.one(Prepared(sa.select(sa.func.count()).select_from(table))))
    assert row is not None
    return int(row[0])


def after(database: Database, span: int, limit: int = 2, *, audit_kept: int | None = None) -> dict[str, int]:
    """Tidy up so much later; return how many rows of each went."""
    later = NOW + span
    return asyncio.run(tidy(database, later, later, audit_kept=audit_kept, limit=limit, pause=0))


def mail(database: Database, identity_id: int, token: bytes, expires_at: int) -> None:
    """Write to a mailbox, with a link."""

    def write(s: Any) -> None:
        mailings.record(s, mailbox="a@x.example", domain="x.example", account="1", at=NOW, token_hash=token)
        links.create(s, token, identity_id=identity_id, generation=1, now=NOW, expires_at=expires_at)

    database.write(write)


def test_letters_go_when_they_are_delivered_and_a_month_old(database: Database) -> None:
    """More of them than a batch has; one that waits stays for as long as it does."""
    letter = {"kind": "mail", "account": "1", "subject_key": "k", "payload": b"x"}
    for _ in range(5):
        made = database.write(lambda s: outbox.add(s, **letter, now=NOW))
        database.write(lambda s: outbox.take(s, "1", Lease("a", NOW, NOW, NOW + 9), limit=1))
        assert database.write(lambda s, made=made: outbox.done(s, made, "a", NOW))
    database.write(lambda s: outbox.add(s, **letter, now=NOW))

    assert after(database, LETTERS_KEPT - DAY)["letters"] == 0
    assert after(database, LETTERS_KEPT + DAY)["letters"] == 5
    assert count(database, verification_mail_tables.outbox) == 1


def test_links_go_with_the_mails_they_were_in(database: Database) -> None:
    """Used or not, after three months; one that still works, by a long setting, stays."""
    identity = database.write(lambda s: add(s, "a@x.example"))
    mail(database, identity.id, b"old", NOW + DAY)
    mail(database, identity.id, b"long", NOW + 200 * DAY)

    assert after(database, MAILINGS_KEPT - DAY)["mailings"] == 0
    assert after(database, MAILINGS_KEPT + DAY)["mailings"] == 2
    assert database.read(lambda s: links.find(s, b"old")) is None
    assert database.read(lambda s: links.find(s, b"long")) is not None


def hook(database: Database, account: str, region: str) -> None:
    """Store a webhook that wants everything."""
    webhook = Webhook(
        "wh_1", account, region, "https://x.example", "x.example:443", (), "", enabled=True, secret=b"sealed",
        previous_secret=None, previous_until=None, created_at=NOW,
    )  # fmt: skip
    database.write(lambda s: webhooks.create(s, webhook))


def verdict(identity_id: int) -> StoredVerdict:
    """A verdict on an identity."""
    return StoredVerdict(
        identity_id,
        Facet.DKIM,
        NOW,
        1,
        AskedBy.SCHEDULE,
        Status.PENDING,
        Status.SUCCESS,
        "OK",
        "digest",
        "{}",
    )


def test_events_go_with_their_deliveries_and_the_trails_of_the_deleted(database: Database) -> None:
    """After three months; the verdicts on an identity that is there stay, whatever their age."""
    gone = database.write(lambda s: add(s, "gone.example"))
    there = database.write(lambda s: add(s, "there.example"))
    database.write(lambda s: evidence.add(s, [verdict(gone.id), verdict(there.id)]))
    hook(database, gone.account, gone.region)

    def delete(s: Any) -> None:
        identities.delete(s, gone)
        EventRecorder().announce(s, [deleted(gone, NOW)] * 3)

    database.write(delete)
    database.write(lambda s: fanout.spread(s, gone.account, gone.region, NOW, limit=9))
    assert count(database, events_tables.webhook_delivery) == 3

    assert after(database, EVENTS_KEPT - DAY)["events"] == 0
    assert count(database, verification_tables.evidence) == 2
    found = after(database, EVENTS_KEPT + DAY)
    assert (found["deliveries"], found["events"]) == (3, 3)
    assert database.read(webhook_deliveries.waiting) == 0
    assert database.read(lambda s: evidence.history(s, gone.id, limit=9)) == []
    assert len(database.read(lambda s: evidence.history(s, there.id, limit=9))) == 1


def test_budgets_that_nobody_draws_on_go(database: Database) -> None:
    """After a day; who comes again has a full one."""
    database.write(lambda s: budgets.lease(s, "k", Allowance(1, 1000, 1), NOW, 1))

    assert after(database, 2 * DAY)["budgets"] == 1


def test_the_audit_log_is_kept_as_long_as_it_is_to_be(database: Database) -> None:
    """So long and no longer, where the setting says how long; else for as long as the data live."""
    entry = AuditEntry(NOW, "1", "root", "AKIA", "::1", "Create", "x", "done", "r")
    database.write(lambda s: audit.append_all(s, [entry] * 3))

    assert "audit" not in after(database, 4000 * DAY)
    assert after(database, 399 * DAY, audit_kept=400 * DAY)["audit"] == 0
    assert database.read(lambda s: audit.latest(s, "1", limit=9)) == [entry] * 3
    assert after(database, 401 * DAY, audit_kept=400 * DAY)["audit"] == 3
    assert database.read(lambda s: audit.latest(s, "1", limit=9)) == []
