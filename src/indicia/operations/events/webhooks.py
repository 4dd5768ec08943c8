"""/indicia/v1/webhooks: where the events of an account in a region are sent, and how that goes.

The secret is in two answers only: that of the creation and that of a rotation.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from msgspec import UNSET, Struct, UnsetType, field

from indicia.announcements.event_recorder import parse_public_id, public_id
from indicia.domain.events.identity_events import TYPES, WEBHOOK_TEST, About, Event
from indicia.domain.events.webhooks import (
    LONGEST_DESCRIPTION,
    MOST,
    ROTATION,
    SECRET_OCTETS,
    Target,
    parse_url,
    shown_secret,
)
from indicia.domain.faults import FaultKind, refuse
from indicia.domain.names import shown
from indicia.domain.time import SECOND, Instant, rfc3339
from indicia.store.accounts import account_regions
from indicia.store.events import destinations, events, fanout, webhook_deliveries, webhooks
from indicia.store.events.webhook_deliveries import Delivery
from indicia.store.events.webhooks import Webhook
from indicia.vault.purposes import webhook_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session

_SHOWN_DELIVERIES: Final = 20


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
    """A webhook.

    `failing_since` is that of the present run of failures, `paused_until` when something is sent again, to
    the webhook or to its host and port. `behind_since` is when the first event was that has yet to be queued:
    more waits than the queue takes, or everything since then is sent once more.
    """

    id: str
    url: str
    types: list[str]
    description: str
    enabled: bool
    created_at: str
    failing_since: str | None
    paused_until: str | None
    behind_since: str | None
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
    """How many events were queued by the call itself.

    With `since` there are none: what the webhook wants of all events from then on is queued by and by.
    """

    queued: int
    since: str | None = None


def create_webhook(
    context: OperationContext, call: Call, request: CreateWebhookRequest, s: Session
) -> WebhookSecretResponse:
    """Events of the account in the region are sent to a place, from now on.

    Raises: `Fault` INVALID_PARAMETER, LIMIT_EXCEEDED.
    """
    target = _checked(context, request.url, request.types, request.description)
    # Two at once cannot both be the last one.
    account_regions.hold(s, call.account, call.region)
    if len(webhooks.listed(s, call.account, call.region)) >= MOST:
        refuse(FaultKind.LIMIT_EXCEEDED, f"An account has at most {MOST} webhooks in a region.")
    identifier, secret = f"wh_{secrets.token_hex(12)}", context.ports.random(SECRET_OCTETS)
    webhook = Webhook(
        id=identifier,
        account=call.account,
        region=call.region,
        url=request.url,
        destination=target.destination,
        types=tuple(request.types),
        description=request.description,
        enabled=True,
        secret=context.ports.keyring.seal(secret, webhook_secret(identifier)),
        previous_secret=None,
        previous_until=None,
        created_at=call.now,
    )
    webhooks.create(s, webhook)
    return WebhookSecretResponse(webhook=_shown(call, webhook, s), secret=shown_secret(secret))


def list_webhooks(
    context: OperationContext, call: Call, request: ListWebhooksRequest, s: Session
) -> WebhookListResponse:
    """Return the webhooks of the account in the region."""
    found = webhooks.listed(s, call.account, call.region)
    paused = destinations.paused(s, call.account, call.now)
    return WebhookListResponse(webhooks=[_shown(call, webhook, s, paused) for webhook in found])


def get_webhook(
    context: OperationContext, call: Call, request: WebhookRequest, s: Session
) -> WebhookDetailResponse:
    """Return a webhook and how its last deliveries went. Raises: `Fault` NOT_FOUND."""
    webhook = _own(call, request.id, webhooks.get, s)
    deliveries = webhook_deliveries.last(s, webhook.id, limit=_SHOWN_DELIVERIES)
    return WebhookDetailResponse(
        webhook=_shown(call, webhook, s), deliveries=[_shown_delivery(each) for each in deliveries]
    )


def update_webhook(
    context: OperationContext, call: Call, request: UpdateWebhookRequest, s: Session
) -> WebhookResponse:
    """The webhook is as it is wanted.

    One that was switched on, or leads elsewhere, is tried at once; how its host has answered is remembered.
    One that is switched off hears of nothing that happens meanwhile; what was switched off by its failures
    does, once it is on again.

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
    )
    target = _checked(context, wanted.url, wanted.types, wanted.description)
    wanted = replace(wanted, destination=target.destination)
    if changes.enabled is False:
        wanted = replace(wanted, next_event=None, next_since=None)
    moved, switched_on = wanted.url != webhook.url, enabled and not webhook.enabled
    if moved or switched_on:
        wanted = replace(wanted, failures=0, failing_since=None, resume_at=None)
    webhooks.update(s, wanted)
    if switched_on:
        _try(s, wanted, call.now)
    elif moved:
        webhook_deliveries.try_now(s, webhook.id, call.now)
    context.hints.outbox()
    return _shown(call, wanted, s)


def _try(s: Session, webhook: Webhook, now: Instant) -> None:
    """Let the webhook and its host be tried at once, with one message where they have failed."""
    webhook_deliveries.try_now(s, webhook.id, now)
    destinations.try_now(s, webhook.account, webhook.destination, now)


def rotate_webhook_secret(
    context: OperationContext, call: Call, request: WebhookRequest, s: Session
) -> WebhookSecretResponse:
    """Messages are signed with a new secret, and for a day with the one before as well.

    Raises: `Fault` NOT_FOUND.
    """
    webhook = _held(call, request.id, s)
    secret, until = context.ports.random(SECRET_OCTETS), call.now + ROTATION
    rotated = replace(
        webhook,
        secret=context.ports.keyring.seal(secret, webhook_secret(webhook.id)),
        previous_secret=webhook.secret,
        previous_until=until,
    )
    webhooks.update(s, rotated)
    return WebhookSecretResponse(
        webhook=_shown(call, rotated, s), secret=shown_secret(secret), previous_until=rfc3339(until)
    )


def delete_webhook(
    context: OperationContext, call: Call, request: WebhookRequest, s: Session
) -> DeletedResponse:
    """The webhook is gone, and what waited for it. Raises: `Fault` NOT_FOUND."""
    webhook = _held(call, request.id, s)
    webhooks.delete(s, webhook.id, call.now)
    context.hints.outbox()
    return DeletedResponse(id=webhook.id)


def check_webhook(
    context: OperationContext, call: Call, request: WebhookRequest, s: Session
) -> QueuedResponse:
    """An event that tells of nothing is on its way to the webhook, as every other would be.

    Where the webhook or its host is left alone for a while they are tried at once, with one message.

    Raises: `Fault` NOT_FOUND; CONFLICT where the webhook is disabled; LIMIT_EXCEEDED where too much waits.
    """
    webhook = _enabled(call, request.id, s)
    _require_room(webhook, s)
    event = Event(
        type=WEBHOOK_TEST,
        at=call.now,
        about=About(webhook.account, webhook.region),
        cause="asked",
        seen="A caller asked for a test.",
        effect="None.",
    )
    context.tell(s, [event], only=webhook.id)
    if webhook.resume_at is not None:
        webhooks.update(s, replace(webhook, resume_at=call.now))
    _try(s, webhook, call.now)
    return QueuedResponse(queued=1)


def redeliver(context: OperationContext, call: Call, request: RedeliverRequest, s: Session) -> QueuedResponse:
    """Events are sent once more, behind what waits. Of those since an instant only what the webhook wants.

    Those are read from the log by whoever delivers, as the queue empties; what happens meanwhile comes behind
    them. One is queued by this call.

    Raises: `Fault` NOT_FOUND, INVALID_PARAMETER; CONFLICT where the webhook is disabled or reads the log
    already; LIMIT_EXCEEDED where too much waits for it.
    """
    webhook, wanted = _enabled(call, request.id, s), request.wanted
    if (wanted.event is None) is (wanted.since is None):
        refuse(FaultKind.INVALID_PARAMETER, "Name either an event or an instant since which.")
    if wanted.event is not None:
        return _redeliver_one(context, call, webhook, wanted.event, s)
    since = _instant(wanted.since or "")
    if since > call.now:
        refuse(FaultKind.INVALID_PARAMETER, f"{rfc3339(since)} is still to come.")
    if webhook.next_event is not None:
        begun = _at(fanout.behind_since(s, webhook))
        refuse(
            FaultKind.CONFLICT,
            f"The webhook {webhook.id} is being sent everything since {begun or 'it was switched off'}: ask"
            " again when that has come to its end, and behind_since is null.",
        )
    webhooks.move_on(s, webhook.id, 0, since)
    context.hints.outbox()
    return QueuedResponse(queued=0, since=rfc3339(since))


def _redeliver_one(
    context: OperationContext, call: Call, webhook: Webhook, public: str, s: Session
) -> QueuedResponse:
    number = parse_public_id(public)
    found = None if number is None else events.get(s, number, call.account, call.region)
    if found is None:
        refuse(FaultKind.NOT_FOUND, f"There is no event {shown(public)}.")
    if webhook_deliveries.waits(s, webhook.id, found.id, found.identity_id):
        return QueuedResponse(queued=0)  # it is on its way
    _require_room(webhook, s)
    webhook_deliveries.enqueue(s, [(webhook.id, found.id, found.identity_id)], call.now)
    context.hints.outbox()
    return QueuedResponse(queued=1)


def _require_room(webhook: Webhook, s: Session) -> None:
    """Raises: `Fault` LIMIT_EXCEEDED where as many deliveries wait for the webhook as there may be."""
    if webhook_deliveries.queued(s, webhook.id, fanout.WINDOW) >= fanout.WINDOW:
        refuse(
            FaultKind.LIMIT_EXCEEDED,
            f"{fanout.WINDOW} events wait for the webhook {webhook.id}, which is as many as there may be: ask"
            " again when some have been delivered.",
        )


def _checked(
    context: OperationContext, url: str, types: list[str] | tuple[str, ...], description: str
) -> Target:
    """Return where the webhook leads. Raises: `Fault` INVALID_PARAMETER."""
    target = parse_url(url)
    if not target.secure and not context.rules.may_reach_private:
        refuse(FaultKind.INVALID_PARAMETER, "The URL of a webhook begins with https://.")
    unknown = next((each for each in types if each not in TYPES), None)
    if unknown is not None:
        refuse(FaultKind.INVALID_PARAMETER, f"There is no type of event {shown(unknown)}.")
    if len(description) > LONGEST_DESCRIPTION:
        refuse(FaultKind.INVALID_PARAMETER, f"A description has at most {LONGEST_DESCRIPTION} characters.")
    if any(character < " " or character == "\x7f" for character in description):
        refuse(FaultKind.INVALID_PARAMETER, "A description is one line without control characters.")
    return target


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


def _shown(
    call: Call, webhook: Webhook, s: Session, paused: Mapping[str, Instant] | None = None
) -> WebhookResponse:
    """Return the webhook as callers see it; `paused` are the destinations that the account leaves alone."""
    if paused is None:
        paused = destinations.paused(s, call.account, call.now)
    until = max(webhook.resume_at or 0, paused.get(webhook.destination, 0))
    return WebhookResponse(
        id=webhook.id,
        url=webhook.url,
        types=list(webhook.types),
        description=webhook.description,
        enabled=webhook.enabled,
        created_at=rfc3339(webhook.created_at),
        failing_since=_at(webhook.failing_since),
        paused_until=rfc3339(until) if until > call.now else None,
        behind_since=_at(fanout.behind_since(s, webhook)),
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
