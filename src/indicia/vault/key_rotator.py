"""Whoever keeps the keys of an installation: takes each step in their lives when it is due.

The store is the only truth: what is due, and what was done. A keeper that is killed loses nothing, and
several keepers on one database do nothing twice: the lock on a token set is the lease for its step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import structlog

from indicia.domain.dkim.rotation import KeyPace
from indicia.domain.events.identity_events import Event
from indicia.domain.identities.identity import TokenSet
from indicia.domain.time import SECOND, Instant, Span
from indicia.runtime.background_loop import Rounds
from indicia.runtime.clock import Clock
from indicia.store.dkim import key_exports
from indicia.store.dkim import rotation as rotations
from indicia.store.engine.database import Database
from indicia.store.engine.session import Session
from indicia.vault.rotation import Advanced, advance, events_of

log = structlog.get_logger(__name__)

# How many sets are taken on in one transaction: a writer waits for no more than a few milliseconds of them.
_BATCH: Final = 64
# Another process may have made something due: it tells nobody.
_LOOK_EVERY: Final[Span] = SECOND


def _tell_nobody(_: Session, __: Sequence[Event]) -> bool:
    return False


class KeyRotator(Rounds):
    """Takes due steps for as long as it runs.

    `published` hears of a set whose tokens answer otherwise from now on, `taken` that keys were taken from
    the pool, or are waited for. `announce` writes events down and says whether they wait to be delivered;
    `news` hears when they do.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        pace: KeyPace,
        *,
        published: Callable[[TokenSet], None],
        taken: Callable[[], None],
        announce: Callable[[Session, Sequence[Event]], bool] = _tell_nobody,
        news: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(clock, look_every=_LOOK_EVERY)
        self._database = database
        self._pace = pace
        self._published = published
        self._taken = taken
        self._announce = announce
        self._deliver = news

    async def _idle(self) -> bool:
        if await self._database.reading(key_exports.recalled) is not None:
            return False
        due_at = await self._database.reading(rotations.earliest_due)
        return due_at is None or due_at > self._clock.now()

    async def _round(self) -> Instant | None:
        """Take every step that is due, and return when the next one is."""
        await self._recall()
        while not self._stopping:
            due_at = await self._database.reading(rotations.earliest_due)
            now = self._clock.now()
            if due_at is None or due_at > now:
                return due_at
            done, news = await self._database.writing(partial(self._take, now=now))
            for advanced in done:
                self._tell(advanced)
            if news:
                self._deliver()
            self._progressed()
            if not done:  # another keeper has them in hand
                return None
        return None

    async def _recall(self) -> None:
        """Let be rotated what revoked access keys have fetched, a batch a transaction."""
        while not self._stopping:
            revoked = await self._database.reading(key_exports.recalled)
            if revoked is None:
                return
            work = partial(key_exports.recall, access_key=revoked, now=self._clock.now(), limit=_BATCH)
            done = await self._database.writing(work)
            self._progressed()
            if not done:  # another keeper has them in hand, or there were none
                return
            log.info("keys.recalled", access_key=revoked, token_sets=done)

    def _take(self, s: Session, now: Instant) -> tuple[list[Advanced], bool]:
        """Take the steps and write down what is told of them; say whether that waits to be delivered."""
        # In the order of their keys: two keepers never wait for each other both.
        due = sorted(rotations.due(s, now, _BATCH))
        tried = [advance(s, each, now, self._pace, wait=False) for each in due]
        done = [advanced for advanced in tried if advanced is not None]
        told = [event for advanced in done for event in events_of(s, advanced, now, self._pace)]
        return done, self._announce(s, told)

    def _tell(self, advanced: Advanced) -> None:
        token_set = advanced.token_set
        if advanced.changes_answers:
            self._published(token_set)
        if advanced.published is not None or advanced.queued:
            self._taken()
        if advanced.published is not None:
            log.info("key.published", token_set=token_set.id, token=advanced.published.token)
        for step in advanced.steps:
            log.info(
                "key.stage",
                token_set=token_set.id,
                token=token_set.tokens[step.key.position],
                before=step.key.stage.value,
                after=step.to.value,
            )

    def _put_off(self, trouble: Exception) -> None:
        log.warning("keys.put_off", trouble=type(trouble).__name__)
