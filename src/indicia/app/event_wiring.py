"""Telling what changed, put together: who writes events down, and who delivers them."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from indicia import __version__
from indicia.announcements.event_recorder import EventRecorder, NoticeMails
from indicia.domain.delivery import AttemptOutcome
from indicia.domain.events.identity_events import About
from indicia.installation import ROOT_ACCOUNT, Installation
from indicia.outbound.client import OutboundClient
from indicia.outbound.names import Names
from indicia.runtime.clock import Clock
from indicia.settings import Settings
from indicia.settings.places import public_only
from indicia.store.engine import meta
from indicia.webhooks.deliverer import WebhookDeliverer


def announcer(installation: Installation) -> EventRecorder:
    """Return what writes events down, with mails to the contacts of accounts."""
    settings = installation.settings
    return EventRecorder(
        NoticeMails(
            sender=settings.mail_sender,
            service=settings.service_domain,
            keyring=installation.keyring,
            random=secrets.token_bytes,
        )
    )


def operator(installation: Installation) -> About:
    """Return whom events about the installation itself concern: the operator's own account."""
    account = installation.database.read(lambda s: meta.get(s, ROOT_ACCOUNT))
    return About(account or "", installation.settings.default_region)


def may_reach_private(settings: Settings) -> bool:
    """Say whether webhooks may lead to private places, or to some of them."""
    return settings.private_addresses.allow_all or bool(settings.private_addresses.networks)


def webhook_deliverer(
    installation: Installation,
    clock: Clock,
    *,
    observe: Callable[[AttemptOutcome], None],
    news: Callable[[], None],
) -> WebhookDeliverer:
    """Return what delivers to webhooks. `observe` hears how each attempt went, `news` of mails that wait."""
    private = installation.settings.private_addresses
    client = OutboundClient(
        Names(),
        public_only(private.networks, everything=private.allow_all),
        user_agent=f"indicia/{__version__}",
    )
    return WebhookDeliverer(
        installation.database,
        installation.keyring,
        client,
        clock,
        announcer=announcer(installation),
        observe=observe,
        news=news,
    )
