"""Slow work before a transaction: few at once, one of an account, and nobody behind somebody else's queue."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from indicia.domain.faults import Fault, FaultKind
from indicia.operations.slow_work import SlowWork


class Work:
    """Work that lasts until it is let go, and notes in which order it was begun."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.gates: dict[str, threading.Event] = {}

    def named(self, name: str) -> Callable[[], str]:
        """Work of that name."""
        gate = self.gates[name] = threading.Event()

        def work() -> str:
            self.begun.append(name)
            assert gate.wait(30)
            return name

        return work

    async def begins(self, *names: str) -> None:
        """Wait until so much was begun, and no more."""
        while len(self.begun) < len(names):
            await asyncio.sleep(0.001)
        assert self.begun == list(names)

    def let_go(self, *names: str) -> None:
        """Let it end."""
        for name in names:
            self.gates[name].set()


def test_one_account_does_not_keep_another_waiting() -> None:
    """However much of one account waits, it has one thread; what another asks for begins at once."""
    slow, work = SlowWork(at_once=2), Work()

    async def story() -> list[str]:
        mine = [asyncio.ensure_future(slow.run("A", work.named(f"A{n}"))) for n in range(5)]
        await work.begins("A0")
        other = asyncio.ensure_future(slow.run("B", work.named("B0")))
        await work.begins("A0", "B0")
        work.let_go("A0", "A1", "A2", "A3", "A4", "B0")
        return [await each for each in (*mine, other)]

    assert asyncio.run(story()) == ["A0", "A1", "A2", "A3", "A4", "B0"]


def test_accounts_take_turns() -> None:
    """With one thread: one of each, in the order in which they came, and then the next of each."""
    slow, work = SlowWork(at_once=1), Work()

    async def story() -> None:
        asked = [
            asyncio.ensure_future(slow.run(name[0], work.named(name)))
            for name in ("A0", "A1", "A2", "B0", "B1", "C0")
        ]
        await work.begins("A0")
        work.let_go("A0", "A1", "A2", "B0", "B1", "C0")
        await asyncio.gather(*asked)

    asyncio.run(story())
    assert work.begun == ["A0", "A1", "B0", "C0", "A2", "B1"]


def test_what_waits_is_bounded() -> None:
    """So much of an account waits; what comes then is refused, and another account is not."""
    slow, work = SlowWork(at_once=1, waiting=2), Work()

    async def story() -> Fault:
        asked = [asyncio.ensure_future(slow.run("A", work.named(f"A{n}"))) for n in range(3)]
        await work.begins("A0")
        with pytest.raises(Fault) as refused:
            await slow.run("A", work.named("A3"))
        asked.append(asyncio.ensure_future(slow.run("B", work.named("B0"))))
        work.let_go("A0", "A1", "A2", "B0")
        await asyncio.gather(*asked)
        return refused.value

    assert asyncio.run(story()).kind is FaultKind.THROTTLED


def test_whoever_goes_away_gives_the_place_back() -> None:
    """A caller that hangs up while it waits is passed over; one whose work runs has it until that ends."""
    slow, work = SlowWork(at_once=1), Work()

    async def story() -> str:
        running = asyncio.ensure_future(slow.run("A", work.named("A0")))
        waiting = asyncio.ensure_future(slow.run("A", work.named("A1")))
        last = asyncio.ensure_future(slow.run("B", work.named("B0")))
        await work.begins("A0")
        waiting.cancel()
        running.cancel()
        await asyncio.sleep(0)
        assert work.begun == ["A0"]
        work.let_go("A0", "B0")
        return await last

    assert asyncio.run(story()) == "B0"
    assert work.begun == ["A0", "B0"]


def test_work_that_fails_fails_its_caller_alone() -> None:
    """What it raises is raised, and the next is begun."""
    slow = SlowWork(at_once=1)

    def refuse() -> Any:
        raise Fault(FaultKind.INVALID_CONTENT, "no")

    async def story() -> str:
        with pytest.raises(Fault, match="no"):
            await slow.run("A", refuse)
        return await slow.run("A", lambda: "next")

    assert asyncio.run(story()) == "next"
