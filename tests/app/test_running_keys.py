"""Access keys and the master key are changed beside a server that runs, and it follows."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from serving import Running, client, run, serve, until

from indicia.credentials import AccountCredentials


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server of two processes that answer, so that both must follow."""
    with serve(tmp_path_factory.mktemp("keys"), "--workers", "2") as running:
        assert running.ready
        yield running
        assert running.stop() == 0


def indicia(house: Running, *arguments: str):
    """Run a command on the data dir of the server."""
    return run(*arguments, cwd=house.data_dir.parent, INDICIA_DATA_DIR=str(house.data_dir))


def created(house: Running, *arguments: str) -> AccountCredentials:
    """Return a key that the command line has just made."""
    made = json.loads(indicia(house, "key", "create", "--json", *arguments).stdout)
    return AccountCredentials(made["access_key_id"], made["secret_access_key"], made["account"])


def refused(house: Running, key: AccountCredentials) -> str:
    """Return the code with which a call is refused, nothing when it is answered. On a new connection."""
    try:
        client("sts", house.ready.url, key).get_caller_identity()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def test_a_new_key_is_honoured_at_once(house: Running) -> None:
    """The first call with it is answered, in the name of its user."""
    key = created(house, "--user", "deploy")

    told = client("sts", house.ready.url, key).get_caller_identity()

    assert told["Arn"] == f"arn:aws:iam::{key.account}:user/deploy"
    assert house.client("sts").get_caller_identity()["Account"] == key.account


def test_a_revoked_key_is_refused_within_five_seconds(house: Running) -> None:
    """By every process, from five seconds after the revocation at the latest and for good."""
    key = created(house)
    for _ in range(8):  # it is known to both processes
        assert refused(house, key) == ""

    assert indicia(house, "key", "revoke", key.id).returncode == 0
    revoked = time.monotonic()

    in_a_row = 0
    while in_a_row < 8:
        begun = time.monotonic()
        refusal = refused(house, key)
        in_a_row = in_a_row + 1 if refusal == "InvalidClientTokenId" else 0
        assert refusal or begun < revoked + 5.0  # it is honoured for five seconds at most
    assert refused(house, house.key) == ""


def test_the_master_key_is_rotated_under_a_running_server(house: Running) -> None:
    """Calls go on before, during and after; new secrets are sealed under the new key; a restart knows it."""
    before = created(house)
    house.client().create_email_identity(EmailIdentity="before.example.com")

    done = indicia(house, "master-key", "rotate", "--json")
    assert done.returncode == 0, done.stderr

    after = created(house)
    assert [refused(house, key) for key in (before, after, house.key) for _ in range(4)] == [""] * 12
    house.client().create_email_identity(EmailIdentity="after.example.com")
    house.client().create_email_identity(
        EmailIdentity="byodkim.example.com",
        DkimSigningAttributes={"DomainSigningSelector": "s1", "DomainSigningPrivateKey": _private_key()},
    )
    listed = house.client().list_email_identities()["EmailIdentities"]
    assert len(listed) == 3


def test_a_keyring_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    """SIGHUP tells of it in the log without a word of the file's, and calls go on under the ring in use."""
    with serve(tmp_path) as house:
        key = house.key
        ring = house.data_dir / "master.key"
        kept = ring.read_text()
        ring.write_text("not a key of anybody's\n")
        house.process.send_signal(signal.SIGHUP)
        until(lambda: "keyring.not_reloaded" in house.log, "the line in the log")
        assert "keyring.reloaded" not in house.log
        assert refused(house, key) == ""

        ring.write_text(kept)
        house.process.send_signal(signal.SIGHUP)
        until(lambda: "keyring.reloaded" in house.log, "the next line")
        assert house.log.count("keyring.not_reloaded") == 1
        assert "not a key of" not in house.log
        assert house.stop() == 0


def _private_key() -> str:
    from base64 import b64encode

    from indicia.vault import rsa

    return b64encode(rsa.generate(1024).private_key).decode()
