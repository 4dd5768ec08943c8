"""Where a browser may be sent after a visit to a verification link."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

MAX_URL: Final = 2048
_HOST: Final = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])\Z")


def _parts(url: str) -> SplitResult | None:
    """Return the parts of a URL that a Location header may hold, None for any other text.

    RFC 3986, http and https only, in ASCII as it goes over the wire; no user, no password.
    """
    if not 0 < len(url) <= MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host, colon, given = parts.netloc.rpartition(":") if port is not None else (parts.netloc, "", "")
    whole = _HOST.match(host) is not None and (not colon or given.isdigit())
    return parts if parts.scheme.lower() in ("http", "https") and whole else None


def is_redirect(url: str) -> bool:
    """Say whether a browser may be sent to the URL: it is absolute, http or https, with a plain host."""
    return _parts(url) is not None


def origin_of(url: str) -> str:
    """Return scheme, host and port, as a content security policy names a place; empty for no such URL."""
    parts = _parts(url)
    return "" if parts is None else f"{parts.scheme.lower()}://{parts.netloc.lower()}"
