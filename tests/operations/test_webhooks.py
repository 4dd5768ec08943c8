"""Webhooks as callers have them: made, shown, changed, tried; and what is told of changes."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from desk import Desk

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.webhooks import MOST, SECRET_PREFIX
from indicia.operations.webhooks import Redelivery, WebhookChanges
from indicia.store import events, webhooks
from indicia.vault.purposes import webhook_secret

URL = "https://hooks.example.net/indicia"


def waiting(desk: Desk, identifier: str) -> list[str]:
    """The types of event that wait for a webhook, the oldest first."""
    return [each.event_type for each in reversed(desk.read(lambda s: webhooks.last(s, identifier, limit=99)))]


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

    assert (one.queued, since.queued) == (1, 1)
    assert waiting(desk, identifier) == ["identity.created", "dkim.started"]


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
    desk.house = replace(desk.house, may_reach_private=True)
    desk.dispatch = type(desk.dispatch)(desk.database, desk.house)

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
