"""Events arrive at real receivers: signed, at least once, in order for each identity, whatever they do."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from receiver import Post, Receiver, receiving
from structlog.testing import capture_logs

from indicia.announcements.event_recorder import EventRecorder
from indicia.domain.events.identity_events import About, Event
from indicia.domain.events.webhooks import BACKOFF, GIVEN_UP_AFTER, parse_url
from indicia.domain.time import DAY, HOUR, SECOND
from indicia.outbound.client import OutboundClient, Patience
from indicia.outbound.names import Names
from indicia.runtime.clock import Clock
from indicia.settings.places import public_only
from indicia.store.engine import schema
from indicia.store.engine.database import Database
from indicia.store.engine.opening import open_database
from indicia.store.events import destinations, webhook_deliveries, webhooks
from indicia.store.events.webhooks import Webhook
from indicia.vault.keyring import Keyring
from indicia.vault.purposes import webhook_secret
from indicia.webhooks.deliverer import WebhookDeliverer

ACCOUNT, REGION = "111122223333", "eu-west-1"
KEYRING = Keyring((bytes(range(32)),))
SECRET, BEFORE = b"s" * 32, b"t" * 32
QUICK = Patience(connect=1.0, whole=0.5)


def sealed(identifier: str, secret: bytes = SECRET) -> bytes:
    """A secret as it is stored."""
    return KEYRING.seal(secret, webhook_secret(identifier))


def subscribe(database: Database, url: str, identifier: str = "wh_1", **given: Any) -> Webhook:
    """Store a webhook that wants everything."""
    plain: dict[str, Any] = {
        "id": identifier, "account": ACCOUNT, "region": REGION, "url": url, "types": (), "description": "",
        "destination": parse_url(url).destination,
        "enabled": True, "secret": sealed(identifier), "previous_secret": None, "previous_until": None,
        "created_at": 0,
    }  # fmt: skip
    webhook = Webhook(**plain | given)
    database.write(lambda s: webhooks.create(s, webhook))
    return webhook


def switch_on(database: Database, clock: Clock, webhook: Webhook) -> None:
    """Do as the call that enables a webhook does."""

    def work(s: Any) -> None:
        enabled = replace(webhook, enabled=True, failures=0, failing_since=None, resume_at=None)
        webhooks.update(s, enabled)
        webhook_deliveries.try_now(s, webhook.id, clock.now())
        destinations.try_now(s, webhook.account, webhook.destination, clock.now())

    database.write(work)


def tell(database: Database, clock: Clock, identity: int, *causes: str) -> None:
    """Write events of an identity down, each in a transaction of its own."""
    for cause in causes:
        about = About(ACCOUNT, REGION, identity, f"d{identity}.example.com")
        event = Event("dkim.verified", clock.now(), about, cause, "Seen.", "It means something.")
        database.write(lambda s, event=event: EventRecorder().announce(s, [event]))  # type: ignore[misc]


def causes(posts: list[Post], identity: int | None = None) -> list[str]:
    """What arrived, in order: of one identity, or of all."""
    wanted = None if identity is None else f"d{identity}.example.com"
    data = [post.event["data"] for post in posts]
    return [each["cause"] for each in data if wanted in (None, each["identity"])]


@contextlib.asynccontextmanager
async def delivering(
    database: Database, clock: Clock, patience: Patience = QUICK
) -> AsyncIterator[WebhookDeliverer]:
    """Run a deliverer inside the block, without a mistake of its own."""
    client = OutboundClient(Names(), public_only((), everything=True), user_agent="test", patience=patience)
    deliverer = WebhookDeliverer(database, KEYRING, client, clock)
    with capture_logs() as lines:
        running = asyncio.create_task(deliverer.run())
        try:
            yield deliverer
        finally:
            deliverer.stop()
            await running
    told = {line["event"] for line in lines}
    assert told <= {"webhook.delivered", "webhook.failed", "webhook.disabled"}


async def settled(deliverer: WebhookDeliverer) -> None:
    """Nothing could be delivered now; but it does not take for ever."""
    deliverer.wake()
    await asyncio.wait_for(deliverer.settled(), 20)


def verified(post: Post, secret: bytes) -> bool:
    """Say whether a receiver that holds the secret accepts the message (Standard Webhooks 1.0)."""
    signed = f"{post.headers['webhook-id']}.{post.headers['webhook-timestamp']}.".encode() + post.body
    wanted = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    return f"v1,{wanted}" in post.headers["webhook-signature"].split(" ")


def test_an_event_arrives_once_signed_by_standard_webhooks(database: Database) -> None:
    """The signature holds under the secret and no other; the id is the event's; nothing is left to do."""
    clock = Clock()

    async def story() -> Receiver:
        async with receiving() as receiver, delivering(database, clock) as deliverer:
            subscribe(database, receiver.url)
            tell(database, clock, 1, "proved")
            await settled(deliverer)
            return receiver

    (post,) = asyncio.run(story()).posts
    assert verified(post, SECRET)
    assert not verified(post, BEFORE)
    assert post.headers["webhook-id"] == post.event["data"]["event"]
    assert post.event["type"] == "dkim.verified"
    (delivery,) = database.read(lambda s: webhook_deliveries.last(s, "wh_1", limit=9))
    assert (delivery.due_at, delivery.attempts, delivery.status) == (None, 1, 204)


def test_during_a_rotation_both_secrets_verify_and_then_one(database: Database) -> None:
    """The secret before signs as well until its day is over."""
    clock = Clock()

    async def story() -> list[Post]:
        async with receiving() as receiver, delivering(database, clock) as deliverer:
            subscribe(
                database,
                receiver.url,
                previous_secret=sealed("wh_1", BEFORE),
                previous_until=clock.now() + HOUR,
            )
            tell(database, clock, 1, "first")
            await settled(deliverer)
            clock.advance(2 * HOUR)
            tell(database, clock, 1, "second")
            await settled(deliverer)
            return receiver.posts

    during, after = asyncio.run(story())
    assert (verified(during, SECRET), verified(during, BEFORE)) == (True, True)
    assert (verified(after, SECRET), verified(after, BEFORE)) == (True, False)


@pytest.mark.parametrize("trouble", [500, 404, "redirect", "close", "silent", "garbage", "endless"])
def test_a_receiver_that_misbehaves_is_tried_again(database: Database, trouble: int | str) -> None:
    """Whatever it does, the event is kept, its failure is told, and it arrives when the receiver is well."""
    clock = Clock()

    async def story() -> None:
        async with (
            receiving() as elsewhere,
            receiving(redirect_to=elsewhere.url) as receiver,
            delivering(database, clock) as deliverer,
        ):
            receiver.answer = lambda _: trouble
            subscribe(database, receiver.url)
            tell(database, clock, 1, "proved")
            await settled(deliverer)
            (waiting,) = database.read(lambda s: webhook_deliveries.last(s, "wh_1", limit=9))
            assert waiting.due_at is not None
            assert waiting.last_error
            assert waiting.delivered_at is None
            assert elsewhere.posts == []
            receiver.answer = lambda _: 200
            clock.advance(BACKOFF.first)
            await settled(deliverer)
            (delivered,) = database.read(lambda s: webhook_deliveries.last(s, "wh_1", limit=9))
            assert delivered.delivered_at is not None
            assert len(receiver.posts) == 2

    asyncio.run(story())


def test_an_event_waits_for_the_earlier_ones_of_its_identity(database: Database) -> None:
    """While one is refused the later ones of its identity wait, those of another do not; then all come."""
    clock = Clock()

    async def story() -> None:
        async with receiving() as receiver, delivering(database, clock) as deliverer:
            receiver.answer = lambda post: 500 if post.event["data"]["cause"] == "a1" else 200
            subscribe(database, receiver.url)
            tell(database, clock, 1, "a1", "a2", "a3")
            tell(database, clock, 2, "b1", "b2")
            await settled(deliverer)
            for _ in range(3):
                clock.advance(BACKOFF.first)
                await settled(deliverer)
            assert set(causes(receiver.posts, 1)) == {"a1"}
            assert causes(receiver.posts, 2) == ["b1", "b2"]
            receiver.answer = lambda _: 200
            clock.advance(HOUR)
            await settled(deliverer)
            assert causes(receiver.posts, 1)[-3:] == ["a1", "a2", "a3"]

    asyncio.run(story())


def test_a_dead_receiver_delays_no_other(database: Database) -> None:
    """What one webhook does not take, another has at once."""
    clock = Clock()

    async def story() -> None:
        async with (
            receiving(answer=lambda _: "silent") as dead,
            receiving() as well,
            delivering(database, clock) as deliverer,
        ):
            subscribe(database, dead.url, "wh_dead")
            subscribe(database, well.url, "wh_well")
            for identity in range(1, 30):
                tell(database, clock, identity, "proved")
            await settled(deliverer)
            assert len(well.posts) == 29
            assert len(dead.posts) <= 4

    asyncio.run(story())


def test_what_nobody_takes_is_kept(database: Database) -> None:
    """A webhook that does not work for five days is disabled; what waits arrives when it is enabled again.

    Also when its first post after that fails once more.
    """
    clock = Clock()

    async def story() -> None:
        async with receiving(answer=lambda _: 503) as receiver, delivering(database, clock) as deliverer:
            subscribe(database, receiver.url)
            tell(database, clock, 1, "proved")
            await settled(deliverer)
            clock.advance(GIVEN_UP_AFTER)
            await settled(deliverer)
            webhook = database.read(lambda s: webhooks.get(s, "wh_1"))
            assert webhook is not None
            assert not webhook.enabled
            assert webhook.disabled_because == "answered 503"
            assert database.read(webhook_deliveries.waiting) == 1

            switch_on(database, clock, webhook)
            clock.advance(DAY)
            await settled(deliverer)
            assert database.read(webhook_deliveries.waiting) == 2  # and that it was switched off
            receiver.answer = lambda _: 200
            clock.advance(DAY)
            await settled(deliverer)
            assert database.read(webhook_deliveries.waiting) == 0

    asyncio.run(story())


def test_what_is_refused_for_days_alone_is_given_up(database: Database) -> None:
    """The receiver takes others meanwhile: after five days the next event of that identity goes."""
    clock = Clock()

    async def story() -> None:
        async with receiving() as receiver, delivering(database, clock) as deliverer:
            receiver.answer = lambda post: 500 if post.event["data"]["cause"] == "poison" else 200
            subscribe(database, receiver.url)
            tell(database, clock, 1, "poison", "next")
            await settled(deliverer)
            for _ in range(7):
                tell(database, clock, 2, "other")
                clock.advance(DAY)
                await settled(deliverer)
            assert causes(receiver.posts, 1)[-1] == "next"
            assert database.read(webhook_deliveries.waiting) == 0
            webhook = database.read(lambda s: webhooks.get(s, "wh_1"))
            assert webhook is not None
            assert webhook.enabled

    asyncio.run(story())


def test_gone_disables_at_once(database: Database) -> None:
    """410 says that nothing is wanted any more; what waits is kept for the day it is."""
    clock = Clock()

    async def story() -> None:
        async with receiving(answer=lambda _: 410) as receiver, delivering(database, clock) as deliverer:
            subscribe(database, receiver.url)
            tell(database, clock, 1, "proved")
            await settled(deliverer)
            webhook = database.read(lambda s: webhooks.get(s, "wh_1"))
            assert webhook is not None
            assert not webhook.enabled
            clock.advance(DAY)
            await settled(deliverer)
            assert len(receiver.posts) == 1
            assert database.read(webhook_deliveries.waiting) == 1

    asyncio.run(story())


def test_pauses_grow_to_six_hours() -> None:
    """The first is five seconds, each twice the one before, none longer than six hours."""
    assert [BACKOFF.after(count) for count in (1, 2, 3)] == [5 * SECOND, 10 * SECOND, 20 * SECOND]
    assert BACKOFF.after(1000) == 6 * HOUR


_KILLED = """
import asyncio, sys
sys.path[:0] = [{tests!r}, {here!r}]
from test_deliverer import *
class Stuck(WebhookDeliverer):
    async def _note_delivered(self, *_):
        print("posted", flush=True)
        await asyncio.Event().wait()
async def main():
    database, clock = open_database({url!r}), Clock()
    client = OutboundClient(Names(), public_only((), everything=True), user_agent="test")
    await Stuck(database, KEYRING, client, clock).run()
asyncio.run(main())
"""


def test_killed_between_delivery_and_mark_it_is_delivered_again(tmp_path: Path) -> None:
    """After a kill -9 between the answer and the note of it the event arrives a second time, the same."""
    url = f"sqlite:///{tmp_path / 'indicia.db'}"
    schema.migrate(url)
    database, clock = open_database(url), Clock()
    here = Path(__file__).parent

    async def story() -> list[Post]:
        async with receiving() as receiver:
            subscribe(database, receiver.url)
            tell(database, clock, 1, "proved")
            text = _KILLED.format(tests=str(here.parent), here=str(here), url=url)
            command = [sys.executable, "-c", text]
            killed = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ)  # noqa: ASYNC220
            assert killed.stdout is not None
            assert await asyncio.to_thread(killed.stdout.readline) == b"posted\n"
            killed.send_signal(signal.SIGKILL)
            killed.wait()
            killed.stdout.close()
            async with delivering(database, clock) as deliverer:
                await settled(deliverer)
            return receiver.posts

    first, second = asyncio.run(story())
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    database.close()
