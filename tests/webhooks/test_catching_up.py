"""A webhook that is behind is sent everything, in order, with few deliveries waiting at any time."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from dataclasses import replace

import pytest
from receiver import Post, receiving
from test_deliverer import ACCOUNT, REGION, delivering, subscribe

from indicia.announcements.event_recorder import EventRecorder
from indicia.domain.events.identity_events import About, Event
from indicia.domain.events.webhooks import BACKOFF, GIVEN_UP_AFTER
from indicia.domain.time import DAY, HOUR, MINUTE
from indicia.outbound.client import Patience
from indicia.runtime.clock import Clock
from indicia.store.engine.database import Database
from indicia.store.engine.opening import open_database
from indicia.store.engine.session import Session
from indicia.store.events import fanout, webhook_deliveries, webhooks
from indicia.webhooks.deliverer import WebhookDeliverer

PATIENT = Patience(connect=60.0, whole=60.0)  # no answer is missed for a machine that is busy
IDENTITIES = 40
MANY = 700


async def settled(deliverer: WebhookDeliverer) -> None:
    """Nothing could be delivered now, which takes its time where much could."""
    deliverer.wake()
    await asyncio.wait_for(deliverer.settled(), 150)


def happen(database: Database, clock: Clock, numbers: range) -> None:
    """Let something numbered happen to each of forty identities in turn, in one transaction."""

    def work(s: Session) -> None:
        EventRecorder().announce(s, [event(clock, number) for number in numbers])

    database.write(work)


def event(clock: Clock, number: int) -> Event:
    """One event, whose cause is its number."""
    identity = 1 + number % IDENTITIES
    return Event(
        "dkim.verified", clock.now(), About(ACCOUNT, REGION, identity, f"d{identity}"), str(number), "s", "e"
    )


def numbers(posts: list[Post]) -> list[int]:
    """The numbers of what arrived."""
    return [int(post.event["data"]["cause"]) for post in posts]


def in_order(posts: list[Post]) -> bool:
    """Say whether of each identity what happened earlier arrived earlier."""
    found = numbers(posts)
    return all(
        of_one == sorted(of_one)
        for identity in range(IDENTITIES)
        if (of_one := [each for each in found if each % IDENTITIES == identity])
    )


def test_everything_is_sent_once_more_a_few_at_a_time(database: Database) -> None:
    """Far more events than may wait: each arrives once, in order, and what comes meanwhile behind them."""
    clock = Clock()

    async def story() -> None:
        waiting: list[int] = []
        async with receiving() as receiver, delivering(database, clock, PATIENT) as deliverer:
            happen(database, clock, range(MANY))
            webhook = subscribe(database, receiver.url)
            receiver.answer = lambda _: waiting.append(database.read(webhook_deliveries.waiting)) or 204
            database.write(lambda s: webhooks.move_on(s, webhook.id, 0, clock.now() - HOUR))
            happen(database, clock, range(MANY, MANY + 40))
            await settled(deliverer)
            assert sorted(numbers(receiver.posts)) == list(range(MANY + 40))
            assert in_order(receiver.posts)
            assert max(waiting) <= fanout.WINDOW
            assert database.read(fanout.behind) == 0

    asyncio.run(story())


def test_only_what_is_no_older_is_sent_once_more(database: Database) -> None:
    """From the instant on, also where thousands of events lie before it."""
    clock = Clock()

    async def story() -> None:
        async with receiving() as receiver, delivering(database, clock, PATIENT) as deliverer:
            for first in range(0, 5000, 1000):
                happen(database, clock, range(first, first + 1000))
            clock.advance(HOUR)
            since = clock.now()
            happen(database, clock, range(5000, 5010))
            webhook = subscribe(database, receiver.url)
            database.write(lambda s: webhooks.move_on(s, webhook.id, 0, since))
            await settled(deliverer)
            assert sorted(numbers(receiver.posts)) == list(range(5000, 5010))

    asyncio.run(story())


def test_a_dead_receiver_is_sent_everything_when_it_is_back(database: Database) -> None:
    """Meanwhile no more waits for it than a window, however much happens."""
    clock = Clock()

    async def story() -> None:
        async with (
            receiving(answer=lambda _: "close") as receiver,
            delivering(database, clock, PATIENT) as deliverer,
        ):
            subscribe(database, receiver.url)
            for first in range(0, MANY, 100):
                happen(database, clock, range(first, first + 100))
                await settled(deliverer)
                clock.advance(MINUTE)
            assert database.read(webhook_deliveries.waiting) == fanout.WINDOW
            assert database.read(fanout.behind) == 1
            receiver.posts.clear()
            receiver.answer = lambda _: 204
            clock.advance(BACKOFF.longest)
            await settled(deliverer)
            assert sorted(numbers(receiver.posts)) == list(range(MANY))
            assert in_order(receiver.posts)
            assert database.read(webhook_deliveries.waiting) == 0

    asyncio.run(story())


def test_what_happens_while_a_failing_webhook_is_off_is_sent_when_it_is_on(database: Database) -> None:
    """It goes on where it stopped: with what was queued, then with what happened since."""
    clock = Clock()

    async def story() -> None:
        async with (
            receiving(answer=lambda _: 500) as receiver,
            delivering(database, clock, PATIENT) as deliverer,
        ):
            subscribe(database, receiver.url, types=("dkim.verified",))
            happen(database, clock, range(10))
            await settled(deliverer)
            clock.advance(GIVEN_UP_AFTER)
            await settled(deliverer)
            webhook = database.read(lambda s: webhooks.get(s, "wh_1"))
            assert webhook is not None
            assert not webhook.enabled
            happen(database, clock, range(10, 20))
            await settled(deliverer)
            receiver.posts.clear()
            receiver.answer = lambda _: 204
            on = replace(webhook, enabled=True, failures=0, failing_since=None, resume_at=None)
            database.write(lambda s: webhooks.update(s, on))
            clock.advance(DAY)
            await settled(deliverer)
            assert sorted(numbers(receiver.posts)) == list(range(20))
            assert in_order(receiver.posts)

    asyncio.run(story())


def test_a_deliverer_that_ends_half_way_is_followed_by_one_that_goes_on(database: Database) -> None:
    """Where a webhook is in the log is stored with what was queued of it: nothing is left out."""
    clock = Clock()

    async def story() -> None:
        async with receiving() as receiver:
            happen(database, clock, range(MANY))
            webhook = subscribe(database, receiver.url)
            database.write(lambda s: webhooks.move_on(s, webhook.id, 0, clock.now() - HOUR))
            while len(receiver.posts) < MANY:
                before = len(receiver.posts)
                async with delivering(database, clock, PATIENT):
                    async with asyncio.timeout(100):
                        while len(receiver.posts) < min(MANY, before + 200):
                            await asyncio.sleep(0.005)
            assert sorted(numbers(receiver.posts)) == list(range(MANY))

    asyncio.run(story())


@pytest.mark.parametrize("window", [8])
def test_nothing_is_lost_between_the_queue_and_the_log(
    postgres_url: str, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several write while a webhook falls behind and catches up, again and again: each event arrives."""
    monkeypatch.setattr(fanout, "WINDOW", window)
    database, clock = open_database(postgres_url), Clock()
    writers, each = 4, 150

    def write(writer: int) -> None:
        # Forty identities, and each is one writer's: as whoever writes of an identity holds it.
        for number in range(writer, writers * each, writers):
            happen(database, clock, range(number, number + 1))

    async def story() -> None:
        async with (
            receiving() as receiver,
            delivering(database, clock, PATIENT) as one,
            delivering(database, clock, PATIENT),
        ):
            subscribe(database, receiver.url)
            threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                one.wake()
                await asyncio.sleep(0.01)
            await settled(one)
            found = Counter(numbers(receiver.posts))
            assert sorted(found) == list(range(writers * each))
            assert in_order(receiver.posts)

    asyncio.run(story())
    database.close()
