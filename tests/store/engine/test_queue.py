"""The queues in the database: everything due is taken once, in order, by whoever comes, and is never lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import errands
import psycopg
import pytest
from errands import DUE_AGAIN, LEASED, PLAIN, lease
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indicia.domain.delivery import Flow, admit
from indicia.domain.fairness import Shares
from indicia.domain.retry import Backoff
from indicia.store.engine.database import Database
from indicia.store.engine.opening import open_database
from indicia.store.engine.session import Session
from indicia.store.engine.sharding import ALL_SHARDS, SHARDS, range_of


@pytest.fixture
def queue(url: str, database: Database) -> Database:
    """A database with the table of errands."""
    errands.create(url)
    return database


@pytest.fixture
def on_postgres(postgres_url: str) -> Iterator[Database]:
    """One on PostgreSQL, where transactions run side by side."""
    errands.create(postgres_url)
    opened = open_database(postgres_url)
    yield opened
    opened.close()


def test_the_longest_waiting_comes_first(queue: Database) -> None:
    """By due time, then by key; what is not due yet or never stays where it is."""
    errands.add(queue, 7, 3, due_at=900)
    errands.add(queue, 5, due_at=400)
    errands.add(queue, 1, due_at=1_001)
    errands.add(queue, 2, due_at=None)

    assert errands.take(queue, lease(), limit=2) == [5, 3]
    assert errands.take(queue, lease()) == [7]
    assert errands.take(queue, lease()) == []
    assert errands.take(queue, lease(now=1_001, real_now=1_000)) == [1]


def test_nobody_takes_what_another_has(queue: Database) -> None:
    """Until the lease ends; then it is somebody else's, and what the first says of it counts for nothing."""
    errands.add(queue, 1, 2)
    assert errands.take(queue, lease("one"), limit=1) == [1]
    assert errands.take(queue, lease("two", 1_099)) == [2]

    assert errands.take(queue, lease("two", 1_100)) == [1]
    assert not errands.done(queue, 1, "one")
    assert not errands.failed(queue, 1, 5_000, "one")
    assert not errands.given_back(queue, 1, 5_000, "one")
    assert errands.done(queue, 1, "two", at=1_120)
    assert errands.of(queue, 1) == errands.Errand(1, None, 0, None, None, 1_120)
    assert errands.take(queue, lease(now=10**9)) == [2]


def test_a_moved_clock_ends_no_lease(queue: Database) -> None:
    """What is due the clock decides; leases keep real time."""
    errands.add(queue, 1)
    assert errands.take(queue, lease("one")) == [1]

    assert errands.take(queue, lease("two", now=10**9, real_now=1_099)) == []
    assert errands.take(queue, lease("two", now=10**9, real_now=1_100)) == [1]


def test_four_who_take_at_once_take_everything_once(queue: Database) -> None:
    """In small bites, from the same head: nothing twice, nothing missed."""
    errands.add(queue, *range(300))
    together = threading.Barrier(4)

    def work(owner: str) -> list[int]:
        mine: list[int] = []
        together.wait()
        while queue.read(lambda s: LEASED.earliest_due(s, real_now=1_000)) is not None:
            mine += errands.take(queue, lease(owner), limit=17)
        return mine

    with ThreadPoolExecutor(4) as pool:
        taken = [number for mine in pool.map(work, "abcd") for number in mine]

    assert sorted(taken) == list(range(300))


def test_a_failure_comes_again_later_and_later(queue: Database) -> None:
    """Attempts are counted, and what waits for the next one keeps nobody else waiting."""
    errands.add(queue, 1)
    backoff, now = Backoff(100, 250), 1_000
    for attempts, wait in enumerate((100, 200, 250, 250), start=1):
        assert errands.take(queue, lease(now=now)) == [1]
        assert errands.failed(queue, 1, now + backoff.after(attempts))
        assert errands.of(queue, 1) == errands.Errand(1, now + wait, attempts, None, "no", None)
        assert errands.take(queue, lease(now=now + wait - 1)) == []
        now += wait


def test_what_is_given_up_is_a_dead_letter(queue: Database) -> None:
    """It stays, with its attempts and what was wrong, and is never taken or waited for any more."""
    errands.add(queue, 1)
    assert errands.take(queue, lease()) == [1]
    assert queue.read(lambda s: LEASED.anything_due(s, 1_000))

    assert errands.failed(queue, 1, None)

    assert errands.of(queue, 1) == errands.Errand(1, None, 1, None, "no", None)
    assert errands.take(queue, lease(now=10**9)) == []
    assert not queue.read(lambda s: LEASED.anything_due(s, 10**9))
    assert queue.read(lambda s: LEASED.next_due(s, 0)) is None


def test_what_is_given_back_was_no_attempt(queue: Database) -> None:
    """It comes again when it was said to, with nothing counted."""
    errands.add(queue, 1)
    assert errands.take(queue, lease()) == [1]

    assert errands.given_back(queue, 1, 1_050)

    assert errands.take(queue, lease(now=1_049)) == []
    assert errands.take(queue, lease("two", 1_050)) == [1]
    assert errands.of(queue, 1).attempts == 0


def test_it_is_known_when_the_next_is_due(queue: Database) -> None:
    """The first after an instant, the first that nobody has, and whether anything is due at all."""
    errands.add(queue, 1, due_at=700)
    errands.add(queue, 2, due_at=900)
    assert queue.read(lambda s: LEASED.next_due(s, 699)) == 700
    assert queue.read(lambda s: LEASED.next_due(s, 700)) == 900
    assert queue.read(lambda s: LEASED.next_due(s, 900)) is None
    assert not queue.read(lambda s: LEASED.anything_due(s, 699))
    assert errands.take(queue, lease(), limit=1) == [1]

    assert queue.read(lambda s: LEASED.earliest_due(s, real_now=1_000)) == 900
    assert queue.read(lambda s: LEASED.earliest_due(s, real_now=1_100)) == 700
    assert queue.read(lambda s: LEASED.anything_due(s, 700))


def test_leases_are_taken_back_by_the_names_of_owners(queue: Database) -> None:
    """Those that begin so, or all: what the dead had is free at once."""
    errands.add(queue, 1, 2, 3)
    for owner in ("a-1", "a-2", "b-1"):
        errands.take(queue, lease(owner), limit=1)

    assert queue.write(lambda s: LEASED.void(s, 1_000, "a-")) == 2
    assert errands.take(queue, lease("heir")) == [1, 2]
    assert queue.write(LEASED.void) == 3
    assert errands.take(queue, lease("heir")) == [1, 2, 3]


def test_what_is_taken_can_be_due_again_when_the_lease_ends(queue: Database) -> None:
    """Its due time is out of the way until then, however the clock runs; taken back, it is due at once."""
    errands.add(queue, 1, due_at=600)

    assert errands.take(queue, lease(now=9_000, real_now=50, span=30), queue=DUE_AGAIN) == [1]
    assert (errands.of(queue, 1).due_at, errands.of(queue, 1).error) == (9_030, "taken")
    assert errands.take(queue, lease("two", 9_030, real_now=79), queue=DUE_AGAIN) == []
    assert errands.take(queue, lease("two", 9_030, real_now=80), queue=DUE_AGAIN) == [1]

    assert queue.write(lambda s: DUE_AGAIN.void(s, 9_031)) == 1
    assert errands.of(queue, 1).due_at == 9_031


def test_what_is_put_off_is_whose_put_it_off(queue: Database) -> None:
    """Work without leases is due again at that time; there is nobody else before it."""
    errands.add(queue, 1, 2)

    def take(s: Session) -> list[int]:
        found = errands.head(s, PLAIN, lease(), limit=1)
        PLAIN.put_off(s, found, 1_500)
        return found

    assert [queue.write(take), queue.write(take), queue.write(take)] == [[1], [2], []]
    assert errands.take(queue, lease(now=1_499)) == []
    assert errands.of(queue, 1).due_at == errands.of(queue, 2).due_at == 1_500


def test_an_account_with_a_crowd_keeps_nobody_waiting(queue: Database) -> None:
    """Accounts come by their first; of what is taken at once none has more than its share."""
    errands.add(queue, *range(200), account="crowd", due_at=100)
    errands.add(queue, 900, 901, account="other", due_at=300)
    errands.add(queue, 950, account="third", due_at=200)
    errands.add(queue, 960, account="later", due_at=2_000)
    held = lease()

    found = queue.read(lambda s: errands.accounts(s, held))
    portions = admit([Flow((account,), (8,)) for account in found], Shares(8, (2,)))
    taken = {
        each.flow.receiver: queue.write(
            lambda s, each=each: errands.take_of_account(s, each.flow.receiver, held, each.items)
        )
        for each in portions
    }

    assert found == ["crowd", "third", "other"]
    assert taken["other"] == [900, 901]
    assert taken["third"] == [950]
    assert taken["crowd"] == list(range(len(taken["crowd"])))
    assert 1 < len(taken["crowd"]) <= 4


def test_an_account_of_which_all_is_taken_has_nothing_due(queue: Database) -> None:
    """It is found again when a lease ends."""
    errands.add(queue, 1, account="a")
    errands.add(queue, 2, account="b", due_at=600)
    assert queue.write(lambda s: errands.take_of_account(s, "a", lease(), 5)) == [1]

    assert queue.read(lambda s: errands.accounts(s, lease("two"))) == ["b"]
    assert queue.read(lambda s: errands.accounts(s, lease("two", 1_100))) == ["a", "b"]


def test_the_head_of_a_range_is_in_order_across_its_shards(queue: Database) -> None:
    """The longest waiting first, though one shard has nearly all of them, and nothing of other shards."""
    for number in range(30):
        errands.add(queue, number, shard=5, due_at=500 - number)
    errands.add(queue, 100, shard=20, due_at=480)
    errands.add(queue, 200, shard=40, due_at=1)

    take = errands.take_of_shards
    assert queue.write(lambda s: take(s, lease(), 10, range_of(0, 2))) == [*range(29, 19, -1)]
    assert queue.write(lambda s: take(s, lease(), 100, range_of(0, 2)))[:2] == [100, 19]
    assert queue.write(lambda s: take(s, lease(), 100, range_of(1, 2))) == [200]
    assert queue.write(lambda s: take(s, lease(), 100, ())) == []
    assert queue.write(lambda s: take(s, lease(), 100, ALL_SHARDS)) == []


Work = Callable[[Session], list[int]]


def while_held(
    database: Database,
    url: str,
    first: Callable[[Session], list[int]],
    second: Callable[[Session], list[int]],
) -> tuple[list[int], list[int]]:
    """What both take, the second while the transaction of the first is open; it waits for no lock."""
    begun, may_end = threading.Event(), threading.Event()

    def hold(s: Session) -> list[int]:
        found = first(s)
        begun.set()
        may_end.wait()
        return found

    with ThreadPoolExecutor(2) as pool, psycopg.connect(url, autocommit=True) as observer:
        holding = pool.submit(database.write, hold)
        begun.wait()
        taking = pool.submit(database.write, second)
        try:
            while not taking.done():
                waiting = observer.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
                assert waiting == (0,), "whoever takes waits for nobody"
        finally:
            may_end.set()
        return holding.result(), taking.result()


def test_two_ranges_do_not_meet(on_postgres: Database, postgres_url: str) -> None:
    """Each of two transactions takes the very first of its range, and waits for nobody."""
    for number in range(40):
        errands.add(on_postgres, number, shard=number % SHARDS, due_at=100 + number)

    low, high = while_held(
        on_postgres,
        postgres_url,
        lambda s: errands.take_of_shards(s, lease("low"), 10, range_of(0, 2)),
        lambda s: errands.take_of_shards(s, lease("high"), 10, range_of(1, 2)),
    )

    assert (low, high) == (list(range(10)), list(range(32, 40)))


def test_two_at_one_head_step_over_each_other(on_postgres: Database, postgres_url: str) -> None:
    """Of one account, or while ranges overlap: what one holds the other leaves out."""
    errands.add(on_postgres, *range(20))

    of_account = while_held(
        on_postgres,
        postgres_url,
        lambda s: errands.take_of_account(s, "a", lease("one"), 5),
        lambda s: errands.take_of_account(s, "a", lease("two"), 5),
    )
    of_shards = while_held(
        on_postgres,
        postgres_url,
        lambda s: errands.take_of_shards(s, lease("one"), 5),
        lambda s: errands.take_of_shards(s, lease("two"), 5),
    )

    assert of_account == ([0, 1, 2, 3, 4], [5, 6, 7, 8, 9])
    assert sorted([*of_shards[0], *of_shards[1]]) == list(range(10, 20))


@dataclass
class Row:
    """What a row should be."""

    due_at: int | None
    attempts: int = 0
    owner: str | None = None
    until: int = 0
    done: bool = False


class Model:
    """What the queue should do, written plainly."""

    def __init__(self) -> None:
        self.now = self.real = 1_000
        self.rows: dict[int, Row] = {}

    def ready(self) -> list[int]:
        """What may be taken now, in order."""
        found = [
            (row.due_at, number)
            for number, row in self.rows.items()
            if row.due_at is not None
            and row.due_at <= self.now
            and (row.owner is None or row.until <= self.real)
        ]
        return [number for _, number in sorted(found)]

    def end(self, number: int, owner: str, due_at: int | None, *, attempt: bool, done: bool) -> bool:
        """Whether the owner has it, which then ends so."""
        row = self.rows.get(number)
        if row is None or row.owner != owner:
            return False
        row.due_at, row.owner, row.done = due_at, None, done
        row.attempts += attempt
        return True


OWNERS = st.sampled_from(["a", "b"])
NUMBERS = st.integers(0, 7)
STEPS = st.one_of(
    st.tuples(st.just("add"), st.integers(-50, 50)),
    st.tuples(st.just("take"), OWNERS, st.integers(1, 4), st.integers(1, 60)),
    st.tuples(st.just("done"), NUMBERS, OWNERS),
    st.tuples(st.just("failed"), NUMBERS, OWNERS, st.one_of(st.none(), st.integers(0, 60))),
    st.tuples(st.just("given_back"), NUMBERS, OWNERS, st.integers(0, 60)),
    st.tuples(st.just("clock"), st.integers(1, 80)),
    st.tuples(st.just("time"), st.integers(1, 80)),
    st.tuples(st.just("void"), OWNERS),
)


def follow(database: Database, model: Model, step: tuple[object, ...]) -> None:
    """Take one step on both sides: what comes of it is the same."""
    match step:
        case "add", int(offset):
            number = len(model.rows)
            model.rows[number] = Row(model.now + offset)
            errands.add(database, number, due_at=model.now + offset)
        case "take", str(owner), int(limit), int(span):
            expected = model.ready()[:limit]
            held = lease(owner, model.now, real_now=model.real, span=span)
            assert errands.take(database, held, limit) == expected
            for number in expected:
                model.rows[number].owner, model.rows[number].until = owner, model.real + span
        case "done", int(number), str(owner):
            expected_end = model.end(number, owner, None, attempt=False, done=True)
            assert errands.done(database, number, owner) is expected_end
        case "failed", int(number), str(owner), wait:
            due_at = model.now + wait if isinstance(wait, int) else None
            expected_end = model.end(number, owner, due_at, attempt=True, done=False)
            assert errands.failed(database, number, due_at, owner) is expected_end
        case "given_back", int(number), str(owner), int(wait):
            expected_end = model.end(number, owner, model.now + wait, attempt=False, done=False)
            assert errands.given_back(database, number, model.now + wait, owner) is expected_end
        case "clock", int(span):
            model.now += span
        case "time", int(span):  # the clock and real time pass together; whoever crashed is heard of no more
            model.now += span
            model.real += span
        case "void", str(owner):
            for row in model.rows.values():
                row.owner = None if row.owner == owner else row.owner
            database.write(lambda s: LEASED.void(s, model.now, owner))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(steps=st.lists(STEPS, min_size=5, max_size=40))
def test_whatever_happens_nothing_is_lost_or_had_twice(
    queue: Database, steps: list[tuple[object, ...]]
) -> None:
    """Over any sequence of steps, moved clocks and crashes, it does what a plain model does.

    In the end everything that is neither done nor given up is taken by whoever comes.
    """
    errands.empty(queue)
    model = Model()
    for step in steps:
        follow(queue, model, step)

    for errand in errands.all_of(queue):
        row = model.rows[errand.number]
        assert (errand.due_at, errand.attempts, errand.owner) == (row.due_at, row.attempts, row.owner)
    model.now += 1_000
    model.real += 1_000
    left = [number for number, row in model.rows.items() if row.due_at is not None]
    assert sorted(errands.take(queue, lease("heir", model.now, real_now=model.real))) == left
