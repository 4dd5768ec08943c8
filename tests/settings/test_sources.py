"""Where settings come from: four sources, each over the last, and what none of them may say."""

from pathlib import Path

import pytest

from indicia.settings import SettingsError, load


def written(folder: Path, text: str) -> Path:
    """Write a configuration file."""
    path = folder / "indicia.toml"
    path.write_text(text)
    return path


def test_each_source_wins_over_the_last(tmp_path: Path) -> None:
    """Default, file, environment, flag: the later one counts, and the tree remembers which it was."""
    config = written(tmp_path, 'zone_rate = 1\nauthority_port = 1\nverify_window = "1h"\n')

    settings = load(
        config,
        {"INDICIA_AUTHORITY_PORT": "2", "INDICIA_VERIFY_WINDOW": "2h"},
        {"verify_window": "3h"},
        defaults={"zone_rate": "9", "link_window": "5m"},
    )

    assert (settings.zone_rate, settings.sources["zone_rate"]) == (1, str(config))
    assert (settings.authority_port, settings.sources["authority_port"]) == (2, "environment")
    assert (settings.windows.verify, settings.sources["verify_window"]) == (3 * 3_600_000, "flag")
    assert (settings.windows.link, settings.sources["link_window"]) == (5 * 60_000, "sandbox")
    assert settings.sources["link_window"] != settings.sources["check_min"] == "default"


@pytest.mark.parametrize(
    "text",
    [
        '[listen]\nhttp = "127.0.0.1:1,127.0.0.1:2"',
        '[listen]\nhttp = ["127.0.0.1:1", "127.0.0.1:2"]',
        'listen_http = "127.0.0.1:1,127.0.0.1:2"',
        'listen.http = ["127.0.0.1:1", "127.0.0.1:2"]',
    ],
)
def test_a_toml_table_is_the_beginning_of_a_name(tmp_path: Path, text: str) -> None:
    """`[listen] http` and `listen_http` are one setting; a list is what commas are elsewhere."""
    assert [address.port for address in load(written(tmp_path, text)).listen.http] == [1, 2]


def test_perspectives_may_be_a_toml_table(tmp_path: Path) -> None:
    """Each key is a perspective's name, each value its resolvers."""
    config = written(tmp_path, '[resolvers]\nlocal = "127.0.0.1"\nfra = ["10.0.0.53:53", "10.0.1.53:53"]')

    assert [str(perspective) for perspective in load(config).resolvers] == [
        "local=127.0.0.1:53",
        "fra=10.0.0.53:53,10.0.1.53:53",
    ]


def test_single_limits_replace_those_of_the_profile(tmp_path: Path) -> None:
    """[limits] names a profile and single values; `off` takes one limit away."""
    config = written(
        tmp_path, '[limits]\nprofile = "ses"\nidentities = 500\noperation_requests_per_second = "off"'
    )

    limits = load(config).limits

    assert (limits.profile, limits.identities, limits.operation_requests_per_second) == ("ses", 500, None)
    assert limits.operation_requests_burst == 10


def test_truth_and_numbers_are_themselves_in_toml(tmp_path: Path) -> None:
    """`false` and 7 need no quotes."""
    settings = load(written(tmp_path, "production_access = false\nzone_rate = 7"))

    assert (settings.production_access, settings.zone_rate) == (False, 7)


def test_paths_in_toml_are_relative_to_the_file(tmp_path: Path) -> None:
    """A file in /etc names what lies beside it, wherever the service is started."""
    (tmp_path / "secret").write_text("postgresql://u:p@db/i\n")
    config = written(
        tmp_path, 'data_dir = "data"\nmaster_key_file = "/abs/key"\ndatabase_url_file = "secret"'
    )

    settings = load(config)

    assert settings.data_dir == tmp_path / "data"
    assert str(settings.master_key_file) == "/abs/key"
    assert settings.database_url.text == "postgresql://u:p@db/i"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("zone_rat = 1", "zone_rat in {path}: there is no such setting; did you mean zone_rate?"),
        (
            'INDICIA_DATA_DIR = "x"',
            "INDICIA_DATA_DIR in {path}: there is no such setting; did you mean data_dir?",
        ),
        (
            "[limits]\nrequests_brust = 1",
            "limits.requests_brust in {path}: there is no such setting; did you mean limits.requests_burst?",
        ),
        ("[listen]\nfoo = 1", "listen.foo in {path}: there is no such setting"),
        (
            "zone_rate = 1.5",
            "zone_rate in {path}: is neither a string, a whole number, a truth value nor a list",
        ),
        ("zone_rate = 0", 'zone_rate in {path}: "0" is not a whole number from 1 to 1000000000'),
        ("[limits]\nidentities = -5", 'limits.identities in {path}: "-5" is not a whole number from 1 to '),
        ("zone_rate = 1\n[zone]\nrate = 2", "zone.rate in {path}: zone_rate in {path} says it already"),
        ("zone_rate = ", "{path}: is not TOML: "),
    ],
)
def test_a_mistake_in_toml_says_where_it_is(tmp_path: Path, text: str, complaint: str) -> None:
    """The message has the key as it is written and the file it is in."""
    config = written(tmp_path, text)

    with pytest.raises(SettingsError) as stopped:
        load(config)

    assert str(stopped.value).startswith(complaint.format(path=config))


def test_a_configuration_file_that_is_not_there_stops(tmp_path: Path) -> None:
    """A named file that cannot be read is a mistake, not an empty file."""
    with pytest.raises(SettingsError, match=r"missing\.toml: cannot be read: No such file or directory"):
        load(tmp_path / "missing.toml")


@pytest.mark.parametrize(
    ("variable", "complaint"),
    [
        ("INDICIA_ZONERATE", "there is no such setting; did you mean INDICIA_ZONE_RATE?"),
        ("INDICIA_FROBNICATE", "there is no such setting"),
        ("INDICIA_zone_rate", "there is no such setting; did you mean INDICIA_ZONE_RATE?"),
        ("INDICIA_ZONE_RATE_FILE", "there is no such setting; did you mean INDICIA_ZONE_RATE?"),
        ("INDICIA_LIMITS_IDENTITIES", "is set in the TOML file only, in [limits]"),
    ],
)
def test_an_unknown_variable_stops(variable: str, complaint: str) -> None:
    """What begins with INDICIA_ is a setting or a mistake, and a near miss is named."""
    with pytest.raises(SettingsError) as stopped:
        load(environment={variable: "1", "PATH": "/bin"})

    assert str(stopped.value) == f"{variable}: {complaint}"


LINKS = {
    "INDICIA_SERVICE_HOST": "10.96.0.12",
    "INDICIA_SERVICE_PORT": "8465",
    "INDICIA_SERVICE_PORT_HTTP": "8465",
    "INDICIA_SERVICE_PORT_KEY_ZONE": "53",
    "INDICIA_PORT": "tcp://10.96.0.12:8465",
    "INDICIA_PORT_8465_TCP": "tcp://10.96.0.12:8465",
    "INDICIA_PORT_8465_TCP_PROTO": "tcp",
    "INDICIA_PORT_8465_TCP_PORT": "8465",
    "INDICIA_PORT_8465_TCP_ADDR": "10.96.0.12",
    "INDICIA_PORT_53_UDP": "udp://[fd00:10:96::c]:53",
    "INDICIA_PORT_53_UDP_PROTO": "udp",
    "INDICIA_PORT_53_UDP_ADDR": "fd00:10:96::c",
    "INDICIA_SERVICE_SERVICE_PORT": "80",
    "INDICIA_CONSOLE_SERVICE_HOST": "10.96.0.13",
    "INDICIA_CONSOLE_SERVICE_PORT_HTTP": "80",
    "INDICIA_CONSOLE_PORT": "tcp://10.96.0.13:80",
    "INDICIA_CONSOLE_2_PORT_9_SCTP_ADDR": "10.96.0.13",
    # The service `indicia-authority`, whose link has the name of a setting.
    "INDICIA_AUTHORITY_PORT": "tcp://10.96.0.14:53",
}


def test_links_of_services_of_our_name_are_no_settings() -> None:
    """Kubernetes puts them beside services `indicia` and `indicia-console`; it is as if they were not."""
    assert load(environment=LINKS).shown == load(environment={}).shown
    # Of a service `indicia-service`, the variable that is a port of `indicia` is the URL.
    other = {"INDICIA_SERVICE_PORT": "tcp://10.96.0.15:80"}
    assert load(environment=other).shown == load(environment={}).shown


@pytest.mark.parametrize(
    ("variable", "value", "near"),
    [
        ("INDICIA_SERVICE_HOST", "mail.example.org", ""),
        ("INDICIA_SERVICE_HOSTS", "10.96.0.12", ""),
        ("INDICIA_SERVICE_DOMAN", "example.org", "INDICIA_SERVICE_DOMAIN"),
        ("INDICIA_AUTHORTY_PORT", "5353", "INDICIA_AUTHORITY_PORT"),
        ("INDICIA_PORT", "8465", ""),
        ("INDICIA_PORT", "https://10.96.0.12:8465", ""),
        ("INDICIA_PORT_8465_TCP_ADDR", "indicia", ""),
        ("INDICIA_PORT_8465_TCP_PROTO", "http", ""),
        ("INDICIA_PORT_X_TCP", "tcp://10.96.0.12:8465", ""),
        ("INDICIA_SERVICE_PORT", "http", ""),
        ("indicia_service_host", "10.96.0.12", None),
        ("INDICIA_Service_Host", "10.96.0.12", ""),
    ],
)
def test_what_only_looks_like_a_link_is_a_mistake(variable: str, value: str, near: str | None) -> None:
    """Form and value have to be those of a link; the nearest setting is named where there is one."""
    if near is None:
        assert load(environment={variable: value}).shown == load(environment={}).shown
        return
    with pytest.raises(SettingsError) as stopped:
        load(environment={variable: value})

    told = f"{variable}: there is no such setting"
    assert str(stopped.value).startswith(f"{told}; did you mean {near}?" if near else told)


def test_a_setting_with_the_name_of_a_link_is_a_setting() -> None:
    """Its value says which it is."""
    assert load(environment={"INDICIA_AUTHORITY_PORT": "5353"}).authority_port == 5353


def test_a_flag_is_named_as_it_was_given() -> None:
    """The message has the hyphens that were typed."""
    with pytest.raises(SettingsError) as stopped:
        load(flags={"check_min": "soon"})

    assert str(stopped.value) == '--check-min: "soon" is not a duration such as 10s, 15m, 72h or 5d'


SECRETS = {
    "INDICIA_ROOT_SECRET_ACCESS_KEY": "hunter22hunter22hunter22hunter22hunter22",
    "INDICIA_DATABASE_URL": "postgresql://indicia:hunter22@db/indicia",
    "INDICIA_RELAY": "smtps://indicia:hunter22@mta.example",
}


@pytest.mark.parametrize("variable", SECRETS)
def test_every_secret_has_a_file_form(variable: str, tmp_path: Path) -> None:
    """NAME_FILE names a file that holds the value; the line end of an editor is not part of it."""
    file = tmp_path / "secret"
    file.write_text(f"{SECRETS[variable]}\n")
    key_id = {"INDICIA_ROOT_ACCESS_KEY_ID": "AKIAABCDEFGHIJKLMNOP"} if "ROOT" in variable else {}

    from_file = load(environment={f"{variable}_FILE": str(file), **key_id})
    given = load(environment={variable: SECRETS[variable], **key_id})

    name = variable.removeprefix("INDICIA_").lower()
    assert (from_file.root, from_file.relay, from_file.database_url) == (
        given.root,
        given.relay,
        given.database_url,
    )
    assert from_file.sources[name] == "environment, file"


@pytest.mark.parametrize(
    ("contents", "complaint"),
    [(None, "cannot be read: No such file or directory"), ("\n", "is empty"), (b"\xff\xfe", "is not text")],
)
def test_a_file_form_without_a_value_stops(
    tmp_path: Path, contents: str | bytes | None, complaint: str
) -> None:
    """A missing, empty or binary file is named."""
    file = tmp_path / "secret"
    if contents is not None:
        file.write_bytes(contents if isinstance(contents, bytes) else contents.encode())

    with pytest.raises(SettingsError) as stopped:
        load(environment={"INDICIA_RELAY_FILE": str(file)})

    assert str(stopped.value) == f"INDICIA_RELAY_FILE: {file} {complaint}"


def test_a_value_and_its_file_form_together_stop(tmp_path: Path) -> None:
    """Two words on one thing in one source: nobody could tell which was meant."""
    file = tmp_path / "secret"
    file.write_text("outbox")

    with pytest.raises(SettingsError) as stopped:
        load(environment={"INDICIA_RELAY": "outbox", "INDICIA_RELAY_FILE": str(file)})

    assert str(stopped.value) == "INDICIA_RELAY_FILE: INDICIA_RELAY says it already"


def test_nothing_secret_can_be_seen_in_the_tree() -> None:
    """Neither `repr` of the settings nor what `config show` prints holds a secret or a password."""
    settings = load(environment={"INDICIA_ROOT_ACCESS_KEY_ID": "AKIAABCDEFGHIJKLMNOP", **SECRETS})
    shown = {setting.name: setting.value for setting in settings.shown}

    assert "hunter22" not in repr(settings)
    assert "hunter22" not in repr(settings.shown)
    assert "hunter22" in settings.database_url.text
    assert shown["INDICIA_ROOT_SECRET_ACCESS_KEY"] == "(set, not shown)"
    assert shown["INDICIA_DATABASE_URL"] == "postgresql://indicia:***@db/indicia"
    assert shown["INDICIA_RELAY"] == "smtps://indicia:***@mta.example:465"


def test_a_password_in_the_query_of_a_database_url_is_hidden_too() -> None:
    """PostgreSQL takes the password as a parameter as well."""
    settings = load(environment={"INDICIA_DATABASE_URL": "postgresql:///i?host=/run&password=hunter22"})

    assert "hunter22" not in str(settings.database_url)
