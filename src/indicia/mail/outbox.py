"""The delivery loop: what waits in the outbox is handed to the relay, at least once.

A letter was put there in the transaction that caused it. The loop claims what is due under a lease, hands it
over, and only then notes the delivery and erases the letter: whatever stops in between, the letter is still
there. A failure is tried again, later and later, until the link in it has expired anyway.
"""

from __future__ import annotations

import asyncio
import secrets
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from indicia.clock import Clock, real_now
from indicia.domain.time import MINUTE, SECOND, Instant, Span
from indicia.mail.carrier import PermanentDeliveryError, TemporaryDeliveryError
from indicia.mail.compose import KIND, Letter
from indicia.rounds import Rounds
from indicia.store import outbox
from indicia.store.prepared import SQLITE

if TYPE_CHECKING:
    from indicia.mail.carrier import Carrier
    from indicia.mail.compose import Opener
    from indicia.store.database import Database
    from indicia.store.outbox import Parcel

_log = structlog.get_logger("indicia.mail")

LEASE: Final[Span] = 5 * MINUTE  # longer than any handover may take (relay.HANDOVER_WITHIN)
FIRST_PAUSE: Final[Span] = 15 * SECOND
LONGEST_PAUSE: Final[Span] = 30 * MINUTE
_AT_ONCE: Final = 8


def pause_after(failures: int) -> Span:
    """Return how long to wait after so many failures in a row: doubling, to half an hour at most."""
    return min(LONGEST_PAUSE, FIRST_PAUSE << min(failures - 1, 16))


class Deliverer(Rounds):
    """Empties the outbox. `run` is its life; the other methods may be called at any time in it.

    The clock decides what is due, and whether a link is still worth sending; leases keep real time.
    """

    def __init__(
        self, database: Database, keyring: Opener, carrier: Carrier, clock: Clock, *, at_once: int = _AT_ONCE
    ) -> None:
        super().__init__(clock)
        self._database = database
        self._keyring = keyring
        self._carrier = carrier
        self._at_once = at_once
        self._owner = f"mail-{secrets.token_hex(8)}"
        self._voided = database.dialect != SQLITE
        self._handing_over: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Deliver until `stop`; what was begun by then is finished. A database that is away is waited for."""
        try:
            await super().run()
        finally:
            await self._finish()

    async def _idle(self) -> bool:
        return not await self._database.reading(partial(outbox.anything_due, now=self._clock.now()))

    async def _round(self) -> Instant | None:
        if not self._voided:  # SQLite has one process, and it is this one: no one else holds a letter
            await self._database.writing(outbox.void_leases)
            self._voided = True
        return await self._begin()

    def _put_off(self, trouble: Exception) -> None:
        _log.error("outbox.unavailable", trouble=type(trouble).__name__)

    async def _begin(self) -> Instant | None:
        """Start handing over what is due, as far as there is room. Return when the next letter is due."""
        while room := self._at_once - len(self._handing_over):
            now, real = self._clock.now(), real_now()
            due_at = await self._database.reading(partial(outbox.earliest_due, lease_now=real))
            if due_at is None or due_at > now:
                return due_at
            claim = partial(
                outbox.claim, now=now, lease_now=real, lease_until=real + LEASE, owner=self._owner, limit=room
            )
            parcels = await self._database.writing(claim)
            if not parcels:  # another process is taking them at this moment
                return None
            for parcel in parcels:
                task = asyncio.create_task(self._settle(parcel), name=f"mail {parcel.id}")
                self._handing_over.add(task)
                task.add_done_callback(self._handed_over)
        return None  # full: a letter that has been handed over is news

    async def _settle(self, parcel: Parcel) -> None:
        """Hand one letter over and note how it went. Whatever goes wrong with it stays its own trouble."""
        try:
            letter = self._opened(parcel)
            if self._clock.now() >= letter.until:
                raise PermanentDeliveryError("not delivered before the link in it expired")  # noqa: TRY301
            await self._carrier.deliver(letter)
        except PermanentDeliveryError as failure:
            await self._give_up(parcel, str(failure))
        except TemporaryDeliveryError as failure:
            await self._postpone(parcel, str(failure))
        except Exception as trouble:  # noqa: BLE001 - a letter that cannot be opened must not stop the others
            await self._postpone(parcel, f"cannot be handed over: {type(trouble).__name__}")
        else:
            now = self._clock.now()
            kept = await self._database.writing(lambda s: outbox.done(s, parcel.id, self._owner, now))
            _log.info("mail.delivered", mail=parcel.id, subject=parcel.subject_key, lease_kept=kept)

    def _opened(self, parcel: Parcel) -> Letter:
        if parcel.kind != KIND:
            raise TemporaryDeliveryError(f"this version delivers no {parcel.kind!r}")
        return Letter.opened(self._keyring, parcel.payload)

    async def _give_up(self, parcel: Parcel, reason: str) -> None:
        _log.warning("mail.given_up", mail=parcel.id, subject=parcel.subject_key, reason=reason)
        await self._database.writing(lambda s: outbox.give_up(s, parcel.id, self._owner, reason))

    async def _postpone(self, parcel: Parcel, reason: str) -> None:
        failures = parcel.attempts + 1
        due_at = self._clock.now() + pause_after(failures)
        _log.warning(
            "mail.postponed", mail=parcel.id, subject=parcel.subject_key, failures=failures, reason=reason
        )
        await self._database.writing(lambda s: outbox.retry(s, parcel.id, self._owner, due_at, reason))

    def _handed_over(self, task: asyncio.Task[None]) -> None:
        self._handing_over.discard(task)
        # The relay had it, but the database failed: when the lease ends the letter goes out again.
        if not task.cancelled() and (trouble := task.exception()) is not None:
            _log.error("mail.not_noted", task=task.get_name(), trouble=type(trouble).__name__)
        self._progressed()
        self._news.set()

    async def _finish(self) -> None:
        """Let what was begun come to its end, or drop it when cancelled: it is delivered after a restart."""
        try:
            while self._handing_over:
                await asyncio.wait(set(self._handing_over))
        finally:
            for task in self._handing_over:
                task.cancel()
            await self._carrier.close()
