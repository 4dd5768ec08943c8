"""Units of work: all or nothing, durable when they return, alone in their failure, readable by many."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import sqlite3
import stat
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from postgres import PostgresServer
from values import ACCOUNT, REGION, identity

from indicia.domain.faults import Fault, FaultKind
from indicia.store.engine import meta, schema
from indicia.store.engine.checkpoint import Checkpointer
from indicia.store.engine.database import Database
from indicia.store.engine.opening import open_database
from indicia.store.engine.sqlite import connect
from indicia.store.identities import identities


class Mistake(Exception):
    """What goes wrong in a unit of work."""


def put(key: str, value: str = "there"):
    """A unit of work that stores a value."""
    return lambda s: meta.put(s, key, value)


def get(database: Database, key: str) -> str | None:
    """What is stored under the key."""
    return database.read(lambda s: meta.get(s, key))


def test_a_write_is_read_afterwards(database: Database):
    """What a write returned from is there for every thread."""
    assert database.write(lambda s: (meta.put(s, "a", "1"), 42)[1]) == 42
    assert get(database, "a") == "1"
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(get, database, "a").result() == "1"


def test_a_work_that_fails_leaves_nothing_and_is_alone_in_it(database: Database):
    """Of many writes at once those that raise change nothing, the others are all there."""

    def work(number: int) -> bool:
        def unit(s):
            meta.put(s, f"key{number}", "there")
            if number % 3 == 0:
                raise Mistake(number)

        if number % 3:
            database.write(unit)
            return True
        with pytest.raises(Mistake, match=f"^{number}$"):
            database.write(unit)
        return False

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(work, range(90)))
    assert outcomes == [number % 3 != 0 for number in range(90)]
    assert [get(database, f"key{number}") is not None for number in range(90)] == outcomes


def side_by_side(database: Database, *units, with_all=None):
    """What comes of units that wait together while another one runs, and of items that share a work."""
    begun, may_end = threading.Event(), threading.Event()

    def long(s):
        begun.set()
        may_end.wait()

    async def everything():
        first = asyncio.ensure_future(asyncio.to_thread(database.write, long))
        await asyncio.to_thread(begun.wait)
        waiting = [asyncio.ensure_future(database.writing(unit)) for unit in units]
        if with_all is not None:
            work, items = with_all
            waiting += [asyncio.ensure_future(database.writing_with(work, item)) for item in items]
        await asyncio.sleep(0)
        may_end.set()
        await first
        return await asyncio.gather(*waiting, return_exceptions=True)

    return asyncio.run(everything())


def test_who_is_refused_before_writing_makes_nobody_run_again(sqlite_url: str):
    """What waits together runs once each, though some of it raises; once more where it has written before."""
    database, runs = open_database(sqlite_url), Counter()

    def unit(name: str, *, writes: bool, fails: bool):
        def work(s):
            runs[name] += 1
            if writes:
                meta.put(s, name, "there")
            if fails:
                raise Mistake(name)
            return name

        return work

    sound = [unit(name, writes=True, fails=False) for name in "abc"]
    outcomes = side_by_side(database, *sound, unit("refused", writes=False, fails=True))
    assert (outcomes[:3], str(outcomes[3])) == (["a", "b", "c"], "refused")
    assert runs == Counter("abc") + Counter(["refused"])

    runs.clear()
    outcomes = side_by_side(database, *sound, unit("failed", writes=True, fails=True))
    assert (outcomes[:3], str(outcomes[3])) == (["a", "b", "c"], "failed")
    assert runs == Counter("abc" * 2) + Counter(["failed"] * 2)
    assert [get(database, name) for name in ("a", "b", "c", "failed")] == ["there"] * 3 + [None]
    database.close()


def test_a_work_that_is_shared_has_an_outcome_for_each(database: Database):
    """Every item has its own result or its own fault; for one that makes the work raise, it raises alone."""

    def work(s, items):
        if any(item == "poison" and meta.put(s, item, "there") is None for item in items):
            raise Mistake(len(items))
        for item in items:
            if item != "refused":
                meta.put(s, item, "there")
        return [Fault(FaultKind.NOT_FOUND, item) if item == "refused" else item.upper() for item in items]

    plain = side_by_side(database, put("own"), with_all=(work, ["a", "refused", "b"]))
    assert [plain[1], str(plain[2]), plain[3]] == ["A", "refused", "B"]

    mixed = side_by_side(database, put("other"), with_all=(work, ["c", "poison", "refused", "d"]))
    assert [mixed[1], str(mixed[2]), str(mixed[3]), mixed[4]] == ["C", "1", "refused", "D"]
    keys = ("own", "a", "refused", "b", "other", "c", "poison", "d")
    assert [key for key in keys if get(database, key)] == ["own", "a", "b", "other", "c", "d"]


def test_what_shares_a_work_is_given_to_it_in_one_call(sqlite_url: str):
    """As much as waits at the time, with whatever else waits before and behind it."""
    database, calls = open_database(sqlite_url), []

    def work(s, items):
        calls.append(list(items))
        return items

    assert side_by_side(database, put("a"), with_all=(work, [1, 2, 3]))[1:] == [1, 2, 3]
    assert calls == [[1, 2, 3]]
    database.close()


def test_a_work_that_no_future_takes_back_keeps_nobody_waiting(database: Database):
    """StopIteration comes back as another error, and the others of its group hear how theirs ended."""
    outcomes = side_by_side(database, put("a"), lambda _: next(iter(())), put("b"))

    assert [outcomes[0], outcomes[2]] == [None, None]
    assert isinstance(outcomes[1], RuntimeError)
    assert [get(database, "a"), get(database, "b")] == ["there", "there"]


def test_a_thread_that_cannot_be_had_ends_no_writer(sqlite_url: str, monkeypatch: pytest.MonkeyPatch):
    """What copies the log back begins another time; whoever writes is answered all the same."""
    database = open_database(sqlite_url)

    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def many(s):
        for number in range(4100):
            meta.put(s, f"key{number}", "there")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_thread)
        database.write(many)
        database.write(put("after"))
    database.write(many)

    assert get(database, "after") == "there"
    database.close()


def test_a_broken_rule_of_the_schema_fails_its_work_only(database: Database):
    """An integrity error is the work's own, and the next work goes on."""
    with pytest.raises((sqlite3.IntegrityError, psycopg.errors.ForeignKeyViolation)):
        database.write(lambda s: identities.insert(s, identity("example.com", token_set_id=404)))
    database.write(put("after"))
    assert get(database, "after") == "there"
    assert database.read(lambda s: identities.get(s, ACCOUNT, REGION, "example.com")) is None


def test_a_reading_work_sees_one_moment(database: Database):
    """What commits while a work reads is not seen by it, and is by the next."""
    database.write(put("a", "before"))

    def work(s):
        first = meta.get(s, "a")
        with ThreadPoolExecutor(1) as pool:
            pool.submit(database.write, put("a", "after")).result()
        return first, meta.get(s, "a")

    assert database.read(work) == ("before", "before")
    assert get(database, "a") == "after"


def test_what_one_turn_of_the_loop_reads_is_of_one_moment(sqlite_url: str):
    """The first read of a turn decides what all of them see; the next turn sees what was written since."""
    database = open_database(sqlite_url)
    database.write(put("a", "before"))

    async def reading() -> str | None:
        return await database.reading(lambda s: meta.get(s, "a"))

    async def turns() -> list[str | None]:
        seen = [await reading()]
        with ThreadPoolExecutor(1) as pool:
            pool.submit(database.write, put("a", "after")).result()
        seen.append(await reading())
        await asyncio.sleep(0)
        return [*seen, await reading()]

    assert asyncio.run(turns()) == ["before", "before", "after"]
    database.close()


def test_whoever_wrote_reads_what_was_written(database: Database):
    """In the same turn of the loop as well, and however it was written; a plain read always begins anew."""
    database.write(put("a", "0"))

    async def reading() -> str | None:
        return await database.reading(lambda s: meta.get(s, "a"))

    async def seen() -> list[str | None]:
        found = [await reading()]
        database.write(put("a", "1"))
        found.append(await reading())
        await database.writing(put("a", "2"))
        found.append(await reading())
        with ThreadPoolExecutor(1) as pool:
            pool.submit(database.write, put("a", "3")).result()
        return [*found, get(database, "a"), await reading()]

    assert asyncio.run(seen()) == ["0", "1", "2", "3", "3"]
    assert get(database, "a") == "3"


def test_a_database_may_be_closed_in_the_middle_of_a_turn(sqlite_url: str):
    """What was read last is let go of without a word."""
    database, said = open_database(sqlite_url), list[object]()

    async def turn() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
        await database.reading(lambda s: meta.get(s, "a"))
        database.close()
        await asyncio.sleep(0)

    asyncio.run(turn())

    assert said == []


def test_a_loop_that_ends_in_the_middle_of_a_turn_leaves_no_moment_behind(sqlite_url: str):
    """What was open in it is not what the next loop of the thread reads."""
    database = open_database(sqlite_url)
    read = lambda s: meta.get(s, "a")  # noqa: E731

    def in_its_last_turn() -> None:
        with contextlib.suppress(StopIteration):  # which is its result
            database.reading(read).send(None)

    async def later() -> str | None:
        await database.writing(put("a"))
        return await database.reading(read)

    loop = asyncio.new_event_loop()
    loop.call_soon(in_its_last_turn)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()

    assert asyncio.run(later()) == "there"
    database.close()


def test_a_database_is_closed_behind_whoever_reads(sqlite_url: str):
    """A work that reads meanwhile reads to its end; what would begin later is refused."""
    database = open_database(sqlite_url)
    database.write(put("a"))
    begun, closing = threading.Event(), threading.Event()

    def work(s):
        begun.set()
        closing.wait()
        return [meta.get(s, "a") for _ in range(100)]

    with ThreadPoolExecutor(2) as pool:
        reading = pool.submit(database.read, work)
        begun.wait()
        closed = pool.submit(database.close)
        while database._readers:
            time.sleep(0.0001)
        closing.set()
        assert reading.result() == ["there"] * 100
        closed.result()
    with pytest.raises(Fault):
        get(database, "a")


def test_an_end_that_comes_at_the_wrong_moment_is_an_end(sqlite_url: str):
    """Whoever copies the log back hears of its end, though it is just forgetting that it was called."""
    path = urlsplit(sqlite_url).path
    checkpointer = Checkpointer(lambda: connect(path))

    class Late(threading.Event):
        """The end comes while it is cleared."""

        def clear(self) -> None:
            checkpointer._ended = True
            self.set()
            super().clear()

    checkpointer._wanted = Late()
    checkpointer.written(1_000_000)
    assert checkpointer._thread is not None
    checkpointer._thread.join(20)
    assert not checkpointer._thread.is_alive()


def test_a_reading_work_cannot_write(database: Database):
    """A write in a reading work is refused by the database."""
    with pytest.raises((sqlite3.OperationalError, psycopg.errors.ReadOnlySqlTransaction)):
        database.read(put("a"))
    assert get(database, "a") is None


def test_tasks_read_and_write(database: Database):
    """Many tasks at once: each gets its own result or its own failure, and what returned is there."""

    async def work(number: int) -> str | None:
        def unit(s):
            meta.put(s, f"key{number}", str(number))
            if number == 7:
                raise Mistake

        await database.writing(unit)
        return await database.reading(lambda s: meta.get(s, f"key{number}"))

    async def everything():
        return await asyncio.gather(*[work(number) for number in range(100)], return_exceptions=True)

    results = asyncio.run(everything())
    assert isinstance(results.pop(7), Mistake)
    assert results == [str(number) for number in range(100) if number != 7]
    assert get(database, "key7") is None


def test_a_cancelled_task_harms_nobody(database: Database):
    """Whoever stops waiting leaves the writer and the other tasks as they were."""

    async def everything():
        waiting = [asyncio.ensure_future(database.writing(put(f"key{number}"))) for number in range(20)]
        await asyncio.sleep(0)
        for task in waiting[::2]:
            task.cancel()
        return await asyncio.gather(*waiting, return_exceptions=True)

    outcomes = asyncio.run(everything())
    assert all(outcome is None for outcome in outcomes[1::2])
    assert all(get(database, f"key{number}") for number in range(1, 20, 2))
    database.write(put("after"))


def test_two_updaters_of_one_version_one_wins(database: Database):
    """Of any number who changed the same version exactly one succeeds, and the others are told."""
    made = identity("example.com")
    database.write(lambda s: identities.insert(s, made))
    together = threading.Barrier(6)

    def update(version: int) -> FaultKind | None:
        together.wait()
        try:
            database.write(lambda s: identities.update(s, made, version))
        except Fault as fault:
            return fault.kind
        return None

    with ThreadPoolExecutor(6) as pool:
        for version in range(1, 9):
            outcomes = Counter(pool.map(update, [version] * 6))
            assert outcomes == {None: 1, FaultKind.CONCURRENT_MODIFICATION: 5}


def test_two_creators_of_one_name_one_wins(database: Database):
    """Of any number who create the same name exactly one succeeds, and the count is one."""
    together = threading.Barrier(6)

    def create(_: int) -> FaultKind | None:
        together.wait()
        try:
            database.write(lambda s: identities.insert(s, identity("example.com")))
        except Fault as fault:
            return fault.kind
        return None

    with ThreadPoolExecutor(6) as pool:
        assert Counter(pool.map(create, range(6))) == {None: 1, FaultKind.ALREADY_EXISTS: 5}
    assert database.read(lambda s: identities.count(s, ACCOUNT, REGION)) == 1


def test_a_value_is_put_once(database: Database):
    """Of many who put a value once, all learn the one that stands."""
    with ThreadPoolExecutor(4) as pool:
        seen = set(
            pool.map(lambda n: database.write(lambda s: meta.put_once(s, "fingerprint", str(n))), range(8))
        )
    assert seen == {get(database, "fingerprint")}


def test_a_closed_database_says_so(database: Database):
    """After `close` every call is refused; closing again is no matter."""
    database.write(put("a"))
    database.close()
    database.close()
    for call in (
        lambda: database.read(lambda s: meta.get(s, "a")),
        lambda: database.write(put("b")),
        lambda: asyncio.run(database.reading(lambda s: meta.get(s, "a"))),
        lambda: asyncio.run(database.writing(put("b"))),
    ):
        with pytest.raises(Fault) as caught:
            call()
        assert caught.value.kind is FaultKind.UNAVAILABLE


def _other_process(url: str, name: str, count: int) -> None:
    database = open_database(url)
    for number in range(count):
        database.write(put(f"{name}{number}"))
        assert get(database, f"{name}{number}") == "there"
    database.close()


def test_several_processes_share_a_database(url: str, database: Database):
    """A command beside a server: each writes while the other does, and nothing is lost."""
    spawn = multiprocessing.get_context("spawn")
    others = [spawn.Process(target=_other_process, args=(url, name, 60)) for name in ("x", "y")]
    for other in others:
        other.start()
    mine = 0
    while any(other.is_alive() for other in others):
        database.write(put(f"mine{mine}"))
        mine += 1
    for other in others:
        other.join()
        assert other.exitcode == 0
    keys = [f"mine{number}" for number in range(mine)] + [f"{n}{i}" for n in "xy" for i in range(60)]
    assert all(get(database, key) for key in keys)


def test_writes_that_wait_share_a_commit(sqlite_url: str):
    """Whatever queued while the writer was busy is one transaction: the last sees all, no reader sees any."""
    database = open_database(sqlite_url)
    begun, release = threading.Event(), threading.Event()
    keys = [f"key{number}" for number in range(30)]

    def slow(s):
        begun.set()
        release.wait()

    def last(s):
        return [meta.get(s, key) for key in keys], [get(database, key) for key in keys]

    def queue(work, length: int):
        waiting = pool.submit(database.write, work)
        while database._writer._queue.qsize() < length:  # in line: what the test is about
            time.sleep(0.0001)
        return waiting

    with ThreadPoolExecutor(40) as pool:
        first = pool.submit(database.write, slow)
        begun.wait()
        rest = [queue(put(key), length) for length, key in enumerate(keys, 1)]
        looking = queue(last, len(keys) + 1)
        release.set()
        assert looking.result() == (["there"] * 30, [None] * 30)
        for each in (first, *rest):
            each.result()
    assert [get(database, key) for key in keys] == ["there"] * 30
    database.close()


def test_a_unit_of_work_cannot_wait_for_another(sqlite_url: str):
    """A write within a write would wait for itself: it is refused instead."""
    database = open_database(sqlite_url)
    with pytest.raises(RuntimeError):
        database.write(lambda _: database.write(put("a")))
    database.close()


def test_a_thread_that_ends_closes_its_connection(sqlite_url: str):
    """Reading threads come and go without leaving files open."""
    database = open_database(sqlite_url)
    for _ in range(5):
        thread = threading.Thread(target=get, args=(database, "a"))
        thread.start()
        thread.join()
    assert len(database._readers) == 0
    database.close()


def test_the_file_is_the_owners_alone(tmp_path: Path):
    """The database file is made with mode 0600, and so is its log."""
    path = tmp_path / "indicia.db"
    schema.migrate(f"sqlite:///{path}")
    database = open_database(f"sqlite:///{path}")
    database.write(put("a"))
    assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == {0o600}
    database.close()


def test_the_file_is_durable_at_every_commit(sqlite_url: str):
    """Write-ahead log and full synchronisation, on the connection that writes."""
    database = open_database(sqlite_url)
    run = lambda s, pragma: s._cursor.execute(f"PRAGMA {pragma}").fetchone()[0]  # noqa: E731
    assert database.write(lambda s: (run(s, "journal_mode"), run(s, "synchronous"))) == ("wal", 2)
    assert database.write(lambda s: run(s, "foreign_keys")) == 1
    database.close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path):
    """The fault says which file, and nothing happens to it."""
    path = tmp_path / "indicia.db"
    path.write_text("this is not a database, and is long enough to look like none" * 20)
    with pytest.raises(Fault, match=r"indicia\.db cannot be opened") as caught:
        open_database(f"sqlite:///{path}")
    assert caught.value.kind is FaultKind.UNAVAILABLE
    with pytest.raises(Fault, match="No such file or directory"):
        open_database(f"sqlite:///{tmp_path}/absent/indicia.db")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "mysql://x/y", ""])
def test_other_urls_are_refused(url: str):
    """What is neither a SQLite file nor PostgreSQL is a mistake in the settings."""
    with pytest.raises(ValueError, match="sqlite"):
        open_database(url)


def test_a_url_that_does_not_parse_is_not_quoted():
    """A PostgreSQL URL may hold a password: no message repeats it."""
    with pytest.raises(ValueError, match="does not parse") as caught:
        open_database("postgresql://user:hunter2@host:port:x/db?nonsense=hunter2")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_server_that_does_not_answer_is_unavailable():
    """Nobody listens: the fault says that the database does not answer, without the password."""
    with pytest.raises(Fault) as caught:
        open_database("postgresql://user:hunter2@127.0.0.1:1/db")
    assert caught.value.kind is FaultKind.UNAVAILABLE
    assert caught.value.message == "The database does not answer: connection refused."


@pytest.mark.parametrize(
    ("user", "name", "reason"),
    [("nobody", None, "it has no such user"), (None, "nowhere", "it has no such database")],
)
def test_a_server_that_lets_nobody_in_says_why(
    postgres_url: str, user: str | None, name: str | None, reason: str
):
    """A wrong user and a wrong database are told apart, and from a server that is away."""
    url = urlsplit(postgres_url)
    host = f"{user}@" if user else url.netloc
    path = f"/{name}" if name else url.path
    with pytest.raises(Fault) as caught:
        open_database(urlunsplit((url.scheme, host, path, url.query, "")))
    assert caught.value.message == f"The database does not answer: {reason}."


def test_connections_that_died_are_replaced(postgres_server: PostgresServer, postgres_url: str):
    """After a restart of the server the next calls succeed: the work was not done, so it is done again."""
    database = open_database(postgres_url)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: database.write(put(f"key{n}")), range(24)))
    name = postgres_url.partition("?")[0].rpartition("/")[2]
    for _ in range(3):
        postgres_server.disconnect(name)
        assert get(database, "key1") == "there"
        postgres_server.disconnect(name)
        database.write(put("after"))
    database.close()


def test_a_lost_race_is_run_again(postgres_url: str):
    """Two that lock each other up both succeed: one is rolled back and run again."""
    database = open_database(postgres_url)
    for key in "ab":
        database.write(put(key, "0"))
    together = threading.Barrier(2)
    won = threading.Event()
    runs: list[str] = []

    def work(order: str):
        def unit(s):
            runs.append(order)
            if len(runs) > 2:
                won.wait()  # else it could meet the winner once more before that has committed
            meta.put(s, order[0], order)
            if len(runs) <= 2:
                together.wait()
            meta.put(s, order[1], order)

        database.write(unit)
        won.set()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, ["ab", "ba"]))
    assert len(runs) == 3
    assert get(database, "a") == get(database, "b") == runs[-1]
    database.close()
