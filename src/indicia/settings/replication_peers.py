"""Regions that another installation serves: where it answers, and whose keys it may have.

Where it is asked, and with which access key, is in TOML only, a table a region:

    [replication.eu-west-1]
    url = "https://ses.example.net"
    access_key_id = "AKIA..."
    secret_access_key_file = "/run/secrets/replication"

The keys that it may fetch here are those of `INDICIA_REPLICATION_OFFERS`, `offers` in `[replication]`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from indicia.settings.parsers import parse_access_key_id, parse_account, parse_region, quoted

_MEMBERS: Final = ("url", "access_key_id", "secret_access_key", "secret_access_key_file")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """One region that is served elsewhere."""

    region: str
    url: str
    access_key_id: str
    secret_access_key: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.region}={self.url}"


@dataclass(frozen=True, slots=True)
class Offered:
    """The account whose keys another installation may fetch, and the region that it serves."""

    account: str
    region: str

    def __str__(self) -> str:
        return f"{self.account}/{self.region}"


def parse_offered(text: str) -> Offered:
    """Return an account and a region, `111122223333/us-east-1`."""
    account, slash, region = text.partition("/")
    if not slash:
        raise ValueError(f"{quoted(text)} is not an account and a region, such as 111122223333/us-east-1")
    return Offered(parse_account(account), parse_region(region))


def notation(table: Mapping[str, object], folder: Path) -> str:
    """Return the tables of a TOML file in one text. Files are named relative to the folder.

    Raises: ValueError; the reason quotes no secret.
    """
    found: dict[str, dict[str, str]] = {}
    for region, given in table.items():
        if not isinstance(given, dict):
            raise ValueError(f"{quoted(region)} is not a table such as [replication.eu-west-1]")  # noqa: TRY004
        found[region] = {name: _text(region, name, value) for name, value in given.items()}
        place = found[region].pop("secret_access_key_file", None)
        if place is not None:
            if "secret_access_key" in found[region]:
                raise ValueError(f"{region} has its secret twice: as it is, and in a file")
            found[region]["secret_access_key"] = _contents(region, folder / Path(place).expanduser())
    return json.dumps(found)


def _text(region: str, name: str, value: object) -> str:
    if name not in _MEMBERS:
        raise ValueError(f"{region} has {quoted(name)}; there are {', '.join(_MEMBERS)}")
    if not isinstance(value, str):
        raise ValueError(f"{name} of {region} is not a string")  # noqa: TRY004
    return value


def _contents(region: str, place: Path) -> str:
    try:
        contents = place.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"the secret of {region} cannot be read from {place}") from None
    if not contents:
        raise ValueError(f"{place} is empty")
    return contents


def parse_elsewhere(text: str) -> tuple[Elsewhere, ...]:
    """Return the regions, in order. A reason quotes no secret."""
    tables: dict[str, dict[str, str]] = json.loads(text) if text else {}
    return tuple(_one(region, tables[region]) for region in sorted(tables))


def _one(region: str, given: dict[str, str]) -> Elsewhere:
    parse_region(region)
    missing = [name for name in _MEMBERS[:3] if not given.get(name)]
    if missing:
        raise ValueError(f"{region} has no {missing[0]}")
    return Elsewhere(
        region,
        _url(region, given["url"]),
        parse_access_key_id(given["access_key_id"]),
        given["secret_access_key"],
    )


def _url(region: str, text: str) -> str:
    """Return the URL without a slash at its end. What carries private keys goes over TLS, or nowhere."""
    parts = urlsplit(text)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.query or parts.username:
        raise ValueError(f"the url of {region} is not https://host[:port]")
    if parts.scheme == "http" and not _loopback(parts.hostname):
        raise ValueError(f"the url of {region} is http: private keys travel over https only")
    if parts.path.strip("/"):
        raise ValueError(f"the url of {region} has a path; it is https://host[:port]")
    return text.rstrip("/")


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
