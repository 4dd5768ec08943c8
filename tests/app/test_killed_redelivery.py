"""A redelivery goes on after `kill -9`: what it was to send is sent, as what was told before it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from receiver import Receiver
from serving import Running, serve, until

from indicia.cli.api import ServiceAccess

IDENTITIES = 150  # of each two events: more than wait in the queue for a webhook
WEBHOOKS = "/indicia/v1/webhooks"


@contextmanager
def receiving(receiver: Receiver) -> Iterator[asyncio.AbstractEventLoop]:
    """The receiver listens, in a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(receiver.start(), loop).result(20)

    async def end() -> None:
        await receiver.stop()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    try:
        yield loop
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()


def signed(house: Running) -> ServiceAccess:
    """The calls of our own, signed."""
    return ServiceAccess(house.ready.url, "us-east-1", house.key.id, house.key.secret)


def arrived(receiver: Receiver) -> set[str]:
    """The ids of the events that were taken."""
    return {each.headers["webhook-id"] for each in list(receiver.posts)}


def test_a_redelivery_goes_on_after_a_kill(tmp_path: Path) -> None:
    """Killed three times while it sends everything once more: each event arrives, and its order stays.

    What the receiver had in hand at those moments comes again under the same id.
    """
    receiver = Receiver()
    settings = {"INDICIA_PRIVATE_ADDRESSES": "127.0.0.0/8", "INDICIA_LIMITS": "off"}
    with receiving(receiver):
        with serve(tmp_path, **settings) as house:
            client = house.client()
            for number in range(IDENTITIES):
                client.create_email_identity(EmailIdentity=f"d{number}.example.com")
            made = signed(house).json("POST", WEBHOOKS, {"url": receiver.url})["webhook"]
            receiver.answer = lambda _: "hold"
            wanted = {"since": "2000-01-01T00:00:00Z"}
            signed(house).json("POST", f"{WEBHOOKS}/{made['id']}/redeliver", wanted)
            until(lambda: receiver.held > 0, "the first deliveries")
            house.process.kill()
        for _ in range(2):
            held = receiver.held
            with serve(tmp_path, **settings) as house:
                until(lambda held=held: receiver.held > held, "deliveries after the start")
                house.process.kill()
        receiver.answer = lambda _: 204
        receiver.posts.clear()
        with serve(tmp_path, **settings) as house:
            until(lambda: len(arrived(receiver)) >= 2 * IDENTITIES, "every event", 120)
            found = signed(house).json("GET", f"{WEBHOOKS}/{made['id']}")["webhook"]
            assert found["enabled"]
            assert house.stop() == 0

    order: dict[str, list[str]] = {}
    for post in receiver.posts:
        told = order.setdefault(post.event["data"]["identity"], [])
        if post.event["type"] not in told:
            told.append(post.event["type"])
    assert order.keys() == {f"d{number}.example.com" for number in range(IDENTITIES)}
    assert all(each[:2] == ["identity.created", "dkim.started"] for each in order.values())
