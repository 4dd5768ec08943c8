"""The pool of key pairs that nobody uses yet, so that no request waits for one to be made.

A key pair of 2048 bits takes 40 to 80 ms of a core. One thread makes them, one after the other, at a lower
priority than the rest of the process, and looks before each how many there are: several processes on one
database exceed a target by one key each at most.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import structlog

from indicia.domain.time import Instant
from indicia.store import keys
from indicia.store.database import Database
from indicia.store.ids import new_id
from indicia.store.session import Session
from indicia.vault import rsa
from indicia.vault.keyring import Keyring
from indicia.vault.purposes import PRIVATE_KEY

TARGETS: Final[Mapping[int, int]] = {2048: 16, 1024: 4}

# Others may have taken keys: another process on the same database tells nobody.
_LOOK_AGAIN: Final = 2.0
_AFTER_FAILURE: Final = 5.0
# A thread that lets others go first. Not lower: one that holds the interpreter when it loses the processor
# to another program makes everybody here wait until it has it back.
_NICENESS: Final = 5

log = structlog.get_logger(__name__)


class KeyPool:
    """Keeps the store's pool filled to a target for each length, in bits."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        now: Callable[[], Instant],
        targets: Mapping[int, int] = TARGETS,
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._now = now
        self._targets = dict(targets)
        self._woken = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="key-pool", daemon=True)

    def start(self) -> None:
        """Begin to fill the pool."""
        self._thread.start()

    def wake(self) -> None:
        """Look at once whether keys were taken. May be called from any thread."""
        self._woken.set()

    def stop(self, within: float = 5.0) -> None:
        """Make no more keys. The one under way is finished first, which takes tens of milliseconds."""
        self._stopping = True
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join(within)

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)  # Linux: of this thread
        while not self._stopping:
            self._woken.clear()
            try:
                added = self._add_most_wanted()
            except Exception as error:  # noqa: BLE001 - a store that is away comes back; the thread waits for it
                log.warning("pool.not_filled", error=type(error).__name__)
                self._pause(_AFTER_FAILURE)
            else:
                if not added:
                    self._pause(_LOOK_AGAIN)

    def _pause(self, seconds: float) -> None:
        if not self._stopping:
            self._woken.wait(seconds)

    def _add_most_wanted(self) -> bool:
        """Add a key of the length whose target is least filled. False when every target is reached."""
        filled = self._database.read(self._filled)
        bits = min(filled, key=lambda bits: filled[bits], default=0)
        if not bits or filled[bits] >= 1:
            return False
        pair = rsa.generate(bits)
        sealed = self._keyring.seal(pair.private_key, PRIVATE_KEY)
        pooled = keys.PooledKey(new_id(), bits, pair.public_key, sealed, self._now())
        self._database.write(partial(keys.add_pooled, key=pooled))
        return True

    def _filled(self, s: Session) -> dict[int, float]:
        return {bits: keys.count_pooled(s, bits) / most for bits, most in self._targets.items() if most > 0}
