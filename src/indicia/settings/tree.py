"""The settings tree: every setting, declared where its value is, read once and frozen.

A declaration is a field with what reads its text, what it means, its default, and what else follows from it
(`settings.setting`). The name is `INDICIA_` and upper case in the environment, a flag with hyphens on the
command line, and in TOML the same words, where any underscore may also be the end of a table's name:
`listen_http = "..."`, or `http` in `[listen]`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from indicia.domain.dkim.key_record import key_zone_of
from indicia.domain.dkim.rotation import KeyPace
from indicia.settings import fitting, limits, parsers
from indicia.settings.addresses import (
    agreement_needed,
    parse_addresses,
    parse_network,
    parse_private_addresses,
    parse_resolvers,
)
from indicia.settings.choices import Danger, LogFormat, VerificationMode
from indicia.settings.regions import SES_REGIONS
from indicia.settings.replication_peers import parse_elsewhere, parse_offered
from indicia.settings.setting import Setting, converted, section, setting
from indicia.settings.urls import parse_database_url, parse_public_url, parse_relay, sqlite_at

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from indicia.domain.time import Span
    from indicia.settings.addresses import Address, ConfiguredPerspective, Network, PrivateAddresses
    from indicia.settings.limits import AccountLimits
    from indicia.settings.replication_peers import Elsewhere, Offered
    from indicia.settings.urls import DatabaseUrl, Relay

_comma = parsers.shown_list


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenSettings:
    """Where this installation listens, each a list: `localhost` is often two addresses."""

    http: tuple[Address, ...] = setting(
        parse_addresses, "API, links, health", "127.0.0.1:8465,[::1]:8465", show=_comma
    )
    admin: tuple[Address, ...] = setting(
        parse_addresses, "metrics and health of this process", "127.0.0.1:8466", show=_comma
    )
    dns: tuple[Address, ...] = setting(
        parse_addresses, "key zone, UDP and TCP", "127.0.0.1:8453", show=_comma
    )
    smtp: tuple[Address, ...] = setting(
        parse_addresses, "submission", "127.0.0.1:8587", show=_comma, later=True
    )
    feedback: tuple[Address, ...] = setting(
        parse_addresses,
        "where the MX of MAIL FROM domains points",
        "127.0.0.1:8525",
        show=_comma,
        later=True,
    )


@dataclass(frozen=True, slots=True)
class Tls:
    """The certificate chain and its key, PEM."""

    cert_file: Path
    key_file: Path


def _tls(cert_file: Path | None, key_file: Path | None) -> Tls | None:
    return None if cert_file is None or key_file is None else Tls(cert_file, key_file)


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The operator's access key as set: all None when it is to be generated. Id and secret go together."""

    access_key_id: str | None = setting(
        parsers.parse_access_key_id,
        "the operator's access key",
        otherwise="generated",
        check=partial(fitting.go_together, "root_access_key_id", "root_secret_access_key"),
    )
    secret_access_key: str | None = setting(
        parsers.parse_secret, "the secret of that key", otherwise="generated", secret=True
    )
    account: str | None = setting(parsers.parse_account, "the account of that key", otherwise="generated")


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSettings:
    """The spans that verification keeps."""

    verify: Span = setting(
        parsers.parse_span,
        "how long records may take to appear, and to come back",
        "72h",
        show=parsers.shown_span,
        name="verify_window",
    )
    link: Span = setting(
        parsers.parse_span,
        "how long a verification link works",
        "24h",
        show=parsers.shown_span,
        name="link_window",
    )
    check_min: Span = setting(
        parsers.parse_span,
        "first interval between checks of a pending identity",
        "10s",
        show=parsers.shown_span,
        check=fitting.intervals_grow,
    )
    check_max: Span = setting(
        parsers.parse_span,
        "largest interval between checks of a pending identity",
        "15m",
        show=parsers.shown_span,
    )
    check_verified: Span = setting(
        parsers.parse_span, "interval between checks of a verified identity", "24h", show=parsers.shown_span
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySupply:
    """How keys are made ahead."""

    pool: int = setting(
        partial(parsers.parse_number, most=100_000),
        "unused keys kept ready of each length, at most; fewer where fewer were waited for of late",
        "1000",
        toml_only=True,
    )
    processes: int | None = setting(
        partial(parsers.parse_number, most=1024),
        "processes of low priority that make keys, at most",
        otherwise="one for each core it may use",
        toml_only=True,
    )


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting of an installation. `sources` says for each name where its value came from."""

    data_dir: Path = setting(
        parsers.parse_path,
        "database, keyring, outbox and credentials of an installation",
        "./indicia-data",
        path=True,
    )
    database_url: DatabaseUrl = setting(
        parse_database_url,
        "sqlite:///PATH or postgresql://...",
        otherwise="SQLite in the data dir",
        sealed=True,
        follows=lambda values: sqlite_at(values["data_dir"] / "indicia.db"),
    )
    service_domain: str = setting(
        parsers.parse_service_domain,
        "the operator's own domain; keys are under dkim.<it>",
        "indicia.test",
    )
    nameservers: tuple[str, ...] = setting(
        parsers.not_empty(parsers.parse_list(parsers.parse_domain)),
        "names of the servers of the key zone",
        otherwise="ns1.<service domain>",
        show=_comma,
        follows=lambda values: (f"ns1.{values['service_domain']}",),
    )
    regions: tuple[str, ...] = setting(
        parsers.not_empty(parsers.parse_list(parsers.parse_region)),
        "regions served, the first is the default",
        SES_REGIONS,
        show=_comma,
        check=fitting.bounces_have_room,
    )
    listen: ListenSettings = section(ListenSettings, "listen_")
    public_url: str | None = setting(
        parse_public_url, "how links in mails begin", otherwise="from the bound HTTP address"
    )
    tls: Tls | None = section(
        _tls,
        "tls_",
        cert_file=Setting(
            parsers.parse_existing_file,
            "certificate chain for HTTP and SMTP, re-read on SIGHUP",
            path=True,
            check=partial(fitting.go_together, "tls_cert_file", "tls_key_file"),
        ),
        key_file=Setting(parsers.parse_existing_file, "its private key", path=True),
    )
    trusted_proxies: tuple[Network, ...] = setting(
        parsers.parse_list(parse_network),
        "addresses whose X-Forwarded-For and X-Forwarded-Proto count",
        "",
        show=_comma,
    )
    resolvers: tuple[ConfiguredPerspective, ...] = setting(
        parse_resolvers,
        "recursive resolvers: host:port[+trusted] comma-separated within a perspective, perspectives with ;",
        otherwise="the system's",
        show=lambda perspectives: ";".join(map(str, perspectives)),
        absent=(),  # the system's, as one perspective
    )
    quorum: int = setting(
        parsers.parse_number,
        "perspectives that must agree",
        otherwise="all of one or two, all but one from three up",
        follows=lambda values: agreement_needed(max(1, len(values["resolvers"]))),
        check=fitting.quorum_decides,
    )
    zone_rate: int = setting(parsers.parse_number, "questions a second to one zone, burst twice that", "20")
    relay: Relay = setting(parse_relay, "where accepted mail goes", "outbox", sealed=True)
    mail_sender: str = setting(
        parsers.parse_mailbox,
        "From of the service's own mails",
        otherwise="no-reply@<service domain>",
        follows=lambda values: f"no-reply@{values['service_domain']}",
    )
    root: Root = section(Root, "root_")
    limits: AccountLimits = section(
        limits.limits,
        "limits_",
        profile=Setting(
            limits.parse_profile,
            "standard, ses or off; single values in TOML",
            "standard",
            show=lambda profile: profile.profile,
            name="limits",
            place="limits",
        ),
        **{
            each: Setting(
                limits.parse_limit,
                f"replaces the {each.replace('_', ' ')} of the profile; a number or off",
                otherwise="as the profile has it",
                show=limits.shown_limit,
                toml_only=True,
                replaces=True,
            )
            for each in limits.SINGLE
        },
    )
    production_access: bool = setting(
        parsers.parse_truth,
        "whether accounts may send to recipients that are not verified",
        "true",
        show=lambda truth: str(truth).lower(),
    )
    verification: VerificationMode = setting(
        parsers.parse_choice(VerificationMode),
        "dns, or instant: verified when created",
        "dns",
        show=lambda mode: mode.value,
    )
    windows: WindowSettings = section(WindowSettings)
    authority_port: int = setting(
        parsers.parse_port, "port on which a zone's own servers are asked for diagnosis", "53"
    )
    private_addresses: PrivateAddresses = setting(
        parse_private_addresses,
        "CIDRs or allow: private places that what tenants name may lead to",
        "",
    )
    offered: frozenset[Offered] = converted(
        frozenset,
        parsers.parse_list(parse_offered),
        "whose private DKIM keys another installation may fetch, and which region it serves:"
        " `account/region,...`; only access keys may whose policy allows `indicia:ReplicateIdentity`",
        default="",
        show=_comma,
        name="replication_offers",
        check=fitting.offered_elsewhere,
    )
    master_key_file: Path = setting(
        parsers.parse_path,
        "the keyring that encrypts private keys and secrets at rest",
        otherwise="DATA_DIR/master.key",
        path=True,
        follows=lambda values: values["data_dir"] / "master.key",
    )
    unsafe: frozenset[Danger] = converted(
        frozenset,
        parsers.parse_list(parsers.parse_choice(Danger)),
        "refusals to waive, by name",
        default="",
        show=lambda dangers: ",".join(danger.value for danger in dangers),
    )
    log_format: LogFormat = setting(
        parsers.parse_choice(LogFormat),
        "console or json",
        otherwise="console on a terminal, else json",
        show=lambda form: form.value,
        follows=lambda values: LogFormat.CONSOLE if values.terminal else LogFormat.JSON,
    )
    audit_retention: Span | None = setting(
        parsers.parse_span_or_off,
        "how long it is kept who did what; or off, which keeps it for ever",
        # A year, and a month in which that is looked at: PCI DSS 4.0 §10.5.1 asks for twelve months.
        "400d",
        show=parsers.shown_span_or_off,
    )
    key_pace: KeyPace = section(
        KeyPace,
        every=Setting(
            parsers.parse_span_or_off,
            "how long a key of Easy DKIM signs before the next one is published; or off",
            "180d",
            show=parsers.shown_span_or_off,
            toml_only=True,
            name="keys_rotate_every",
        ),
        linger=Setting(
            parsers.parse_linger,
            "how long a key stays published after its last signature: the longest TTL and queue age",
            "5d",
            show=parsers.shown_span,
            toml_only=True,
            name="keys_withdraw_after",
        ),
    )
    key_supply: KeySupply = section(KeySupply, "keys_")
    elsewhere: tuple[Elsewhere, ...] = setting(  # regions that another installation serves
        parse_elsewhere,
        "regions that another installation serves, each a table with url, access_key_id, secret_access_key",
        "",
        show=_comma,
        toml_only=True,
        name="replication",
        check=fitting.served_once,
    )
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
