"""A start is refused where others could have made or changed the data folder, the database or the keyring."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from invocation import Run

SOMEBODY = 54_321
KEYRING = "data/master.key"
DATABASE = "data/indicia.db"


def let_others_write(name: str, mode: int = 0o660) -> Callable[[], None]:
    """What opens a file of the installation to others."""
    return lambda: Path(name).chmod(mode)


def put_a_link(name: str) -> Callable[[], None]:
    """What moves a file or folder of the installation elsewhere, and leaves a link in its place."""

    def put() -> None:
        there = Path(name)
        elsewhere = Path("elsewhere") / there.name
        elsewhere.parent.mkdir(mode=0o700, exist_ok=True)
        there.rename(elsewhere)
        there.symlink_to(elsewhere.absolute())

    return put


def give_away(name: str) -> Callable[[], None]:
    """What gives a file or folder of the installation to somebody else."""
    return lambda: os.chown(name, SOMEBODY, -1)


def leave_a_log() -> None:
    """Somebody else's log of the database, which the next start would take in."""
    log = Path(f"{DATABASE}-wal")
    log.touch(0o600)
    os.chown(log, SOMEBODY, -1)


root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
EXPOSED = [
    pytest.param(
        let_others_write("data", 0o770), "data may be written to by others (mode 0770)", id="folder"
    ),
    pytest.param(let_others_write(DATABASE), "indicia.db may be written to by others", id="database"),
    pytest.param(let_others_write(KEYRING), "master.key is open to others (mode 0660)", id="keyring"),
    pytest.param(let_others_write(KEYRING, 0o604), "master.key is open to others", id="keyring read"),
    pytest.param(
        let_others_write("data/credentials", 0o644), "credentials is open to others", id="credentials"
    ),
    pytest.param(put_a_link("data"), "data is a symbolic link", id="link to the folder"),
    pytest.param(put_a_link(DATABASE), "indicia.db is a symbolic link", id="link to the database"),
    pytest.param(put_a_link(KEYRING), "master.key is a symbolic link", id="link to the keyring"),
    pytest.param(give_away("data"), f"data belongs to {SOMEBODY}", id="another's folder", marks=root),
    pytest.param(
        give_away(DATABASE), f"indicia.db belongs to {SOMEBODY}", id="another's database", marks=root
    ),
    pytest.param(give_away(KEYRING), f"master.key belongs to {SOMEBODY}", id="another's keyring", marks=root),
    pytest.param(leave_a_log, f"indicia.db-wal belongs to {SOMEBODY}", id="another's log", marks=root),
]


@pytest.fixture
def installation(indicia: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation in ./data, made by a first command."""
    monkeypatch.setenv("INDICIA_DATA_DIR", "data")
    assert indicia("account", "create").status == 0
    Path("data/credentials").touch(0o600)
    assert indicia("key", "create").status == 2  # there is no operator's account yet, and a keyring now


@pytest.mark.usefixtures("installation")
@pytest.mark.parametrize(("expose", "reason"), EXPOSED)
def test_what_others_could_have_changed_is_not_opened(
    indicia: Run, expose: Callable[[], None], reason: str
) -> None:
    """Whatever works on it says what is wrong and what mends it; when that is done, it works."""
    assert indicia("config", "check").status == 0
    expose()

    for command in (
        ("account", "list"),
        ("key", "list"),
        ("master-key", "rotate"),
        ("migrate",),
        ("migrate", "--check"),
        ("config", "check"),
        # These go on running where nothing is wrong.
        ("serve",),
        ("sandbox", "--data-dir", "data"),
    ):
        done = indicia(*command)
        assert done.status == 1, command
        assert done.err.startswith("indicia: ")
        assert reason in done.err
        assert done.err.count("\n") == 1
        assert "Traceback" not in done.err
    told = indicia("doctor")
    assert (told.status, reason in told.out) == (1, True)

    _mend(done.err)
    assert indicia("account", "list").status == 0


def _mend(told: str) -> None:
    """Do what the sentence says."""
    command = re.search(r"`(chmod|chown) [^`]+`", told)
    if command is not None:
        subprocess.run(["/bin/sh", "-c", command[0].strip("`")], check=True)
        return
    named = re.search(r"(\S+) is a symbolic link, .*: name (\S+) in its stead", told)
    assert named is not None
    link, target = Path(named[1]), Path(named[2])
    link.unlink()
    shutil.move(target, link)


@root
@pytest.mark.usefixtures("installation")
def test_a_whole_installation_of_somebody_else_is_left_to_them(indicia: Run) -> None:
    """Root is told to be that one, once; what lies elsewhere is told too."""
    for path in (Path("data"), *Path("data").iterdir()):
        os.chown(path, SOMEBODY, -1)
    ring = Path("ring")
    ring.touch(0o666)
    ring.chmod(0o666)

    done = indicia("account", "list", "--master-key-file", str(ring))

    folder = Path("data").absolute()
    assert done.err.replace(str(folder), "data").replace(str(ring.absolute()), "ring") == (
        f"indicia: data belongs to {SOMEBODY}, and not to root: run this as {SOMEBODY}, or"
        " `chown -R root data` if it is to be root's; ring is open to others (mode 0666): `chmod 600 ring`\n"
    )


@pytest.mark.usefixtures("installation")
def test_a_database_elsewhere_is_held_to_the_same(indicia: Run, tmp_path: Path) -> None:
    """Where others may write it could be exchanged; where each has files of their own, it could not."""
    elsewhere = tmp_path / "shared"
    elsewhere.mkdir()
    url = f"sqlite:///{elsewhere / 'own.db'}"
    assert indicia("account", "create", "--database-url", url).status == 0
    elsewhere.chmod(0o777)
    assert f"{elsewhere} may be written to by others" in indicia("account", "list", "--database-url", url).err
    elsewhere.chmod(0o1777)
    assert indicia("account", "list", "--database-url", url).status == 0


def test_a_link_on_the_way_is_followed(indicia: Run, tmp_path: Path) -> None:
    """/var/lib/NAME is one where systemd keeps the data of a service for it."""
    (tmp_path / "private").mkdir()
    (tmp_path / "way").symlink_to(tmp_path / "private")
    assert indicia("account", "create", "--data-dir", str(tmp_path / "way" / "data")).status == 0
    assert (tmp_path / "private" / "data" / "indicia.db").exists()


def test_everything_in_the_data_folder_is_its_owners(
    indicia: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever the umask leaves, nobody else may write to what a start has made."""
    monkeypatch.setenv("INDICIA_DATA_DIR", str(tmp_path / "a" / "data"))
    before = os.umask(0)
    try:
        assert indicia("account", "create").status == 0
        assert indicia("master-key", "rotate").status == 0
    finally:
        os.umask(before)
    made = [tmp_path / "a", *(tmp_path / "a").rglob("*")]
    assert {path.name: oct(path.stat().st_mode & 0o022) for path in made} == {
        path.name: "0o0" for path in made
    }
    assert (tmp_path / "a" / "data").stat().st_mode & 0o777 == 0o700


def test_a_key_of_tls_that_others_may_read_is_warned_of(
    indicia: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It starts all the same: who renews certificates keeps links, and knows who may read what is behind."""
    issued = trustme.CA().issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert"))
    issued.private_key_pem.write_to_path(str(tmp_path / "key"))
    (tmp_path / "live").symlink_to(tmp_path / "key")
    (tmp_path / "key").chmod(0o644)
    monkeypatch.setenv("INDICIA_TLS_CERT_FILE", str(tmp_path / "cert"))
    monkeypatch.setenv("INDICIA_TLS_KEY_FILE", str(tmp_path / "live"))

    done = indicia("config", "check")
    assert done.status == 0
    assert f"warning: {tmp_path / 'key'} is open to others (mode 0644): `chmod 600" in done.out
    (tmp_path / "key").chmod(0o640)
    assert "is open to others" not in indicia("config", "check").out
