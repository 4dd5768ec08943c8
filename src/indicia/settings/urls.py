"""The URLs among the settings: the database, the relay, and how links in mails begin.

Two of them can hold a password. It is never in a `repr`, never in a reason, and `str` shows `***` for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from indicia.settings.addresses import Address, parse_address
from indicia.settings.parsers import quoted

HIDDEN = "***"


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """Where the data is. `dialect` is `sqlite` or `postgresql`; `text` is what the driver gets."""

    dialect: str
    text: str = field(repr=False)

    @property
    def path(self) -> Path | None:
        """The file of an SQLite database, None for a server."""
        return Path(self.text.removeprefix("sqlite:///")) if self.dialect == "sqlite" else None

    def __str__(self) -> str:
        return _without_password(self.text)


def sqlite_at(path: Path) -> DatabaseUrl:
    """Return the URL of an SQLite file."""
    return DatabaseUrl("sqlite", f"sqlite:///{path}")


def parse_database_url(text: str) -> DatabaseUrl:
    """Return the URL. A reason quotes the scheme at most: the rest may hold a password."""
    scheme, separator, rest = text.partition("://")
    if separator and scheme == "sqlite":
        if not rest.startswith("/") or not rest.strip("/") or "?" in rest:
            raise ValueError(
                "an SQLite database is sqlite:///PATH, with four slashes before an absolute path"
            )
        return DatabaseUrl("sqlite", text)
    if separator and scheme in {"postgresql", "postgres"}:
        try:
            parts = urlsplit(text)
            well_formed = bool(parts.path.strip("/")) and (parts.port is None or parts.port > 0)
        except ValueError:
            well_formed = False
        if not well_formed:
            raise ValueError("a PostgreSQL database is postgresql://[user[:password]@]host[:port]/database")
        return DatabaseUrl("postgresql", f"postgresql://{rest}")
    raise ValueError("is neither sqlite:///PATH nor postgresql://...")


class RelayKind(Enum):
    """How accepted mail leaves."""

    OUTBOX = "outbox"  # into a Maildir in the data dir
    SMTP = "smtp"  # as it is
    STARTTLS = "smtp+starttls"  # encrypted after STARTTLS, which must succeed (RFC 3207)
    SMTPS = "smtps"  # encrypted from the first byte (RFC 8314 §3)


_PORTS = {RelayKind.SMTP: 25, RelayKind.STARTTLS: 587, RelayKind.SMTPS: 465}


@dataclass(frozen=True, slots=True)
class Relay:
    """Where accepted mail goes. `address` is None for the outbox only; `user` is None without a login."""

    kind: RelayKind
    address: Address | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def bares_its_password(self) -> bool:
        """Whether a password travels where others can read it."""
        if self.address is None or self.password is None:
            return False
        return self.kind is RelayKind.SMTP and not self.address.is_loopback

    def __str__(self) -> str:
        if self.address is None:
            return self.kind.value
        login = f"{self.user}:{HIDDEN}@" if self.user is not None else ""
        return f"{self.kind.value}://{login}{self.address}"


_RELAY_FORMS = "`outbox`, or smtp://, smtp+starttls:// or smtps:// with [user:password@]host[:port]"


def parse_relay(text: str) -> Relay:
    """Return the relay. A reason never quotes the text, which may hold a password."""
    if text == RelayKind.OUTBOX.value:
        return Relay(RelayKind.OUTBOX)
    scheme, separator, rest = text.partition("://")
    kinds = {kind.value: kind for kind in _PORTS}
    if not separator or scheme not in kinds:
        raise ValueError(f"is not {_RELAY_FORMS}")
    kind = kinds[scheme]
    login, at, place = rest.removesuffix("/").rpartition("@")
    user, colon, password = login.partition(":")
    if at and not (user and colon and password):
        raise ValueError("a login needs both, user:password@ (percent-encode what is not a letter or digit)")
    try:
        address = parse_address(place, default_port=_PORTS[kind], least_port=1)
    except ValueError:
        raise ValueError(f"what follows {scheme}:// is not [user:password@]host[:port]") from None
    if not at:
        return Relay(kind, address)
    return Relay(kind, address, unquote(user), unquote(password))


def parse_public_url(text: str) -> str:
    """Return how links begin, without a slash at the end."""
    try:
        parts = urlsplit(text)
        well_formed = (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and (parts.port is None or parts.port > 0)
            and not (parts.query or parts.fragment or parts.username is not None)
            and text.isascii()
            and not any(character <= " " for character in text)
        )
    except ValueError:
        well_formed = False
    if not well_formed:
        raise ValueError(f"{quoted(text)} is not http(s)://host[:port][/path]")
    return text.rstrip("/")


def _without_password(text: str) -> str:
    parts = urlsplit(text)
    if parts.password is None and "password" not in parts.query:
        return text
    user, _, place = parts.netloc.rpartition("@")
    login = f"{user.partition(':')[0]}:{HIDDEN}@" if user else ""
    query = HIDDEN if "password" in parts.query else parts.query
    return SplitResult(parts.scheme, login + place, parts.path, query, "").geturl()
