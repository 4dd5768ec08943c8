"""The pool of key pairs that nobody uses yet, so that no request waits for one to be made.

A key pair of 2048 bits takes 40 to 80 ms of a core. One thread makes them, one after the other, and looks
before each how many there are: several processes on one database exceed a target by one key each at most.
Once a quarter of the target is there it rests after each key for as long as that took, half a core then.

The thread has no lower priority, which seems to be the better way and is not: at nice 5 on a busy machine the
event loop stood still for up to 66 ms, at nice 19 for 207 ms, at nice 0 for 8 ms (measured). A thread that
holds the interpreter when the system takes the processor from it makes all others wait until it is back.
"""

from __future__ import annotations

import threading
import time
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
_HURRY_BELOW: Final = 0.25

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
        while not self._stopping:
            self._woken.clear()
            try:
                rest = self._add_most_wanted()
            except Exception as error:  # noqa: BLE001 - a store that is away comes back; the thread waits for it
                log.warning("pool.not_filled", error=type(error).__name__)
                rest = _AFTER_FAILURE
            if rest and not self._stopping:
                self._woken.wait(rest)

    def _add_most_wanted(self) -> float:
        """Add a key of the length whose target is least filled; return for how many seconds to rest."""
        filled = self._database.read(self._filled)
        bits = min(filled, key=lambda bits: filled[bits], default=0)
        if not bits or filled[bits] >= 1:
            return _LOOK_AGAIN
        began = time.monotonic()
        pair = rsa.generate(bits)
        sealed = self._keyring.seal(pair.private_key, PRIVATE_KEY)
        pooled = keys.PooledKey(new_id(), bits, pair.public_key, sealed, self._now())
        self._database.write(partial(keys.add_pooled, key=pooled))
        return 0.0 if filled[bits] < _HURRY_BELOW else time.monotonic() - began

    def _filled(self, s: Session) -> dict[int, float]:
        return {bits: keys.count_pooled(s, bits) / most for bits, most in self._targets.items() if most > 0}
