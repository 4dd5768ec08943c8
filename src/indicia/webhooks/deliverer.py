"""The delivery loop of webhooks: what waits is posted, at least once, in order for each identity.

Before it delivers it lets events come to the webhooks that want them, a few at a time
(`store.events.fanout`). A failure pauses its webhook, longer and longer; a destination that does not answer
is left alone by all webhooks of the account. Both are then tried with one message. What is in hand at once
has shares by account, by host and by both, so that neither a hundred dead receivers nor one that takes its
time delays what others are sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from indicia.announcements.event_recorder import EventRecorder, public_id
from indicia.domain.delivery import AttemptOutcome, Flow, Portion
from indicia.domain.events.identity_events import WEBHOOK_DISABLED, About, Event
from indicia.domain.events.webhooks import BACKOFF, given_up, headers, host_of, overloaded, parse_url, took
from indicia.domain.fairness import Shares
from indicia.domain.time import MINUTE, SECOND, Instant, Span
from indicia.outbound.client import PostError
from indicia.runtime.clock import Clock, real_now
from indicia.runtime.delivery_loop import DeliveryLoop
from indicia.store.events import destinations, fanout, webhook_deliveries, webhooks
from indicia.vault.purposes import webhook_secret

if TYPE_CHECKING:
    from indicia.outbound.client import OutboundClient
    from indicia.store.engine.database import Database
    from indicia.store.engine.queue import Lease
    from indicia.store.engine.session import Session
    from indicia.store.events.webhook_deliveries import Attempt, Receiver
    from indicia.store.events.webhooks import Webhook
    from indicia.vault.keyring import Keyring

_log = structlog.get_logger("indicia.webhooks")

LEASE: Final[Span] = 2 * MINUTE  # longer than any post may take (outbound.client.Patience)
AT_ONCE: Final = 128
# One part in so many of these is a webhook's, an account's at a destination and at its host, a host's, an
# account's.
PARTS: Final = (32, 16, 16, 8, 4)
_LOOKED_AT: Final = 1024  # webhooks, of those that are ready
_GONE: Final = 410  # Standard Webhooks: the receiver wants no more, ever
# How much is done before each look at what is due: so many steps, each a transaction of a few milliseconds.
_STEPS: Final = 8
_SPREAD: Final = 32  # events, each to all webhooks of its place
_PURGED: Final = 200  # deliveries


@dataclass(frozen=True, slots=True)
class _Failure:
    """How a post failed: what a receiver answered, None where nobody did, and why that is a failure.

    `of_destination` says that it is the destination's trouble, whatever it is sent.
    """

    status: int | None
    reason: str
    of_destination: bool


class WebhookDeliverer(DeliveryLoop["Attempt"]):
    """Delivers what waits.

    The clock decides what is due and signs; leases keep real time. `observe` hears how each attempt went:
    delivered, failed, given_up. `news` is called when a mail waits because a webhook was disabled.
    """

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        client: OutboundClient,
        clock: Clock,
        *,
        announcer: EventRecorder | None = None,
        observe: Callable[[AttemptOutcome], None] = lambda _: None,
        news: Callable[[], None] = lambda: None,
        at_once: int = AT_ONCE,
    ) -> None:
        super().__init__(database, clock, Shares(at_once, PARTS), owner="webhooks", lease=LEASE)
        self._keyring = keyring
        self._client = client
        self._announcer = announcer or EventRecorder()
        self._observe = observe
        self._mail_waits = news
        self._place: tuple[str, str] | None = None
        self._reader = ""

    def _put_off(self, trouble: Exception) -> None:
        _log.error("webhooks.unavailable", trouble=type(trouble).__name__)

    async def _prepare(self) -> None:
        """Queue some of what is to be queued, and forget some of what is to be forgotten.

        A few steps of each; where there is more it goes on after what is due has begun.
        """
        await self._spread()
        await self._read_on()
        buried = await self._database.reading(webhooks.buried)
        if buried is not None:
            await self._database.writing(partial(webhooks.purge, webhook_id=buried, limit=_PURGED))
            self._news.set()

    async def _spread(self) -> None:
        """Let events come to the webhooks that want them, those of one place after those of another."""
        now = self._clock.now()
        for _ in range(_STEPS):
            place = await self._database.reading(partial(fanout.next_place, after=self._place))
            if place is None:
                return
            self._place = place
            account, region = place
            spread = partial(fanout.spread, account=account, region=region, now=now, limit=_SPREAD)
            await self._database.writing(spread)
        self._news.set()

    async def _read_on(self) -> None:
        """Let webhooks that are behind read the log, those of one account after those of another."""
        now = self._clock.now()
        found = await self._database.reading(
            partial(fanout.readers, now=now, after=self._reader, limit=_STEPS)
        )
        for webhook_id in found:
            self._reader = webhook_id
            if await self._database.writing(partial(fanout.read_on, webhook_id=webhook_id, now=now)):
                self._news.set()

    def _void(self, s: Session) -> object:
        return webhook_deliveries.void_leases(s)

    def _flows(self, s: Session, lease: Lease) -> Sequence[Flow]:
        return [self._flow(each) for each in webhook_deliveries.ready(s, lease, _LOOKED_AT)]

    def _flow(self, receiver: Receiver) -> Flow:
        # What failed is tried with one message: if it works, the next look takes more.
        account, host, room = receiver.account, host_of(receiver.destination), self._shares.room
        limited = (1 if receiver.failures else room, room if receiver.circuit.trusted else 1)
        return Flow(
            (receiver.webhook_id, f"{account} {receiver.destination}", f"{account} {host}", host, account),
            (*limited, room, room, room),
        )

    def _take(self, s: Session, portion: Portion, lease: Lease) -> Sequence[Attempt]:
        return webhook_deliveries.take(s, portion.flow.receiver, lease, limit=portion.items)

    def _next(self, s: Session, now: Instant) -> Instant | None:
        return webhook_deliveries.next_instant(s, now)

    def _unsettled(self, s: Session, now: Instant) -> bool:
        return fanout.unsettled(s, now) or webhook_deliveries.unsettled(s, now)

    async def _deliver(self, item: Attempt) -> None:
        try:
            status = await self._post(item)
            failure = None if took(status) else _Failure(status, f"answered {status}", overloaded(status))
        except PostError as error:
            failure = _Failure(None, str(error), of_destination=True)
        except Exception as trouble:  # noqa: BLE001 - one that cannot be sent must not stop the others
            failure = _Failure(None, f"cannot be sent: {type(trouble).__name__}", of_destination=False)
        if failure is None:
            await self._note_delivered(item, status)
        else:
            await self._note_failed(item, failure)

    async def _post(self, attempt: Attempt) -> int:
        body = attempt.body.encode()
        # The receiver compares the time with its own clock: a moved one would look like a replay.
        message, seconds = public_id(attempt.event_id), real_now() // SECOND
        signed = headers(self._secrets(attempt.webhook), message, seconds, body)
        return await self._client.post(parse_url(attempt.webhook.url), signed, body)

    def _secrets(self, webhook: Webhook) -> Sequence[bytes]:
        """Return what to sign with: the secret, and for a while after a rotation the one before as well."""
        sealed = [webhook.secret]
        until = webhook.previous_until
        if webhook.previous_secret is not None and until is not None and self._clock.now() < until:
            sealed.append(webhook.previous_secret)
        return [self._keyring.open(each, webhook_secret(webhook.id)) for each in sealed]

    async def _note_delivered(self, attempt: Attempt, status: int) -> None:
        now, webhook = self._clock.now(), attempt.webhook

        def note(s: Session) -> bool:
            webhooks.works(s, webhook.id)
            kept = webhook_deliveries.delivered(s, attempt.id, self._owner, at=now, status=status)
            destinations.close(s, webhook.account, webhook.destination)
            return kept

        kept = await self._database.writing(note)
        self._observe(AttemptOutcome.DELIVERED)
        _log.info(
            "webhook.delivered", webhook=webhook.id, message=public_id(attempt.event_id), lease_kept=kept
        )

    async def _note_failed(self, attempt: Attempt, failure: _Failure) -> None:
        now, webhook = self._clock.now(), attempt.webhook

        def note(s: Session) -> tuple[bool, bool, bool]:
            held = webhooks.hold(s, webhook.id)
            # What a receiver does not take that takes others is that message's trouble. What nobody takes is
            # kept until somebody does.
            hopeless = given_up(attempt.created_at, now) and webhook_deliveries.took_later(
                s, webhook.id, attempt.id
            )
            moved = held is None or held.url != webhook.url
            due_at = now if moved else now + BACKOFF.after(attempt.attempts + 1)
            kept = webhook_deliveries.failed(
                s,
                attempt.id,
                self._owner,
                due_at=None if hopeless else due_at,
                status=failure.status,
                error=failure.reason,
            )
            self._note_destination(s, webhook, failure, now)
            if not kept or held is None or moved:  # it failed where nothing is sent any more
                return hopeless, False, False
            return hopeless, *self._note_webhook(s, held, failure, now)

        hopeless, disabled, news = await self._database.writing(note)
        self._observe(AttemptOutcome.GIVEN_UP if hopeless else AttemptOutcome.FAILED)
        _log.warning(
            "webhook.failed",
            webhook=webhook.id,
            message=public_id(attempt.event_id),
            failures=attempt.attempts + 1,
            reason=failure.reason,
            given_up=hopeless,
        )
        if disabled:
            _log.error("webhook.disabled", webhook=webhook.id, reason=failure.reason)
        if news:
            self._mail_waits()

    def _note_destination(self, s: Session, webhook: Webhook, failure: _Failure, now: Instant) -> None:
        """Note what the failure says of the destination: that it fails, or that it answers."""
        if failure.of_destination:
            circuit = destinations.hold(s, webhook.account, webhook.destination, now)
            destinations.put(s, webhook.account, webhook.destination, circuit.failed(now, BACKOFF), now)
        elif failure.status is not None:
            destinations.close(s, webhook.account, webhook.destination)

    def _note_webhook(self, s: Session, held: Webhook, failure: _Failure, now: Instant) -> tuple[bool, bool]:
        """Leave the webhook alone for a while, or for good; say which, and whether a mail waits now."""
        paused = held.resume_at is not None and now < held.resume_at
        if paused and failure.status != _GONE:  # a crowd that fails together counts once
            return False, False
        failures = held.failures + 1
        since = now if held.failing_since is None else held.failing_since
        failing = replace(
            held, failures=failures, failing_since=since, resume_at=now + BACKOFF.after(failures)
        )
        ends = held.enabled and (failure.status == _GONE or given_up(since, now))
        if not ends:
            webhooks.update(s, failing)
            return False, False
        # When it is enabled it goes on where it stopped: what happens meanwhile is in the log.
        place = fanout.place_in_log(s, held)
        webhooks.update(
            s,
            replace(
                failing, enabled=False, disabled_at=now, disabled_because=failure.reason, next_event=place
            ),
        )
        return True, self._announcer.announce(s, [_disabled(held, failure.reason, now)])


def _disabled(webhook: Webhook, reason: str, now: Instant) -> Event:
    return Event(
        type=WEBHOOK_DISABLED,
        at=now,
        about=About(webhook.account, webhook.region),
        cause="failing",
        seen=f"The webhook {webhook.id} was not answered well for days, or for good: {reason}.",
        effect="Nothing is sent to it until it is enabled. What waits is kept, and what happens meanwhile.",
    )
