"""Whoever hands out the keys that are waited for, as soon as there are some."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import structlog

from indicia.domain.dkim.rotation import KeyPace
from indicia.domain.events.identity_events import Event
from indicia.domain.identities.identity import TokenSet
from indicia.domain.time import SECOND, Instant, Span
from indicia.runtime.background_loop import Rounds
from indicia.runtime.clock import Clock
from indicia.store.dkim import key_requests
from indicia.store.engine.database import Database
from indicia.store.engine.session import Session
from indicia.vault.assignment import BATCH, Assigned, Complete, assign

log = structlog.get_logger(__name__)

# Another process may have made keys, or queued somebody up: it tells nobody.
_LOOK_EVERY: Final[Span] = SECOND
# How long keys gather where more wait than there are keys (seconds): a transaction hands out what has come.
_COMPANY: Final = 0.1
# How long somebody who waits for the end of all work waits for keys to be made (seconds).
_SETTLE: Final = 30.0


class KeyAssigner(Rounds):
    """Hands out keys for as long as it runs.

    `complete` stores what a key completes, with its publication; `completed` hears of it afterwards.
    `published` hears of a set whose tokens answer otherwise from now on, `taken` how many keys of each length
    have left the pool. `announce` and `news` are as the keeper has them. `company` is for how long (seconds)
    keys gather where more wait than there are.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        pace: KeyPace,
        *,
        complete: Complete,
        completed: Callable[[Sequence[Any]], None] = lambda _: None,
        published: Callable[[TokenSet], None] = lambda _: None,
        taken: Callable[[Mapping[int, int]], None] = lambda _: None,
        announce: Callable[[Session, Sequence[Event]], bool] = lambda _, __: False,
        news: Callable[[], None] = lambda: None,
        company: float = _COMPANY,
    ) -> None:
        super().__init__(clock, look_every=_LOOK_EVERY)
        self._company = company
        self._database = database
        self._pace = pace
        self._complete = complete
        self._completed = completed
        self._published = published
        self._taken = taken
        self._announce = announce
        self._deliver = news

    async def settled(self) -> None:
        """Return once nobody waits for a key any more; but what makes keys may be broken."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE):
                await super().settled()

    async def _idle(self) -> bool:
        return not await self._database.reading(key_requests.anybody_waits)

    async def _round(self) -> Instant | None:
        while not self._stopping and await self._database.reading(key_requests.can_be_served):
            done, news = await self._database.writing(partial(self._hand_out, now=self._clock.now()))
            self._tell(done)
            if news:
                self._deliver()
            self._progressed()
            if not done.left:  # another process has them in hand
                return None
            if done.given.total() < BATCH and not await self._idle():
                await asyncio.sleep(self._company)
        return None

    def _hand_out(self, s: Session, now: Instant) -> tuple[Assigned, bool]:
        """Hand out a batch and write down what is told of it; say whether that waits to be delivered."""
        done = assign(s, now, self._pace, self._complete)
        return done, self._announce(s, done.events)

    def _tell(self, done: Assigned) -> None:
        for token_set in done.published:
            self._published(token_set)
            log.info("key.published", token_set=token_set.id)
        if done.completed:
            self._completed(done.completed)
        if done.given:
            self._taken(done.given)

    def _put_off(self, trouble: Exception) -> None:
        log.warning("keys.not_handed_out", error=type(trouble).__name__)
