"""The URL under which clients reach the API: what `indicia env` prints and the ready file tells."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from indicia.settings.addresses import Address

if TYPE_CHECKING:
    from indicia.settings.tree import Settings

# What listens on every address is reached on loopback.
_LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


def client_url(settings: Settings, host: str, port: int) -> str:
    """Return the URL of the API for clients on this machine, where its first address is bound to a port.

    With TLS it is the name that the certificate is for: that of `public_url`, or else of the first listener
    that was configured by name. Without TLS it is the address itself, which needs no DNS to be reached.
    """
    if settings.tls is None:
        return f"http://{_reached(host, port)}"
    public = settings.public_url
    if public is not None and public.startswith("https://") and not urlsplit(public).path:
        return public
    named = next((each for each in settings.listen.http if _serves_as(each, port)), None)
    return f"https://{Address(named.host, port) if named else _reached(host, port)}"


def _serves_as(wanted: Address, port: int) -> bool:
    return wanted.port in {0, port} and not _is_ip(wanted.host)


def _reached(host: str, port: int) -> Address:
    return Address(_LOOPBACK_OF.get(host, host), port)


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
