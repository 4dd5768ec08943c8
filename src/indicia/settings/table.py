"""Every setting there is: its name, its default, how its text is read, and what it means.

The name is `INDICIA_` and upper case in the environment, a flag with hyphens on the command line, and in TOML
the same words, where any underscore may also be the end of a table's name: `listen_http = "..."`, or `http`
in `[listen]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from indicia.settings import limits, parsers
from indicia.settings.addresses import (
    Address,
    parse_address,
    parse_network,
    parse_private_addresses,
    parse_resolvers,
)
from indicia.settings.choices import Danger, VerificationMode
from indicia.settings.replication_peers import parse_elsewhere, parse_offered
from indicia.settings.tree import LogFormat
from indicia.settings.urls import parse_database_url, parse_public_url, parse_relay

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Setting(Generic[T]):
    """One setting. `default` is text like any other value; without one, `otherwise` says what happens."""

    name: str
    parse: Callable[[str], T]
    meaning: str
    default: str | None = None
    otherwise: str = "none"
    show: Callable[[T], str] = str
    secret: bool = False  # never shown, and has a `_file` form
    sealed: bool = False  # may hold a password: shown without it, and has a `_file` form
    path: bool = False  # in TOML relative to the file it stands in
    later: bool = False  # accepted and checked, and nothing uses it yet
    toml_only: bool = False

    @property
    def variable(self) -> str:
        """The name in messages and documents: that in the environment, or the key in TOML if that is all."""
        return self.key if self.toml_only else f"INDICIA_{self.name.upper()}"

    @property
    def key(self) -> str:
        """The key in TOML, with its table where it is documented in one."""
        return self.name.replace("_", ".", 1) if self.toml_only else self.name

    @property
    def flag(self) -> str:
        """The name on the command line."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def has_file_form(self) -> bool:
        """Whether the value may be named as a file that holds it."""
        return self.secret or self.sealed


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError("is not a path")
    return Path(text).expanduser().absolute()


def _existing_file(text: str) -> Path:
    path = _path(text)
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


def _listen(text: str) -> tuple[Address, ...]:
    return parsers.not_empty(parsers.parse_list(parse_address))(text)


def _profile(text: str) -> limits.Limits:
    if text not in limits.PROFILES:
        raise ValueError(f"{parsers.quoted(text)} is none of {parsers.listed(limits.PROFILES)}")
    return limits.PROFILES[text]


def _comma(values: tuple[Any, ...]) -> str:
    return ",".join(map(str, values))


def _span(name: str, meaning: str, default: str) -> Setting[int]:
    return Setting(name, parsers.parse_span, meaning, default, show=parsers.shown_span)


# The SES regions (spec 11.1), the default first, then by name.
SES_REGIONS = (
    "us-east-1,us-east-2,us-west-1,us-west-2,af-south-1,ap-east-2,ap-northeast-1,ap-northeast-2,"
    "ap-northeast-3,ap-south-1,ap-south-2,ap-southeast-1,ap-southeast-2,ap-southeast-3,ap-southeast-4,"
    "ap-southeast-5,ap-southeast-6,ap-southeast-7,ca-central-1,ca-west-1,eu-central-1,eu-central-2,"
    "eu-north-1,eu-south-1,eu-south-2,eu-west-1,eu-west-2,eu-west-3,il-central-1,me-central-1,me-south-1,"
    "mx-central-1,sa-east-1,us-gov-east-1,us-gov-west-1,eusc-de-east-1"
)

DATA_DIR = Setting(
    "data_dir",
    _path,
    "database, keyring, outbox and credentials of an installation",
    "./indicia-data",
    path=True,
)
DATABASE_URL = Setting(
    "database_url",
    parse_database_url,
    "sqlite:///PATH or postgresql://...",
    otherwise="SQLite in the data dir",
    sealed=True,
)
SERVICE_DOMAIN = Setting(
    "service_domain",
    parsers.parse_service_domain,
    "the operator's own domain; keys are under dkim.<it>",
    "indicia.test",
)
NAMESERVERS = Setting(
    "nameservers",
    parsers.not_empty(parsers.parse_list(parsers.parse_domain)),
    "names of the servers of the key zone",
    otherwise="ns1.<service domain>",
    show=_comma,
)
REGIONS = Setting(
    "regions",
    parsers.not_empty(parsers.parse_list(parsers.parse_region)),
    "regions served, the first is the default",
    SES_REGIONS,
    show=_comma,
)
LISTEN_HTTP = Setting("listen_http", _listen, "API, links, health", "127.0.0.1:8465,[::1]:8465", show=_comma)
LISTEN_ADMIN = Setting(
    "listen_admin", _listen, "metrics and health of this process", "127.0.0.1:8466", show=_comma
)
LISTEN_DNS = Setting("listen_dns", _listen, "key zone, UDP and TCP", "127.0.0.1:8453", show=_comma)
LISTEN_SMTP = Setting("listen_smtp", _listen, "submission", "127.0.0.1:8587", show=_comma, later=True)
LISTEN_FEEDBACK = Setting(
    "listen_feedback",
    _listen,
    "where the MX of MAIL FROM domains points",
    "127.0.0.1:8525",
    show=_comma,
    later=True,
)
PUBLIC_URL = Setting(
    "public_url", parse_public_url, "how links in mails begin", otherwise="from the bound HTTP address"
)
TLS_CERT_FILE = Setting(
    "tls_cert_file", _existing_file, "certificate chain for HTTP and SMTP, re-read on SIGHUP", path=True
)
TLS_KEY_FILE = Setting("tls_key_file", _existing_file, "its private key", path=True)
TRUSTED_PROXIES = Setting(
    "trusted_proxies",
    parsers.parse_list(parse_network),
    "addresses whose X-Forwarded-For and X-Forwarded-Proto count",
    "",
    show=_comma,
)
RESOLVERS = Setting(
    "resolvers",
    parse_resolvers,
    "recursive resolvers: host:port[+trusted] comma-separated within a perspective, perspectives with ;",
    otherwise="the system's",
    show=lambda perspectives: ";".join(map(str, perspectives)),
)
QUORUM = Setting(
    "quorum",
    parsers.parse_number,
    "perspectives that must agree",
    otherwise="all of one or two, all but one from three up",
)
ZONE_RATE = Setting(
    "zone_rate", parsers.parse_number, "questions a second to one zone, burst twice that", "20"
)
RELAY = Setting("relay", parse_relay, "where accepted mail goes", "outbox", sealed=True)
MAIL_SENDER = Setting(
    "mail_sender",
    parsers.parse_mailbox,
    "From of the service's own mails",
    otherwise="no-reply@<service domain>",
)
ROOT_ACCESS_KEY_ID = Setting(
    "root_access_key_id", parsers.parse_access_key_id, "the operator's access key", otherwise="generated"
)
ROOT_SECRET_ACCESS_KEY = Setting(
    "root_secret_access_key",
    parsers.parse_secret,
    "the secret of that key",
    otherwise="generated",
    secret=True,
)
ROOT_ACCOUNT = Setting(
    "root_account", parsers.parse_account, "the account of that key", otherwise="generated"
)
LIMITS = Setting(
    "limits",
    _profile,
    "standard, ses or off; single values in TOML",
    "standard",
    show=lambda profile: profile.profile,
)
PRODUCTION_ACCESS = Setting(
    "production_access",
    parsers.parse_truth,
    "whether accounts may send to recipients that are not verified",
    "true",
    show=lambda truth: str(truth).lower(),
)
VERIFICATION = Setting(
    "verification",
    parsers.parse_choice(VerificationMode),
    "dns, or instant: verified when created",
    "dns",
    show=lambda mode: mode.value,
)
VERIFY_WINDOW = _span("verify_window", "how long records may take to appear, and to come back", "72h")
LINK_WINDOW = _span("link_window", "how long a verification link works", "24h")
CHECK_MIN = _span("check_min", "first interval between checks of a pending identity", "10s")
CHECK_MAX = _span("check_max", "largest interval between checks of a pending identity", "15m")
CHECK_VERIFIED = _span("check_verified", "interval between checks of a verified identity", "24h")
AUTHORITY_PORT = Setting(
    "authority_port", parsers.parse_port, "port on which a zone's own servers are asked for diagnosis", "53"
)
PRIVATE_ADDRESSES = Setting(
    "private_addresses",
    parse_private_addresses,
    "CIDRs or allow: private places that what tenants name may lead to",
    "",
)
MASTER_KEY_FILE = Setting(
    "master_key_file",
    _path,
    "the keyring that encrypts private keys and secrets at rest",
    otherwise="DATA_DIR/master.key",
    path=True,
)
UNSAFE = Setting(
    "unsafe",
    parsers.parse_list(parsers.parse_choice(Danger)),
    "refusals to waive, by name",
    "",
    show=lambda dangers: ",".join(danger.value for danger in dangers),
)
LOG_FORMAT = Setting(
    "log_format",
    parsers.parse_choice(LogFormat),
    "console or json",
    otherwise="console on a terminal, else json",
    show=lambda form: form.value,
)
AUDIT_RETENTION = Setting(
    "audit_retention",
    parsers.parse_span_or_off,
    "how long it is kept who did what; or off, which keeps it for ever",
    # A year, and a month in which that is looked at: PCI DSS 4.0 §10.5.1 asks for twelve months.
    "400d",
    show=parsers.shown_span_or_off,
)
KEYS_ROTATE_EVERY = Setting(
    "keys_rotate_every",
    parsers.parse_span_or_off,
    "how long a key of Easy DKIM signs before the next one is published; or off",
    "180d",
    show=parsers.shown_span_or_off,
    toml_only=True,
)
KEYS_WITHDRAW_AFTER = Setting(
    "keys_withdraw_after",
    parsers.parse_linger,
    "how long a key stays published after its last signature: the longest TTL and queue age",
    "5d",
    show=parsers.shown_span,
    toml_only=True,
)
KEYS_POOL = Setting(
    "keys_pool",
    partial(parsers.parse_number, most=100_000),
    "unused keys kept ready of each length, at most; fewer where fewer were waited for of late",
    "1000",
    toml_only=True,
)
KEYS_PROCESSES = Setting(
    "keys_processes",
    partial(parsers.parse_number, most=1024),
    "processes of low priority that make keys, at most",
    otherwise="one for each core it may use",
    toml_only=True,
)
REPLICATION = Setting(
    "replication",
    parse_elsewhere,
    "regions that another installation serves, each a table with url, access_key_id, secret_access_key",
    "",
    show=_comma,
    toml_only=True,
)
REPLICATION_OFFERS = Setting(
    "replication_offers",
    parsers.parse_list(parse_offered),
    "whose private DKIM keys another installation may fetch, and which region it serves:"
    " `account/region,...`; only access keys may whose policy allows `indicia:ReplicateIdentity`",
    "",
    show=_comma,
)
SINGLE_LIMITS: dict[str, Setting[int | None]] = {
    name: Setting(
        f"limits_{name}",
        limits.parse_limit,
        f"replaces the {name.replace('_', ' ')} of the profile; a number or off",
        otherwise="as the profile has it",
        show=lambda limit: "off" if limit is None else str(limit),
        toml_only=True,
    )
    for name in limits.SINGLE
}

TABLE: tuple[Setting[Any], ...] = (
    DATA_DIR,
    DATABASE_URL,
    SERVICE_DOMAIN,
    NAMESERVERS,
    REGIONS,
    LISTEN_HTTP,
    LISTEN_ADMIN,
    LISTEN_DNS,
    LISTEN_SMTP,
    LISTEN_FEEDBACK,
    PUBLIC_URL,
    TLS_CERT_FILE,
    TLS_KEY_FILE,
    TRUSTED_PROXIES,
    RESOLVERS,
    QUORUM,
    ZONE_RATE,
    RELAY,
    MAIL_SENDER,
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    ROOT_ACCOUNT,
    LIMITS,
    PRODUCTION_ACCESS,
    VERIFICATION,
    VERIFY_WINDOW,
    LINK_WINDOW,
    CHECK_MIN,
    CHECK_MAX,
    CHECK_VERIFIED,
    AUTHORITY_PORT,
    PRIVATE_ADDRESSES,
    REPLICATION_OFFERS,
    MASTER_KEY_FILE,
    UNSAFE,
    LOG_FORMAT,
    AUDIT_RETENTION,
    KEYS_ROTATE_EVERY,
    KEYS_WITHDRAW_AFTER,
    KEYS_POOL,
    KEYS_PROCESSES,
    REPLICATION,
    *SINGLE_LIMITS.values(),
)
BY_NAME: dict[str, Setting[Any]] = {setting.name: setting for setting in TABLE}
