"""Domain Connect as the records call needs it: from an identity to the link of its DNS provider."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from indicia import __version__
from indicia.domain.diagnosis.recommendations import agreed
from indicia.domain.records.domain_connect import ProviderOffer
from indicia.domain.records.observation import Question, RecordType
from indicia.settings.places import public_only

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indicia.outbound.domain_connect import Providers
    from indicia.settings import Settings
    from indicia.store.identities.identities import IdentityView
    from indicia.verifier.diagnosis.asking import ZoneLook


class Connecting:
    """Finds who offers one. What it takes is imported when somebody first asks: no start waits for it.

    `playing` is whether the DNS is a playground, in which what was absent may be there a moment later.
    """

    def __init__(self, settings: Settings, *, playing: bool) -> None:
        self._settings = settings
        self._playing = playing
        self._providers: Providers | None = None

    async def __call__(self, view: IdentityView, observer: ZoneLook) -> ProviderOffer | None:
        """Return what the provider of the domain's zone offers, None where that is nothing."""
        zone = await self._zone(view, observer)
        texts = partial(self._texts, observer)
        if zone is None:
            return None
        provider = await self._those_who_provide().of(zone, texts, view.identity.account)
        return None if provider is None else ProviderOffer(provider, zone)

    async def _zone(self, view: IdentityView, observer: ZoneLook) -> str | None:
        """Return the zone that holds the domain: as the last check saw it, else as it is seen now."""
        if view.soa is not None:
            return view.soa.zone
        seen = await observer.enclosing_zone(view.identity.name)
        return next((soa.zone for soa in seen if soa is not None), None)

    def _those_who_provide(self) -> Providers:
        if self._providers is None:
            from indicia.outbound.client import OutboundClient, Patience
            from indicia.outbound.domain_connect import ABSENCE_KEPT, Providers
            from indicia.outbound.names import Names

            private = self._settings.private_addresses
            client = OutboundClient(
                Names(),
                public_only(private.networks, everything=private.allow_all),
                user_agent=f"indicia/{__version__}",
                patience=Patience(connect=2.0, whole=5.0),
            )
            self._providers = Providers(
                client,
                self._settings.service_domain,
                absence_kept=0.0 if self._playing else ABSENCE_KEPT,
            )
        return self._providers

    async def _texts(self, observer: ZoneLook, name: str) -> Sequence[str]:
        question = Question(name, RecordType.TXT)
        seen = (await observer.observe([question]))[question]
        return agreed(seen, self._settings.quorum) or ()
