"""Asking another installation for a parent's keys: one signed request, over TLS, of which no log tells.

Each installation has threads of its own in which it is asked, so that one that takes its time holds up no
other work; among the accounts that wait for it they go by turns.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec
import structlog

from indicia.domain.faults import Fault
from indicia.domain.identities.identity import ErrorType
from indicia.operations.dkim.replicating import Installations
from indicia.operations.dkim.replication_acceptance import OfferSource
from indicia.operations.dkim.replication_offer import Offer, ReplicationResponse
from indicia.operations.slow_work import SlowWork
from indicia.outbound.request import HttpRequest, HttpResponse
from indicia.settings import Settings
from indicia.settings.replication_peers import Elsewhere
from indicia.store.dkim.replications import Replication
from indicia.vault.keyring import Keyring
from indicia.wire.aws.signer import signed_headers

log = structlog.get_logger("indicia")

PATH: Final = "/indicia/v1/replication/"
_WITHIN: Final = 10.0  # seconds
_MOST: Final = 64 * 1024  # octets: three keys are some 6 KiB
# Requests to one host at once, the part of them that an account has, and how many of an account wait. Who
# finds no room is looked at again.
_AT_ONCE: Final = 8
_PART: Final = 4
_WAITING: Final = 256
_decode = msgspec.json.Decoder(ReplicationResponse).decode


def installations(settings: Settings, keyring: Keyring, *, within: float = _WITHIN) -> Installations | None:
    """Return the regions that are served elsewhere, None where none is. `within` is in seconds."""
    if not settings.elsewhere:
        return None
    by_region = {each.region: each for each in settings.elsewhere}
    sources = {
        region: OfferSource(region, each.secret_access_key, keyring, settings.key_pace)
        for region, each in by_region.items()
    }
    hosts = {urlsplit(each.url).netloc for each in settings.elsewhere}
    lines = {host: SlowWork(at_once=_AT_ONCE, part=_PART, waiting=_WAITING) for host in hosts}
    return Installations(sources, _InstallationClient(by_region, lines, within))


@dataclass(frozen=True, slots=True)
class _InstallationClient:
    """Asks the installations, each over a line of its own: so many requests at once, by turns of accounts."""

    by_region: Mapping[str, Elsewhere]
    lines: Mapping[str, SlowWork]
    within: float

    async def __call__(self, asked: Replication) -> Offer | ErrorType | None:
        place = self.by_region[asked.parent_region]
        request = HttpRequest(place.url, within=self.within, most=_MOST)
        try:
            ask = partial(_ask, request, place, asked)
            response = await self.lines[urlsplit(place.url).netloc].run(asked.account, ask)
        except asyncio.CancelledError:
            request.hang_up()
            raise
        except Fault:
            log.warning("replication.too_many_wait", region=place.region)
            return None
        except Exception as error:  # noqa: BLE001 - hung up on at any moment, and whatever is at the other end
            log.warning("replication.nobody_answers", region=place.region, reason=type(error).__name__)
            return None
        return _understood(place.region, response.status, response.body)


def _understood(region: str, status: int, body: bytes) -> Offer | ErrorType | None:
    if status == HTTPStatus.FORBIDDEN:
        return ErrorType.REPLICATION_ACCESS_DENIED
    if status != HTTPStatus.OK:
        log.warning("replication.not_answered", region=region, status=status)
        return None
    try:
        answer = _decode(body)
        return answer.offer if answer.obstacle is None else ErrorType(answer.obstacle)
    except (msgspec.DecodeError, ValueError):
        log.warning("replication.not_understood", region=region)
        return None


def _ask(request: HttpRequest, place: Elsewhere, asked: Replication) -> HttpResponse:
    url = urlsplit(place.url)
    path = PATH + quote(asked.name, safe="")
    query = f"replica-region={quote(asked.region, safe='')}"
    headers = signed_headers(
        "GET",
        url.netloc,
        path,
        query,
        b"",
        at=time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
        scope=f"{place.region}/ses",
        key=(place.access_key_id, place.secret_access_key),
    )
    return request.send("GET", f"{path}?{query}", headers)
