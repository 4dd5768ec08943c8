"""The keyring: what is sealed opens with the right file and for the right purpose, and not otherwise."""

from __future__ import annotations

import base64
import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicia.vault import keyring
from indicia.vault.keyring import Keyring, KeyringError

OLD, NEW = bytes(range(32)), bytes(range(32, 64))


@given(st.binary(max_size=3000), st.text(max_size=50))
def test_round_trip(plaintext: bytes, purpose: str) -> None:
    """What was sealed opens, and two seals of one thing have nothing in common."""
    ring = Keyring((OLD,))
    sealed = ring.seal(plaintext, purpose)

    assert ring.open(sealed, purpose) == plaintext
    assert sealed != ring.seal(plaintext, purpose)
    assert len(plaintext) < 8 or plaintext not in sealed


@given(st.data())
def test_altered(data: st.DataObject) -> None:
    """One bit changed anywhere, or octets cut off, and it does not open."""
    ring = Keyring((OLD,))
    sealed = bytearray(ring.seal(b"the private key", "keys"))
    if data.draw(st.booleans()):
        sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del sealed[data.draw(st.integers(0, len(sealed) - 1)) :]
    with pytest.raises(KeyringError):
        ring.open(bytes(sealed), "keys")


def test_other_purpose() -> None:
    """A blob that was moved to another column does not open there."""
    ring = Keyring((OLD,))
    with pytest.raises(KeyringError, match="for secrets does not open"):
        ring.open(ring.seal(b"x", "keys"), "secrets")


def test_first_encrypts_all_decrypt() -> None:
    """After a rotation what is new is under the new key, and what is old opens still."""
    before, after = Keyring((OLD,)), Keyring((NEW, OLD))
    old, new = before.seal(b"a", "keys"), after.seal(b"b", "keys")

    assert (after.open(old, "keys"), after.open(new, "keys")) == (b"a", b"b")
    assert (after.is_current(old), after.is_current(new)) == (False, True)
    with pytest.raises(KeyringError, match=after.fingerprint):
        before.open(new, "keys")


def test_nothing_secret_is_shown(tmp_path: Path) -> None:
    """Neither the ring, nor its parts, nor any of its errors shows a key."""
    ring = keyring.create(tmp_path / "master.key")
    line = (tmp_path / "master.key").read_text().strip()
    shown = [repr(ring), str(ring), repr(vars(ring)), ring.fingerprint]
    (tmp_path / "broken.key").write_text(line[:-4])
    (tmp_path / "broken.key").chmod(0o600)
    with pytest.raises(KeyringError) as caught:
        keyring.load(tmp_path / "broken.key")
    shown += [str(caught.value), repr(caught.value), repr(caught.value.__context__)]
    octets = base64.b64decode(line)

    assert not any(
        line[:12] in text or repr(octets)[2:20] in text or octets.hex()[:12] in text for text in shown
    )


def test_create(tmp_path: Path) -> None:
    """A new file is for its owner only, holds one key of 32 octets, and is never written over."""
    path = tmp_path / "deep" / "master.key"
    before = os.umask(0)
    try:
        ring = keyring.create(path)
    finally:
        os.umask(before)
    text = path.read_text()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [len(base64.b64decode(line)) for line in text.splitlines()] == [32]
    assert list(path.parent.iterdir()) == [path]
    assert keyring.load(path).open(ring.seal(b"x", "keys"), "keys") == b"x"
    with pytest.raises(KeyringError, match="exists already"):
        keyring.create(path)
    assert path.read_text() == text


def test_create_at_once(tmp_path: Path) -> None:
    """Of several who create it at the same moment one succeeds, and its key is the one that stays."""
    path = tmp_path / "master.key"
    made: list[Keyring] = []
    gate = threading.Barrier(8)

    def create() -> None:
        gate.wait()
        try:
            made.append(keyring.create(path))
        except KeyringError:
            return

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [ring.fingerprint for ring in made] == [keyring.load(path).fingerprint]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "mode", "sentence"),
    [
        (None, 0o600, "is not there. Make one with `indicia master-key create`"),
        ("", 0o600, "is empty"),
        ("\n\n", 0o600, "is empty"),
        ("c2hvcnQ=\n", 0o600, "Line 1 .* is not the base64 of 32 octets"),
        (base64.b64encode(OLD).decode() + "\nnonsense!\n", 0o600, "Line 2 "),
        ("\xff\xfe", 0o600, "something other than base64"),
        (base64.b64encode(OLD).decode(), 0o604, "chmod 600"),
        (base64.b64encode(OLD).decode(), 0o660, "chmod 600"),
    ],
)
def test_unusable_files(tmp_path: Path, content: str | None, mode: int, sentence: str) -> None:
    """A file that is missing, damaged or open to others is refused with what to do."""
    path = tmp_path / "master.key"
    if content is not None:
        path.write_text(content, encoding="latin-1")
        path.chmod(mode)
    with pytest.raises(KeyringError, match=sentence):
        keyring.load(path)


def test_folder_instead_of_file(tmp_path: Path) -> None:
    """A folder in the place of the file is refused with the system's reason."""
    with pytest.raises(KeyringError, match="cannot be read: Is a directory"):
        keyring.load(tmp_path)


def test_rotate(tmp_path: Path) -> None:
    """Rotating puts a new key in front and keeps the others, in a private file, replaced as a whole."""
    path = tmp_path / "master.key"
    first = keyring.create(path)
    sealed = first.seal(b"x", "keys")
    second = keyring.rotate(path)

    assert second.fingerprints == (second.fingerprint, first.fingerprints[-1])
    assert second.fingerprint != first.fingerprints[-1]
    assert keyring.load(path).fingerprints == second.fingerprints
    assert keyring.load(path).open(sealed, "keys") == b"x"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_running_process_follows_a_rotation(tmp_path: Path) -> None:
    """A ring that is in use opens what is sealed under a new key, and seals under it, without a restart."""
    path = tmp_path / "master.key"
    keyring.create(path)
    reading, writing = keyring.load(path), keyring.load(path)
    rotated = keyring.rotate(path)

    assert reading.open(rotated.seal(b"x", "keys"), "keys") == b"x"
    assert rotated.is_current(writing.seal(b"y", "keys"))


@pytest.mark.parametrize("content", ["", "nonsense", base64.b64encode(NEW).decode()])
def test_running_process_follows_no_other_ring(tmp_path: Path, content: str) -> None:
    """A file that was damaged, or replaced by that of another installation, changes nothing for who runs."""
    path = tmp_path / "master.key"
    ring = keyring.create(path)
    sealed = ring.seal(b"x", "keys")
    path.write_text(content)

    assert ring.is_current(ring.seal(b"y", "keys"))
    assert ring.open(sealed, "keys") == b"x"
    with pytest.raises(KeyringError):
        ring.reload()
    assert ring.open(sealed, "keys") == b"x"


def test_require() -> None:
    """A database is admitted when its fingerprint is in the ring; else the sentence names both."""
    ring = Keyring((NEW, OLD))
    other = Keyring((b"\x07" * 32,))
    ring.require(ring.fingerprint)
    ring.require(Keyring((OLD,)).fingerprint)
    with pytest.raises(KeyringError) as caught:
        ring.require(other.fingerprint)

    assert other.fingerprint in str(caught.value)
    assert ring.fingerprint in str(caught.value)
    assert "INDICIA_MASTER_KEY_FILE" in str(caught.value)


@pytest.mark.parametrize("keys", [(), (b"short",), (OLD, b"x" * 33)])
def test_impossible_rings(keys: tuple[bytes, ...]) -> None:
    """A ring has at least one key, and every key 256 bits."""
    with pytest.raises(KeyringError):
        Keyring(keys)
