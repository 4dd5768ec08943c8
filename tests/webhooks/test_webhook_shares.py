"""No tenant's webhooks delay another's: real receivers that hold what they are sent, or answer nobody."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

from receiver import Post, Receiver, receiving
from test_deliverer import ACCOUNT, KEYRING, REGION, settled, subscribe

from indicia.announcements.event_recorder import EventRecorder
from indicia.domain.events.identity_events import About, Event
from indicia.domain.events.webhooks import BACKOFF
from indicia.domain.time import MINUTE
from indicia.outbound.client import OutboundClient, Patience
from indicia.outbound.names import Names
from indicia.runtime.clock import Clock
from indicia.settings.places import public_only
from indicia.store.engine.database import Database
from indicia.store.events import destinations
from indicia.webhooks.deliverer import AT_ONCE, WebhookDeliverer

OTHER = "444455556666"
# A receiver that holds a message does so until it is told otherwise, and not until somebody's time is over.
PATIENT = Patience(connect=60.0, whole=300.0)


@contextlib.asynccontextmanager
async def delivering(database: Database, clock: Clock, **given: Any) -> AsyncIterator[WebhookDeliverer]:
    """Run a patient deliverer inside the block. What holds its messages lets go of them in a block within."""
    client = OutboundClient(Names(), public_only((), everything=True), user_agent="test", patience=PATIENT)
    deliverer = WebhookDeliverer(database, KEYRING, client, clock, **given)
    running = asyncio.create_task(deliverer.run())
    try:
        yield deliverer
    finally:
        deliverer.stop()
        await running


async def until(condition: Callable[[], object]) -> None:
    """Return once the condition holds."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def tarpits(count: int) -> AsyncIterator[list[Receiver]]:
    """Run receivers on addresses of their own, each of which holds what it is sent until the block ends."""
    async with contextlib.AsyncExitStack() as stack:
        found = [
            await stack.enter_async_context(
                receiving(host=f"127.9.{number // 200}.{number % 200 + 1}", answer=lambda _: "hold")
            )
            for number in range(count)
        ]
        try:
            yield found
        finally:
            for each in found:
                each.released.set()


def tell(database: Database, clock: Clock, account: str, identities: int = 1) -> None:
    """Let something happen to so many identities of an account."""
    told = [
        Event("dkim.verified", clock.now(), About(account, REGION, number + 1, f"d{number}"), "c", "s", "e")
        for number in range(identities)
    ]
    database.write(lambda s: EventRecorder().announce(s, told))


def held(pits: list[Receiver]) -> int:
    """How many messages the receivers hold."""
    return sum(each.held for each in pits)


def paths(posts: list[Post]) -> Counter[str]:
    """How many messages came to each path."""
    return Counter(post.path for post in posts)


def test_a_hundred_tarpits_of_one_tenant_delay_nobody_else(database: Database) -> None:
    """They hold a quarter of what may be in hand, whatever waits for them; another tenant is sent its own."""
    clock = Clock()

    async def story() -> None:
        async with delivering(database, clock) as deliverer, tarpits(100) as pits, receiving() as well:
            for number, pit in enumerate(pits):
                subscribe(database, pit.url, f"wh_pit{number}")
            subscribe(database, well.url, "wh_well", account=OTHER)
            tell(database, clock, ACCOUNT, identities=5)
            deliverer.wake()
            await until(lambda: held(pits) == AT_ONCE // 4)
            for count in range(1, 6):
                tell(database, clock, OTHER)
                deliverer.wake()
                await until(lambda wanted=count: len(well.posts) == wanted)
            assert held(pits) == AT_ONCE // 4

    asyncio.run(story())


def test_tarpits_of_many_tenants_leave_room_for_the_next(database: Database) -> None:
    """Ten tenants who take all they can get do not get all there is."""
    clock = Clock()

    async def story() -> None:
        async with (
            delivering(database, clock, at_once=32) as deliverer,
            tarpits(60) as pits,
            receiving() as well,
        ):
            for number, pit in enumerate(pits):
                subscribe(database, pit.url, f"wh_pit{number}", account=f"9000{number % 10}")
            for number in range(10):
                tell(database, clock, f"9000{number}", identities=4)
            deliverer.wake()
            await until(lambda: held(pits) >= 16)
            subscribe(database, well.url, "wh_well", account=OTHER)
            tell(database, clock, OTHER)
            deliverer.wake()
            await until(lambda: len(well.posts) == 1)
            assert held(pits) < 32

    asyncio.run(story())


def test_a_hundred_webhooks_to_one_host_have_one_share(database: Database) -> None:
    """What a host holds is bounded for all webhooks of an account together, a sixteenth of the room."""
    clock = Clock()

    async def story() -> None:
        async with delivering(database, clock) as deliverer, tarpits(1) as (pit,), receiving() as well:
            for number in range(100):
                subscribe(database, f"{pit.url}/{number}", f"wh_{number}")
            subscribe(database, well.url, "wh_well")
            tell(database, clock, ACCOUNT, identities=3)
            deliverer.wake()
            await until(lambda: pit.held == AT_ONCE // 16 and len(well.posts) == 3)
            assert max(paths(pit.posts).values()) == 1

    asyncio.run(story())


def test_a_host_that_answers_nobody_is_tried_with_one_message(database: Database) -> None:
    """A hundred webhooks lead to a dead host: a few find out, then one asks at a time, later and later.

    When it is back, everything arrives.
    """
    clock = Clock()

    async def story() -> None:
        async with receiving(answer=lambda _: "close") as dead, delivering(database, clock) as deliverer:
            for number in range(100):
                subscribe(database, f"{dead.url}/{number}", f"wh_{number}")
            tell(database, clock, ACCOUNT)
            await settled(deliverer)
            assert len(dead.posts) <= AT_ONCE // 16 + 3
            for turn in range(6):
                before = len(dead.posts)
                clock.advance(BACKOFF.after(turn + 1))
                await settled(deliverer)
                assert len(dead.posts) == before + 1
            dead.answer = lambda _: 204
            clock.advance(BACKOFF.longest)
            await settled(deliverer)
            assert len(paths(dead.posts)) == 100

    asyncio.run(story())


def test_two_tenants_at_one_host_do_not_share_its_failures(database: Database) -> None:
    """One's path is never answered, and is left alone; the other's, at the same host, is sent at once."""
    clock = Clock()

    async def story() -> None:
        async with receiving() as shared, delivering(database, clock) as deliverer:
            shared.answer = lambda post: "close" if "dead" in post.path else 204
            for number in range(20):
                subscribe(database, f"{shared.url}/dead{number}", f"wh_{number}")
            subscribe(database, f"{shared.url}/well", "wh_well", account=OTHER)
            tell(database, clock, ACCOUNT, identities=3)
            await settled(deliverer)
            paused = database.read(lambda s: destinations.paused(s, ACCOUNT, clock.now()))
            assert paused.keys() == {f"{shared.host}:{shared.port}"}
            for count in range(1, 4):
                tell(database, clock, OTHER)
                await settled(deliverer)
                assert paths(shared.posts)["/hook/well"] == count

    asyncio.run(story())


def test_two_tenants_at_one_host_share_what_it_holds(database: Database) -> None:
    """One that the host takes its time for has half of what the host may hold; the other is sent its own."""
    clock = Clock()

    async def story() -> None:
        async with delivering(database, clock) as deliverer, tarpits(1) as (shared,):
            shared.answer = lambda post: "hold" if "slow" in post.path else 204
            for number in range(40):
                subscribe(database, f"{shared.url}/slow{number}", f"wh_{number}")
            subscribe(database, f"{shared.url}/well", "wh_well", account=OTHER)
            tell(database, clock, ACCOUNT, identities=3)
            deliverer.wake()
            await until(lambda: shared.held == AT_ONCE // 16)
            tell(database, clock, OTHER, identities=3)
            deliverer.wake()
            await until(lambda: paths(shared.posts)["/hook/well"] == 3)
            assert shared.held == AT_ONCE // 16

    asyncio.run(story())


def test_many_tenants_at_one_host_have_one_share_together(database: Database) -> None:
    """What a host holds is bounded for all accounts together, an eighth; what leads elsewhere is sent."""
    clock = Clock()

    async def story() -> None:
        async with delivering(database, clock) as deliverer, tarpits(1) as (pit,), receiving() as well:
            for tenant in range(4):
                for number in range(16):
                    subscribe(
                        database, f"{pit.url}/{number}", f"wh_{tenant}_{number}", account=f"9000{tenant}"
                    )
                tell(database, clock, f"9000{tenant}")
            deliverer.wake()
            await until(lambda: pit.held == AT_ONCE // 8)
            subscribe(database, well.url, "wh_well", account=OTHER)
            for count in range(1, 4):
                tell(database, clock, OTHER)
                deliverer.wake()
                await until(lambda wanted=count: len(well.posts) == wanted)
            assert pit.held == AT_ONCE // 8

    asyncio.run(story())


def test_what_is_refused_says_nothing_of_the_host(database: Database) -> None:
    """A path that answers 404 pauses its own webhook; others of the account at that host go on."""
    clock = Clock()

    async def story() -> None:
        async with receiving() as host, delivering(database, clock) as deliverer:
            host.answer = lambda post: 404 if "gone" in post.path else 204
            for number in range(10):
                subscribe(database, f"{host.url}/gone{number}", f"wh_{number}")
            subscribe(database, f"{host.url}/well", "wh_well")
            for count in range(1, 4):
                tell(database, clock, ACCOUNT)
                await settled(deliverer)
                assert paths(host.posts)["/hook/well"] == count
            assert database.read(lambda s: destinations.paused(s, ACCOUNT, clock.now())) == {}

    asyncio.run(story())


def test_a_host_that_is_overloaded_is_left_alone_by_all(database: Database) -> None:
    """503 is of the host (RFC 9110 §15.6.4): after three in a row nobody of the account sends it more."""
    clock = Clock()

    async def story() -> None:
        async with receiving(answer=lambda _: 503) as host, delivering(database, clock) as deliverer:
            for number in range(30):
                subscribe(database, f"{host.url}/{number}", f"wh_{number}")
            tell(database, clock, ACCOUNT)
            await settled(deliverer)
            assert len(host.posts) <= AT_ONCE // 16 + 3
            host.answer = lambda _: 204
            clock.advance(BACKOFF.longest)
            await settled(deliverer)
            clock.advance(MINUTE)
            await settled(deliverer)
            assert len(paths(host.posts)) == 30

    asyncio.run(story())
