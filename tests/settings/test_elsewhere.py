"""Regions that another installation serves, as they are written in TOML."""

from __future__ import annotations

from pathlib import Path

import pytest

from indicia.settings import SettingsError, load
from indicia.settings.replication_peers import Elsewhere, Offered

GOOD = """
regions = ["us-east-1"]

[replication.eu-west-1]
url = "https://ses.example.net/"
access_key_id = "AKIATESTTESTTESTTEST"
secret_access_key = "very-secret-indeed"
"""


def written(folder: Path, text: str) -> Path:
    """The text as a settings file."""
    path = folder / "indicia.toml"
    path.write_text(text)
    return path


def test_a_region_that_is_served_elsewhere(tmp_path: Path) -> None:
    """Read as written; shown without its secret."""
    settings = load(written(tmp_path, GOOD))

    assert settings.elsewhere == (
        Elsewhere("eu-west-1", "https://ses.example.net", "AKIATESTTESTTESTTEST", "very-secret-indeed"),
    )
    shown = next(each for each in settings.shown if each.name == "replication")
    assert shown.value == "eu-west-1=https://ses.example.net"
    assert "very-secret" not in repr(settings)


def test_the_secret_may_be_in_a_file(tmp_path: Path) -> None:
    """Named relative to the settings file."""
    (tmp_path / "secret").write_text("from-a-file\n")
    text = GOOD.replace('secret_access_key = "very-secret-indeed"', 'secret_access_key_file = "secret"')

    assert load(written(tmp_path, text)).elsewhere[0].secret_access_key == "from-a-file"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("us-east-1", "eu-west-1", "is served here"),
        ("https://ses.example.net/", "http://ses.example.net", "https only"),
        ("https://ses.example.net/", "ftp://ses.example.net", "is not https://host"),
        ("https://ses.example.net/", "https://user@ses.example.net", "is not https://host"),
        ("https://ses.example.net/", "https://ses.example.net/path", "has a path"),
        ('url = "https://ses.example.net/"', "", "has no url"),
        ('access_key_id = "AKIATESTTESTTESTTEST"', "", "has no access_key_id"),
        ('secret_access_key = "very-secret-indeed"', "", "has no secret_access_key"),
        ("AKIATESTTESTTESTTEST", "short", "access key id"),
        ("url =", "uri =", "there are url"),
        ('"AKIATESTTESTTESTTEST"', "7", "is not a string"),
        ("[replication.eu-west-1]", "[replication.EU_1]", "region"),
        ("secret_access_key =", "secret_access_key_file = 'none'\nsecret_access_key =", "twice"),
        ("secret_access_key = ", "secret_access_key_file = ", "cannot be read"),
    ],
)
def test_a_mistake_stops_the_start_and_shows_no_secret(
    tmp_path: Path, old: str, new: str, reason: str
) -> None:
    """The refusal names the place and the reason, and never the secret."""
    assert old in GOOD
    with pytest.raises(SettingsError, match=r"replication in .*indicia\.toml") as refused:
        load(written(tmp_path, GOOD.replace(old, new)))

    assert reason in refused.value.reason
    assert "very-secret" not in str(refused.value) or "cannot be read" in reason


def test_whose_keys_are_offered(tmp_path: Path) -> None:
    """Beside the tables of regions, or without any; a mistake is named where it is written."""
    offers = '[replication]\noffers = ["111122223333/eu-west-2"]\n'
    offered = frozenset({Offered("111122223333", "eu-west-2")})
    alone = load(written(tmp_path, f'regions = ["us-east-1"]\n{offers}'))
    assert (alone.offered, alone.elsewhere) == (offered, ())
    both = load(written(tmp_path, GOOD.replace("[replication", f"{offers}\n[replication", 1)))
    assert (both.offered, both.elsewhere[0].region) == (offered, "eu-west-1")
    with pytest.raises(SettingsError, match=r"replication\.offers in .*indicia\.toml"):
        load(written(tmp_path, '[replication]\noffers = ["everybody"]\n'))


def test_plain_http_is_for_this_machine_only(tmp_path: Path) -> None:
    """On loopback there is nobody between."""
    for host in ("127.0.0.1:8465", "[::1]:8465", "localhost:8465"):
        text = GOOD.replace("https://ses.example.net/", f"http://{host}")
        assert load(written(tmp_path, text)).elsewhere[0].url == f"http://{host}"
