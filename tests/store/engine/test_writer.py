"""Short work of an event loop runs in the loop, and never keeps it from other things for long."""

from __future__ import annotations

import asyncio
import contextvars
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from indicia.domain.faults import Fault, FaultKind
from indicia.store.engine import meta
from indicia.store.engine.database import Database
from indicia.store.engine.file_lock import FileLock
from indicia.store.engine.opening import open_database


@pytest.fixture
def house(sqlite_url: str) -> Iterator[Database]:
    """A database in a file."""
    database = open_database(sqlite_url)
    yield database
    database.close()


@pytest.fixture
def patient(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """One that waits for other writers of the file for longer than any test lasts."""
    monkeypatch.setattr("indicia.store.engine.sqlite.BUSY_SECONDS", 3600.0)
    database = open_database(sqlite_url)
    yield database
    database.close()


class Puts:
    """A work that many share: it stores what it is given, and remembers how it was called."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.threads: set[threading.Thread] = set()

    def __call__(self, s, items) -> list[str]:
        """Store each item under its own name."""
        self.calls.append(list(items))
        self.threads.add(threading.current_thread())
        for item in items:
            meta.put(s, item, "there")
        return items


def there(database: Database, *keys: str) -> list[str]:
    """Those of the keys that are stored."""
    return [key for key in keys if database.read(lambda s, key=key: meta.get(s, key))]


def file_of(url: str) -> str:
    """The path of the database file."""
    return urlsplit(url).path


class Slow:
    """A work that lasts until it is released."""

    def __init__(self) -> None:
        self.begun, self.release = threading.Event(), threading.Event()

    def __call__(self, _) -> None:
        """Wait, with the transaction open."""
        self.begun.set()
        self.release.wait()


async def meanwhile(waiting: asyncio.Future[str], let_go: Callable[[], None]) -> None:
    """The loop turns and turns, and nothing comes of what waits; then let go of what is in its way."""
    for _ in range(200):
        assert not waiting.done()
        await asyncio.sleep(0)
    let_go()


def test_what_comes_together_runs_in_the_loop_at_once(house: Database):
    """One call for all of them, in the thread of the loop; told when it is durable."""
    puts = Puts()

    async def story() -> list[str]:
        return await asyncio.gather(*[house.writing_with(puts, key) for key in "abc"])

    assert asyncio.run(story()) == ["a", "b", "c"]
    assert puts.calls == [["a", "b", "c"]]
    assert puts.threads == {threading.current_thread()}
    assert there(house, *"abc") == ["a", "b", "c"]


def test_a_loop_runs_so_many_at_once_and_then_sees_to_other_things(house: Database):
    """A hundred at once are done in portions, none is forgotten, and other tasks run between them."""
    puts, seen = Puts(), set[int]()
    keys = [f"key{number}" for number in range(100)]

    async def look() -> None:
        while True:
            seen.add(len(puts.calls))
            await asyncio.sleep(0)

    async def story() -> list[str]:
        beside = asyncio.create_task(look())
        done = await asyncio.gather(*[house.writing_with(puts, key) for key in keys])
        beside.cancel()
        return done

    assert asyncio.run(story()) == keys
    assert [len(call) for call in puts.calls] == [32, 32, 32, 4]
    assert {1, 2, 3} <= seen
    assert there(house, *keys) == keys


def test_a_loop_does_not_wait_for_another_writer_of_the_file(patient: Database, sqlite_url: str):
    """Somebody holds the write lock of SQLite: the loop goes on, and what waits is done afterwards."""
    other = sqlite3.connect(file_of(sqlite_url), isolation_level=None, check_same_thread=False)
    with closing(other):
        other.execute("BEGIN IMMEDIATE")
        assert_the_loop_goes_on(patient, lambda: other.execute("COMMIT"))


def test_a_loop_does_not_wait_for_the_turn_of_another_process(patient: Database, sqlite_url: str):
    """It is another's turn: the loop goes on, and what waits is done afterwards."""
    turns = FileLock(file_of(sqlite_url), 10.0)
    turns.take()
    assert_the_loop_goes_on(patient, turns.give)
    turns.close()


def assert_the_loop_goes_on(database: Database, let_go: Callable[[], object]) -> None:
    """Something is in the way of a short work until its loop has turned many times, or until all is lost."""
    puts, turned, lost = Puts(), threading.Event(), list[str]()

    def hold() -> None:
        if not turned.wait(20):
            lost.append("the loop stands still")
        let_go()

    async def story() -> None:
        waiting = asyncio.ensure_future(database.writing_with(puts, "a"))
        await meanwhile(waiting, turned.set)
        await waiting

    holder = threading.Thread(target=hold)
    holder.start()
    asyncio.run(story())
    holder.join()
    assert lost == []
    assert there(database, "a") == ["a"]


def test_a_loop_does_not_wait_for_the_thread(house: Database):
    """The thread is at work for long: the loop goes on, and runs what waits when the thread is done."""
    puts, slow = Puts(), Slow()
    thread = threading.Thread(target=house.write, args=(slow,))
    thread.start()
    slow.begun.wait()

    async def story() -> None:
        waiting = asyncio.ensure_future(house.writing_with(puts, "a"))
        await meanwhile(waiting, slow.release.set)
        await waiting

    asyncio.run(story())

    thread.join()
    assert puts.threads == {threading.current_thread()}
    assert there(house, "a") == ["a"]


def test_a_thread_that_is_never_idle_leaves_nobody_waiting(house: Database):
    """Whoever waited for the thread, and finds it at work again, is one of those that it works for."""
    puts, first, second = Puts(), Slow(), Slow()
    threads = [threading.Thread(target=house.write, args=(slow,)) for slow in (first, second)]
    threads[0].start()
    first.begun.wait()

    def next_one() -> None:
        threads[1].start()
        while house._writer._queue.qsize() == 0:
            time.sleep(0.0001)
        first.release.set()
        second.begun.wait()

    async def story() -> None:
        waiting = asyncio.ensure_future(house.writing_with(puts, "a"))
        await meanwhile(waiting, next_one)
        await meanwhile(waiting, second.release.set)
        await waiting

    asyncio.run(story())

    for thread in threads:
        thread.join()
    assert threading.current_thread() not in puts.threads
    assert there(house, "a") == ["a"]


def test_who_stopped_waiting_is_left_out(house: Database):
    """What was cancelled before it ran is not done, and harms nobody."""
    puts = Puts()

    async def story() -> list[object]:
        waiting = [asyncio.ensure_future(house.writing_with(puts, key)) for key in "abcd"]
        await asyncio.sleep(0)
        waiting[1].cancel()
        waiting[2].cancel()
        return await asyncio.gather(*waiting, return_exceptions=True)

    outcomes = asyncio.run(story())

    assert [outcomes[0], outcomes[3]] == ["a", "d"]
    assert puts.calls == [["a", "d"]]
    assert there(house, *"abcd") == ["a", "d"]


def test_a_commit_that_fails_is_told_to_all_and_leaves_nothing(house: Database):
    """A rule that is only looked at with the commit: nothing is acknowledged, and the next work goes on."""

    def work(s, items):
        s._cursor.execute("PRAGMA defer_foreign_keys = ON")
        s._cursor.execute(
            "INSERT INTO facet_state (identity_id, facet, status, generation, since)"
            " VALUES (7, 'dkim', 'PENDING', 1, 0)"
        )
        return items

    async def story() -> list[object]:
        return await asyncio.gather(*[house.writing_with(work, key) for key in "ab"], return_exceptions=True)

    outcomes = asyncio.run(story())

    assert [type(each) for each in outcomes] == [sqlite3.IntegrityError] * 2
    assert house.read(lambda s: s._cursor.execute("SELECT count(*) FROM facet_state").fetchone()) == (0,)
    assert asyncio.run(house.writing_with(Puts(), "after")) == "after"
    assert there(house, "after") == ["after"]


def test_an_interrupt_in_the_loop_ends_no_writer(house: Database):
    """It leaves the loop, as it must; nothing is left of what it broke off."""

    def work(s, items):
        meta.put(s, "a", "there")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(house.writing_with(work, "a"))

    house.write(lambda s: meta.put(s, "after", "there"))
    assert there(house, "a", "after") == ["after"]


def test_an_interrupt_leaves_nobody_of_the_group_waiting(house: Database):
    """A loop that goes on after it: who was in the group is refused, who was not in it any more is done."""

    def work(s, items):
        if "a" in items:
            raise KeyboardInterrupt
        return Puts()(s, items)

    keys = ["a", *(f"key{number}" for number in range(40))]
    loop = asyncio.new_event_loop()
    try:
        waiting = [loop.create_task(house.writing_with(work, key)) for key in keys]
        together = asyncio.gather(*waiting, return_exceptions=True)
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(together)
        outcomes = loop.run_until_complete(asyncio.wait_for(together, 20))
    finally:
        loop.close()

    refused = [key for key, outcome in zip(keys, outcomes, strict=True) if isinstance(outcome, Fault)]
    assert refused == keys[:32]
    assert there(house, *keys) == keys[32:]


def test_whoever_waits_for_another_loop_is_woken_by_it(house: Database):
    """Two loops: the work of one is refused and there is nothing to commit; that of the other is done."""
    puts, begun, release = Puts(), threading.Event(), threading.Event()

    def refused(s, items):
        meta.put(s, "refused", "there")
        begun.set()
        release.wait()
        raise ValueError(items)

    def other() -> None:
        with pytest.raises(ValueError, match="refused"):
            asyncio.run(house.writing_with(refused, "refused"))

    async def story() -> None:
        waiting = asyncio.ensure_future(house.writing_with(puts, "a"))
        await meanwhile(waiting, release.set)
        await asyncio.wait_for(waiting, 20)

    thread = threading.Thread(target=other)
    thread.start()
    begun.wait()
    asyncio.run(story())
    thread.join()
    assert there(house, "refused", "a") == ["a"]


def test_a_work_runs_in_the_context_of_nobody(house: Database):
    """What one caller has bound, as for the lines of a log, is not bound while the work of others runs."""
    caller: contextvars.ContextVar[str] = contextvars.ContextVar("caller", default="nobody")
    seen: list[str] = []

    def work(s, items):
        seen.append(caller.get())
        return items

    async def call(name: str) -> None:
        caller.set(name)
        await house.writing_with(work, name)

    async def story() -> None:
        await asyncio.gather(call("a"), call("b"))

    asyncio.run(story())
    assert seen == ["nobody"]


def test_a_short_work_leaves_the_patience_of_the_thread_as_it_is(patient: Database):
    """It waits for nobody; what comes after it in the thread waits as long as before."""
    ask = lambda s: s._cursor.execute("PRAGMA busy_timeout").fetchone()  # noqa: E731
    before = patient.write(ask)
    asyncio.run(patient.writing_with(Puts(), "a"))
    assert (before, patient.write(ask)) == ((3_600_000,), (3_600_000,))


def test_a_unit_of_work_cannot_close_its_database(house: Database):
    """It would wait for its own end: it is refused, in the loop as in the thread."""

    def work(s, items):
        house.close()

    for call in (
        lambda: asyncio.run(house.writing_with(work, "a")),
        lambda: house.write(lambda s: work(s, [])),
    ):
        with pytest.raises(RuntimeError, match="cannot close"):
            call()
    assert asyncio.run(house.writing_with(Puts(), "a")) == "a"


def test_a_unit_of_work_in_a_loop_cannot_wait_for_another(house: Database):
    """It is refused, as it is in the thread."""

    def work(s, items):
        house.write(lambda inner: meta.put(inner, "a", "there"))

    with pytest.raises(RuntimeError, match="cannot wait"):
        asyncio.run(house.writing_with(work, "a"))
    assert there(house, "a") == []


def test_what_has_not_run_when_the_database_is_closed_is_refused(sqlite_url: str):
    """Nothing waits for ever: it has its answer, which is that nothing was written."""
    database, puts = open_database(sqlite_url), Puts()

    async def story() -> None:
        waiting = asyncio.ensure_future(database.writing_with(puts, "a"))
        await asyncio.sleep(0)
        database.close()
        with pytest.raises(Fault) as caught:
            await asyncio.wait_for(waiting, 20)
        assert caught.value.kind is FaultKind.UNAVAILABLE

    asyncio.run(story())
    assert puts.calls == []


def test_what_has_run_when_the_database_is_closed_is_finished(sqlite_url: str):
    """Whoever closes it in the same turn waits for the commit."""
    database = open_database(sqlite_url)

    def work(s, items):
        meta.put(s, "a", "there")
        asyncio.get_running_loop().call_soon(database.close)
        return items

    async def story() -> str:
        return await database.writing_with(work, "a")

    assert asyncio.run(story()) == "a"
    again = open_database(sqlite_url)
    assert there(again, "a") == ["a"]
    again.close()
