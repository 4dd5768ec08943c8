"""`indicia config`."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from invocation import Run

from indicia.settings.table import TABLE


def test_good_settings_are_said_to_be_good(indicia: Run) -> None:
    """The defaults pass."""
    done = indicia("config", "check")

    assert (done.status, done.out) == (
        0,
        (
            "warning: the service domain indicia.test is under .test, which no DNS will ever hold: set"
            " INDICIA_SERVICE_DOMAIN to a domain of yours before anybody publishes records that lead there\n"
            "The settings are good: `indicia serve` would start.\n"
        ),
    )


def test_what_serve_would_refuse_is_refused_here(indicia: Run) -> None:
    """The check fails with the reasons, and says by which names they are waived."""
    done = indicia("config", "check", "--listen-dns", "0.0.0.0:53", "--roles", "dns")

    assert done.status == 1
    assert done.err == (
        "indicia: 0.0.0.0:53 is not on loopback, and the service domain indicia.test is under .test, which "
        "no DNS will ever hold: set INDICIA_SERVICE_DOMAIN to a domain of yours "
        "(INDICIA_UNSAFE=service-domain starts all the same)\n"
    )


def test_every_mistake_is_named_at_once(
    indicia: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Three mistakes in three sources are three lines, of `check` and of `show`, and one line of `serve`."""
    (tmp_path / "indicia.toml").write_text('[listen]\nhttp = "nowhere"\n')
    monkeypatch.setenv("INDICIA_ZONERATE", "7")
    monkeypatch.setenv("INDICIA_VERIFY_WINDOW", "soon")

    checked = indicia("config", "check", "--quorum", "many")
    shown = indicia("config", "show", "--quorum", "many")
    served = indicia("serve", "--quorum", "many")

    lines = checked.err.splitlines()
    assert (checked.status, checked.out) == (2, "")
    assert [line.split(": ")[1] for line in lines] == [
        "INDICIA_ZONERATE",
        "listen.http in indicia.toml",
        "--quorum",
        "INDICIA_VERIFY_WINDOW",
    ]
    assert (shown.status, shown.err) == (2, checked.err)
    values = {line.split()[0]: line for line in shown.out.splitlines()}
    assert '(wrong: "soon" is ' in values["INDICIA_VERIFY_WINDOW"]
    assert "environment" in values["INDICIA_VERIFY_WINDOW"]
    assert values["INDICIA_ZONE_RATE"].endswith(" 20")
    assert served.status == 2
    assert served.err == f"indicia: {'; '.join(line.removeprefix('indicia: ') for line in lines)}\n"


def _key_of_another(tmp_path: Path) -> dict[str, str]:
    authority = trustme.CA()
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    authority.issue_cert("localhost").cert_chain_pems[0].write_to_path(str(cert))
    authority.issue_cert("localhost").private_key_pem.write_to_path(str(key))
    return {"tls-cert-file": str(cert), "tls-key-file": str(key)}


def _file_in_place_of_a_folder(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "file").touch()
    return {"data-dir": str(tmp_path / "file" / "data")}


def _keyring(tmp_path: Path, text: str, mode: int) -> dict[str, str]:
    path = tmp_path / "master.key"
    path.write_text(text)
    path.chmod(mode)
    return {"master-key-file": str(path)}


def _too_open(tmp_path: Path) -> dict[str, str]:
    return _keyring(tmp_path, base64.b64encode(bytes(32)).decode() + "\n", 0o644)


def _junk(tmp_path: Path) -> dict[str, str]:
    return _keyring(tmp_path, "junk\n", 0o600)


def _no_such_database(_: Path) -> dict[str, str]:
    return {"database-url": "postgresql://127.0.0.1:1/x"}


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (_key_of_another, "the certificate {tmp}/cert.pem with the key {tmp}/key.pem cannot be used: "),
        (
            _file_in_place_of_a_folder,
            "the data dir {tmp}/file/data cannot be used: {tmp}/file is not a folder",
        ),
        (_too_open, "{tmp}/master.key is open to others (mode 0644): `chmod 600 {tmp}/master.key`"),
        (_junk, "Line 1 of the keyring {tmp}/master.key "),
        (_no_such_database, "The database does not answer"),
    ],
)
def test_the_check_says_whether_serve_would_start(
    indicia: Run, tmp_path: Path, broken: Callable[[Path], dict[str, str]], sentence: str
) -> None:
    """What is there but cannot be worked with is found before the start, in the words that `serve` has."""
    flags = [part for name, value in broken(tmp_path).items() for part in (f"--{name}", value)]

    checked = indicia("config", "check", *flags)
    served = indicia("serve", *flags)

    assert checked.status == 1
    said = checked.err.splitlines()[0]
    assert said.startswith(f"indicia: {sentence.format(tmp=tmp_path)}")
    assert served.status == 1
    assert said.removeprefix("indicia: ").rstrip(".").split(" cannot be used")[0] in served.err


def test_a_keyring_that_the_database_needs_is_missed(indicia: Run, tmp_path: Path) -> None:
    """Once a database was encrypted, a start without its keyring would fail, and the check does."""
    account = indicia("account", "create").out.strip()
    assert indicia("key", "create", "--account", account).status == 0
    (tmp_path / "indicia-data" / "master.key").unlink()

    done = indicia("config", "check", "--json")

    assert done.status == 1
    assert [each["part"] for each in done.json["obstacles"]] == ["database"]
    assert "there is no keyring" in done.json["obstacles"][0]["reason"]


def test_the_check_makes_nothing(indicia: Run, tmp_path: Path) -> None:
    """Looking leaves no folder, database or keyring behind."""
    assert indicia("config", "check").status == 0

    assert list(tmp_path.iterdir()) == []


def test_the_check_is_there_for_programs_too(indicia: Run) -> None:
    """With --json the names of refusals and the warnings are fields."""
    done = indicia("config", "check", "--json", "--listen-http", "0.0.0.0:80", "--unsafe", "service-domain")

    assert done.status == 1
    assert done.json["ok"] is False
    assert [refusal["name"] for refusal in done.json["refusals"]] == ["plain-http"]
    assert [warning.split(":")[0].split(" is ")[0] for warning in done.json["warnings"]] == [
        "waived (service-domain)",
        "INDICIA_RELAY",
        "INDICIA_PUBLIC_URL",
        "INDICIA_RESOLVERS has a single perspective",
    ]


def test_every_setting_is_shown_with_its_source(
    indicia: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Default, file, environment and flag are told apart, and ./indicia.toml is found by itself."""
    (tmp_path / "indicia.toml").write_text('[listen]\ndns = "127.0.0.1:5300"\n')
    monkeypatch.setenv("INDICIA_ZONE_RATE", "7")

    shown = indicia("config", "show", "--json", "--quorum", "1").json

    assert {each.variable for each in TABLE if not each.toml_only} <= set(shown)
    assert set(shown) <= {each.variable for each in TABLE}
    assert (shown["INDICIA_LISTEN_DNS"]["value"], shown["INDICIA_LISTEN_DNS"]["source"]) == (
        "127.0.0.1:5300",
        "indicia.toml",
    )
    assert (shown["INDICIA_ZONE_RATE"]["value"], shown["INDICIA_ZONE_RATE"]["source"]) == ("7", "environment")
    assert (shown["INDICIA_QUORUM"]["value"], shown["INDICIA_QUORUM"]["source"]) == ("1", "flag")
    assert shown["INDICIA_RELAY"] == {
        "value": "outbox",
        "source": "default",
        "meaning": "where accepted mail goes",
        "mistake": None,
    }


def test_nothing_secret_is_shown(indicia: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret is said to be set; a password within a URL is three stars; on every way of printing."""
    monkeypatch.setenv("INDICIA_ROOT_ACCESS_KEY_ID", "AKIAABCDEFGHIJKLMNOP")
    monkeypatch.setenv("INDICIA_ROOT_SECRET_ACCESS_KEY", "hunter22" * 5)
    monkeypatch.setenv("INDICIA_DATABASE_URL", "postgresql://indicia:hunter22@db/indicia")
    monkeypatch.setenv("INDICIA_RELAY", "smtps://indicia:hunter22@mta.example")

    for arguments in (("config", "show"), ("config", "show", "--json"), ("config", "check")):
        done = indicia(*arguments)

        assert done.status == (1 if arguments[1] == "check" else 0)  # no such database answers
        assert "hunter22" not in done.out + done.err
    assert "postgresql://indicia:***@db/indicia" in indicia("config", "show").out


def test_a_secret_cannot_be_given_on_the_command_line(indicia: Run, tmp_path: Path) -> None:
    """Everybody on the machine reads command lines: a secret has only the file form there."""
    done = indicia("config", "show", "--root-secret-access-key", "hunter22")

    assert done.status == 2
    assert done.err.startswith("indicia: Unknown option: --root-secret-access-key. ")
    assert "hunter22" not in done.err

    (tmp_path / "secret").write_text("hunter22" * 5)
    shown = indicia(
        *("config", "show", "--json", "--root-access-key-id", "AKIAABCDEFGHIJKLMNOP"),
        *("--root-secret-access-key-file", str(tmp_path / "secret")),
    ).json
    assert shown["INDICIA_ROOT_SECRET_ACCESS_KEY"]["value"] == "(set, not shown)"
    assert shown["INDICIA_ROOT_SECRET_ACCESS_KEY"]["source"] == "flag, file"
