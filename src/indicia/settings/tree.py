"""The settings tree: what every part of the service gets its values from, read once and frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from indicia.domain.dkim.key_record import key_zone_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from indicia.domain.dkim.rotation import KeyPace
    from indicia.domain.time import Span
    from indicia.settings.addresses import Address, Network, Perspective, PrivateAddresses
    from indicia.settings.choices import Danger, VerificationMode
    from indicia.settings.limits import Limits
    from indicia.settings.replication_peers import Elsewhere, Offered
    from indicia.settings.urls import DatabaseUrl, Relay


class LogFormat(Enum):
    """How log lines look."""

    CONSOLE = "console"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Listen:
    """Where this installation listens, each a list: `localhost` is often two addresses."""

    http: tuple[Address, ...]
    admin: tuple[Address, ...]
    dns: tuple[Address, ...]
    smtp: tuple[Address, ...]
    feedback: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Tls:
    """The certificate chain and its key, PEM."""

    cert_file: Path
    key_file: Path


@dataclass(frozen=True, slots=True)
class Root:
    """The operator's access key as set: all None when it is to be generated. Id and secret go together."""

    access_key_id: str | None
    secret_access_key: str | None = field(repr=False)
    account: str | None


@dataclass(frozen=True, slots=True)
class Windows:
    """The spans that verification keeps."""

    verify: Span  # how long records may take to appear, and to come back
    link: Span  # how long a verification link works
    check_min: Span  # between the first checks of a pending identity
    check_max: Span  # between its last ones
    check_verified: Span  # between checks of a verified identity


@dataclass(frozen=True, slots=True)
class KeySupply:
    """How keys are made ahead."""

    pool: int  # the most unused keys of each length
    processes: int | None  # that make them, at most; None: one a core


@dataclass(frozen=True, slots=True)
class Shown:
    """One setting as `indicia config show` prints it: nothing secret in it.

    `mistake` is what is wrong with it, empty where nothing is; it has no value then.
    """

    name: str
    value: str
    source: str
    meaning: str
    mistake: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting of an installation. `sources` says for each name where its value came from."""

    data_dir: Path
    database_url: DatabaseUrl
    service_domain: str
    nameservers: tuple[str, ...]
    regions: tuple[str, ...]
    listen: Listen
    public_url: str | None  # None: from the bound HTTP address
    tls: Tls | None
    trusted_proxies: tuple[Network, ...]
    resolvers: tuple[Perspective, ...]  # empty: the system's, as one perspective
    quorum: int
    zone_rate: int  # questions a second to one zone
    relay: Relay
    mail_sender: str
    root: Root
    limits: Limits
    production_access: bool
    verification: VerificationMode
    windows: Windows
    authority_port: int
    private_addresses: PrivateAddresses
    master_key_file: Path
    unsafe: frozenset[Danger]
    log_format: LogFormat
    audit_retention: Span | None  # how long it is kept who did what, None: for ever
    key_pace: KeyPace
    key_supply: KeySupply
    elsewhere: tuple[Elsewhere, ...]  # regions that another installation serves
    offered: frozenset[Offered]  # whose keys another installation may fetch
    sources: Mapping[str, str] = field(repr=False)
    shown: tuple[Shown, ...] = field(repr=False)

    @property
    def default_region(self) -> str:
        """The region that is meant when none is named."""
        return self.regions[0]

    @property
    def signing_zone(self) -> str:
        """The key zone of identities made from now on: their `SigningHostedZone`."""
        return key_zone_of(self.service_domain)

    @property
    def perspective_count(self) -> int:
        """How many perspectives look."""
        return max(1, len(self.resolvers))

    @property
    def credentials_file(self) -> Path:
        """The generated access key, in the AWS shared credentials format."""
        return self.data_dir / "credentials"

    @property
    def config_file(self) -> Path:
        """Region and endpoints, in the AWS shared config format."""
        return self.data_dir / "config"

    @property
    def outbox_dir(self) -> Path:
        """The Maildir of the relay `outbox`."""
        return self.data_dir / "outbox"

    @property
    def ready_file(self) -> Path:
        """The addresses that the running server has bound, in JSON."""
        return self.data_dir / "ready.json"
