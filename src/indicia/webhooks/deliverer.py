"""The delivery loop of webhooks: what waits is posted, at least once, in order for each identity.

A delivery is written with its event. The loop takes what is due under a lease, posts it, and only then notes
the answer: whatever stops in between, it is posted again. A failure pauses its webhook, longer and longer, so
that a dead receiver costs one attempt now and then; the other webhooks do not wait for it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from indicia.announcements.announcer import Announcer, public_id
from indicia.clock import Clock, real_now
from indicia.domain.events import WEBHOOK_DISABLED, About, Event
from indicia.domain.time import MINUTE, SECOND, Instant, Span
from indicia.domain.webhooks import given_up, headers, parse_url, pause_after
from indicia.outbound.client import PostError
from indicia.rounds import Rounds
from indicia.store import webhooks
from indicia.store.prepared import SQLITE
from indicia.vault.purposes import webhook_secret

if TYPE_CHECKING:
    from indicia.outbound.client import Client
    from indicia.store.database import Database
    from indicia.store.session import Session
    from indicia.store.webhooks import Errand, Webhook
    from indicia.vault.keyring import Keyring

_log = structlog.get_logger("indicia.webhooks")

LEASE: Final[Span] = 2 * MINUTE  # longer than any post may take (outbound.client.Patience)
_AT_ONCE: Final = 64
_AT_ONCE_EACH: Final = 4
_GONE: Final = 410  # Standard Webhooks: the receiver wants no more, ever


class WebhookDeliverer(Rounds):
    """Delivers what waits. `run` is its life; the other methods may be called at any time in it.

    The clock decides what is due and signs; leases keep real time. `observe` hears how each attempt went:
    delivered, failed, given_up. `news` is called when a mail waits because a webhook was disabled.
    """

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        client: Client,
        clock: Clock,
        *,
        announcer: Announcer | None = None,
        observe: Callable[[str], None] = lambda _: None,
        news: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(clock)
        self._database = database
        self._keyring = keyring
        self._client = client
        self._announcer = announcer or Announcer()
        self._observe = observe
        self._mail_waits = news
        self._owner = f"webhooks-{secrets.token_hex(8)}"
        self._voided = database.dialect != SQLITE
        self._under_way: dict[asyncio.Task[None], str] = {}

    async def run(self) -> None:
        """Deliver until `stop`; what was begun by then is finished. A database that is away is waited for."""
        try:
            await super().run()
        finally:
            await self._finish()

    async def _idle(self) -> bool:
        return not await self._database.reading(partial(webhooks.unsettled, now=self._clock.now()))

    async def _round(self) -> Instant | None:
        if not self._voided:  # SQLite has one process, and it is this one: no one else holds anything
            await self._database.writing(webhooks.void_leases)
            self._voided = True
        return await self._begin()

    def _put_off(self, trouble: Exception) -> None:
        _log.error("webhooks.unavailable", trouble=type(trouble).__name__)

    # ---- taking

    async def _begin(self) -> Instant | None:
        """Begin what can be begun. Return when the next delivery or webhook is due, None for not known."""
        now = self._clock.now()
        for webhook in await self._database.reading(partial(webhooks.ready, now=now)):
            room = self._room(webhook)
            if room == 0:
                continue
            real = real_now()
            take = partial(
                webhooks.take,
                webhook_id=webhook.id,
                now=now,
                lease_now=real,
                lease_until=real + LEASE,
                owner=self._owner,
                limit=room,
            )
            for errand in await self._database.writing(take):
                name = f"webhook {webhook.id} {errand.id}"
                task = asyncio.create_task(self._settle(webhook, errand), name=name)
                self._under_way[task] = webhook.id
                task.add_done_callback(self._settled_one)
        return await self._database.reading(partial(webhooks.next_instant, now=now))

    def _room(self, webhook: Webhook) -> int:
        under_way = Counter(self._under_way.values())[webhook.id]
        # One that failed is tried with one message: if it works, the next round takes more.
        most = 1 if webhook.failures else _AT_ONCE_EACH
        return max(0, min(most - under_way, _AT_ONCE - len(self._under_way)))

    # ---- delivering

    async def _settle(self, webhook: Webhook, errand: Errand) -> None:
        """Post one event and note how it went. Whatever goes wrong with it stays its own trouble."""
        status: int | None = None
        try:
            status = await self._post(webhook, errand)
            reason = f"answered {status}"
        except PostError as failure:
            reason = str(failure)
        except Exception as trouble:  # noqa: BLE001 - one that cannot be sent must not stop the others
            reason = f"cannot be sent: {type(trouble).__name__}"
        # Standard Webhooks: 2xx is success, everything else is not; a redirect is not followed.
        if status is not None and 200 <= status < 300:
            await self._note_delivered(webhook, errand, status)
        else:
            await self._note_failed(webhook, errand, status, reason)

    async def _post(self, webhook: Webhook, errand: Errand) -> int:
        body = errand.body.encode()
        # The receiver compares the time with its own clock: a moved one would look like a replay.
        signed = headers(self._secrets(webhook), public_id(errand.event_id), real_now() // SECOND, body)
        return await self._client.post(parse_url(webhook.url), signed, body)

    def _secrets(self, webhook: Webhook) -> Sequence[bytes]:
        """Return what to sign with: the secret, and for a while after a rotation the one before as well."""
        sealed = [webhook.secret]
        until = webhook.previous_until
        if webhook.previous_secret is not None and until is not None and self._clock.now() < until:
            sealed.append(webhook.previous_secret)
        return [self._keyring.open(each, webhook_secret(webhook.id)) for each in sealed]

    async def _note_delivered(self, webhook: Webhook, errand: Errand, status: int) -> None:
        now = self._clock.now()

        def note(s: Session) -> bool:
            webhooks.works(s, webhook.id)
            return webhooks.delivered(s, errand.id, self._owner, at=now, status=status)

        kept = await self._database.writing(note)
        self._observe("delivered")
        _log.info(
            "webhook.delivered", webhook=webhook.id, message=public_id(errand.event_id), lease_kept=kept
        )

    async def _note_failed(self, webhook: Webhook, errand: Errand, status: int | None, reason: str) -> None:
        now = self._clock.now()

        def note(s: Session) -> tuple[bool, bool, bool]:
            # What a receiver does not take that takes others is that message's trouble. What nobody takes is
            # kept until somebody does.
            hopeless = given_up(errand.created_at, now) and webhooks.took_later(s, webhook.id, errand.id)
            due_at = None if hopeless else now + pause_after(errand.attempts + 1)
            kept = webhooks.failed(s, errand.id, self._owner, due_at=due_at, status=status, error=reason)
            held = webhooks.hold(s, webhook.id)
            if not kept or held is None:
                return hopeless, False, False
            webhooks.pause(s, webhook.id, now, now + pause_after(held.failures + 1))
            since = held.failing_since
            if status != _GONE and not (since is not None and given_up(since, now)):
                return hopeless, False, False
            if not webhooks.disable(s, webhook.id, now, reason):
                return hopeless, False, False
            return hopeless, True, self._announcer.announce(s, [_disabled(webhook, reason, now)])

        hopeless, disabled, news = await self._database.writing(note)
        self._observe("given_up" if hopeless else "failed")
        _log.warning(
            "webhook.failed",
            webhook=webhook.id,
            message=public_id(errand.event_id),
            failures=errand.attempts + 1,
            reason=reason,
            given_up=hopeless,
        )
        if disabled:
            _log.error("webhook.disabled", webhook=webhook.id, reason=reason)
        if news:
            self._mail_waits()

    # ---- ending

    def _settled_one(self, task: asyncio.Task[None]) -> None:
        self._under_way.pop(task, None)
        # The receiver had it, but the database failed: when the lease ends it goes out again.
        if not task.cancelled() and (trouble := task.exception()) is not None:
            _log.error("webhook.not_noted", task=task.get_name(), trouble=type(trouble).__name__)
        self._progressed()
        self._news.set()

    async def _finish(self) -> None:
        """Let what was begun come to its end, or drop it when cancelled: it is delivered after a restart."""
        try:
            while self._under_way:
                await asyncio.wait(set(self._under_way))
        finally:
            for task in self._under_way:
                task.cancel()


def _disabled(webhook: Webhook, reason: str, now: Instant) -> Event:
    return Event(
        type=WEBHOOK_DISABLED,
        at=now,
        about=About(webhook.account, webhook.region),
        cause="failing",
        seen=f"The webhook {webhook.id} was not answered well for days, or for good: {reason}.",
        effect="Nothing is sent to it until it is enabled. What waits is kept.",
    )
