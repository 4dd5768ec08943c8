"""`indicia master-key`: the keyring of an installation, made, kept and rotated."""

from __future__ import annotations

from pathlib import Path

import pytest
from invocation import Run
from postgres import PostgresServer

from indicia.settings import load
from indicia.store.accounts import access
from indicia.store.engine.opening import open_database
from indicia.vault import keyring, purposes


def opened_secret(url: str, key_id: str, ring: keyring.Keyring) -> tuple[str, bool]:
    """Return the secret of a stored key, and whether it is sealed under the first key of the ring."""
    database = open_database(url)
    try:
        found = database.read(lambda s: access.get_key(s, key_id))
    finally:
        database.close()
    assert found is not None
    return ring.open(found.secret, purposes.access_key(key_id)).decode(), ring.is_current(found.secret)


def make_key(indicia: Run, *place: str) -> tuple[str, str]:
    """Make an access key in a new account; return id and secret."""
    account = indicia("account", "create", *place).out.strip()
    made = indicia("key", "create", "--account", account, "--json", *place).json
    return made["access_key_id"], made["secret_access_key"]


def test_it_is_made_private_and_only_once(indicia: Run, tmp_path: Path) -> None:
    """The file is its owner's alone, and a second `create` leaves it as it is."""
    path = tmp_path / "indicia-data" / "master.key"
    made = indicia("master-key", "create", "--json").json
    before = path.read_bytes()

    again = indicia("master-key", "create")

    assert made == {"file": str(path), "fingerprint": keyring.load(path).fingerprint}
    assert path.stat().st_mode & 0o777 == 0o600
    assert (again.status, again.out) == (1, "")
    assert again.err == f"indicia: The keyring {path} exists already; it is never overwritten.\n"
    assert path.read_bytes() == before


def test_a_lost_keyring_is_not_replaced(indicia: Run, tmp_path: Path) -> None:
    """Where something was encrypted, a new key would hide that it cannot be read; both ways are refused."""
    path = tmp_path / "indicia-data" / "master.key"
    make_key(indicia)
    fingerprint = keyring.load(path).fingerprint
    path.unlink()

    for command in (("master-key", "create"), ("master-key", "rotate"), ("key", "create")):
        done = indicia(*command)

        assert done.status == 1
        assert f"encrypted under the master key {fingerprint}" in done.err
        assert not path.exists()


def test_another_keyring_is_refused(indicia: Run, tmp_path: Path) -> None:
    """A keyring that the database does not belong to stops the command, naming both."""
    make_key(indicia)
    other = keyring.create(tmp_path / "other.key")

    done = indicia("key", "create", "--master-key-file", str(tmp_path / "other.key"))

    assert done.status == 1
    assert other.fingerprint in done.err
    assert "INDICIA_MASTER_KEY_FILE" in done.err


def test_on_sqlite_one_step_rotates(indicia: Run, tmp_path: Path) -> None:
    """Afterwards a new key is first, the old one is kept, and every secret is under the new one."""
    path = tmp_path / "indicia-data" / "master.key"
    key_id, secret = make_key(indicia)
    before = keyring.load(path).fingerprint

    done = indicia("master-key", "rotate", "--json").json

    ring = keyring.load(path)
    assert done == {"fingerprint": ring.fingerprint, "resealed": 1, "finished": True}
    assert ring.fingerprints == (ring.fingerprint, before)
    assert ring.fingerprint != before
    assert opened_secret(load().database_url.text, key_id, ring) == (secret, True)


def test_after_a_rotation_the_old_key_can_go(indicia: Run, tmp_path: Path) -> None:
    """The database belongs to the new key: a file with that one alone opens everything."""
    path = tmp_path / "indicia-data" / "master.key"
    make_key(indicia)
    indicia("master-key", "rotate")
    path.write_text(path.read_text().splitlines()[0] + "\n")

    assert indicia("master-key", "rotate", "--reseal", "--json").json["resealed"] == 0


@pytest.fixture
def place(indicia: Run, postgres_server: PostgresServer, tmp_path: Path) -> list[str]:
    """The flags of an installation on PostgreSQL, migrated and without a keyring."""
    url = postgres_server.url(postgres_server.create_migrated())
    return ["--database-url", url, "--master-key-file", str(tmp_path / "pg.key")]


def test_on_postgresql_it_is_never_made_by_itself(indicia: Run, place: list[str], tmp_path: Path) -> None:
    """Each of several machines would make its own: the refusal names the command that makes one for all."""
    account = indicia("account", "create", *place).out.strip()

    done = indicia("key", "create", "--account", account, *place)

    assert done.status == 1
    assert "make one with `indicia master-key create`, and give every machine the same file" in done.err
    assert not (tmp_path / "pg.key").exists()
    indicia("master-key", "create", *place)
    assert indicia("key", "create", "--account", account, *place).status == 0


def test_on_postgresql_two_steps_rotate(indicia: Run, place: list[str], tmp_path: Path) -> None:
    """Between them, other machines get the file; secrets stay under the key that all of them have."""
    indicia("master-key", "create", *place)
    key_id, secret = make_key(indicia, *place)

    first = indicia("master-key", "rotate", "--json", *place).json
    ring = keyring.load(tmp_path / "pg.key")
    between = opened_secret(place[1], key_id, ring)
    second = indicia("master-key", "rotate", "--reseal", "--json", *place).json

    assert (first["resealed"], first["finished"]) == (0, False)
    assert between == (secret, False)
    assert second == {"fingerprint": ring.fingerprint, "resealed": 1, "finished": True}
    assert opened_secret(place[1], key_id, ring) == (secret, True)
