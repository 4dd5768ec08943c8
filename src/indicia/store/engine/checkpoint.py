"""The log of the embedded database is copied back beside its writer, and not within a commit.

SQLite copies the log back at the end of the commit that made it long enough, and whoever waits for that
commit waits for the copy of some thousand pages as well. A connection of its own does most of that work at
the same time as others write; the writer's is left with what came in meanwhile.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable
from typing import Final

from indicia.domain.faults import Fault

# Changed between one copy and the next: some 400 pages of new identities. Whoever commits meanwhile shares
# the disk with the copy, so that few pages often are better than many seldom (decision 28).
_ROWS: Final = 1000


class Checkpointer:
    """A thread that copies the log back when enough was written; the first time that is so it begins."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._copied = 0
        self._wanted = threading.Event()
        self._ended = False
        self._thread: threading.Thread | None = None

    def written(self, rows: int) -> None:
        """So many rows have been changed since the writer began."""
        if rows - self._copied < _ROWS:
            return
        self._copied = rows
        self._wanted.set()
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="indicia-checkpointer", daemon=True)
            with contextlib.suppress(RuntimeError):  # no thread is to be had: next time
                thread.start()
                self._thread = thread

    def close(self) -> None:
        """End the thread, and its connection with it."""
        self._ended = True
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        while self._wanted.wait():
            self._wanted.clear()
            if self._ended:  # looked at behind the clearing, which would forget it
                break
            try:
                connection = connection or self._connect()
                # PASSIVE waits for nobody, and makes nobody wait.
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            except (Fault, sqlite3.Error):
                continue  # the writer copies as well, at the end of a commit, when the log has grown long
        if connection is not None:
            connection.close()
