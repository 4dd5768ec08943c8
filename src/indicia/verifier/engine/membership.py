"""Who looks at what, where there are several verifiers: each at a range of the shards, by its rank.

Nobody assigns anything: each says now and then that it is alive, sees who else is, and draws the same
conclusion as the others. While they do not agree yet, leases keep two from looking at the same identity.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import structlog

from indicia.domain.time import SECOND, Span
from indicia.runtime.clock import Clock, real_now
from indicia.store.engine.database import Database
from indicia.store.engine.session import Session
from indicia.store.engine.sharding import range_of
from indicia.store.installation import verifiers
from indicia.store.verification import checks

log = structlog.get_logger(__name__)

_BEAT: Final[Span] = 2 * SECOND
# A verifier that was silent so long is dead; should it live, what it finds lands nowhere.
_SILENT: Final[Span] = 10 * SECOND


class Membership:
    """Keeps the range of this verifier as the others come and go, from `run` until that is cancelled.

    `told` hears of the shards of this verifier and of how many verifiers there are, whenever that changes.
    `beat` and `silent` are how often each says that it is alive, and how long a dead one may be silent.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        owner: str,
        told: Callable[[Sequence[int], int], None],
        *,
        beat: Span = _BEAT,
        silent: Span = _SILENT,
    ) -> None:
        self._database = database
        self._clock = clock
        self._owner = owner
        self._told = told
        self._beat = beat / SECOND
        self._silent = silent
        self._living: list[str] = []

    async def run(self) -> None:
        """Be among the living. Trouble with the database is waited out."""
        while True:
            try:
                living = await self._database.writing(self._be_seen)
            except Exception as error:  # noqa: BLE001 - whatever the database has, the verifier outlives it
                log.warning("roster.not_seen", error=type(error).__name__)
            else:
                if living != self._living:
                    self._living = living
                    self._told(range_of(living.index(self._owner), len(living)), len(living))
            await asyncio.sleep(self._beat)

    async def leave(self) -> None:
        """Be gone: the others need not wait until this one is found dead."""
        try:
            await self._database.writing(partial(verifiers.leave, owner=self._owner))
        except Exception as error:  # noqa: BLE001 - they find out by themselves
            log.warning("roster.not_left", error=type(error).__name__)

    def _be_seen(self, s: Session) -> list[str]:
        now = real_now()
        living, dead = verifiers.beat(s, self._owner, now, now - self._silent)
        for owner in dead:
            # Engines name each lease after themselves and a number.
            checks.void_leases(s, self._clock.now(), f"{owner}-")
            log.warning("verifier.dead", owner=owner)
        return living
