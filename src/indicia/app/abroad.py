"""Asking another installation for a parent's keys: one signed request, over TLS, of which no log tells."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec
import structlog

from indicia.domain.identity import ErrorType
from indicia.operations.replicating import Installations
from indicia.operations.replication_acceptance import Abroad
from indicia.operations.replication_offer import Offer, ReplicationResponse
from indicia.settings import Settings
from indicia.settings.elsewhere import Elsewhere
from indicia.store.replications import Replication
from indicia.vault.keyring import Keyring
from indicia.wire.signer import signed_headers

log = structlog.get_logger("indicia")

PATH: Final = "/indicia/v1/replication/"
_WITHIN: Final = 10.0  # seconds
_MOST: Final = 64 * 1024  # octets: three keys are some 6 KiB
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
    return Installations(abroad, partial(_fetch, by_region, within))


async def _fetch(
    by_region: Mapping[str, Elsewhere], within: float, asked: Replication
) -> Offer | ErrorType | None:
    place = by_region[asked.parent_region]
    connection = _connection(place, within)
    try:
        # In all, and not for each octet: who answers one at a time holds a thread no longer than this.
        async with asyncio.timeout(within):
            status, body = await asyncio.to_thread(_ask, connection, place, asked)
    except asyncio.CancelledError:
        _hang_up(connection)
        raise
    except (OSError, http.client.HTTPException) as error:
        _hang_up(connection)
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
