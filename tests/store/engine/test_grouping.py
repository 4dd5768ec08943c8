"""Work on many things at once on PostgreSQL: what waits at the time goes into one transaction."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from indicia.domain.faults import Fault, FaultKind
from indicia.store.engine import meta
from indicia.store.engine.database import Database
from indicia.store.engine.opening import open_database
from indicia.store.engine.session import Session


@pytest.fixture
def house(postgres_url: str) -> Iterator[Database]:
    """A PostgreSQL that is empty."""
    database = open_database(postgres_url)
    yield database
    database.close()


class Puts:
    """Stores keys, and notes which came together. `gate` holds up the first transaction."""

    def __init__(self, gate: threading.Event | None = None) -> None:
        self.calls: list[list[str]] = []
        self.gate = gate

    def __call__(self, s: Session, keys: Sequence[str]) -> list[str | Fault]:
        """Store them; `refused` is refused, and for `broken` it raises."""
        self.calls.append(list(keys))
        if self.gate is not None and len(self.calls) <= 2:
            self.gate.wait(20)
        for key in keys:
            meta.put(s, key, key)
        if "broken" in keys:
            raise ZeroDivisionError
        return [Fault(FaultKind.CONFLICT, "no") if key == "refused" else key for key in keys]


def there(database: Database, *keys: str) -> list[str]:
    """Those of the keys that are stored."""
    return [key for key in keys if database.read(lambda s, key=key: meta.get(s, key)) == key]


def test_what_comes_together_is_one_transaction(house: Database) -> None:
    """A hundred and fifty that wait are three transactions; each hears what came of its own."""
    puts, keys = Puts(), [f"key{number}" for number in range(150)]

    async def story() -> list[str]:
        return await asyncio.gather(*[house.writing_with(puts, key) for key in keys])

    assert asyncio.run(story()) == keys
    assert [len(call) for call in puts.calls] == [64, 64, 22]
    assert there(house, *keys) == keys


def test_what_comes_alone_goes_alone(house: Database) -> None:
    """One after the other is a transaction each: nobody waits for company."""
    puts = Puts()

    async def story() -> None:
        for key in "abc":
            assert await house.writing_with(puts, key) == key

    asyncio.run(story())
    assert puts.calls == [["a"], ["b"], ["c"]]


def test_what_comes_while_others_are_at_work_gathers(house: Database) -> None:
    """Two transactions are under way; whoever comes meanwhile goes into the next one."""
    gate = threading.Event()
    puts = Puts(gate)

    async def story() -> None:
        first = [asyncio.ensure_future(house.writing_with(puts, "a"))]
        await _until(lambda: len(puts.calls) == 1)
        first.append(asyncio.ensure_future(house.writing_with(puts, "b")))
        await _until(lambda: len(puts.calls) == 2)
        later = [asyncio.ensure_future(house.writing_with(puts, key)) for key in "cdefg"]
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(puts.calls) == 2
        gate.set()
        assert await asyncio.gather(*first, *later) == list("abcdefg")

    asyncio.run(story())
    assert puts.calls[:2] == [["a"], ["b"]]
    assert [key for call in puts.calls[2:] for key in call] == list("cdefg")
    assert len(puts.calls) < 7


def test_what_is_refused_fails_alone(house: Database) -> None:
    """A fault in place of a result is raised to whom it belongs; the others are stored."""
    puts = Puts()

    async def story() -> list[str | BaseException]:
        waiting = [house.writing_with(puts, key) for key in ("a", "refused", "b")]
        return await asyncio.gather(*waiting, return_exceptions=True)

    one, refused, other = asyncio.run(story())
    assert (one, other) == ("a", "b")
    assert isinstance(refused, Fault)
    assert there(house, "a", "b") == ["a", "b"]


def test_what_breaks_breaks_alone(house: Database) -> None:
    """For whose sake a group has failed is not known: each is tried again by itself, and one fails."""
    puts = Puts()

    async def story() -> list[str | BaseException]:
        waiting = [house.writing_with(puts, key) for key in ("a", "broken", "b")]
        return await asyncio.gather(*waiting, return_exceptions=True)

    one, broken, other = asyncio.run(story())
    assert (one, other) == ("a", "b")
    assert isinstance(broken, ZeroDivisionError)
    assert there(house, "a", "b", "broken") == ["a", "b"]


def test_who_was_cancelled_before_it_began_is_not_done(house: Database) -> None:
    """Whoever waits no more when a group begins is left out of it."""
    puts = Puts()

    async def story() -> None:
        gone = asyncio.ensure_future(house.writing_with(puts, "gone"))
        waiting = asyncio.ensure_future(house.writing_with(puts, "a"))
        await asyncio.sleep(0)
        gone.cancel()
        assert await waiting == "a"

    asyncio.run(story())
    assert there(house, "a", "gone") == ["a"]


def test_each_work_gathers_by_itself(house: Database) -> None:
    """Two works that wait at the same time are not mixed."""
    one, other = Puts(), Puts()

    async def story() -> None:
        await asyncio.gather(*[house.writing_with(work, key) for key in "ab" for work in (one, other)])

    asyncio.run(story())
    assert (one.calls, other.calls) == ([["a", "b"]], [["a", "b"]])


def test_a_database_that_is_closed_refuses(house: Database) -> None:
    """What comes after the end is refused as everything else is, and says so."""
    house.close()

    async def story() -> None:
        with pytest.raises(Fault, match="closed"):
            await house.writing_with(Puts(), "a")

    asyncio.run(story())


def test_another_loop_begins_anew(house: Database) -> None:
    """A thread whose event loop has ended waits in its next one."""
    puts = Puts()
    for key in "ab":
        assert asyncio.run(_one(house, puts, key)) == key
    assert puts.calls == [["a"], ["b"]]


async def _one(house: Database, puts: Puts, key: str) -> str:
    return await house.writing_with(puts, key)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)
