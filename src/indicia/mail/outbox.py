"""The delivery loop of mails: what waits in the outbox is handed to the relay, at least once.

A letter was put there in the transaction that caused it, and is erased when it is delivered; of a notice it
is written here. A failure is tried again, later and later, until the link in it has expired anyway. A relay
that takes nobody's letters is left alone for a while, and then tried with one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from indicia.domain.delivery import Flow, Portion
from indicia.domain.fairness import Shares
from indicia.domain.retry import CLOSED, Backoff
from indicia.domain.time import MINUTE, SECOND, Instant, Span
from indicia.mail.message.compose import KIND, Letter
from indicia.mail.notices.notice import NOTICE, Notice
from indicia.mail.notices.notice import letter as written
from indicia.mail.transport.carrier import (
    DeliveryError,
    PermanentDeliveryError,
    TemporaryDeliveryError,
    UnavailableError,
)
from indicia.runtime.delivery_loop import DeliveryLoop
from indicia.store.verification_mail import outbox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indicia.mail.message.compose import Opener
    from indicia.mail.transport.carrier import Carrier
    from indicia.runtime.clock import Clock
    from indicia.store.engine.database import Database
    from indicia.store.engine.queue import Lease
    from indicia.store.engine.session import Session
    from indicia.store.verification_mail.outbox import Parcel

_log = structlog.get_logger("indicia.mail")

LEASE: Final[Span] = 5 * MINUTE  # longer than any handover may take (relay.HANDOVER_WITHIN)
OF_LETTERS: Final = Backoff(15 * SECOND, 30 * MINUTE)
OF_THE_RELAY: Final = Backoff(5 * SECOND, MINUTE)
_AT_ONCE: Final = 32
# The shares: all of them go to the relay, a quarter are an account's.
_PARTS: Final = (1, 4)
_RELAY: Final = "relay"
_MOST_ACCOUNTS: Final = 256  # looked at in one go


class Deliverer(DeliveryLoop["Parcel"]):
    """Empties the outbox. The clock decides also whether a link is still worth sending."""

    def __init__(
        self, database: Database, keyring: Opener, carrier: Carrier, clock: Clock, *, at_once: int = _AT_ONCE
    ) -> None:
        super().__init__(database, clock, Shares(at_once, _PARTS), owner="mail", lease=LEASE)
        self._keyring = keyring
        self._carrier = carrier
        self._relay = CLOSED

    def _put_off(self, trouble: Exception) -> None:
        _log.error("outbox.unavailable", trouble=type(trouble).__name__)

    def _void(self, s: Session) -> object:
        return outbox.void_leases(s)

    def _flows(self, s: Session, lease: Lease) -> Sequence[Flow]:
        if self._relay.open_at(lease.now):
            return ()
        most = self._shares.room if self._relay.trusted else 1
        accounts = outbox.accounts_due(s, lease, _MOST_ACCOUNTS)
        return [Flow((_RELAY, account), (most, most)) for account in accounts]

    def _take(self, s: Session, portion: Portion, lease: Lease) -> Sequence[Parcel]:
        return outbox.take(s, portion.flow.names[-1], lease, limit=portion.items)

    def _next(self, s: Session, now: Instant) -> Instant | None:
        found = (outbox.next_due(s, now), self._relay.resume_at if self._relay.open_at(now) else None)
        return min((instant for instant in found if instant is not None), default=None)

    def _unsettled(self, s: Session, now: Instant) -> bool:
        if self._relay.open_at(now):
            return bool(self._under_way)
        return outbox.anything_due(s, now)

    async def _deliver(self, item: Parcel) -> None:
        try:
            await self._hand_over(await self._letter(item))
        except PermanentDeliveryError as failure:
            await self._give_up(item, str(failure))
        except UnavailableError as failure:
            due_at = self._relay.resume_at or self._clock.now() + OF_LETTERS.first
            await self._postpone(item, str(failure), due_at)
        except TemporaryDeliveryError as failure:
            await self._try_later(item, str(failure))
        except Exception as trouble:  # noqa: BLE001 - a letter that cannot be opened must not stop the others
            await self._try_later(item, f"cannot be handed over: {type(trouble).__name__}")
        else:
            now = self._clock.now()
            kept = await self._database.writing(lambda s: outbox.done(s, item.id, self._owner, now))
            _log.info("mail.delivered", mail=item.id, subject=item.subject_key, lease_kept=kept)

    async def _hand_over(self, letter: Letter) -> None:
        """Let the carrier have the letter, and remember whether anybody is there."""
        try:
            await self._carrier.deliver(letter)
        except UnavailableError:
            self._relay = self._relay.failed(self._clock.now(), OF_THE_RELAY)
            raise
        except DeliveryError:
            self._relay = CLOSED
            raise
        self._relay = CLOSED

    async def _letter(self, parcel: Parcel) -> Letter:
        """Return what is to be handed over. A notice is written in a thread: what is in it may be anything.

        Raises: `PermanentDeliveryError` where it comes too late.
        """
        if parcel.kind == KIND:
            letter = Letter.opened(self._keyring, parcel.payload)
            if self._clock.now() >= letter.until:
                raise PermanentDeliveryError("not delivered before the link in it expired")
            return letter
        if parcel.kind == NOTICE:
            notice = Notice.opened(self._keyring, parcel.payload)
            if self._clock.now() >= notice.until:
                raise PermanentDeliveryError("not delivered while it was of use")
            return await asyncio.to_thread(written, notice)
        raise TemporaryDeliveryError(f"this version delivers no {parcel.kind!r}")

    async def _give_up(self, parcel: Parcel, reason: str) -> None:
        _log.warning("mail.given_up", mail=parcel.id, subject=parcel.subject_key, reason=reason)
        await self._database.writing(lambda s: outbox.give_up(s, parcel.id, self._owner, reason))

    async def _try_later(self, parcel: Parcel, reason: str) -> None:
        await self._postpone(parcel, reason, self._clock.now() + OF_LETTERS.after(parcel.attempts + 1))

    async def _postpone(self, parcel: Parcel, reason: str, due_at: Instant) -> None:
        failures = parcel.attempts + 1
        _log.warning(
            "mail.postponed", mail=parcel.id, subject=parcel.subject_key, failures=failures, reason=reason
        )
        await self._database.writing(lambda s: outbox.retry(s, parcel.id, self._owner, due_at, reason))

    async def _finish(self) -> None:
        try:
            await super()._finish()
        finally:
            await self._carrier.close()
