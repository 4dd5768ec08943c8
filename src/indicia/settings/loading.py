"""From what people wrote to the settings tree: every value parsed, every pair that must fit compared."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from indicia.domain.dkim.rotation import KeyPace
from indicia.domain.names import MAX_DOMAIN
from indicia.domain.records.expected import feedback_host
from indicia.settings import table
from indicia.settings.addresses import agreement_needed
from indicia.settings.limits import Limits, limits
from indicia.settings.sources import (
    Layer,
    Mistakes,
    SettingsError,
    Written,
    from_defaults,
    from_environment,
    from_flags,
    from_overlay,
    from_toml,
)
from indicia.settings.tree import KeySupply, Listen, LogFormat, Root, Settings, Shown, Tls, Windows
from indicia.settings.urls import sqlite_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from indicia.settings.addresses import Perspective
    from indicia.settings.replication_peers import Elsewhere, Offered
    from indicia.settings.table import Setting

T = TypeVar("T")

NOT_SHOWN = "(set, not shown)"


@dataclass(frozen=True, slots=True)
class Survey:
    """What people set: every setting as it may be shown, the mistakes, and the tree where there are none."""

    settings: Settings | None
    shown: tuple[Shown, ...]
    mistakes: Mistakes


def load(
    config_file: Path | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
    flags: Mapping[str, str] = MappingProxyType({}),
    *,
    terminal: bool = False,
    defaults: Mapping[str, str] = MappingProxyType({}),
    defaults_name: str = "sandbox",
) -> Settings:
    """Return the settings tree.

    `flags` are by setting name. `terminal` says whether log lines will be read by a person. `defaults`
    replace built-in defaults by name, for a command that has its own.

    Raises: `SettingsError` for whatever is unknown, malformed, or does not fit the rest.
    """
    found = survey(
        config_file, environment, flags, terminal=terminal, defaults=defaults, defaults_name=defaults_name
    )
    found.mistakes.stop()
    assert found.settings is not None
    return found.settings


def survey(
    config_file: Path | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
    flags: Mapping[str, str] = MappingProxyType({}),
    *,
    terminal: bool = False,
    defaults: Mapping[str, str] = MappingProxyType({}),
    defaults_name: str = "sandbox",
) -> Survey:
    """Return the settings with every mistake in them. What is given is as for `load`."""
    mistakes = Mistakes()
    written: Layer = from_defaults() | from_overlay(defaults, defaults_name)
    if config_file is not None:
        written |= from_toml(config_file, mistakes)
    written |= from_environment(environment, mistakes)
    written |= from_flags(flags, mistakes)
    reading = _Reading(written)
    for setting in table.TABLE:
        if reading.is_set(setting) or not setting.toml_only:
            with mistakes.noted():
                reading.optional(setting)
    if not mistakes.found:
        for pair in _PAIRS:
            with mistakes.noted():
                pair(reading)
    settings = None if mistakes.found else _build(reading, terminal=terminal)
    return Survey(settings, reading.shown(mistakes.found), mistakes)


class _Reading:
    """The written values being read: parses on demand, remembers what was settled on, and how to show it."""

    def __init__(self, written: Layer) -> None:
        self._written = written
        self._settled: dict[str, tuple[str, str]] = {}

    def optional(self, setting: Setting[T]) -> T | None:
        """Return the value, None where nobody set one."""
        written = self._written.get(setting.name)
        if written is None:
            self._settled[setting.name] = (f"({setting.otherwise})", "default")
            return None
        value = self._parsed(setting, written)
        self._settled[setting.name] = (NOT_SHOWN if setting.secret else setting.show(value), written.source)
        return value

    def value(self, setting: Setting[T], otherwise: T | None = None) -> T:
        """Return the value, or else what follows from other settings."""
        value = self.optional(setting)
        if value is not None:
            return value
        assert otherwise is not None, setting.name
        self._settled[setting.name] = (setting.show(otherwise), "default")
        return otherwise

    def _parsed(self, setting: Setting[T], written: Written) -> T:
        try:
            return setting.parse(written.text)
        except ValueError as refused:
            # The chain ends here: the cause may quote what a person wrote, and the reason is made not to.
            raise SettingsError(written.spelling, str(refused), setting=setting.name) from None

    def is_set(self, setting: Setting[Any]) -> bool:
        """Say whether anybody set it."""
        return setting.name in self._written

    def refuse(self, setting: Setting[Any], reason: str) -> NoReturn:
        """Stop for a value that is well-formed and does not fit."""
        written = self._written.get(setting.name)
        spelling = written.spelling if written else setting.variable
        raise SettingsError(spelling, reason, setting=setting.name)

    def sources(self) -> Mapping[str, str]:
        """Return where each value came from, by setting name."""
        return MappingProxyType({name: source for name, (_, source) in self._settled.items()})

    def shown(self, mistakes: Sequence[SettingsError] = ()) -> tuple[Shown, ...]:
        """Return every setting with its value as it may be shown, in the order of the table."""
        reasons = {mistake.setting: mistake.reason for mistake in mistakes}
        return tuple(
            self._shown(setting, reasons.get(setting.name, ""))
            for setting in table.TABLE
            if setting.name in self._settled or setting.name in reasons
        )

    def _shown(self, setting: Setting[Any], mistake: str) -> Shown:
        if mistake:
            written = self._written.get(setting.name)
            source = written.source if written else "default"
            return Shown(setting.variable, "", source, setting.meaning, mistake)
        return Shown(setting.variable, *self._settled[setting.name], setting.meaning)


def _build(reading: _Reading, *, terminal: bool) -> Settings:
    value, optional = reading.value, reading.optional
    data_dir = value(table.DATA_DIR)
    service_domain = value(table.SERVICE_DOMAIN)
    resolvers = optional(table.RESOLVERS) or ()
    waived = value(table.UNSAFE)
    return Settings(
        data_dir=data_dir,
        database_url=value(table.DATABASE_URL, sqlite_at(data_dir / "indicia.db")),
        service_domain=service_domain,
        nameservers=value(table.NAMESERVERS, (f"ns1.{service_domain}",)),
        regions=value(table.REGIONS),
        listen=_listen(reading),
        public_url=optional(table.PUBLIC_URL),
        tls=_tls(reading),
        trusted_proxies=value(table.TRUSTED_PROXIES),
        resolvers=resolvers,
        quorum=_quorum(reading, resolvers),
        zone_rate=value(table.ZONE_RATE),
        relay=value(table.RELAY),
        mail_sender=value(table.MAIL_SENDER, f"no-reply@{service_domain}"),
        root=_root(reading),
        limits=_limits(reading),
        production_access=value(table.PRODUCTION_ACCESS),
        verification=value(table.VERIFICATION),
        windows=_windows(reading),
        authority_port=value(table.AUTHORITY_PORT),
        private_addresses=value(table.PRIVATE_ADDRESSES),
        master_key_file=value(table.MASTER_KEY_FILE, data_dir / "master.key"),
        unsafe=frozenset(waived),
        log_format=value(table.LOG_FORMAT, LogFormat.CONSOLE if terminal else LogFormat.JSON),
        audit_retention=optional(table.AUDIT_RETENTION),
        key_pace=_key_pace(reading),
        key_supply=KeySupply(reading.value(table.KEYS_POOL), reading.optional(table.KEYS_PROCESSES)),
        elsewhere=_elsewhere(reading),
        offered=_offered(reading),
        # Arguments are evaluated in order: by now everything is read.
        sources=reading.sources(),
        shown=reading.shown(),
    )


def _listen(reading: _Reading) -> Listen:
    return Listen(
        http=reading.value(table.LISTEN_HTTP),
        admin=reading.value(table.LISTEN_ADMIN),
        dns=reading.value(table.LISTEN_DNS),
        smtp=reading.value(table.LISTEN_SMTP),
        feedback=reading.value(table.LISTEN_FEEDBACK),
    )


def _tls(reading: _Reading) -> Tls | None:
    cert_file, key_file = reading.optional(table.TLS_CERT_FILE), reading.optional(table.TLS_KEY_FILE)
    if cert_file is None and key_file is None:
        return None
    if key_file is None:
        reading.refuse(table.TLS_CERT_FILE, f"goes with {table.TLS_KEY_FILE.variable}, which is not set")
    if cert_file is None:
        reading.refuse(table.TLS_KEY_FILE, f"goes with {table.TLS_CERT_FILE.variable}, which is not set")
    return Tls(cert_file, key_file)


def _quorum(reading: _Reading, resolvers: tuple[Perspective, ...]) -> int:
    """Two halves must not decide differently: more than half must agree, and no more than there are."""
    count = max(1, len(resolvers))
    quorum = reading.value(table.QUORUM, agreement_needed(count))
    if quorum * 2 <= count:
        reading.refuse(table.QUORUM, f"{quorum} is not more than half of {count} perspectives")
    if quorum > count:
        plural = "perspective" if count == 1 else "perspectives"
        reading.refuse(table.QUORUM, f"{quorum} cannot agree, INDICIA_RESOLVERS has {count} {plural}")
    return quorum


def _root(reading: _Reading) -> Root:
    key_id = reading.optional(table.ROOT_ACCESS_KEY_ID)
    secret = reading.optional(table.ROOT_SECRET_ACCESS_KEY)
    if key_id is not None and secret is None:
        reading.refuse(
            table.ROOT_ACCESS_KEY_ID, f"goes with {table.ROOT_SECRET_ACCESS_KEY.variable}, which is not set"
        )
    if secret is not None and key_id is None:
        reading.refuse(
            table.ROOT_SECRET_ACCESS_KEY, f"goes with {table.ROOT_ACCESS_KEY_ID.variable}, which is not set"
        )
    return Root(key_id, secret, reading.optional(table.ROOT_ACCOUNT))


def _limits(reading: _Reading) -> Limits:
    profile = reading.value(table.LIMITS)
    single = {
        name: reading.optional(setting)
        for name, setting in table.SINGLE_LIMITS.items()
        if reading.is_set(setting)
    }
    return limits(profile, single)


def _windows(reading: _Reading) -> Windows:
    windows = Windows(
        verify=reading.value(table.VERIFY_WINDOW),
        link=reading.value(table.LINK_WINDOW),
        check_min=reading.value(table.CHECK_MIN),
        check_max=reading.value(table.CHECK_MAX),
        check_verified=reading.value(table.CHECK_VERIFIED),
    )
    if windows.check_min > windows.check_max:
        shown = table.CHECK_MIN.show
        reading.refuse(
            table.CHECK_MIN if reading.sources()["check_min"] != "default" else table.CHECK_MAX,
            f"the first interval {shown(windows.check_min)} exceeds the largest, {shown(windows.check_max)}",
        )
    return windows


def _key_pace(reading: _Reading) -> KeyPace:
    return KeyPace(
        linger=reading.value(table.KEYS_WITHDRAW_AFTER), every=reading.optional(table.KEYS_ROTATE_EVERY)
    )


def _elsewhere(reading: _Reading) -> tuple[Elsewhere, ...]:
    """Another installation serves none of the regions that are served here."""
    found = reading.value(table.REPLICATION)
    served: tuple[str, ...] = reading.value(table.REGIONS)
    for each in found:
        if each.region in served:
            reading.refuse(
                table.REPLICATION,
                f"{each.region} is served here; leave it out of {table.REGIONS.variable} or of [replication]",
            )
    return found


def _offered(reading: _Reading) -> frozenset[Offered]:
    """Keys leave for regions only that are served elsewhere."""
    found: tuple[Offered, ...] = reading.value(table.REPLICATION_OFFERS)
    served: tuple[str, ...] = reading.value(table.REGIONS)
    for each in found:
        if each.region in served:
            reading.refuse(
                table.REPLICATION_OFFERS,
                f"{each.region} is served here, where replicas need no offer; leave {each} out",
            )
    return frozenset(found)


def _feedback_hosts(reading: _Reading) -> None:
    """The MX of a MAIL FROM domain has to lead somewhere, in each region."""
    regions: tuple[str, ...] = reading.value(table.REGIONS)
    longest = feedback_host(max(regions, key=len), reading.value(table.SERVICE_DOMAIN))
    if len(longest) > MAX_DOMAIN:
        reading.refuse(
            table.REGIONS,
            f"{longest}, where bounces go, is {len(longest)} octets long, and names in the DNS have"
            f" {MAX_DOMAIN} at most; a shorter {table.SERVICE_DOMAIN.variable} or region leaves room",
        )


def _resolvers(reading: _Reading) -> int:
    return _quorum(reading, reading.optional(table.RESOLVERS) or ())


# What is well-formed each for itself and may not fit together.
_PAIRS: Final = (_tls, _resolvers, _root, _limits, _windows, _key_pace, _elsewhere, _offered, _feedback_hosts)
