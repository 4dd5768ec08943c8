"""The clock: real time, an offset that only grows, and waiters who learn of it."""

import asyncio
import threading

import pytest

from indicia.domain.time import HOUR, SECOND
from indicia.runtime.clock import Clock, real_now


def test_it_shows_real_time_and_its_offset() -> None:
    """Now is the machine's instant plus the offset."""
    clock = Clock(offset=5 * HOUR, real=lambda: 1_000)

    assert clock.now() == 1_000 + 5 * HOUR
    assert clock.offset == 5 * HOUR


def test_without_being_told_otherwise_it_is_the_machines() -> None:
    """A fresh clock lies between two looks at the machine's."""
    before = real_now()
    now = Clock().now()

    assert before <= now <= real_now()


def test_moving_it_moves_now() -> None:
    """Advancing returns the new present and adds up."""
    clock = Clock(real=lambda: 10)

    assert clock.advance(HOUR) == 10 + HOUR
    assert clock.advance(SECOND) == 10 + HOUR + SECOND
    assert clock.offset == HOUR + SECOND


def test_it_does_not_go_back() -> None:
    """Neither the start nor a move may be negative."""
    with pytest.raises(ValueError, match="only goes forward"):
        Clock(offset=-1)
    clock = Clock()
    with pytest.raises(ValueError, match="only goes forward"):
        clock.advance(-1)
    assert clock.offset == 0


def test_an_instant_that_has_passed_is_not_waited_for() -> None:
    """Waiting for the past or the present returns at once."""
    clock = Clock(real=lambda: 500)

    async def scenario() -> None:
        async with asyncio.timeout(5):
            await clock.wait_until(500)
            await clock.wait_until(0)

    asyncio.run(scenario())


def test_a_wait_ends_when_its_instant_comes() -> None:
    """A wait for an instant some milliseconds ahead returns, and not before that instant."""
    clock = Clock()

    async def scenario() -> None:
        instant = clock.now() + 30
        async with asyncio.timeout(5):
            await clock.wait_until(instant)
        assert clock.now() >= instant

    asyncio.run(scenario())


@pytest.mark.parametrize("moved_by", [HOUR, 0], ids=["past the instant", "not at all"])
def test_moving_it_from_another_thread_ends_every_wait(moved_by: int) -> None:
    """All waiters of all loops wake when a thread moves the clock, even short of their instant."""
    clock = Clock(real=lambda: 0)

    async def scenario() -> None:
        waits = [asyncio.create_task(clock.wait_until(instant)) for instant in (1, HOUR, 99 * HOUR)]
        await asyncio.sleep(0)  # one turn of the loop, in which each of them falls asleep
        mover = threading.Thread(target=clock.advance, args=(moved_by,))
        mover.start()
        async with asyncio.timeout(5):
            await asyncio.gather(*waits)
        mover.join()

    asyncio.run(scenario())
    assert not clock._waiting  # nobody is kept who no longer waits: a server would grow by it


def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    """A task that gives up is forgotten, and moving the clock later harms nobody."""
    clock = Clock(real=lambda: 0)

    async def scenario() -> None:
        wait = asyncio.create_task(clock.wait_until(HOUR))
        await asyncio.sleep(0)
        wait.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wait

    asyncio.run(scenario())
    assert not clock._waiting
    clock.advance(HOUR)
