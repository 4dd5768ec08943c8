"""The relay `outbox`: a Maildir, in which every mail is a file.

https://cr.yp.to/proto/maildir.html: a mail is written under `tmp` and moved to `new` when it is whole, so
that a reader never sees half of one. It is durable before it counts as delivered.
"""

from __future__ import annotations

import asyncio
import os
from hashlib import sha256
from typing import TYPE_CHECKING

from indicia.mail.carrier import TemporaryDeliveryError

if TYPE_CHECKING:
    from pathlib import Path

    from indicia.mail.compose import Letter

_FOLDERS = ("tmp", "new", "cur")


class Maildir:
    """A Maildir that letters are delivered to. It is made when the first one comes, for its owner alone."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __repr__(self) -> str:
        return f"<Maildir {self._path}>"

    async def deliver(self, letter: Letter) -> None:
        """Return once the letter is a file under `new` that survives the loss of power.

        A letter delivered twice is one file: its name comes from the letter's identity, not from the moment.

        Raises: `TemporaryDeliveryError` when the disk does not take it.
        """
        try:
            await asyncio.to_thread(self._write, letter)
        except OSError as error:
            raise TemporaryDeliveryError(
                f"the outbox {self._path} cannot be written: {error.strerror}"
            ) from error

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _write(self, letter: Letter) -> None:
        for folder in _FOLDERS:
            (self._path / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        # Unique by the letter, and without `/` and `:`, which mean something in a Maildir.
        name = f"{sha256(letter.identity.encode()).hexdigest()[:32]}.indicia"
        temporary = self._path / "tmp" / name
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(_as_delivered(letter))
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(self._path / "new" / name)
        _sync(self._path / "new")


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
