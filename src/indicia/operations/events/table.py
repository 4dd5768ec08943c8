"""The operations of events: the webhooks that hear of them."""

from __future__ import annotations

from typing import Final

from indicia.operations.events import webhooks
from indicia.operations.own.declaration import own
from indicia.operations.own.route import WHOLE, OwnRoute

_WEBHOOKS: Final = "/indicia/v1/webhooks"
_WEBHOOK: Final = f"{_WEBHOOKS}/{{id}}"

ENTRIES: Final = (
    own(
        OwnRoute(
            "POST",
            _WEBHOOKS,
            "CreateWebhook",
            webhooks.CreateWebhookRequest,
            webhooks.WebhookSecretResponse,
            "Sends the events of the account in the region to a URL. Shows the secret, once.",
            status=201,
            body=WHOLE,
        ),
        webhooks.create_webhook,
        writes=True,
        subject="",
    ),
    own(
        OwnRoute(
            "GET",
            _WEBHOOKS,
            "ListWebhooks",
            webhooks.ListWebhooksRequest,
            webhooks.WebhookListResponse,
            "The webhooks of the account in the region.",
        ),
        webhooks.list_webhooks,
        writes=False,
        subject="",
    ),
    own(
        OwnRoute(
            "GET",
            _WEBHOOK,
            "GetWebhook",
            webhooks.WebhookRequest,
            webhooks.WebhookDetailResponse,
            "A webhook, and how its last deliveries went.",
        ),
        webhooks.get_webhook,
        writes=False,
        subject="",
    ),
    own(
        OwnRoute(
            "PATCH",
            _WEBHOOK,
            "UpdateWebhook",
            webhooks.UpdateWebhookRequest,
            webhooks.WebhookResponse,
            "Changes what is given; what waits is tried at once.",
            body="changes",
        ),
        webhooks.update_webhook,
        writes=True,
        subject="",
    ),
    own(
        OwnRoute(
            "DELETE",
            _WEBHOOK,
            "DeleteWebhook",
            webhooks.WebhookRequest,
            webhooks.DeletedResponse,
            "Removes a webhook, and what waits for it.",
        ),
        webhooks.delete_webhook,
        writes=True,
        subject="",
    ),
    own(
        OwnRoute(
            "POST",
            f"{_WEBHOOK}/secret",
            "RotateWebhookSecret",
            webhooks.WebhookRequest,
            webhooks.WebhookSecretResponse,
            "Makes a new secret, shown once. The one before signs as well for a day.",
        ),
        webhooks.rotate_webhook_secret,
        writes=True,
        subject="",
    ),
    own(
        OwnRoute(
            "POST",
            f"{_WEBHOOK}/test",
            "TestWebhook",
            webhooks.WebhookRequest,
            webhooks.QueuedResponse,
            "Sends an event that tells of nothing.",
            status=202,
        ),
        webhooks.check_webhook,
        writes=True,
        subject="",
    ),
    own(
        OwnRoute(
            "POST",
            f"{_WEBHOOK}/redeliver",
            "RedeliverWebhook",
            webhooks.RedeliverRequest,
            webhooks.QueuedResponse,
            "Sends an event, or all since an instant, once more.",
            status=202,
            body="wanted",
        ),
        webhooks.redeliver,
        writes=True,
        subject="",
    ),
)
