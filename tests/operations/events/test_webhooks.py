"""Webhooks as callers have them: made, shown, changed, tried; and what is told of changes."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from desk import T0, Desk

from indicia.announcements.event_recorder import EventRecorder
from indicia.domain.events.identity_events import About, Event
from indicia.domain.events.webhooks import MOST, SECRET_PREFIX
from indicia.domain.faults import Fault, FaultKind
from indicia.domain.retry import Circuit
from indicia.domain.time import HOUR, rfc3339
from indicia.operations.events.webhooks import Redelivery, WebhookChanges
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.events import destinations, events, fanout, tables, webhook_deliveries, webhooks
from indicia.vault.purposes import webhook_secret

URL = "https://hooks.example.net/indicia"


def waiting(desk: Desk, identifier: str) -> list[str]:
    """The types of event that wait for a webhook, the oldest first, once those that came are spread."""
    spread(desk)
    last = desk.read(lambda s: webhook_deliveries.last(s, identifier, limit=99))
    return [each.event_type for each in reversed(last)]


def spread(desk: Desk) -> None:
    """Do as whoever delivers does before that: queue what came, and let who is behind read on."""
    while (place := desk.read(lambda s: fanout.next_place(s, None))) is not None:
        desk.database.write(lambda s, at=place: fanout.spread(s, *at, desk.now, limit=10))
    while found := desk.read(lambda s: fanout.readers(s, desk.now, "", 9)):
        for identifier in found:
            desk.database.write(lambda s, of=identifier: fanout.read_on(s, of, desk.now))


def told(desk: Desk, name: str) -> list[Any]:
    """The events of an identity, the oldest first."""
    identity = desk.view(name).identity
    stored = desk.read(lambda s: events.of_identity(s, identity.id, limit=99))
    return [json.loads(each.body) for each in reversed(stored)]


def test_the_secret_is_shown_once_and_sealed(desk: Desk) -> None:
    """The creation shows it, nothing that is read later does, and the store has it sealed for this one."""
    made = desk.ask("CreateWebhook", url=URL, types=["dkim.lost"])
    identifier = made.webhook.id
    shown = desk.ask("GetWebhook", id=identifier)
    stored = desk.read(lambda s: webhooks.get(s, identifier))

    assert made.secret.startswith(SECRET_PREFIX)
    assert made.secret not in repr(made)
    assert made.secret not in repr(shown) + repr(desk.ask("ListWebhooks"))
    assert len(desk.keyring.open(stored.secret, webhook_secret(identifier))) == 32
    assert shown.webhook == made.webhook


def test_events_wait_for_the_webhooks_that_want_them(desk: Desk) -> None:
    """Of its account and region only, and of the types it named; a deleted identity is told of too."""
    everything = desk.ask("CreateWebhook", url=URL).webhook.id
    deletions = desk.ask("CreateWebhook", url=URL, types=["identity.deleted"]).webhook.id
    elsewhere = desk.beside(region="us-east-1").ask("CreateWebhook", url=URL).webhook.id
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    desk.ask("DeleteEmailIdentity", EmailIdentity="example.com")

    assert waiting(desk, everything) == ["identity.created", "dkim.started", "identity.deleted"]
    assert waiting(desk, deletions) == ["identity.deleted"]
    assert waiting(desk, elsewhere) == []


def test_a_refused_call_tells_of_nothing(desk: Desk) -> None:
    """What was rolled back was not told."""
    everything = desk.ask("CreateWebhook", url=URL).webhook.id
    desk.refused("CreateEmailIdentity", EmailIdentity="example.com", ConfigurationSetName="none")

    assert waiting(desk, everything) == []


def test_what_callers_change_is_told(desk: Desk) -> None:
    """MAIL FROM set and taken back: an event each, with the deadline of the search."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    for domain in ("bounce.example.com", None):
        desk.ask("PutEmailIdentityMailFromAttributes", EmailIdentity="example.com", MailFromDomain=domain)
    found = told(desk, "example.com")

    assert [each["type"] for each in found[2:]] == ["mail_from.started", "mail_from.removed"]
    assert found[2]["data"]["next"]["status"] == "FAILED"
    history = desk.ask("GetIdentityHistory", name="example.com")
    assert [each.type for each in history.events] == [each["type"] for each in reversed(found)]


def test_an_update_changes_what_is_given(desk: Desk) -> None:
    """The rest stays; a webhook that is switched off is told of nothing."""
    identifier = desk.ask("CreateWebhook", url=URL, description="mine").webhook.id
    changed = desk.ask("UpdateWebhook", id=identifier, changes=WebhookChanges(enabled=False))
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")

    assert (changed.url, changed.description, changed.enabled) == (URL, "mine", False)
    assert waiting(desk, identifier) == []
    assert desk.refused("TestWebhook", id=identifier).kind is FaultKind.CONFLICT


def test_a_rotation_keeps_the_secret_before(desk: Desk) -> None:
    """Another secret is shown, and the one before is kept, sealed, until a day has passed."""
    made = desk.ask("CreateWebhook", url=URL)
    before = desk.read(lambda s: webhooks.get(s, made.webhook.id))
    rotated = desk.ask("RotateWebhookSecret", id=made.webhook.id)
    after = desk.read(lambda s: webhooks.get(s, made.webhook.id))

    assert rotated.secret != made.secret
    assert after.previous_secret == before.secret
    assert after.previous_until > desk.now


def test_a_test_goes_to_that_webhook_alone(desk: Desk) -> None:
    """Whatever types it wants; no other webhook hears of it."""
    tried = desk.ask("CreateWebhook", url=URL, types=["dkim.lost"]).webhook.id
    other = desk.ask("CreateWebhook", url=URL).webhook.id
    desk.ask("TestWebhook", id=tried)

    assert waiting(desk, tried) == ["webhook.test"]
    assert waiting(desk, other) == []


def test_events_are_sent_once_more(desk: Desk) -> None:
    """One by its id, or all that the webhook wants since an instant."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    first = told(desk, "example.com")[0]["data"]["event"]
    identifier = desk.ask("CreateWebhook", url=URL, types=["dkim.started"]).webhook.id
    one = desk.ask("RedeliverWebhook", id=identifier, wanted=Redelivery(event=first))
    since = desk.ask("RedeliverWebhook", id=identifier, wanted=Redelivery(since="2000-01-01T00:00:00Z"))

    assert (one.queued, one.since) == (1, None)
    assert (since.queued, since.since) == (0, "2000-01-01T00:00:00.000Z")
    assert waiting(desk, identifier) == ["identity.created", "dkim.started"]


def failing(desk: Desk, identifier: str) -> None:
    """Let the webhook and its host have failed four times in a row, until an hour from now."""

    def work(s: Session) -> None:
        webhook = webhooks.hold(s, identifier)
        assert webhook is not None
        since, until = desk.now - HOUR, desk.now + HOUR
        webhooks.update(s, replace(webhook, failures=4, failing_since=since, resume_at=until))
        destinations.put(s, webhook.account, webhook.destination, Circuit(4, until), desk.now)

    desk.database.write(work)


def answers(desk: Desk, identifier: str) -> tuple[int, Circuit]:
    """How often the webhook has failed, and how its host has answered."""
    webhook = desk.read(lambda s: webhooks.get(s, identifier))
    return webhook.failures, desk.database.write(
        lambda s: destinations.hold(s, webhook.account, webhook.destination, desk.now)
    )


AN_HOUR_ON = rfc3339(T0 + HOUR)


@pytest.mark.parametrize(
    ("changes", "failures", "paused_until"),
    [
        ({"description": "another"}, 4, AN_HOUR_ON),
        ({"types": ["dkim.lost"]}, 4, AN_HOUR_ON),
        ({"enabled": True}, 4, AN_HOUR_ON),
        ({"url": URL}, 4, AN_HOUR_ON),
        ({"url": f"{URL}/another"}, 0, AN_HOUR_ON),
        ({"url": "https://HOOKS.example.net:443/"}, 0, AN_HOUR_ON),
        ({"url": "https://elsewhere.example.net/"}, 0, None),
        ({"url": "https://hooks.example.net:8443/"}, 0, None),
    ],
)
def test_a_change_forgets_no_pause(
    desk: Desk, changes: dict[str, Any], failures: int, paused_until: str | None
) -> None:
    """What is changed beside the URL leaves it; another URL does too, where it leads to the same host."""
    identifier = desk.ask("CreateWebhook", url=URL).webhook.id
    failing(desk, identifier)
    changed = desk.ask("UpdateWebhook", id=identifier, changes=WebhookChanges(**changes))

    assert changed.paused_until == paused_until
    assert answers(desk, identifier)[0] == failures
    assert desk.ask("ListWebhooks").webhooks == [changed]


def test_off_and_on_again_is_one_attempt_and_no_pardon(desk: Desk) -> None:
    """It is tried at once, with one message: how often its host has failed is remembered."""
    identifier = desk.ask("CreateWebhook", url=URL).webhook.id
    failing(desk, identifier)
    for enabled in (False, True):
        changed = desk.ask("UpdateWebhook", id=identifier, changes=WebhookChanges(enabled=enabled))

    assert changed.paused_until is None
    assert answers(desk, identifier) == (0, Circuit(4, desk.now))


def test_a_test_is_one_attempt_and_no_pardon(desk: Desk) -> None:
    """Where webhook and host are left alone they are tried now; the next failure counts as the fifth."""
    identifier = desk.ask("CreateWebhook", url=URL).webhook.id
    failing(desk, identifier)
    desk.ask("TestWebhook", id=identifier)

    assert desk.ask("GetWebhook", id=identifier).webhook.paused_until is None
    assert answers(desk, identifier) == (4, Circuit(4, desk.now))


def rows(desk: Desk, table: Any) -> int:
    """How many rows a table has."""
    counted = Prepared(sa.select(sa.func.count()).select_from(table))
    return int(desk.read(lambda s: s.one(counted))[0])


def happen(desk: Desk, count: int) -> None:
    """Let so many events be told of, of ten identities."""
    about = [About(desk.account, desk.region, 1 + number % 10, "d") for number in range(count)]
    told = [Event("dkim.verified", desk.now, each, "c", "s", "e") for each in about]
    desk.database.write(lambda s: EventRecorder().announce(s, told))


def test_an_event_is_one_row_however_many_hear_of_it(desk: Desk) -> None:
    """What a call writes does not grow with the webhooks of its account."""
    for _ in range(MOST):
        desk.ask("CreateWebhook", url=URL)
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")

    assert (rows(desk, tables.fanout), rows(desk, tables.webhook_delivery)) == (2, 0)
    spread(desk)
    assert (rows(desk, tables.fanout), rows(desk, tables.webhook_delivery)) == (0, 2 * MOST)


def test_a_redelivery_writes_nothing_but_where_to_begin(desk: Desk) -> None:
    """Of a thousand events to be sent once more none is queued by the call, then a window of them."""
    happen(desk, 1000)
    identifier = desk.ask("CreateWebhook", url=URL).webhook.id
    asked = desk.ask("RedeliverWebhook", id=identifier, wanted=Redelivery(since=rfc3339(desk.now)))

    assert (asked.queued, asked.since) == (0, rfc3339(desk.now))
    assert rows(desk, tables.webhook_delivery) == 0
    spread(desk)
    assert rows(desk, tables.webhook_delivery) == fanout.WINDOW


def test_a_second_redelivery_waits_for_the_end_of_the_first(desk: Desk) -> None:
    """It is told where the first has come to; when that has read the whole log it may be asked for."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    identifier = desk.ask("CreateWebhook", url=URL).webhook.id
    for _ in range(2):
        desk.ask("RedeliverWebhook", id=identifier, wanted=Redelivery(since="2000-01-01T00:00:00Z"))
        fault = desk.refused("RedeliverWebhook", id=identifier, wanted=Redelivery(since=rfc3339(desk.now)))
        sentence = (
            f"The webhook {identifier} is being sent everything since 2000-01-01T00:00:00.000Z: ask again"
            " when that has come to its end, and behind_since is null."
        )
        assert (fault.kind, fault.message) == (FaultKind.CONFLICT, sentence)
        assert desk.ask("GetWebhook", id=identifier).webhook.behind_since == "2000-01-01T00:00:00.000Z"
        spread(desk)
        assert desk.ask("GetWebhook", id=identifier).webhook.behind_since is None

    assert waiting(desk, identifier) == ["identity.created", "dkim.started"] * 2


def test_a_redelivery_begins_no_later_than_now(desk: Desk) -> None:
    """An instant that is still to come is a mistake, and is said to be."""
    identifier = desk.ask("CreateWebhook", url=URL).webhook.id
    fault = desk.refused("RedeliverWebhook", id=identifier, wanted=Redelivery(since=AN_HOUR_ON))

    assert (fault.kind, fault.message) == (FaultKind.INVALID_PARAMETER, f"{AN_HOUR_ON} is still to come.")


def test_an_event_that_waits_is_not_queued_again(desk: Desk) -> None:
    """However often one asks for it."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    event = told(desk, "example.com")[0]["data"]["event"]
    identifier = desk.ask("CreateWebhook", url=URL).webhook.id
    queued = [
        desk.ask("RedeliverWebhook", id=identifier, wanted=Redelivery(event=event)).queued for _ in range(3)
    ]

    assert queued == [1, 0, 0]
    assert waiting(desk, identifier) == ["identity.created"]


def test_no_more_is_queued_than_may_wait(desk: Desk) -> None:
    """Not by events, of which the rest is read later; not by tests, and not by redeliveries."""
    identifier = desk.ask("CreateWebhook", url=URL).webhook.id
    event = desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    assert event
    first = told(desk, "example.com")[0]["data"]["event"]
    happen(desk, 600)
    spread(desk)
    delivered = sa.update(tables.webhook_delivery).where(
        tables.webhook_delivery.c.id == sa.bindparam("of_id")
    )
    oldest = desk.read(lambda s: webhook_deliveries.last(s, identifier, limit=999))[-1]
    desk.database.write(lambda s: s.run(Prepared(delivered.values(due_at=None)), of_id=oldest.id))
    desk.ask("TestWebhook", id=identifier)

    sentence = (
        f"{fanout.WINDOW} events wait for the webhook {identifier}, which is as many as there may be: ask"
        " again when some have been delivered."
    )
    for fault in (
        desk.refused("TestWebhook", id=identifier),
        desk.refused("RedeliverWebhook", id=identifier, wanted=Redelivery(event=first)),
    ):
        assert (fault.kind, fault.message) == (FaultKind.LIMIT_EXCEEDED, sentence)
    assert desk.read(webhook_deliveries.waiting) == fanout.WINDOW
    assert desk.ask("GetWebhook", id=identifier).webhook.behind_since == rfc3339(desk.now)


def test_a_webhook_that_is_switched_off_loses_its_place(desk: Desk) -> None:
    """What was queued is kept; what it had yet to read, and what happens meanwhile, is for a redelivery."""
    identifier = desk.ask("CreateWebhook", url=URL).webhook.id
    happen(desk, 600)
    spread(desk)
    off = desk.ask("UpdateWebhook", id=identifier, changes=WebhookChanges(enabled=False))
    happen(desk, 1)
    on = desk.ask("UpdateWebhook", id=identifier, changes=WebhookChanges(enabled=True))
    spread(desk)

    assert (off.behind_since, on.behind_since) == (None, None)
    assert desk.read(webhook_deliveries.waiting) == fanout.WINDOW


def test_a_deletion_removes_the_webhook_and_what_is_left_goes_later(desk: Desk) -> None:
    """It is nobody's any more at once, with nothing of its secret; of a thousand deliveries none goes yet."""
    identifier = desk.ask("CreateWebhook", url=URL).webhook.id
    happen(desk, 200)
    spread(desk)
    desk.ask("DeleteWebhook", id=identifier)

    assert desk.ask("ListWebhooks").webhooks == []
    assert desk.refused("GetWebhook", id=identifier).kind is FaultKind.NOT_FOUND
    assert rows(desk, tables.webhook_delivery) == 200
    kept = Prepared(sa.select(tables.webhook.c.secret, tables.webhook.c.url, tables.webhook.c.destination))
    assert desk.read(lambda s: s.all(kept)) == [(b"", "", "")]
    happen(desk, 1)
    assert rows(desk, tables.fanout) == 0
    for left in (120, 40, 0):
        desk.database.write(lambda s: webhooks.purge(s, identifier, 80))
        assert rows(desk, tables.webhook_delivery) == left
    assert desk.read(webhooks.buried) is None
    assert rows(desk, tables.webhook) == 0


def test_places_take_turns(desk: Desk) -> None:
    """One account's thousand events come to its webhooks a few at a time, with every other's in between."""
    other = desk.beside(account="999988887777")
    for each in (desk, other):
        each.ask("CreateWebhook", url=URL)
    happen(desk, 100)
    happen(other, 10)
    seen, place = [], None
    for _ in range(4):
        place = desk.read(lambda s, after=place: fanout.next_place(s, after))
        seen.append(place[0])
        desk.database.write(lambda s, at=place: fanout.spread(s, *at, desk.now, limit=4))

    assert seen == [desk.account, other.account, desk.account, other.account]


@pytest.mark.parametrize(
    ("url", "types"),
    [
        ("http://hooks.example.net/", []),
        ("ftp://hooks.example.net/", []),
        ("https://user@hooks.example.net/", []),
        ("https:///nowhere", []),
        ("https://hooks.example.net/ x", []),
        ("https://hooks.example.net:99999/", []),
        (URL, ["dkim.vanished"]),
    ],
)
def test_what_is_no_webhook_is_refused(desk: Desk, url: str, types: list[str]) -> None:
    """No TLS, no host, a user, an unknown type of event: nothing is stored."""
    assert desk.refused("CreateWebhook", url=url, types=types).kind is FaultKind.INVALID_PARAMETER
    assert desk.ask("ListWebhooks").webhooks == []


def test_clear_text_is_for_places_that_the_operator_allows(desk: Desk) -> None:
    """Where private places may be reached a URL may begin with http://."""
    desk.rule(may_reach_private=True)

    assert desk.ask("CreateWebhook", url="http://10.0.0.1/").webhook.enabled


def test_a_webhook_is_its_accounts_alone(desk: Desk) -> None:
    """Another account and another region find none of that id, and change nothing."""
    identifier = desk.ask("CreateWebhook", url=URL).webhook.id
    for other in (desk.beside(account="999988887777"), desk.beside(region="us-east-1")):
        for operation in ("GetWebhook", "DeleteWebhook", "RotateWebhookSecret", "TestWebhook"):
            assert other.refused(operation, id=identifier).kind is FaultKind.NOT_FOUND

    assert desk.ask("DeleteWebhook", id=identifier).id == identifier
    assert desk.refused("GetWebhook", id=identifier).kind is FaultKind.NOT_FOUND


@pytest.mark.parametrize(
    ("description", "sentence"),
    [
        ("a\0b", "A description is one line without control characters."),
        ("two\nlines", "A description is one line without control characters."),
        ("x" * 257, "A description has at most 256 characters."),
    ],
)
def test_what_is_no_description_is_refused(desk: Desk, description: str, sentence: str) -> None:
    """A text that the store or a line cannot hold is refused, when it is made and when it is changed."""
    identifier = desk.ask("CreateWebhook", url=URL, description="größer 👩\u200d💻").webhook.id

    for fault in (
        desk.refused("CreateWebhook", url=URL, description=description),
        desk.refused("UpdateWebhook", id=identifier, changes=WebhookChanges(description=description)),
    ):
        assert (fault.kind, fault.message) == (FaultKind.INVALID_PARAMETER, sentence)


@pytest.mark.parametrize("identifier", ["wh_1", "", "\0", "wh_\0", "é"])
def test_what_is_no_webhook_is_not_found(desk: Desk, identifier: str) -> None:
    """Whatever stands for its id in the path, every call says that there is none of that name."""
    for operation in ("GetWebhook", "DeleteWebhook", "RotateWebhookSecret", "TestWebhook"):
        fault = desk.refused(operation, id=identifier)
        assert (fault.kind, fault.message) == (FaultKind.NOT_FOUND, f"There is no webhook {identifier}.")


def test_there_are_at_most_twenty(desk: Desk) -> None:
    """One more is refused, also where several are made at once."""
    for _ in range(MOST - 2):
        desk.ask("CreateWebhook", url=URL)

    async def eight() -> list[Any]:
        asking = [desk.asking("CreateWebhook", url=URL) for _ in range(8)]
        return list(await asyncio.gather(*asking, return_exceptions=True))

    refused = [each for each in asyncio.run(eight()) if isinstance(each, Fault)]
    assert (len(refused), {fault.kind for fault in refused}) == (6, {FaultKind.LIMIT_EXCEEDED})
    assert desk.refused("CreateWebhook", url=URL).kind is FaultKind.LIMIT_EXCEEDED
