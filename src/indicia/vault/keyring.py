"""The keyring: what encrypts private keys and secrets at rest.

The file holds one key a line, 256 bits in base64. The first encrypts, all of them decrypt. Which file belongs
to a database is told by the fingerprint of its first key, which the database keeps: starting with another
ring would look like working until the first secret is needed.

A sealed blob is: format octet, key id, nonce, AES-256-GCM ciphertext and tag. Its purpose is authenticated
with it, so that a blob moved from one column to another does not open.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
import secrets
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from indicia.private_files import ExposedError, make_folder, open_own, sync_folder

if TYPE_CHECKING:
    from pathlib import Path

_FORMAT: Final = b"\x01"
_KEY_OCTETS: Final = 32
_ID_OCTETS: Final = 8
_NONCE_OCTETS: Final = 12  # random: good for 2**32 blobs a key (NIST SP 800-38D §8.3), then rotate
_HEADER: Final = len(_FORMAT) + _ID_OCTETS
_START: Final = _HEADER + _NONCE_OCTETS


class KeyringError(Exception):
    """The keyring cannot be used. The sentence says which file or key, and what to do; it holds no secret."""


@dataclass(frozen=True, slots=True)
class _Key:
    """One key of the ring, ready for use, and the id that names it without giving it away."""

    id: bytes
    cipher: AESGCM = field(repr=False, compare=False)
    octets: bytes = field(repr=False, compare=False)

    @classmethod
    def of(cls, octets: bytes) -> _Key:
        digest = hashlib.sha256(b"indicia keyring key\x00" + octets).digest()
        return cls(digest[:_ID_OCTETS], AESGCM(octets), octets)


class Keyring:
    """The keys of one file. Safe to use from several threads.

    A ring with a file follows it: before it seals, and when it meets a blob whose key it does not have, it
    looks whether the file was replaced. So running processes take part in a rotation without a restart.
    """

    def __init__(
        self, keys: tuple[bytes, ...], path: Path | None = None, seen: tuple[int, int] | None = None
    ) -> None:
        if not keys or any(len(key) != _KEY_OCTETS for key in keys):
            raise KeyringError("A keyring needs at least one key, each of 32 octets.")
        self._path = path
        self._keys = tuple(map(_Key.of, keys))
        self._seen = seen
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Keyring {' '.join(self.fingerprints)}>"

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the key that encrypts: 16 hexadecimal digits, not secret."""
        return self._keys[0].id.hex()

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """The fingerprints of all keys, in the order of the file."""
        return tuple(key.id.hex() for key in self._keys)

    def seal(self, plaintext: bytes, purpose: str) -> bytes:
        """Return the plaintext encrypted under the first key, for one purpose."""
        self._follow()
        key = self._keys[0]
        header = _FORMAT + key.id
        nonce = secrets.token_bytes(_NONCE_OCTETS)
        return header + nonce + key.cipher.encrypt(nonce, plaintext, header + purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Return the plaintext of a blob that was sealed for this purpose.

        Raises: `KeyringError` when its key is not in the ring, naming it, or when the blob was altered.
        """
        header = sealed[:_HEADER]
        if header[:1] != _FORMAT or len(sealed) < _START + 16:
            raise KeyringError("A sealed value is damaged: it does not begin as one.")
        key = self._find(header[1:])
        try:
            return key.cipher.decrypt(sealed[_HEADER:_START], sealed[_START:], header + purpose.encode())
        except InvalidTag:
            message = (
                f"A sealed value for {purpose} does not open: it was altered, or sealed for another purpose."
            )
            raise KeyringError(message) from None

    def is_current(self, sealed: bytes) -> bool:
        """Say whether a blob is sealed under the first key."""
        return sealed[:_HEADER] == _FORMAT + self._keys[0].id

    def rotated(self) -> Keyring:
        """Return a ring with a new key in front of these."""
        return Keyring((secrets.token_bytes(_KEY_OCTETS), *(key.octets for key in self._keys)), self._path)

    def write(self, descriptor: int) -> None:
        """Write the keys to an open file, make them durable, and close it."""
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.writelines(f"{base64.b64encode(key.octets).decode('ascii')}\n" for key in self._keys)
            file.flush()
            os.fsync(file.fileno())

    def reload(self) -> None:
        """Read the file again; the ring is what it says afterwards. A ring without a file stays as it is.

        Raises: `KeyringError` when the file cannot be read, or holds another ring: one that has not even the
        key that encrypts now. The ring stays as it is then.
        """
        if self._path is None:
            return
        with self._lock:
            seen = _stamp(self._path)
            keys = tuple(map(_Key.of, _read(self._path)))
            if self._keys[0] not in keys:
                raise KeyringError(f"The keyring {self._path} no longer has the key {self.fingerprint}.")
            self._keys, self._seen = keys, seen

    def _follow(self) -> None:
        """Take over what another process rotated into the file; what cannot be read is left alone."""
        if self._path is not None and _stamp(self._path) != self._seen:
            with contextlib.suppress(KeyringError):
                self.reload()

    def require(self, recorded: str) -> None:
        """Return when the database belongs to this ring: the fingerprint it keeps is that of a key in it.

        Raises: `KeyringError` naming both fingerprints and the file.
        """
        if recorded not in self.fingerprints:
            where = f"the keyring {self._path}" if self._path else "the keyring"
            raise KeyringError(
                f"The database was encrypted under the master key {recorded}, which is not in {where}"
                f" (it has {', '.join(self.fingerprints)}). Put the right keyring file in place, or name it"
                " with INDICIA_MASTER_KEY_FILE."
            )

    def _find(self, key_id: bytes) -> _Key:
        found = self._lookup(key_id)
        if found is None:
            self._follow()
            found = self._lookup(key_id)
        if found is None:
            where = f" in the keyring {self._path}" if self._path else " in the keyring"
            raise KeyringError(
                f"A value is sealed under the master key {key_id.hex()}, which is not{where}."
                " Add its line back to the file."
            )
        return found

    def _lookup(self, key_id: bytes) -> _Key | None:
        return next((key for key in self._keys if key.id == key_id), None)


def load(path: Path) -> Keyring:
    """Return the ring in a file.

    Raises: `KeyringError` when there is none, when others can read it, or when a line is not a key.
    """
    seen = _stamp(path)
    return Keyring(_read(path), path, seen)


def create(path: Path) -> Keyring:
    """Return a new ring of one key, written to a file that only its owner can read.

    Raises: `KeyringError` when the file is there already: it is never overwritten, since what was sealed
    under it would be lost.
    """
    ring = Keyring((secrets.token_bytes(_KEY_OCTETS),), path)
    try:
        make_folder(path.parent)
        beside = _written_beside(path, ring)
        try:
            path.hardlink_to(beside)  # all of it or nothing, and never over another
        finally:
            beside.unlink()
        sync_folder(path.parent)
    except OSError as error:
        if path.exists():
            raise KeyringError(f"The keyring {path} exists already; it is never overwritten.") from None
        raise KeyringError(f"The keyring {path} cannot be created: {error.strerror}.") from error
    return ring


def rotate(path: Path) -> Keyring:
    """Return the ring with a new key in front, the file replaced in one step.

    Older keys stay, since what they sealed is sealed under them until `reseal` has gone through the store.
    With several machines the new file goes to all of them before that.
    """
    ring = load(path).rotated()
    try:
        _written_beside(path, ring).replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise KeyringError(f"The keyring {path} cannot be replaced: {error.strerror}.") from error
    return ring


def _written_beside(path: Path, ring: Keyring) -> Path:
    """Return a private file with the ring, on the disk, in the folder where it will be put in place."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    ring.write(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    return beside


def _stamp(path: Path) -> tuple[int, int] | None:
    """Return what tells one state of the file from another; None while there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _read(path: Path) -> tuple[bytes, ...]:
    try:
        with os.fdopen(open_own(path, secret=True), encoding="ascii") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        message = f"The keyring {path} is not there. Make one with `indicia master-key create`."
        raise KeyringError(message) from None
    except ExposedError as error:
        raise KeyringError(f"The keyring {error}.") from error
    except UnicodeDecodeError:
        raise KeyringError(f"The keyring {path} holds something other than base64.") from None
    except OSError as error:
        raise KeyringError(f"The keyring {path} cannot be read: {error.strerror}.") from error
    keys = tuple(_parse_line(path, number, line) for number, line in enumerate(lines, 1) if line.strip())
    if not keys:
        raise KeyringError(f"The keyring {path} is empty. Make one with `indicia master-key create`.")
    return keys


def _parse_line(path: Path, number: int, line: str) -> bytes:
    try:
        key = base64.b64decode(line.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_OCTETS:
        raise KeyringError(f"Line {number} of the keyring {path} is not the base64 of 32 octets.") from None
    return key
