"""A database of before, with what waits in it: each letter, webhook and look is there, and goes out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from schemas import connect, dialect
from values import ACCOUNT, REGION, identity

from indicia.store.accounts import audit
from indicia.store.diagnosis import recommendations
from indicia.store.engine import rows, schema
from indicia.store.engine.database import Database
from indicia.store.engine.ids import new_id
from indicia.store.engine.opening import open_database
from indicia.store.engine.queue import Lease
from indicia.store.events import fanout, webhook_deliveries, webhooks
from indicia.store.verification_mail import outbox

NOW = 1_000_000
OTHER = "444455556666"
Rows = list[tuple[str, dict[str, Any]]]


def migrated(url: str, before: str, given: Rows) -> Database:
    """The database with these rows, written at the revision and brought up to date since."""
    connection = connect(url)
    schema.upgrade(dialect(url), connection, before)
    mark = "?" if dialect(url) == "sqlite" else "%s"
    cursor = connection.cursor()
    for table, row in given:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join([mark] * len(row))})",  # noqa: S608 - names of ours
            tuple(row.values()),
        )
    connection.commit()
    connection.close()
    assert schema.migrate(url).before == before
    return open_database(url)


def lease(now: int = NOW) -> Lease:
    """In whose name something is taken here."""
    return Lease("test", now, now, now + 1_000)


def parcel(number: int, **changes: Any) -> tuple[str, dict[str, Any]]:
    """A letter in the outbox, as the first versions had it."""
    row = {
        "id": number, "kind": "mail", "subject_key": "identity/1", "payload": f"sealed {number}".encode(),
        "created_at": 1, "due_at": NOW - number, "attempts": 2, "lease_until": None, "lease_owner": None,
        "delivered_at": None, "last_error": "451 later",
    }  # fmt: skip
    return "outbox", row | changes


def test_letters_of_before_go_out(empty: str) -> None:
    """They are nobody's, and due as they were, with their attempts, beside those that have an account."""
    done = {"payload": b"", "due_at": None, "delivered_at": 5, "last_error": None}
    database = migrated(empty, "0004", [parcel(1), parcel(2), parcel(3, **done)])
    try:
        database.write(
            lambda s: outbox.add(s, kind="mail", account=ACCOUNT, subject_key="x", payload=b"new", now=NOW)
        )
        assert database.read(lambda s: outbox.accounts_due(s, lease(), 9)) == ["", ACCOUNT]
        taken = database.write(lambda s: outbox.take(s, "", lease(), limit=9))
        assert [(each.id, each.payload, each.attempts) for each in taken] == [
            (2, b"sealed 2", 2),
            (1, b"sealed 1", 2),
        ]
    finally:
        database.close()


def webhook(identifier: str, url: str, **changes: Any) -> tuple[str, dict[str, Any]]:
    """A webhook as it was before destinations were known."""
    row = {
        "id": identifier, "account": ACCOUNT, "region": REGION, "url": url, "types": "", "description": "",
        "enabled": 1, "secret": b"sealed", "previous_secret": None, "previous_until": None, "created_at": 1,
        "failures": 0, "failing_since": None, "resume_at": None, "disabled_at": None,
        "disabled_because": None,
    }  # fmt: skip
    return "webhook", row | changes


def delivery(number: int, webhook_id: str, event: int, **changes: Any) -> tuple[str, dict[str, Any]]:
    """What waits for a webhook."""
    row = {
        "id": number, "webhook_id": webhook_id, "event_id": event, "identity_id": 7, "created_at": 1,
        "due_at": NOW - 1, "attempts": 1, "lease_until": None, "lease_owner": None, "delivered_at": None,
        "status": 503, "last_error": "answered 503",
    }  # fmt: skip
    return "webhook_delivery", row | changes


def event(number: int) -> tuple[str, dict[str, Any]]:
    """Something that is told."""
    row = {
        "id": number, "account": ACCOUNT, "region": REGION, "identity_id": 7, "name": "example.com",
        "type": "dkim.verified", "at": 1, "demotes": 0, "body": f'{{"number": {number}}}',
    }  # fmt: skip
    return "event", row


def test_webhooks_of_before_are_sent_what_waits(empty: str) -> None:
    """Each has the destination of its URL; what waited is taken in order, and none is behind in the log."""
    failing = {"failures": 3, "failing_since": 2, "resume_at": NOW + 9}
    disabled = {"enabled": 0, "disabled_at": 4, "disabled_because": "answered 410"}
    database = migrated(
        empty,
        "0008",
        [
            webhook("wh_a", "https://hooks.example.com/a?b=1"),
            webhook("wh_b", "http://127.0.0.1:8080/", **failing),
            webhook("wh_c", "https://[2001:db8::1]/x", **disabled),
            *(event(number) for number in (11, 12)),
            delivery(21, "wh_a", 11),
            delivery(22, "wh_a", 12),
            delivery(23, "wh_b", 11, due_at=None, delivered_at=3, status=200, last_error=None),
        ],
    )
    try:
        found = {
            each: database.write(lambda s, each=each: webhooks.hold(s, each))
            for each in ("wh_a", "wh_b", "wh_c")
        }
        kept = {name: each for name, each in found.items() if each is not None}
        assert {name: each.destination for name, each in kept.items()} == {
            "wh_a": "hooks.example.com:443",
            "wh_b": "127.0.0.1:8080",
            "wh_c": "2001:db8::1:443",
        }
        assert (kept["wh_b"].failures, kept["wh_b"].resume_at) == (3, NOW + 9)
        assert (kept["wh_c"].enabled, kept["wh_c"].disabled_because) == (False, "answered 410")
        assert {each.next_event for each in kept.values()} == {None}
        assert database.read(fanout.behind) == 0

        ready = database.read(lambda s: webhook_deliveries.ready(s, lease(), 9))
        assert [each.webhook_id for each in ready] == ["wh_a"]
        (taken,) = database.write(lambda s: webhook_deliveries.take(s, "wh_a", lease(), limit=9))
        assert (taken.event_id, taken.attempts, taken.body) == (11, 1, '{"number": 11}')
        assert database.write(lambda s: webhook_deliveries.delivered(s, taken.id, "test", at=NOW, status=200))
        (following,) = database.write(lambda s: webhook_deliveries.take(s, "wh_a", lease(), limit=9))
        assert following.event_id == 12
    finally:
        database.close()


def test_a_webhook_of_before_hears_of_what_is_told_later(empty: str) -> None:
    """What is told after the step comes to a webhook of before it by way of the row beside the event."""
    database = migrated(empty, "0008", [webhook("wh_a", "https://hooks.example.com/"), event(11), event(12)])
    try:
        database.write(lambda s: fanout.add(s, 12, ACCOUNT, REGION))
        database.write(lambda s: fanout.spread(s, ACCOUNT, REGION, NOW, limit=9))
        (taken,) = database.write(lambda s: webhook_deliveries.take(s, "wh_a", lease(), limit=9))
        assert taken.event_id == 12
    finally:
        database.close()


def test_entries_of_before_stand_for_one_call(empty: str) -> None:
    """An entry of the audit log that was written before calls were summed up is one call."""
    row = {
        "id": new_id(), "at": 5, "account": ACCOUNT, "principal": "root", "access_key": "AKIA",
        "address": "::1", "operation": "CreateEmailIdentity", "resource": "*", "outcome": "success",
        "request_id": "1",
    }  # fmt: skip
    database = migrated(empty, "0010", [("audit", row)])
    try:
        (entry,) = database.read(lambda s: audit.latest(s, ACCOUNT, limit=9))
        assert (entry.operation, entry.calls, entry.detail) == ("CreateEmailIdentity", 1, "")
    finally:
        database.close()


def test_looks_of_before_are_made_by_turns(empty: str) -> None:
    """Each has the account of its identity: the one with one look has its turn behind one of the other."""
    many = [identity(f"d{number}.example") for number in range(5)]
    other = replace(identity("other.example"), account=OTHER)
    given: Rows = []
    for at, each in enumerate((*many, other)):
        given.append(("identity", dict(rows.identity_columns(each))))
        given.append(("advice", {"identity_id": each.id, "due_at": at}))
    never = identity("never.example")
    given.append(("identity", dict(rows.identity_columns(never))))
    given.append(("advice", {"identity_id": never.id, "due_at": None}))
    database = migrated(empty, "0011", given)
    try:
        assert database.read(lambda s: recommendations.accounts_due(s, NOW, 9)) == [ACCOUNT, OTHER]
        assert database.read(lambda s: recommendations.accounts_due(s, 4, 9)) == [ACCOUNT]
        (turn,) = database.write(lambda s: recommendations.take(s, OTHER, NOW, NOW + 9, 9))
        assert turn.identity_id == other.id
        taken = database.write(lambda s: recommendations.take(s, ACCOUNT, NOW, NOW + 9, 9))
        assert [each.identity_id for each in taken] == [each.id for each in many]
    finally:
        database.close()
