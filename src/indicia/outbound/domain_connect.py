"""Asks who runs the DNS of a zone whether they would publish our records (Domain Connect, discovery).

The zone's owner names the place, so it is reached as places of tenants are: resolved once, judged, connected
to as resolved, without redirects, over TLS. What was learnt serves for a while, also that there is nothing.
So many are asked at once, of which no account and no host has more than its share; for whom there is none now
there is no provider now, and who asks again may find it.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from indicia.domain.events.webhooks import parse_url
from indicia.domain.fairness import Shares
from indicia.domain.faults import Fault
from indicia.domain.records.domain_connect import (
    LABEL,
    Provider,
    locator,
    read_settings,
    settings_path,
    template_path,
)
from indicia.outbound.client import OutboundClient, PostError

log = structlog.get_logger(__name__)

_KEPT: Final = 3600.0  # seconds: providers change seldom
ABSENCE_KEPT: Final = 600.0
_MOST_KEPT: Final = 10_000
_AT_ONCE: Final = 16
_PARTS: Final = (4,)  # of these, one part in so many is the most of one account
_PARTS_OF_HOSTS: Final = (2,)  # and of one host, of the requests that are under way
_FOUND: Final = 200

# Returns the texts at a name that a quorum sees, none where it sees none or cannot say.
Texts = Callable[[str], Awaitable[Sequence[str]]]


class _BusyError(Exception):
    """As much is asked of a host as may be at once."""


class Providers:
    """Finds the provider of a zone's DNS, where it has our template.

    `absence_kept` is for how many seconds it is believed that there is none.
    """

    def __init__(
        self, client: OutboundClient, service_domain: str, *, absence_kept: float = ABSENCE_KEPT
    ) -> None:
        self._client = client
        self._service_domain = service_domain
        self._absence_kept = absence_kept
        self._kept: OrderedDict[str, tuple[float, Provider | None]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[Provider | None]] = {}
        self._shares = Shares(_AT_ONCE, _PARTS)
        self._of_hosts = Shares(_AT_ONCE, _PARTS_OF_HOSTS)

    async def of(self, zone: str, texts: Texts, account: str) -> Provider | None:
        """Return the provider, None where there is none to be had. Whoever stops waiting ends nothing.

        What is asked is in the share of the account.
        """
        kept = self._kept.get(zone)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        task = self._asking.get(zone)
        if task is None:
            if not self._shares.take((account,)):
                return None
            task = self._asking[zone] = asyncio.create_task(self._learn(zone, texts))
            task.add_done_callback(lambda _: self._learnt(zone, account))
        return await asyncio.shield(task)

    def _learnt(self, zone: str, account: str) -> None:
        self._shares.give((account,))
        self._asking.pop(zone, None)

    async def _learn(self, zone: str, texts: Texts) -> Provider | None:
        try:
            found = await self._ask(zone, texts)
        except _BusyError:
            return None
        except (PostError, Fault):
            found = None
        except Exception as error:  # noqa: BLE001 - a link is an extra, for which no answer fails
            log.warning("domain_connect.failed", trouble=type(error).__name__)
            found = None
        self._kept[zone] = time.monotonic() + (self._absence_kept if found is None else _KEPT), found
        self._kept.move_to_end(zone)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return found

    async def _ask(self, zone: str, texts: Texts) -> Provider | None:
        at = locator(await texts(f"{LABEL}.{zone}"))
        if at is None:
            return None
        body = await self._get(f"https://{at}{settings_path(zone)}")
        provider = None if body is None else read_settings(body)
        if provider is None:
            return None
        known = await self._get(provider.api_url + template_path(self._service_domain))
        return None if known is None else provider

    async def _get(self, url: str) -> bytes | None:
        """Return the body, None where the answer is anything but that it is there."""
        place = parse_url(url)
        if not self._of_hosts.take((place.host,)):
            raise _BusyError
        try:
            status, body = await self._client.get(place)
        finally:
            self._of_hosts.give((place.host,))
        return body if status == _FOUND else None
