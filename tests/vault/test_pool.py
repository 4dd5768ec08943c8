"""The key pool and the processes that fill it, on both databases."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from handing import queue_up

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.time import HOUR
from indicia.store.dkim import key_requests, key_supply, keys
from indicia.store.engine.database import Database
from indicia.vault import makers
from indicia.vault.keyring import Keyring
from indicia.vault.makers import Makers
from indicia.vault.pool import KeyPool
from indicia.vault.purposes import PRIVATE_KEY
from indicia.vault.rsa import load_trusted

RING = Keyring((bytes(32),))


def _pool(database: Database, least: dict[int, int], **given: int) -> KeyPool:
    return KeyPool(database, RING, lambda: 1234, least, **{"processes": 2, **given})  # type: ignore[arg-type]


def _count(database: Database, bits: int) -> int:
    return database.read(partial(keys.count_pooled, bits=bits))


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


def _story(told: Callable[..., Awaitable[None]], *pools: KeyPool) -> None:
    """Tell a story while the pools run, and end them."""

    async def whole() -> None:
        running = [asyncio.create_task(pool.run()) for pool in pools]
        try:
            await told()
        finally:
            for pool in pools:
                pool.stop()
            await asyncio.wait_for(asyncio.gather(*running), 30)

    asyncio.run(whole())


def _children() -> list[int]:
    """Return the processes that make keys for this one."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(status.read_text(encoding="ascii").rpartition(")")[2].split()[1])
            command = status.with_name("cmdline").read_bytes()
            if parent == os.getpid() and b"key_maker" in command:
                found.append(int(status.parent.name))
    return found


def _environment(process: int) -> bytes:
    return Path(f"/proc/{process}/environ").read_bytes()


def test_fills_to_the_least(database: Database) -> None:
    """Each length is filled to its least with pairs that belong together, sealed, and no further."""
    pool = _pool(database, {1024: 3, 2048: 1})

    async def story() -> None:
        await _until(lambda: (_count(database, 1024), _count(database, 2048)) == (3, 1))

    _story(story, pool)
    (taken,) = database.write(lambda s: keys.hold_pooled(s, 2048, 9))

    assert taken.created_at == 1234
    assert load_trusted(RING.open(taken.private_key, PRIVATE_KEY)).key_size == 2048
    assert (_count(database, 1024), _count(database, 2048)) == (3, 1)


def test_wakes_when_one_is_taken(database: Database) -> None:
    """Told that a key was taken, the pool replaces it."""
    pool = _pool(database, {1024: 4})

    async def story() -> None:
        for _ in range(3):
            await _until(lambda: _count(database, 1024) == 4)
            assert await database.writing(lambda s: keys.take_spare(s, 1024, 1)) != []
            pool.wake()
        await _until(lambda: _count(database, 1024) == 4)

    _story(story, pool)


def test_several_processes_on_one_database(database: Database) -> None:
    """They exceed the least by no more than what each has under way."""
    pools = [_pool(database, {1024: 6}, processes=1) for _ in range(3)]

    async def story() -> None:
        await _until(lambda: _count(database, 1024) >= 6)

    _story(story, *pools)

    assert 6 <= _count(database, 1024) <= 6 * len(pools)


def test_nothing_to_keep(database: Database) -> None:
    """A pool without a least starts no process and makes nothing."""
    pool = _pool(database, {1024: 0})

    async def story() -> None:
        pool.wake()
        await asyncio.sleep(0)
        assert _children() == []

    _story(story, pool)

    assert _count(database, 1024) == 0


def test_a_store_that_comes_back(database: Database) -> None:
    """A store that fails stops nothing: the pool tries again when it is woken."""
    away = [True]
    failed = []

    class Failing(type(database)):  # type: ignore[misc]
        """The real database, away for a while."""

        def __init__(self) -> None:
            self.__dict__ = database.__dict__

        async def writing(self, work: object) -> object:
            if away:
                failed.append(1)
                raise Fault(FaultKind.UNAVAILABLE, "away")
            return await super().writing(work)

    pool = _pool(Failing(), {1024: 1})

    async def story() -> None:
        await _until(lambda: bool(failed))
        away.clear()
        await _until(lambda: pool.wake() or _count(database, 1024) == 1)  # type: ignore[func-returns-value]

    _story(story, pool)


def test_keys_that_are_waited_for_come_first_and_on_every_core(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits: one process. Somebody does: as many as may be, and what is waited for is made."""
    monkeypatch.setattr(makers, "_IDLE", 0.05)
    pool = _pool(database, {1024: 2}, most=40)
    most = [0]

    async def story() -> None:
        await _until(lambda: _count(database, 1024) == 2)
        waiting = await database.writing(partial(queue_up, count=40))
        pool.wake()

        def all_made() -> bool:
            most[0] = max(most[0], pool.processes)
            return _count(database, 1024) >= 42

        await _until(all_made)
        assert most[0] == 2
        await database.writing(lambda s: key_requests.withdraw(s, [each.token_set_id for each in waiting]))
        await _until(lambda: pool.wake() or not _children())  # type: ignore[func-returns-value]

    _story(story, pool)


def test_the_pool_follows_the_demand(database: Database) -> None:
    """What was given to those who waited within the last hour or two is kept ready, within a bound."""
    least, given = {1024: 2, 2048: 3}, {1024: 30}

    def wanted(now: int, **more: int) -> dict[int, int]:
        gave = {int(bits[1:]): count for bits, count in more.items()}
        database.write(lambda s: key_supply.record(s, gave, least, 20, now))
        return {
            stock.bits: stock.wanted for stock in database.read(lambda s: key_supply.stocks(s, least, 20))
        }

    assert wanted(0) == {1024: 2, 2048: 3}
    assert wanted(1000, b1024=given[1024]) == {1024: 20, 2048: 3}
    assert wanted(2000, b2048=5) == {1024: 20, 2048: 5}
    assert wanted(HOUR + 2000) == {1024: 20, 2048: 5}
    assert wanted(3 * HOUR) == {1024: 2, 2048: 3}


def test_a_process_that_is_killed_is_replaced(database: Database) -> None:
    """What it was asked for is asked of another."""
    pool = _pool(database, {2048: 1000}, processes=1)

    async def story() -> None:
        await _until(lambda: _count(database, 2048) > 0)
        (first,) = _children()
        os.kill(first, signal.SIGKILL)
        await _until(lambda: _children() not in ([], [first]))
        made = _count(database, 2048)
        await _until(lambda: _count(database, 2048) > made)

    _story(story, pool)
    assert _children() == []


def test_a_process_that_cannot_be_started_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A maker that makes nothing is not started over and over."""
    monkeypatch.setattr(makers.sys, "executable", "/nowhere/python")
    ended = []

    async def story() -> None:
        working = Makers(1, lambda *_: None, lambda: ended.append(1))
        working.ask(1024)
        await _until(lambda: bool(ended))
        assert (working.room, working.processes, sum(working.making.values())) == (0, 0, 0)
        await working.close()

    asyncio.run(story())


def test_a_process_knows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment has nothing of the service's settings, and it has a lower priority."""
    monkeypatch.setenv("INDICIA_ROOT_SECRET_ACCESS_KEY", "a-secret-that-opens-nothing")
    made: list[int] = []

    async def story() -> None:
        working = Makers(1, lambda bits, _: made.append(bits), lambda: None)
        working.ask(1024)
        await _until(lambda: made == [1024])
        (child,) = _children()
        assert b"INDICIA" not in _environment(child)
        assert os.getpriority(os.PRIO_PROCESS, child) > os.getpriority(os.PRIO_PROCESS, 0)
        await working.close()

    asyncio.run(story())
