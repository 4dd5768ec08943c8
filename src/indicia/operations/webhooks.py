"""/indicia/v1/webhooks: where the events of an account in a region are sent, and how that goes.

The secret is in two answers only: that of the creation and that of a rotation.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from msgspec import UNSET, Struct, UnsetType, field

from indicia.announcements.announcer import parse_public_id, public_id
from indicia.domain.events import TYPES, WEBHOOK_TEST, About, Event
from indicia.domain.faults import FaultKind, refuse
from indicia.domain.names import shown
from indicia.domain.time import SECOND, Instant, rfc3339
from indicia.domain.webhooks import (
    LONGEST_DESCRIPTION,
    MOST,
    ROTATION,
    SECRET_OCTETS,
    parse_url,
    shown_secret,
)
from indicia.store import account_regions, events, webhooks
from indicia.store.webhooks import Delivery, Webhook
from indicia.vault.purposes import webhook_secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from indicia.operations.call import Call
    from indicia.operations.house import House
    from indicia.store.session import Session

_SHOWN_DELIVERIES: Final = 20
_REDELIVERED_AT_ONCE: Final = 1000


class CreateWebhookRequest(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Where to send events, and which: `types` none for all of them."""

    url: str
    types: list[str] = field(default_factory=list)
    description: str = ""


class ListWebhooksRequest(Struct, kw_only=True, frozen=True):
    """All of them."""


class WebhookRequest(Struct, kw_only=True, frozen=True):
    """Which webhook is meant."""

    id: str


class WebhookChanges(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What is to be otherwise; what is not given stays."""

    url: str | UnsetType = UNSET
    types: list[str] | UnsetType = UNSET
    description: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class UpdateWebhookRequest(Struct, kw_only=True, frozen=True):
    """Which webhook, and what is to be otherwise."""

    id: str
    changes: WebhookChanges


class Redelivery(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One event by its id, or every event since an instant (RFC 3339). Not both."""

    event: str | None = None
    since: str | None = None


class RedeliverRequest(Struct, kw_only=True, frozen=True):
    """Which webhook, and what is to be sent to it once more."""

    id: str
    wanted: Redelivery


class WebhookDelivery(Struct, kw_only=True, frozen=True):
    """One event on its way. `state` is waiting, delivered or given_up; `status` that of the last answer."""

    event: str
    type: str
    state: str
    attempts: int
    created_at: str
    next_attempt_at: str | None
    delivered_at: str | None
    status: int | None
    error: str | None


class WebhookResponse(Struct, kw_only=True, frozen=True):
    """A webhook. `failing_since` is that of the present run of failures."""

    id: str
    url: str
    types: list[str]
    description: str
    enabled: bool
    created_at: str
    failing_since: str | None
    disabled_because: str | None


class WebhookSecretResponse(Struct, kw_only=True, frozen=True):
    """A webhook with its secret, shown here and never again.

    `previous_until` is until when messages are signed with the secret before as well.
    """

    webhook: WebhookResponse
    secret: str
    previous_until: str | None = None

    def __repr__(self) -> str:
        """Show everything but the secret."""
        return f"WebhookSecretResponse(webhook={self.webhook!r})"


class WebhookDetailResponse(Struct, kw_only=True, frozen=True):
    """A webhook and its last deliveries, newest first."""

    webhook: WebhookResponse
    deliveries: list[WebhookDelivery]


class WebhookListResponse(Struct, kw_only=True, frozen=True):
    """The webhooks of the account in the region, the oldest first."""

    webhooks: list[WebhookResponse]


class DeletedResponse(Struct, kw_only=True, frozen=True):
    """What was deleted."""

    id: str


class QueuedResponse(Struct, kw_only=True, frozen=True):
    """How many events were queued. `more_since` is where to go on when there are more than one call takes."""

    queued: int
    more_since: str | None = None


def create_webhook(
    house: House, call: Call, request: CreateWebhookRequest, s: Session
) -> WebhookSecretResponse:
    """Events of the account in the region are sent to a place, from now on.

    Raises: `Fault` INVALID_PARAMETER, LIMIT_EXCEEDED.
    """
    _check(house, request.url, request.types, request.description)
    # Two at once cannot both be the last one.
    account_regions.hold(s, call.account, call.region)
    if len(webhooks.listed(s, call.account, call.region)) >= MOST:
        refuse(FaultKind.LIMIT_EXCEEDED, f"An account has at most {MOST} webhooks in a region.")
    identifier, secret = f"wh_{secrets.token_hex(12)}", house.random(SECRET_OCTETS)
    webhook = Webhook(
        id=identifier,
        account=call.account,
        region=call.region,
        url=request.url,
        types=tuple(request.types),
        description=request.description,
        enabled=True,
        secret=house.keyring.seal(secret, webhook_secret(identifier)),
        previous_secret=None,
        previous_until=None,
        created_at=call.now,
    )
    webhooks.create(s, webhook)
    return WebhookSecretResponse(webhook=_shown(webhook), secret=shown_secret(secret))


def list_webhooks(house: House, call: Call, request: ListWebhooksRequest, s: Session) -> WebhookListResponse:
    """Return the webhooks of the account in the region."""
    return WebhookListResponse(webhooks=list(map(_shown, webhooks.listed(s, call.account, call.region))))


def get_webhook(house: House, call: Call, request: WebhookRequest, s: Session) -> WebhookDetailResponse:
    """Return a webhook and how its last deliveries went. Raises: `Fault` NOT_FOUND."""
    webhook = _own(call, request.id, webhooks.get, s)
    deliveries = webhooks.last(s, webhook.id, limit=_SHOWN_DELIVERIES)
    return WebhookDetailResponse(
        webhook=_shown(webhook), deliveries=[_shown_delivery(each) for each in deliveries]
    )


def update_webhook(house: House, call: Call, request: UpdateWebhookRequest, s: Session) -> WebhookResponse:
    """The webhook is as it is wanted; what waits for it is tried at once.

    Raises: `Fault` NOT_FOUND, INVALID_PARAMETER.
    """
    webhook, changes = _held(call, request.id, s), request.changes
    enabled = webhook.enabled if changes.enabled is UNSET else changes.enabled
    wanted = replace(
        webhook,
        url=webhook.url if changes.url is UNSET else changes.url,
        types=webhook.types if changes.types is UNSET else tuple(changes.types),
        description=webhook.description if changes.description is UNSET else changes.description,
        enabled=enabled,
        disabled_at=None if enabled else webhook.disabled_at,
        disabled_because=None if enabled else webhook.disabled_because,
        failures=0,
        failing_since=None,
        resume_at=None,
    )
    _check(house, wanted.url, wanted.types, wanted.description)
    webhooks.update(s, wanted, call.now)
    house.wakes.outbox()
    return _shown(wanted)


def rotate_webhook_secret(
    house: House, call: Call, request: WebhookRequest, s: Session
) -> WebhookSecretResponse:
    """Messages are signed with a new secret, and for a day with the one before as well.

    Raises: `Fault` NOT_FOUND.
    """
    webhook = _held(call, request.id, s)
    secret, until = house.random(SECRET_OCTETS), call.now + ROTATION
    rotated = replace(
        webhook,
        secret=house.keyring.seal(secret, webhook_secret(webhook.id)),
        previous_secret=webhook.secret,
        previous_until=until,
    )
    webhooks.update(s, rotated, call.now)
    return WebhookSecretResponse(
        webhook=_shown(rotated), secret=shown_secret(secret), previous_until=rfc3339(until)
    )


def delete_webhook(house: House, call: Call, request: WebhookRequest, s: Session) -> DeletedResponse:
    """The webhook is gone, and what waited for it. Raises: `Fault` NOT_FOUND."""
    webhook = _held(call, request.id, s)
    webhooks.delete(s, webhook.id)
    return DeletedResponse(id=webhook.id)


def check_webhook(house: House, call: Call, request: WebhookRequest, s: Session) -> QueuedResponse:
    """An event that tells of nothing is on its way to the webhook, as every other would be.

    Raises: `Fault` NOT_FOUND; CONFLICT where the webhook is disabled.
    """
    webhook = _enabled(call, request.id, s)
    event = Event(
        type=WEBHOOK_TEST,
        at=call.now,
        about=About(webhook.account, webhook.region),
        cause="asked",
        seen="A caller asked for a test.",
        effect="None.",
    )
    house.tell(s, [event], only=webhook.id)
    return QueuedResponse(queued=1)


def redeliver(house: House, call: Call, request: RedeliverRequest, s: Session) -> QueuedResponse:
    """Events are sent once more, behind what waits. Of those since an instant only what the webhook wants.

    Raises: `Fault` NOT_FOUND, INVALID_PARAMETER; CONFLICT where the webhook is disabled.
    """
    webhook, wanted = _enabled(call, request.id, s), request.wanted
    if (wanted.event is None) is (wanted.since is None):
        refuse(FaultKind.INVALID_PARAMETER, "Name either an event or an instant since which.")
    if wanted.event is not None:
        number = parse_public_id(wanted.event)
        found = None if number is None else events.get(s, number, call.account, call.region)
        if found is None:
            refuse(FaultKind.NOT_FOUND, f"There is no event {shown(wanted.event)}.")
        chosen, more = [found], None
    else:
        since = _instant(wanted.since or "")
        some = events.since(s, call.account, call.region, since, limit=_REDELIVERED_AT_ONCE + 1)
        more = rfc3339(some.pop().at) if len(some) > _REDELIVERED_AT_ONCE else None
        chosen = [event for event in some if webhook.wants(event.type)]
    webhooks.enqueue(s, [(webhook.id, event.id, event.identity_id) for event in chosen], call.now)
    house.wakes.outbox()
    return QueuedResponse(queued=len(chosen), more_since=more)


def _check(house: House, url: str, types: list[str] | tuple[str, ...], description: str) -> None:
    target = parse_url(url)
    if not target.secure and not house.may_reach_private:
        refuse(FaultKind.INVALID_PARAMETER, "The URL of a webhook begins with https://.")
    unknown = next((each for each in types if each not in TYPES), None)
    if unknown is not None:
        refuse(FaultKind.INVALID_PARAMETER, f"There is no type of event {shown(unknown)}.")
    if len(description) > LONGEST_DESCRIPTION:
        refuse(FaultKind.INVALID_PARAMETER, f"A description has at most {LONGEST_DESCRIPTION} characters.")
    if any(character < " " or character == "\x7f" for character in description):
        refuse(FaultKind.INVALID_PARAMETER, "A description is one line without control characters.")


def _own(call: Call, identifier: str, fetch: Callable[[Session, str], Webhook | None], s: Session) -> Webhook:
    """Return the webhook if it is the caller's. Raises: `Fault` NOT_FOUND."""
    # What cannot be an id is not looked for: the store takes no NUL.
    webhook = fetch(s, identifier) if identifier.isprintable() else None
    if webhook is None or (webhook.account, webhook.region) != (call.account, call.region):
        refuse(FaultKind.NOT_FOUND, f"There is no webhook {shown(identifier)}.")
    return webhook


def _held(call: Call, identifier: str, s: Session) -> Webhook:
    return _own(call, identifier, webhooks.hold, s)


def _enabled(call: Call, identifier: str, s: Session) -> Webhook:
    webhook = _held(call, identifier, s)
    if not webhook.enabled:
        refuse(FaultKind.CONFLICT, f"The webhook {webhook.id} is disabled: enable it first.")
    return webhook


def _instant(text: str) -> Instant:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        refuse(FaultKind.INVALID_PARAMETER, f"{shown(text)} is not an instant such as 2026-11-22T05:06:00Z.")
    return int(moment.timestamp() * SECOND)


def _at(instant: Instant | None) -> str | None:
    return None if instant is None else rfc3339(instant)


def _shown(webhook: Webhook) -> WebhookResponse:
    return WebhookResponse(
        id=webhook.id,
        url=webhook.url,
        types=list(webhook.types),
        description=webhook.description,
        enabled=webhook.enabled,
        created_at=rfc3339(webhook.created_at),
        failing_since=_at(webhook.failing_since),
        disabled_because=webhook.disabled_because,
    )


def _shown_delivery(delivery: Delivery) -> WebhookDelivery:
    if delivery.delivered_at is not None:
        state = "delivered"
    else:
        state = "given_up" if delivery.due_at is None else "waiting"
    return WebhookDelivery(
        event=public_id(delivery.event_id),
        type=delivery.event_type,
        state=state,
        attempts=delivery.attempts,
        created_at=rfc3339(delivery.created_at),
        next_attempt_at=_at(delivery.due_at),
        delivered_at=_at(delivery.delivered_at),
        status=delivery.status,
        error=delivery.last_error,
    )
