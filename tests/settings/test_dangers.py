"""What `serve` refuses once others can reach it, what it warns of, and how refusals are waived."""

from pathlib import Path

import pytest

from indicia.settings import Role, Settings, listeners, load, refusals, warnings

PUBLIC = {"INDICIA_LISTEN_HTTP": "0.0.0.0:443"}
# A server that others may reach: a real name, a proxy in front, a relay, two points of view, links that lead
# to where it is reached.
SOUND = {
    **PUBLIC,
    "INDICIA_PUBLIC_URL": "https://ses.operator.org",
    "INDICIA_SERVICE_DOMAIN": "mail.operator.org",
    "INDICIA_TRUSTED_PROXIES": "10.0.0.1",
    "INDICIA_RELAY": "smtp://127.0.0.1",
    "INDICIA_RESOLVERS": "127.0.0.1;10.0.0.53",
}


def settings_with(**changes: str) -> Settings:
    """Return sound settings with some of them changed."""
    return load(environment=SOUND | {f"INDICIA_{name.upper()}": text for name, text in changes.items()})


def test_a_sound_server_is_neither_refused_nor_warned_of() -> None:
    """The starting point of the tests below has nothing against it."""
    assert refusals(settings_with()) == []
    assert warnings(settings_with()) == []


def test_on_loopback_everything_is_allowed() -> None:
    """The defaults, and worse, start where only this machine can reach them."""
    settings = load(
        environment={"INDICIA_VERIFICATION": "instant", "INDICIA_PRIVATE_ADDRESSES": "allow"},
    )

    assert refusals(settings) == []
    assert warnings(settings) == []


@pytest.mark.parametrize("suffix", ["test", "example", "invalid", "localhost", "local"])
def test_a_service_domain_that_cannot_exist_is_refused(suffix: str) -> None:
    """Keys under a name that no DNS holds would never be found."""
    (refusal,) = refusals(settings_with(service_domain=f"mail.{suffix}"))

    assert refusal.name == "service-domain"
    assert str(refusal) == (
        f"0.0.0.0:443 is not on loopback, and the service domain mail.{suffix} is under .{suffix}, which no "
        "DNS will ever hold: set INDICIA_SERVICE_DOMAIN to a domain of yours "
        "(INDICIA_UNSAFE=service-domain starts all the same)"
    )


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("instant-verification", {"verification": "instant"}),
        ("private-addresses", {"private_addresses": "allow"}),
        ("private-addresses", {"private_addresses": "0.0.0.0/1,128.0.0.0/1"}),
        ("plain-http", {"trusted_proxies": ""}),
        ("service-domain", {"service_domain": "indicia.test"}),
    ],
)
def test_a_refusal_is_waived_by_its_name_alone(name: str, changes: dict[str, str]) -> None:
    """Each danger is one refusal; INDICIA_UNSAFE with its name waives it, another name does not."""
    (refusal,) = refusals(settings_with(**changes))
    (waived,) = refusals(settings_with(**changes, unsafe=name))
    other = "plain-http" if name != "plain-http" else "service-domain"
    (still,) = refusals(settings_with(**changes, unsafe=other))

    assert (refusal.name, refusal.waived) == (name, False)
    assert (waived.name, waived.waived) == (name, True)
    assert not still.waived


@pytest.mark.parametrize("domain", ["amazonses.com", "mail.amazonses.com"])
def test_the_domain_of_ses_is_refused_everywhere(domain: str) -> None:
    """On loopback too, and whatever is waived: records that lead there lead to keys of somebody else's."""
    for changes in ({}, {"listen_http": "127.0.0.1:1"}, {"unsafe": "service-domain"}):
        (refusal,) = refusals(settings_with(service_domain=domain, **changes))
        assert not refusal.waived
        assert str(refusal) == (
            f"the service domain {domain} is Amazon's, and only a sandbox takes it: "
            "set INDICIA_SERVICE_DOMAIN to a domain of yours"
        )
    assert refusals(settings_with(service_domain="notamazonses.com")) == []


def test_tls_is_as_good_as_a_trusted_proxy(tmp_path: Path) -> None:
    """With a certificate HTTP may be reached by others."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.touch()
    key.touch()

    assert refusals(settings_with(trusted_proxies="", tls_cert_file=str(cert), tls_key_file=str(key))) == []


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"listen_http": "127.0.0.1:1"}, False),
        ({"listen_http": "localhost:1,[::1]:1"}, False),
        ({"listen_http": "127.0.0.1:1,192.0.2.1:1"}, True),
        ({"listen_http": "[::]:1"}, True),
        ({"listen_http": "myhost:1"}, True),
        ({"listen_http": "127.0.0.1:1", "listen_dns": "0.0.0.0:53"}, True),
        ({"listen_http": "127.0.0.1:1", "listen_admin": "10.0.0.1:9"}, True),
        ({"listen_http": "127.0.0.1:1", "listen_smtp": "0.0.0.0:25"}, False),
    ],
)
def test_any_listener_off_loopback_counts(changes: dict[str, str], refused: bool) -> None:
    """One address that others reach is enough, in any list; what is not built does not listen."""
    assert bool(refusals(settings_with(**changes, verification="instant"))) is refused


def test_only_the_listeners_of_the_roles_count() -> None:
    """A process without HTTP is not refused for what HTTP would do."""
    settings = settings_with(trusted_proxies="", listen_dns="192.0.2.1:53")

    assert listeners(settings, frozenset({Role.VERIFIER})) == settings.listen.admin
    assert refusals(settings, frozenset({Role.VERIFIER})) == []
    assert refusals(settings, frozenset({Role.DNS})) == []
    assert [refusal.name for refusal in refusals(settings, frozenset({Role.API}))] == ["plain-http"]


@pytest.mark.parametrize(
    ("changes", "begins"),
    [
        ({"relay": "outbox"}, "INDICIA_RELAY is outbox"),
        ({"relay": "smtp://u:p@mta.example"}, "INDICIA_RELAY sends its password unencrypted"),
        ({"resolvers": "127.0.0.1"}, "INDICIA_RESOLVERS has a single perspective"),
        ({"listen_admin": "0.0.0.0:8466"}, "INDICIA_LISTEN_ADMIN is 0.0.0.0:8466, which is every address"),
        ({"listen_admin": "127.0.0.1:1,[::]:2"}, "INDICIA_LISTEN_ADMIN is [::]:2, which is every address"),
        ({"trusted_proxies": "0.0.0.0/0"}, "INDICIA_TRUSTED_PROXIES trusts every address"),
        ({"trusted_proxies": "10.0.0.1,::/0"}, "INDICIA_TRUSTED_PROXIES trusts every address"),
        ({"trusted_proxies": "0.0.0.0/1,128.0.0.0/1"}, "INDICIA_TRUSTED_PROXIES trusts every address"),
    ],
)
def test_what_starts_with_a_warning(changes: dict[str, str], begins: str) -> None:
    """Each is one line, and only once others can reach the server."""
    (warning,) = warnings(settings_with(**changes))

    assert warning.startswith(begins)
    if "listen_admin" not in changes:
        assert warnings(settings_with(**changes, listen_http="127.0.0.1:1")) == []


def test_an_admin_listener_at_one_address_is_not_warned_of() -> None:
    """An address that was named was meant; a process without HTTP asks no proxy."""
    assert warnings(settings_with(listen_admin="10.0.0.1:8466")) == []
    open_admin = settings_with(listen_admin="[::ffff:0.0.0.0]:9", trusted_proxies="::/0")
    assert [each.split()[0] for each in warnings(open_admin, frozenset({Role.DNS}))] == [
        "INDICIA_LISTEN_ADMIN"
    ]


def test_links_that_lead_nowhere_are_warned_of() -> None:
    """Without a public URL a link begins with what the machine listens on, which others may not reach."""
    without = load(environment={name: text for name, text in SOUND.items() if "PUBLIC_URL" not in name})

    (warning,) = warnings(without)
    assert warning.startswith("INDICIA_PUBLIC_URL is not set: links in mails begin with")
    assert warnings(without, frozenset({Role.DNS})) == []


def test_links_that_lead_nowhere_are_warned_of_on_loopback_too() -> None:
    """A process that writes mails and does not answer their links has to be told where they are answered."""
    at_home = load(environment={})
    (warning,) = warnings(at_home, frozenset({Role.API}))

    assert warning.endswith("begin with an address of this process, which has no role links")
    assert warnings(at_home, frozenset({Role.API, Role.LINKS})) == []
    elsewhere = load(environment={"INDICIA_PUBLIC_URL": "https://a.example"})
    assert warnings(elsewhere, frozenset({Role.API})) == []
