"""Webhooks: how a message is signed, what an answer says, when is tried again, which places may be named.

The signature is that of Standard Webhooks (standardwebhooks.com, specification 1.0): HMAC-SHA256 over
`id.timestamp.body` under the octets of a `whsec_` secret, as `v1,` and base64.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.retry import Backoff
from indicia.domain.time import DAY, HOUR, SECOND, Instant, Span

SECRET_OCTETS: Final = 32  # the specification: from 24 to 64
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what every secret begins with
ROTATION: Final[Span] = DAY  # for which the secret before signs as well
# Of a message, of its webhook, and of the destination.
BACKOFF: Final = Backoff(5 * SECOND, 6 * HOUR)
GIVEN_UP_AFTER: Final[Span] = 5 * DAY  # of an event that is refused; and of a webhook that never answers well
MOST: Final = 20  # of an account in a region
LONGEST_URL: Final = 2048
LONGEST_DESCRIPTION: Final = 256
_HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?\Z|\[[0-9A-Fa-f:.]+\]\Z")


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of a webhook's URL. `host` has no brackets, `path` has the query with it."""

    secure: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The value of the Host header (RFC 9110 §7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    @property
    def destination(self) -> str:
        """Host and port, in one spelling: what answers, or does not, whatever the path is."""
        return f"{self.host}:{self.port}"


def host_of(destination: str) -> str:
    """Return the host of a destination, whose ports all are one machine's."""
    return destination.rpartition(":")[0]


def parse_url(url: str) -> Target:
    """Return the parts of the URL.

    Raises: `Fault` INVALID_PARAMETER for what is no place for a webhook.
    """
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        refuse(FaultKind.INVALID_PARAMETER, f"The URL has at most {LONGEST_URL} printable ASCII characters.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        refuse(FaultKind.INVALID_PARAMETER, "The URL cannot be read.")
    if parts.scheme not in ("https", "http"):
        refuse(FaultKind.INVALID_PARAMETER, "The URL begins with https://, or http:// for a private place.")
    host = parts.netloc.rpartition("@")[2]
    if port is not None:
        host = host.rpartition(":")[0]
    if "@" in parts.netloc or parts.fragment:
        refuse(FaultKind.INVALID_PARAMETER, "The URL has neither a user nor a fragment.")
    if not _HOST.match(host) or port == 0:
        refuse(FaultKind.INVALID_PARAMETER, "The URL names no host.")
    secure = parts.scheme == "https"
    host = host.strip("[]").lower()
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(secure, _one_spelling(host), port or (443 if secure else 80), path)


def _one_spelling(host: str) -> str:
    """Return the host as all spellings of its address are."""
    try:
        return str(ip_address(host))
    except ValueError:
        return host


def shown_secret(octets: bytes) -> str:
    """Return a secret as receivers are given it."""
    return SECRET_PREFIX + base64.b64encode(octets).decode()


def signature(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of one message under one secret. `timestamp` is in seconds."""
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


def headers(secrets: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that make a message one of Standard Webhooks, signed under each secret."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(each, message_id, timestamp, body) for each in secrets),
    }


def took(status: int) -> bool:
    """Say whether a receiver that answers so has the message. A redirect is not followed."""
    return 200 <= status < 300  # Standard Webhooks


def overloaded(status: int) -> bool:
    """Say whether the answer is about the host, and not about what it was sent (RFC 9110 §15.6)."""
    return status in {429, 502, 503, 504}  # 429: too many requests


def given_up(since: Instant, now: Instant) -> bool:
    """Say whether what has failed since then is tried no more."""
    return now - since >= GIVEN_UP_AFTER
