"""A queue with everything that a queue of the house can have, in a table of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from schemas import connect, dialect
from sqlalchemy.dialects import sqlite

from indicia.store.engine.database import Database
from indicia.store.engine.prepared import Prepared, dialect_of
from indicia.store.engine.queue import DueQueue, Lease, LeasedQueue
from indicia.store.engine.session import Session
from indicia.store.engine.sharding import ALL_SHARDS, ShardedHead

_BIG = sa.BigInteger().with_variant(sqlite.INTEGER(), "sqlite")
ERRAND = sa.Table(
    "errand",
    sa.MetaData(),
    sa.Column("number", _BIG, primary_key=True, autoincrement=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("shard", _BIG, nullable=False),
    sa.Column("due_at", _BIG),
    sa.Column("attempts", _BIG, nullable=False),
    sa.Column("lease_until", _BIG),
    sa.Column("lease_owner", sa.Text),
    sa.Column("last_error", sa.Text),
    sa.Column("done_at", _BIG),
)
_INDICES = (
    sa.Index("ix_errand_shard", ERRAND.c.shard, ERRAND.c.due_at),
    sa.Index("ix_errand_account", ERRAND.c.account, ERRAND.c.due_at),
)
_e = ERRAND.c

LEASED = LeasedQueue(ERRAND, key="number")
DUE_AGAIN = LeasedQueue(ERRAND, key="number", due_again=True, taken={"last_error": "taken"})
PLAIN = DueQueue(ERRAND, key="number")

_ADD = Prepared(sa.insert(ERRAND))
_ALL = Prepared(
    sa.select(_e.number, _e.due_at, _e.attempts, _e.lease_owner, _e.last_error, _e.done_at).order_by(
        _e.number
    )
)
_EMPTY = Prepared(sa.delete(ERRAND))
_HEAD = {
    queue: Prepared(queue.head(_e.due_at, _e.number).order_by(_e.number))
    for queue in (LEASED, DUE_AGAIN, PLAIN)
}
_OF_ACCOUNT = Prepared(
    LEASED.head(_e.number, where=(_e.account == sa.bindparam("account"),)).order_by(_e.number)
)
_ACCOUNTS = Prepared(LEASED.each_ready(_e.account, "accounts"))
_OF_SHARDS = ShardedHead(LEASED.head(_e.due_at, _e.number), _e.shard)
_DONE = LEASED.settled(done_at=sa.bindparam("at"), last_error=None)
_FAILED = LEASED.failed()
_GIVEN_BACK = LEASED.given_back()


@dataclass(frozen=True, slots=True)
class Errand:
    """A row as it stands."""

    number: int
    due_at: int | None
    attempts: int
    owner: str | None
    error: str | None
    done_at: int | None


def create(url: str) -> None:
    """Put the table into a database."""
    connection = connect(url)
    known = dialect_of(dialect(url))
    cursor = connection.cursor()
    for made in (sa.schema.CreateTable(ERRAND), *map(sa.schema.CreateIndex, _INDICES)):
        cursor.execute(str(made.compile(dialect=known)))
    connection.commit()
    connection.close()


def lease(owner: str = "one", now: int = 1_000, *, real_now: int | None = None, span: int = 100) -> Lease:
    """A lease from now on; both clocks show the same unless said otherwise."""
    real = now if real_now is None else real_now
    return Lease(owner, now, real, real + span)


def add(
    database: Database, *numbers: int, due_at: int | None = 500, account: str = "a", shard: int = 0
) -> None:
    """Let errands with these numbers wait."""
    rows = [
        {
            "number": number, "account": account, "shard": shard, "due_at": due_at, "attempts": 0,
            "lease_until": None, "lease_owner": None, "last_error": None, "done_at": None,
        }
        for number in numbers
    ]  # fmt: skip
    database.write(lambda s: s.many(_ADD, rows))


def empty(database: Database) -> None:
    """Let there be no errands."""
    database.write(lambda s: s.run(_EMPTY))


def all_of(database: Database) -> list[Errand]:
    """Every row."""
    return [Errand(*row) for row in database.read(lambda s: s.all(_ALL))]


def of(database: Database, number: int) -> Errand:
    """One row."""
    return next(each for each in all_of(database) if each.number == number)


def head(s: Session, queue: DueQueue, lease: Lease, limit: int = 100) -> list[int]:
    """Whatever is first in the queue, held by the transaction."""
    found = s.all(_HEAD[queue], now=lease.now, real_now=lease.real_now, limit=limit)
    return [row[1] for row in found]


def take(database: Database, lease: Lease, limit: int = 100, queue: LeasedQueue = LEASED) -> list[int]:
    """Take whatever is first in the queue."""

    def work(s: Session) -> list[int]:
        found = head(s, queue, lease, limit)
        queue.lease(s, found, lease)
        return found

    return database.write(work)


def take_of_account(s: Session, account: str, lease: Lease, limit: int) -> list[int]:
    """Take what is first of an account."""
    given = {"now": lease.now, "real_now": lease.real_now, "limit": limit}
    found = [row[0] for row in s.all(_OF_ACCOUNT, account=account, **given)]
    LEASED.lease(s, found, lease)
    return found


def take_of_shards(s: Session, lease: Lease, limit: int, shards: Sequence[int] = ALL_SHARDS) -> list[int]:
    """Take what is first in some shards."""
    rows = _OF_SHARDS.head(s, shards, limit, now=lease.now, real_now=lease.real_now)
    found = [row[1] for row in rows]
    LEASED.lease(s, found, lease)
    return found


def accounts(s: Session, lease: Lease) -> list[str]:
    """For whom there is something to take, the longest waiting first."""
    return [row[0] for row in s.all(_ACCOUNTS, now=lease.now, real_now=lease.real_now, limit=100)]


def done(database: Database, number: int, owner: str = "one", at: int = 0) -> bool:
    """Note the end."""
    return database.write(lambda s: s.run(_DONE, of_id=number, owner=owner, at=at)) == 1


def failed(database: Database, number: int, due_at: int | None, owner: str = "one") -> bool:
    """Note that it failed, and when it is tried again."""
    given = {"of_id": number, "owner": owner, "due_at": due_at, "error": "no"}
    return database.write(lambda s: s.run(_FAILED, **given)) == 1


def given_back(database: Database, number: int, due_at: int, owner: str = "one") -> bool:
    """Give it back, to come again then."""
    given = {"of_id": number, "owner": owner, "due_at": due_at}
    return database.write(lambda s: s.run(_GIVEN_BACK, **given)) == 1
