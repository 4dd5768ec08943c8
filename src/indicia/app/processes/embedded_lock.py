"""The lock of an embedded database: one process has the roles that work in the background.

Whoever begins one of them voids the leases of whoever had it before, and takes what that held. On PostgreSQL
any number of processes share the work, and nobody voids what another holds.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from indicia.installation import InstallationError

# Earlier versions lock it as well, and deliver mail in the role that it is named after.
_FILE: Final = "verifier.lock"


class EmbeddedLock:
    """The lock of a data dir, from `take` to `release`, or for as long as the process lives."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / _FILE
        self._descriptor: int | None = None

    def take(self) -> None:
        """Hold the lock. Raises: `InstallationError` when another process does."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise InstallationError(
                f"another process with the role verifier or mailer runs on {self._path.parent}: end it, give"
                " this one another --data-dir, or --roles without verifier and mailer"
            ) from None
        self._descriptor = descriptor

    async def release(self) -> None:
        """Let another process have it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
