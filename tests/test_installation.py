"""The installation before anything runs: whose key is the operator's, and what is in the folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import botocore.session
import pytest

from indicia import installation
from indicia.credentials import (
    AccountCredentials,
    new_access_key,
    read_credentials,
    write_config,
    write_credentials,
)
from indicia.installation import CredentialOrigin
from indicia.runtime import ready
from indicia.settings import Settings, load
from indicia.store.accounts import access
from indicia.store.engine.database import Database
from indicia.vault import purposes
from indicia.vault.keyring import Keyring

NOW = 1_750_000_000_000
GIVEN = {"INDICIA_ROOT_ACCESS_KEY_ID": "AKIAGIVENGIVENGIVENG", "INDICIA_ROOT_SECRET_ACCESS_KEY": "g" * 40}
Start = Callable[..., tuple[AccountCredentials | None, CredentialOrigin]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data dir that is not there yet."""
    return tmp_path / "data"


def with_settings(folder: Path, **environment: str) -> Settings:
    """Return settings of an installation in the folder."""
    return load(environment={"INDICIA_DATA_DIR": str(folder), **environment})


@pytest.fixture
def opened(folder: Path) -> Iterator[tuple[Database, Keyring]]:
    """The database and keyring of a first start."""
    settings = with_settings(folder)
    installation.prepare_folder(folder)
    database = installation.open_with_schema(settings)
    yield database, installation.open_keyring(settings, database)
    database.close()


@pytest.fixture
def start(opened: tuple[Database, Keyring], folder: Path) -> Start:
    """Settle the operator's key as a start with these settings does."""

    def start(**environment: str) -> tuple[AccountCredentials | None, CredentialOrigin]:
        return installation.ensure_root(with_settings(folder, **environment), *opened, NOW)

    return start


def valid(opened: tuple[Database, Keyring]) -> dict[str, tuple[str, str]]:
    """Return account and secret of every key that is not revoked, by id."""
    database, ring = opened
    return {
        key.id: (key.account, ring.open(key.secret, purposes.access_key(key.id)).decode())
        for key in database.read(access.list_keys)
        if key.revoked_at is None
    }


def test_the_folder_is_private_and_out_of_version_control(folder: Path) -> None:
    """Its owner's alone, with a .gitignore of everything, and made again without harm."""
    installation.prepare_folder(folder)
    installation.prepare_folder(folder)

    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"


def test_the_first_start_makes_a_key(start: Start, opened: tuple[Database, Keyring], folder: Path) -> None:
    """Of the documented look, in the store and in a private credentials file, and made once only."""
    key, origin = start()

    assert origin is CredentialOrigin.MADE
    assert key is not None
    assert re.fullmatch(r"AKIA[A-Z0-9]{16}", key.id)
    assert re.fullmatch(r"[A-Za-z0-9+/]{40}", key.secret)
    assert re.fullmatch(r"[1-9][0-9]{11}", key.account)
    assert valid(opened) == {key.id: (key.account, key.secret)}
    assert (folder / "credentials").stat().st_mode & 0o777 == 0o600
    assert start() == (key, CredentialOrigin.FOUND)
    assert valid(opened) == {key.id: (key.account, key.secret)}


def test_a_key_of_a_lost_file_is_not_taken_out_of_the_store(start: Start, folder: Path) -> None:
    """Without its file the made key is known by nobody, and none is made in its place."""
    start()
    (folder / "credentials").unlink()

    assert start() == (None, CredentialOrigin.FOUND)
    assert not (folder / "credentials").exists()


def test_a_key_that_is_set_counts_at_every_start(
    start: Start, opened: tuple[Database, Keyring], folder: Path
) -> None:
    """It replaces the one before, takes a new secret, keeps the account, and is written nowhere."""
    first, _ = start(**GIVEN)
    assert first is not None
    other, origin = start(**GIVEN | {"INDICIA_ROOT_SECRET_ACCESS_KEY": "h" * 40})
    assert other is not None

    assert origin is CredentialOrigin.GIVEN
    assert valid(opened) == {"AKIAGIVENGIVENGIVENG": (first.account, "h" * 40)}
    replaced, _ = start(**GIVEN | {"INDICIA_ROOT_ACCESS_KEY_ID": "AKIAOTHEROTHEROTHER1"})
    assert replaced is not None
    assert valid(opened) == {"AKIAOTHEROTHEROTHER1": (first.account, "g" * 40)}
    assert not (folder / "credentials").exists()


def test_an_account_that_is_set_is_the_keys(start: Start, opened: tuple[Database, Keyring]) -> None:
    """Both for a key that is made and for one that is set."""
    made, _ = start(INDICIA_ROOT_ACCOUNT="123456789012")
    given, _ = start(INDICIA_ROOT_ACCOUNT="210987654321", **GIVEN)

    assert made is not None
    assert given is not None
    assert (made.account, given.account) == ("123456789012", "210987654321")
    accounts = opened[0].read(access.list_accounts)
    assert [account.id for account in accounts] == ["123456789012", "210987654321"]


def test_a_folder_that_lost_its_database_keeps_its_key(start: Start, folder: Path) -> None:
    """Whoever uses the key in the credentials file goes on doing so."""
    kept = new_access_key("123456789012")
    write_credentials(folder / "credentials", kept)

    assert start() == (kept, CredentialOrigin.FOUND)


def test_no_start_shows_a_secret(start: Start) -> None:
    """The `repr` of a key has no secret in it."""
    key, _ = start()

    assert key is not None
    assert key.secret not in repr(key)


def test_the_aws_sdk_reads_both_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With only the two files named, boto3 has key, region, and the endpoints of all three services."""
    key = new_access_key("123456789012")
    write_credentials(tmp_path / "credentials", key)
    write_config(tmp_path / "config", region="eu-west-1", url="http://127.0.0.1:34567")
    for name in (
        "AWS_PROFILE",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))

    session = boto3.Session(botocore_session=botocore.session.Session())
    found = session.get_credentials()

    assert found is not None
    assert (found.access_key, found.secret_key) == (key.id, key.secret)
    assert session.region_name == "eu-west-1"
    for service in ("ses", "sesv2", "sts"):
        assert session.client(service).meta.endpoint_url == "http://127.0.0.1:34567"


@pytest.mark.parametrize(
    "text", ["", "[default]\n", "[other]\naws_access_key_id = x\n", "no section", "[default\n"]
)
def test_a_file_without_a_key_has_none(tmp_path: Path, text: str) -> None:
    """What is not a credentials file is treated as if it were not there."""
    path = tmp_path / "credentials"
    path.write_text(text)

    assert read_credentials(path) is None


def test_a_ready_file_is_whole_or_not_there(tmp_path: Path) -> None:
    """What was written is read; half a file, another file and no file are None; only its own is removed."""
    path = tmp_path / "ready.json"
    written = ready.Ready(1, "http://x", ("127.0.0.1:1",), (), ("127.0.0.1:2",), "us-east-1")

    assert ready.read(path) is None
    written.write(path)
    assert ready.read(path) == written
    ready.remove(path)
    assert path.exists()
    path.write_text(path.read_text()[:20])
    assert ready.read(path) is None
    path.write_text("[]")
    assert ready.read(path) is None
