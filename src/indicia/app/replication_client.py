"""Asking another installation for a parent's keys: one signed request, over TLS, of which no log tells.

Each installation has threads of its own in which it is asked, so that one that takes its time holds up no
other work; among the accounts that wait for it they go by turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec
import structlog

from indicia.domain.faults import Fault
from indicia.domain.identities.identity import ErrorType
from indicia.operations.dkim.replicating import Installations
from indicia.operations.dkim.replication_acceptance import Abroad
from indicia.operations.dkim.replication_offer import Offer, ReplicationResponse
from indicia.operations.slow_work import SlowWork
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
    abroad = {
        region: Abroad(region, each.secret_access_key, keyring, settings.key_pace)
        for region, each in by_region.items()
    }
    hosts = {urlsplit(each.url).netloc for each in settings.elsewhere}
    lines = {host: SlowWork(at_once=_AT_ONCE, part=_PART, waiting=_WAITING) for host in hosts}
    return Installations(abroad, _Abroad(by_region, lines, within))


@dataclass(frozen=True, slots=True)
class _Abroad:
    """Asks the installations, each over a line of its own: so many requests at once, by turns of accounts."""

    by_region: Mapping[str, Elsewhere]
    lines: Mapping[str, SlowWork]
    within: float

    async def __call__(self, asked: Replication) -> Offer | ErrorType | None:
        place = self.by_region[asked.parent_region]
        loop = asyncio.get_running_loop()
        held: list[http.client.HTTPConnection] = []

        def hang_up() -> None:
            for connection in held:
                _hang_up(connection)

        def ask() -> tuple[int, bytes]:
            held.append(_connection(place, self.within))
            # In all, and not for each octet: who answers one at a time holds a thread no longer than this.
            loop.call_soon_threadsafe(loop.call_later, self.within, hang_up)
            return _ask(held[0], place, asked)

        try:
            status, body = await self.lines[urlsplit(place.url).netloc].run(asked.account, ask)
        except asyncio.CancelledError:
            hang_up()
            raise
        except Fault:
            log.warning("replication.too_many_wait", region=place.region)
            return None
        except Exception as error:  # noqa: BLE001 - hung up on at any moment, and whatever is at the other end
            log.warning("replication.nobody_answers", region=place.region, reason=type(error).__name__)
            return None
        return _understood(place.region, status, body)


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


def _connection(place: Elsewhere, within: float) -> http.client.HTTPConnection:
    url = urlsplit(place.url)
    if url.scheme == "https":
        tls = ssl.create_default_context()
        return http.client.HTTPSConnection(url.hostname or "", url.port, timeout=within, context=tls)
    return http.client.HTTPConnection(url.hostname or "", url.port, timeout=within)


def _hang_up(connection: http.client.HTTPConnection) -> None:
    """Wake the thread that still waits for the other end."""
    with contextlib.suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)


def _ask(connection: http.client.HTTPConnection, place: Elsewhere, asked: Replication) -> tuple[int, bytes]:
    """Return status and body. Redirects are not followed: the request is for that one place."""
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
    try:
        connection.request("GET", f"{path}?{query}", headers=headers)
        response = connection.getresponse()
        body = response.read(_MOST + 1)
        if len(body) > _MOST:
            raise http.client.HTTPException("the answer is too long")
        return response.status, body
    finally:
        connection.close()
