"""Turns of the processes that write to one database file.

SQLite lets a writer that finds the file busy sleep and try again, longer each time, and whoever tries at the
right moment comes first: with two busy processes some wait for seconds. Here they queue up. The kernel holds
the locks (flock(2)) and takes them from whoever dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from pathlib import Path
from typing import Final

import structlog

from indicia.domain.faults import Fault, FaultKind

log = structlog.get_logger(__name__)

DOOR: Final = "door"
TURN: Final = "turn"
FILES: Final = (DOOR, TURN)
"""What is behind the name of the database and a hyphen in the names of the two files."""

_FIRST_LOOK_SECONDS: Final = 0.0001
_LOOK_SECONDS: Final = 0.001


class FileLock:
    """One process's place in the queue: `take` a turn, write, `give` it back.

    Whoever waits for the turn stands in the door meanwhile, and nobody else comes through it: so the one
    before cannot come again at once. Both are locks on files beside the database.
    """

    def __init__(self, path: str, seconds: float) -> None:
        self._path = path
        self._seconds = seconds
        self._door: int | None = None
        self._turn: int | None = None
        self._told = False

    def take(self, *, wait: bool = True) -> bool:
        """It is this process's turn; False where it is another's, and is not waited for.

        Where there can be no such locks everybody writes as SQLite lets them, and that is logged once.
        Raises: `Fault` UNAVAILABLE when it does not come in time.
        """
        try:
            if self._door is None:
                self._door = self._opened(DOOR)
            if self._turn is None:
                self._turn = self._opened(TURN)
            until = time.monotonic() + self._seconds if wait else None
            if not self._lock(self._door, until):
                return False
            try:
                return self._lock(self._turn, until)
            finally:
                fcntl.flock(self._door, fcntl.LOCK_UN)
        except OSError as error:
            if not self._told:
                self._told = True
                log.warning("turns.none", reason=error.strerror)
            return True

    def give(self) -> None:
        """It is another's turn."""
        if self._turn is not None:
            with contextlib.suppress(OSError):
                fcntl.flock(self._turn, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the files."""
        for descriptor in (self._door, self._turn):
            if descriptor is not None:
                os.close(descriptor)
        self._door = self._turn = None

    def _opened(self, name: str) -> int:
        """Open the file, made for those whose the database is."""
        path = f"{self._path}-{name}"
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        database = Path(self._path).stat()
        os.fchmod(descriptor, stat.S_IMODE(database.st_mode))
        if os.geteuid() == 0:
            os.fchown(descriptor, database.st_uid, database.st_gid)
        return descriptor

    @staticmethod
    def _lock(descriptor: int, until: float | None) -> bool:
        """Lock it, by then at the latest; False where it is locked, and is not waited for."""
        pause = _FIRST_LOOK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if until is None:
                    return False
                if time.monotonic() > until:
                    message = "The database does not answer: another process writes to it."
                    raise Fault(FaultKind.UNAVAILABLE, message) from None
                time.sleep(pause)
                pause = min(pause * 1.05, _LOOK_SECONDS)
            else:
                return True
