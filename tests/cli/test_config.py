"""`indicia config`."""

from pathlib import Path

import pytest
from invocation import Run

from indicia.settings.table import TABLE


def test_good_settings_are_said_to_be_good(indicia: Run) -> None:
    """The defaults pass."""
    done = indicia("config", "check")

    assert (done.status, done.out) == (0, "The settings are good.\n")


def test_what_serve_would_refuse_is_refused_here(indicia: Run) -> None:
    """The check fails with the reasons, and says by which names they are waived."""
    done = indicia("config", "check", "--listen-dns", "0.0.0.0:53", "--roles", "dns")

    assert done.status == 1
    assert done.err == (
        "indicia: 0.0.0.0:53 is not on loopback, and the service domain indicia.test is under .test, which "
        "no DNS will ever hold: set INDICIA_SERVICE_DOMAIN to a domain of yours "
        "(INDICIA_UNSAFE=service-domain starts all the same)\n"
    )


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
    }


def test_nothing_secret_is_shown(indicia: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret is said to be set; a password within a URL is three stars; on every way of printing."""
    monkeypatch.setenv("INDICIA_ROOT_ACCESS_KEY_ID", "AKIAABCDEFGHIJKLMNOP")
    monkeypatch.setenv("INDICIA_ROOT_SECRET_ACCESS_KEY", "hunter22" * 5)
    monkeypatch.setenv("INDICIA_DATABASE_URL", "postgresql://indicia:hunter22@db/indicia")
    monkeypatch.setenv("INDICIA_RELAY", "smtps://indicia:hunter22@mta.example")

    for arguments in (("config", "show"), ("config", "show", "--json"), ("config", "check")):
        done = indicia(*arguments)

        assert done.status == 0
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
