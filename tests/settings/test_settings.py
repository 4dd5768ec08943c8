"""The settings: every one with good and bad values, where they come from, and which win."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indicia.domain.time import DAY, HOUR, MINUTE, SECOND
from indicia.settings import (
    Address,
    Danger,
    LogFormat,
    RelayKind,
    Settings,
    SettingsError,
    VerificationMode,
    load,
)
from indicia.settings.replication_peers import Offered
from indicia.settings.table import TABLE

GOOD: list[tuple[str, str, Callable[[Settings], Any], Any]] = [
    ("data_dir", "/srv/indicia", lambda s: s.data_dir, Path("/srv/indicia")),
    ("data_dir", "relative", lambda s: s.data_dir, Path.cwd() / "relative"),
    ("database_url", "sqlite:////srv/x.db", lambda s: s.database_url.text, "sqlite:////srv/x.db"),
    ("database_url", "sqlite:///x.db", lambda s: s.database_url.dialect, "sqlite"),
    (
        "database_url",
        "postgresql://u:p@db:5432/i",
        lambda s: s.database_url.text,
        "postgresql://u:p@db:5432/i",
    ),
    ("database_url", "postgres://u@db/i", lambda s: s.database_url.text, "postgresql://u@db/i"),
    ("database_url", "postgresql:///i?host=/run/pg", lambda s: s.database_url.dialect, "postgresql"),
    ("service_domain", "Mail.Operator.EXAMPLE.", lambda s: s.service_domain, "mail.operator.example"),
    ("service_domain", "op.example", lambda s: s.signing_zone, "dkim.op.example"),
    ("service_domain", "op.example", lambda s: s.nameservers, ("ns1.op.example",)),
    ("service_domain", "op.example", lambda s: s.mail_sender, "no-reply@op.example"),
    (
        "nameservers",
        "ns1.a.example, ns2.b.example.",
        lambda s: s.nameservers,
        ("ns1.a.example", "ns2.b.example"),
    ),
    (
        "regions",
        "moon-1,eu-west-1",
        lambda s: (s.regions, s.default_region),
        (("moon-1", "eu-west-1"), "moon-1"),
    ),
    ("listen_http", "0.0.0.0:80", lambda s: s.listen.http, (Address("0.0.0.0", 80),)),
    (
        "listen_http",
        "[::]:0,127.0.0.1:0",
        lambda s: s.listen.http,
        (Address("::", 0), Address("127.0.0.1", 0)),
    ),
    ("listen_http", "LOCALHOST:1", lambda s: s.listen.http, (Address("localhost", 1),)),
    ("listen_admin", "10.0.0.1:9000", lambda s: s.listen.admin, (Address("10.0.0.1", 9000),)),
    ("listen_dns", "[2001:db8::1]:53", lambda s: s.listen.dns, (Address("2001:db8::1", 53),)),
    ("listen_smtp", "127.0.0.1:587", lambda s: s.listen.smtp, (Address("127.0.0.1", 587),)),
    ("listen_feedback", "127.0.0.1:25", lambda s: s.listen.feedback, (Address("127.0.0.1", 25),)),
    ("public_url", "https://mail.example/ses/", lambda s: s.public_url, "https://mail.example/ses"),
    (
        "trusted_proxies",
        "10.0.0.0/8, ::1",
        lambda s: [str(n) for n in s.trusted_proxies],
        ["10.0.0.0/8", "::1/128"],
    ),
    ("trusted_proxies", "", lambda s: s.trusted_proxies, ()),
    ("resolvers", "127.0.0.1", lambda s: str(s.resolvers[0]), "p1=127.0.0.1:53"),
    ("resolvers", "127.0.0.1:53;10.0.0.53:5353", lambda s: [p.name for p in s.resolvers], ["p1", "p2"]),
    (
        "resolvers",
        "local=127.0.0.1:53,[::1]:53; fra=10.0.0.53:53",
        lambda s: [str(p) for p in s.resolvers],
        ["local=127.0.0.1:53,[::1]:53", "fra=10.0.0.53:53"],
    ),
    (
        "resolvers",
        "127.0.0.1;fra=10.0.0.53+trusted,10.0.0.54",
        lambda s: [r.trusted for p in s.resolvers for r in p.resolvers],
        [True, True, False],
    ),
    ("quorum", "1", lambda s: s.quorum, 1),
    ("zone_rate", "5", lambda s: s.zone_rate, 5),
    (
        "replication_offers",
        "111122223333/xx-test-1, 111122223333/xx-test-2",
        lambda s: s.offered,
        {Offered("111122223333", "xx-test-1"), Offered("111122223333", "xx-test-2")},
    ),
    ("replication_offers", "", lambda s: s.offered, frozenset()),
    ("relay", "outbox", lambda s: (s.relay.kind, s.relay.address), (RelayKind.OUTBOX, None)),
    ("relay", "smtp://mta", lambda s: (s.relay.kind, s.relay.address), (RelayKind.SMTP, Address("mta", 25))),
    ("relay", "smtp://[::1]:2525", lambda s: s.relay.address, Address("::1", 2525)),
    (
        "relay",
        "smtp+starttls://u:p%40ss%3A@mta.example",
        lambda s: (s.relay.kind, s.relay.address, s.relay.user, s.relay.password),
        (RelayKind.STARTTLS, Address("mta.example", 587), "u", "p@ss:"),
    ),
    ("relay", "smtps://mta.example:4465", lambda s: s.relay.address, Address("mta.example", 4465)),
    ("relay", "smtps://mta.example", lambda s: s.relay.address, Address("mta.example", 465)),
    ("mail_sender", "hello@op.example", lambda s: s.mail_sender, "hello@op.example"),
    ("root_account", "123456789012", lambda s: s.root.account, "123456789012"),
    ("limits", "standard", lambda s: (s.limits.requests_per_second, s.limits.identities), (50, 1_000_000)),
    (
        "limits",
        "ses",
        lambda s: (
            s.limits.operation_requests_per_second,
            s.limits.operation_requests_burst,
            s.limits.identities,
        ),
        (1, 10, 10_000),
    ),
    ("limits", "off", lambda s: set(dataclasses.astuple(s.limits)), {"off", None}),
    ("production_access", "false", lambda s: s.production_access, False),
    ("verification", "instant", lambda s: s.verification, VerificationMode.INSTANT),
    ("verify_window", "5d", lambda s: s.windows.verify, 5 * DAY),
    ("link_window", "90m", lambda s: s.windows.link, 90 * MINUTE),
    ("check_min", "200ms", lambda s: s.windows.check_min, 200),
    ("check_max", "1h", lambda s: s.windows.check_max, HOUR),
    ("check_verified", "12h", lambda s: s.windows.check_verified, 12 * HOUR),
    ("authority_port", "5353", lambda s: s.authority_port, 5353),
    ("private_addresses", "allow", lambda s: s.private_addresses.allow_all, True),
    (
        "private_addresses",
        "10.0.0.0/8,fd00::/8",
        lambda s: [str(n) for n in s.private_addresses.networks],
        ["10.0.0.0/8", "fd00::/8"],
    ),
    (
        "private_addresses",
        "",
        lambda s: (s.private_addresses.allow_all, s.private_addresses.networks),
        (False, ()),
    ),
    ("master_key_file", "/run/secrets/master", lambda s: s.master_key_file, Path("/run/secrets/master")),
    (
        "unsafe",
        "plain-http,service-domain",
        lambda s: s.unsafe,
        frozenset({Danger.PLAIN_HTTP, Danger.SERVICE_DOMAIN}),
    ),
    ("log_format", "console", lambda s: s.log_format, LogFormat.CONSOLE),
    ("audit_retention", "30d", lambda s: s.audit_retention, 30 * DAY),
    ("audit_retention", "off", lambda s: s.audit_retention, None),
]

LONG = "a" * 63 + "." + "b" * 63 + "." + "c" * 63 + "." + "d" * 30

BAD: list[tuple[str, str, str]] = [
    ("data_dir", "", "is not a path"),
    (
        "database_url",
        "mysql://u:hunter22@db/i",
        "is neither sqlite:///PATH nor postgresql://...",
    ),
    (
        "database_url",
        "sqlite://",
        "an SQLite database is sqlite:///PATH, with four slashes before an absolute path",
    ),
    (
        "database_url",
        "postgresql://u:hunter22@db:port/i",
        "a PostgreSQL database is postgresql://[user[:password]@]host[:port]/database",
    ),
    ("service_domain", "localhost", '"localhost" is not a domain name of two labels or more'),
    ("service_domain", "-a.example", '"-a.example" is not a domain name of two labels or more'),
    (
        "service_domain",
        LONG,
        (f'"{LONG[:100]}... (122 more characters)" is longer than the 215 octets that leave key names room'),
    ),
    ("nameservers", "", "is empty, and needs at least one value"),
    ("nameservers", "ns1", '"ns1" is not a domain name of two labels or more'),
    ("regions", "", "is empty, and needs at least one value"),
    ("regions", "EU-West-1", '"EU-West-1" is not a region name: one DNS label in lower case'),
    ("regions", "a,b,a", '"a" is there twice'),
    ("listen_http", "", "is empty, and needs at least one value"),
    ("listen_http", "8465", '"8465" is not host:port or [v6]:port'),
    ("listen_http", "127.0.0.1", '"127.0.0.1" has no port: host:port or [v6]:port'),
    ("listen_http", ":8465", '":8465" is not host:port or [v6]:port'),
    ("listen_http", "127.0.0.1:65536", '"127.0.0.1:65536" has no port from 0 to 65535'),
    ("listen_http", "127.0.0.300:1", '"127.0.0.300:1" is not host:port or [v6]:port'),
    ("listen_http", "::1", '"::1" needs brackets around the IPv6 address: [::1]:PORT'),
    ("listen_http", "[::1]", '"[::1]" has no port: host:port or [v6]:port'),
    ("listen_http", "[localhost]:1", '"[localhost]:1" is not host:port or [v6]:port'),
    ("listen_http", "127.0.0.1:1,127.0.0.1:1", '"127.0.0.1:1" is there twice'),
    ("listen_admin", "a b:1", '"a b:1" is not host:port or [v6]:port'),
    ("listen_dns", "127.0.0.1:-1", '"127.0.0.1:-1" has no port from 0 to 65535'),
    ("listen_smtp", "x", '"x" has no port: host:port or [v6]:port'),
    ("listen_feedback", "x:y", '"x:y" has no port from 0 to 65535'),
    ("public_url", "mail.example", '"mail.example" is not http(s)://host[:port][/path]'),
    ("public_url", "https://x/?a=b", '"https://x/?a=b" is not http(s)://host[:port][/path]'),
    ("public_url", "ftp://x", '"ftp://x" is not http(s)://host[:port][/path]'),
    ("public_url", "https://x:99999", '"https://x:99999" is not http(s)://host[:port][/path]'),
    ("tls_cert_file", "/nowhere/cert.pem", "there is no file /nowhere/cert.pem"),
    ("tls_key_file", "/nowhere/key.pem", "there is no file /nowhere/key.pem"),
    (
        "trusted_proxies",
        "proxy",
        '"proxy" is neither an IP address nor a CIDR block such as 10.0.0.0/8',
    ),
    (
        "trusted_proxies",
        "10.1.2.3/8",
        '"10.1.2.3/8" is neither an IP address nor a CIDR block such as 10.0.0.0/8',
    ),
    ("resolvers", "", 'the perspective "p1" has no resolver'),
    ("resolvers", "a=;b=127.0.0.1", 'the perspective "a" has no resolver'),
    ("resolvers", "A=127.0.0.1", '"A" is not a perspective\'s name: a-z, 0-9 and hyphens'),
    ("resolvers", "a=127.0.0.1;a=127.0.0.2", '"a" names two perspectives'),
    (
        "resolvers",
        "a=127.0.0.1;b=127.0.0.1:53",
        "127.0.0.1:53 is there twice, and each perspective needs resolvers of its own",
    ),
    ("resolvers", "127.0.0.1:0", '"127.0.0.1:0" has no port from 1 to 65535'),
    ("quorum", "0", '"0" is not a whole number from 1 to 1000000000'),
    ("quorum", "most", '"most" is not a whole number from 1 to 1000000000'),
    ("quorum", "2", "2 cannot agree, INDICIA_RESOLVERS has 1 perspective"),
    (
        "replication_offers",
        "111122223333",
        '"111122223333" is not an account and a region, such as 111122223333/us-east-1',
    ),
    ("replication_offers", "*/xx-test-1", '"*" is not an account number of 12 digits'),
    (
        "replication_offers",
        "111122223333/us-east-1",
        "us-east-1 is served here, where replicas need no offer; leave 111122223333/us-east-1 out",
    ),
    ("zone_rate", "-1", '"-1" is not a whole number from 1 to 1000000000'),
    ("zone_rate", "²", '"²" is not a whole number from 1 to 1000000000'),
    (
        "relay",
        "lmtp://u:hunter22@mta",
        "is not `outbox`, or smtp://, smtp+starttls:// or smtps:// with [user:password@]host[:port]",
    ),
    (
        "relay",
        "smtps://hunter22@mta",
        "a login needs both, user:password@ (percent-encode what is not a letter or digit)",
    ),
    ("relay", "smtps://u:hunter22@", "what follows smtps:// is not [user:password@]host[:port]"),
    ("relay", "smtp://mta:0", "what follows smtp:// is not [user:password@]host[:port]"),
    ("mail_sender", "nobody", '"nobody" is not a mail address'),
    ("root_access_key_id", "short", '"short" is not an access key id: 16 to 128 letters and digits'),
    (
        "root_secret_access_key",
        "hunter22",
        "is not a secret access key: 16 to 128 printable characters without spaces",
    ),
    ("root_account", "12", '"12" is not an account number of 12 digits'),
    ("limits", "none", '"none" is none of `standard`, `ses` or `off`'),
    ("production_access", "yes", '"yes" is neither true nor false'),
    ("verification", "never", '"never" is none of `dns` or `instant`'),
    ("verify_window", "72", '"72" is not a duration such as 10s, 15m, 72h or 5d'),
    ("verify_window", "4000d", '"4000d" is not a duration between 1ms and 3650d'),
    ("link_window", "0s", '"0s" is not a duration between 1ms and 3650d'),
    ("check_min", "1.5h", '"1.5h" is not a duration such as 10s, 15m, 72h or 5d'),
    ("check_min", "1h", "the first interval 1h exceeds the largest, 15m"),
    ("check_max", "5s", "the first interval 10s exceeds the largest, 5s"),
    ("check_verified", "daily", '"daily" is not a duration such as 10s, 15m, 72h or 5d'),
    ("authority_port", "0", '"0" is not a whole number from 1 to 65535'),
    ("private_addresses", "allow,10.0.0.0/8", "`allow` stands alone, or name CIDR blocks"),
    (
        "private_addresses",
        "all",
        '"all" is neither an IP address nor a CIDR block such as 10.0.0.0/8',
    ),
    ("master_key_file", "", "is not a path"),
    (
        "unsafe",
        "everything",
        (
            '"everything" is none of `service-domain`, `instant-verification`, `private-addresses` '
            "or `plain-http`"
        ),
    ),
    ("log_format", "xml", '"xml" is none of `console` or `json`'),
    ("audit_retention", "1h", '"1h" is less than 24h; off is for never'),
]


@pytest.mark.parametrize(("name", "text", "get", "value"), GOOD)
def test_a_good_value_is_read(name: str, text: str, get: Callable[[Settings], Any], value: Any) -> None:
    """Each setting turns its text into the value that the house works with."""
    assert get(load(environment={f"INDICIA_{name.upper()}": text})) == value


@pytest.mark.parametrize(("name", "text", "reason"), BAD)
def test_a_bad_value_stops_with_its_name_and_the_reason(name: str, text: str, reason: str) -> None:
    """A malformed value names the setting, says what is wrong with it, and quotes no password."""
    with pytest.raises(SettingsError) as stopped:
        load(environment={f"INDICIA_{name.upper()}": text})

    assert str(stopped.value) == f"INDICIA_{name.upper()}: {reason}"
    assert "hunter22" not in str(stopped.value)


def test_bounces_have_a_host_in_every_region() -> None:
    """A service domain and a region, each well-formed, may leave no room for `feedback-smtp` before both."""
    domain = "a" * 63 + "." + "b" * 63 + "." + "c" * 50
    longest = {"INDICIA_SERVICE_DOMAIN": domain, "INDICIA_REGIONS": f"eu-west-1,{'r' * 59}"}

    with pytest.raises(SettingsError, match=r"INDICIA_REGIONS: .* where bounces go, is 254 octets long"):
        load(environment={**longest, "INDICIA_REGIONS": f"eu-west-1,{'r' * 61}"})
    assert load(environment=longest).regions[1] == "r" * 59


def test_every_setting_is_in_these_tables() -> None:
    """No setting is without a good and a bad example; those that go in pairs have tests of their own."""
    names = {setting.name for setting in TABLE if not setting.toml_only}
    pairs = {"tls_cert_file", "tls_key_file", "root_access_key_id", "root_secret_access_key"}

    assert {name for name, *_ in GOOD} == names - pairs, "GOOD has a line for each setting"
    assert {name for name, *_ in BAD} == names, "BAD has a line for each setting"


def test_the_defaults_are_those_of_the_contract() -> None:
    """With nothing set, everything has a working value, on loopback and in ./indicia-data."""
    settings = load()
    shown = {setting.name: setting.value for setting in settings.shown}
    here = Path.cwd() / "indicia-data"

    assert settings.data_dir == here
    assert settings.database_url.text == f"sqlite:///{here}/indicia.db"
    assert settings.master_key_file == here / "master.key"
    assert (len(settings.regions), settings.default_region) == (36, "us-east-1")
    assert settings.quorum == 1
    assert settings.windows.check_min == 10 * SECOND
    assert (
        shown.items()
        >= {
            "INDICIA_SERVICE_DOMAIN": "indicia.test",
            "INDICIA_NAMESERVERS": "ns1.indicia.test",
            "INDICIA_LISTEN_HTTP": "127.0.0.1:8465,[::1]:8465",
            "INDICIA_LISTEN_ADMIN": "127.0.0.1:8466",
            "INDICIA_LISTEN_DNS": "127.0.0.1:8453",
            "INDICIA_LISTEN_SMTP": "127.0.0.1:8587",
            "INDICIA_LISTEN_FEEDBACK": "127.0.0.1:8525",
            "INDICIA_ZONE_RATE": "20",
            "INDICIA_RELAY": "outbox",
            "INDICIA_MAIL_SENDER": "no-reply@indicia.test",
            "INDICIA_LIMITS": "standard",
            "INDICIA_PRODUCTION_ACCESS": "true",
            "INDICIA_VERIFICATION": "dns",
            "INDICIA_VERIFY_WINDOW": "72h",
            "INDICIA_LINK_WINDOW": "24h",
            "INDICIA_CHECK_MIN": "10s",
            "INDICIA_CHECK_MAX": "15m",
            "INDICIA_CHECK_VERIFIED": "24h",
            "INDICIA_AUTHORITY_PORT": "53",
            "INDICIA_LOG_FORMAT": "json",
        }.items()
    )
    assert set(settings.sources.values()) == {"default"}


def test_log_lines_are_for_people_on_a_terminal() -> None:
    """The default format depends on who reads; what was set does not."""
    assert load(terminal=True).log_format is LogFormat.CONSOLE
    assert load(terminal=False).log_format is LogFormat.JSON
    assert load(environment={"INDICIA_LOG_FORMAT": "json"}, terminal=True).log_format is LogFormat.JSON


@pytest.mark.parametrize(
    ("perspectives", "default", "least"), [(1, 1, 1), (2, 2, 2), (3, 2, 2), (4, 3, 3), (5, 4, 3)]
)
def test_the_quorum_is_always_more_than_half(perspectives: int, default: int, least: int) -> None:
    """All of one or two, all but one from three up; fewer may be asked for, but never half or less."""
    resolvers = ";".join(f"127.0.0.{number}" for number in range(1, perspectives + 1))

    def quorum(text: str | None) -> int:
        given = {} if text is None else {"INDICIA_QUORUM": text}
        return load(environment={"INDICIA_RESOLVERS": resolvers, **given}).quorum

    assert quorum(None) == default
    assert quorum(str(least)) == least
    if least > 1:
        with pytest.raises(
            SettingsError, match=f"{least - 1} is not more than half of {perspectives} perspectives"
        ):
            quorum(str(least - 1))
    with pytest.raises(SettingsError, match="cannot agree"):
        quorum(str(perspectives + 1))


@pytest.mark.parametrize(
    ("one", "other", "value"),
    [
        ("INDICIA_TLS_CERT_FILE", "INDICIA_TLS_KEY_FILE", None),
        ("INDICIA_TLS_KEY_FILE", "INDICIA_TLS_CERT_FILE", None),
        ("INDICIA_ROOT_ACCESS_KEY_ID", "INDICIA_ROOT_SECRET_ACCESS_KEY", "AKIAABCDEFGHIJKLMNOP"),
        ("INDICIA_ROOT_SECRET_ACCESS_KEY", "INDICIA_ROOT_ACCESS_KEY_ID", "s" * 40),
    ],
)
def test_half_a_pair_stops(one: str, other: str, value: str | None, tmp_path: Path) -> None:
    """A certificate without its key, or a key id without its secret, names what is missing."""
    file = tmp_path / "file.pem"
    file.touch()

    with pytest.raises(SettingsError) as stopped:
        load(environment={one: value or str(file)})

    assert str(stopped.value) == f"{one}: goes with {other}, which is not set"


def test_both_halves_of_a_pair_are_read(tmp_path: Path) -> None:
    """A certificate with its key, and a key id with its secret, are there as one value."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.touch()
    key.touch()

    settings = load(
        environment={
            "INDICIA_TLS_CERT_FILE": str(cert),
            "INDICIA_TLS_KEY_FILE": str(key),
            "INDICIA_ROOT_ACCESS_KEY_ID": "AKIAABCDEFGHIJKLMNOP",
            "INDICIA_ROOT_SECRET_ACCESS_KEY": "s" * 40,
        }
    )

    assert settings.tls is not None
    assert (settings.tls.cert_file, settings.tls.key_file) == (cert, key)
    assert (settings.root.access_key_id, settings.root.secret_access_key) == (
        "AKIAABCDEFGHIJKLMNOP",
        "s" * 40,
    )
