"""The relay `outbox`: a Maildir, in which every mail is a file.

https://cr.yp.to/proto/maildir.html: a mail is written under `tmp` and moved to `new` when it is whole, so
that a reader never sees half of one. It is durable before it counts as delivered. Deliverers that do not know
of each other, since one has lost its lease or was killed, write to files of their own and end at one name.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import stat
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from indicia.mail.transport.carrier import UnavailableError

if TYPE_CHECKING:
    from pathlib import Path

    from indicia.mail.message.compose import Letter

_FOLDERS = ("tmp", "new", "cur")
# The specification: what was not touched for 36 hours under `tmp` belongs to a delivery that died.
LEFTOVER_AFTER: Final = 36 * 3600.0  # seconds
_SWEEP_EVERY: Final = 3600.0  # seconds


class Maildir:
    """A Maildir that letters are delivered to. It is made when the first one comes, for its owner alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._swept_at = float("-inf")

    def __repr__(self) -> str:
        return f"<Maildir {self._path}>"

    async def deliver(self, letter: Letter) -> None:
        """Return once the letter is a file under `new` that survives the loss of power.

        A letter delivered twice is one file: its name comes from the letter's identity, not from the moment.
        One that a mail program has moved to `cur` since is not delivered again.

        Raises: `UnavailableError` when the disk does not take it.
        """
        try:
            await asyncio.to_thread(self._deliver, letter)
        except OSError as error:
            raise UnavailableError(f"the outbox {self._path} cannot be written: {error.strerror}") from error

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _deliver(self, letter: Letter) -> None:
        for folder in _FOLDERS:
            (self._path / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()
        # Unique by the letter, and without `/` and `:`, which mean something in a Maildir.
        name = f"{sha256(letter.identity.encode()).hexdigest()[:32]}.indicia"
        delivered = self._path / "new" / name
        if not delivered.exists() and not self._was_seen(name):
            self._write(letter, delivered)
            # Another deliverer of the same letter, and a mail program after it, may have been as fast.
            if self._was_seen(name):
                delivered.unlink(missing_ok=True)
        # Whoever moved it there may have died before this.
        _sync(self._path / "new")

    def _write(self, letter: Letter, delivered: Path) -> None:
        """Put the whole letter in its place in one step. What fails on the way leaves nothing behind."""
        temporary = self._path / "tmp" / f"{delivered.name}.{secrets.token_hex(8)}"
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(_as_delivered(letter))
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(delivered)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def _was_seen(self, name: str) -> bool:
        """Say whether a mail program has moved the letter to `cur`, where it added flags to the name."""
        with os.scandir(self._path / "cur") as entries:
            return any(entry.name.partition(":")[0] == name for entry in entries)

    def _sweep(self) -> None:
        """Remove what killed deliveries have left under `tmp`, once in a while."""
        if time.monotonic() - self._swept_at < _SWEEP_EVERY:
            return
        self._swept_at = time.monotonic()
        before = time.time() - LEFTOVER_AFTER
        for leftover in (self._path / "tmp").iterdir():
            with contextlib.suppress(FileNotFoundError):  # another deliverer sweeps too
                found = leftover.lstat()
                if max(found.st_atime, found.st_mtime) < before and stat.S_ISREG(found.st_mode):
                    leftover.unlink()


def _as_delivered(letter: Letter) -> bytes:
    """Return the mail as final delivery leaves it: its envelope on top (RFC 5321 §4.4), local line ends."""
    envelope = f"Return-Path: <{letter.sender}>\r\nDelivered-To: {letter.recipient}\r\n".encode("ascii")
    return (envelope + letter.message).replace(b"\r\n", b"\n")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
