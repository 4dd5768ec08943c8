"""Every queue is read by its index: what a look costs does not grow with what waits or is done."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from schemas import connect, dialect

from indicia.domain.time import Instant
from indicia.store.diagnosis import recommendations
from indicia.store.dkim import key_requests, rotation
from indicia.store.engine.prepared import SQLITE, Cell
from indicia.store.engine.queue import Lease
from indicia.store.engine.session import Session
from indicia.store.events import webhook_deliveries
from indicia.store.verification import checks
from indicia.store.verification_mail import outbox

NOW: Instant = 1_000_000
LEASE = Lease("test", NOW, NOW, NOW + 1_000)


class Explaining:
    """A cursor that asks the database how it would run each statement, and runs it."""

    def __init__(self, kind: str, cursor: Any) -> None:
        self._explain = "EXPLAIN QUERY PLAN " if kind == SQLITE else "EXPLAIN "
        self._cursor = cursor
        self.plans: list[str] = []

    @property
    def rowcount(self) -> int:
        """See `session.Cursor`."""
        return int(self._cursor.rowcount)

    def execute(self, sql: str, parameters: Sequence[Cell]) -> None:
        """See `session.Cursor`."""
        self._cursor.execute(self._explain + sql, parameters)
        self.plans.append("\n".join(str(row[-1]) for row in self._cursor.fetchall()))
        self._cursor.execute(sql, parameters)

    def executemany(self, sql: str, parameters: Sequence[Sequence[Cell]]) -> None:
        """See `session.Cursor`."""
        self._cursor.executemany(sql, parameters)

    def fetchone(self) -> Any:
        """See `session.Cursor`."""
        return self._cursor.fetchone()

    def fetchall(self) -> list[Any]:
        """See `session.Cursor`."""
        return list(self._cursor.fetchall())


@pytest.fixture
def plans(url: str) -> Iterator[Callable[[Callable[[Session], object]], str]]:
    """What says how the statements of a work are run."""
    connection = connect(url)
    cursor = connection.cursor()
    if dialect(url) != SQLITE:  # the tables are empty: whether an index serves, not whether it is cheaper yet
        cursor.execute("SET enable_seqscan = off")
        cursor.execute("SET enable_bitmapscan = off")

    def explained(work: Callable[[Session], object]) -> str:
        explaining = Explaining(dialect(url), cursor)
        work(Session(dialect(url), explaining))
        return "\n".join(explaining.plans)

    yield explained
    connection.rollback()
    connection.close()


LOOKS: dict[str, tuple[Callable[[Session], object], tuple[str, ...]]] = {
    "checks: claim": (
        lambda s: checks.claim(s, now=NOW, owner="test", lease_until=NOW + 1_000, limit=100, shards=(1, 2)),
        ("ix_verification_shard_lane_due_at", "ix_verification_lane_due_at"),
    ),
    "checks: earliest": (
        lambda s: checks.earliest_due(s, NOW, (1, 2)),
        ("ix_verification_shard_lane_due_at", "ix_verification_lane_due_at"),
    ),
    "key steps: due": (lambda s: rotation.due(s, NOW, 64), ("ix_token_set_due_at",)),
    "key steps: earliest": (rotation.earliest_due, ("ix_token_set_due_at",)),
    "key requests: head": (
        lambda s: key_requests.head(s, 2048, 32),
        ("ix_key_request_bits_by_itself_place_token_set_id",),
    ),
    "advice: accounts": (
        lambda s: recommendations.accounts_due(s, NOW, 9),
        ("ix_advice_account_due_at",),
    ),
    "advice: take": (
        lambda s: recommendations.take(s, "a", NOW, NOW + 9, 9),
        ("ix_advice_account_due_at",),
    ),
    "advice: next": (lambda s: recommendations.next_due(s, NOW), ("ix_advice_due_at",)),
    "outbox: accounts": (lambda s: outbox.accounts_due(s, LEASE, 9), ("ix_outbox_account_due_at",)),
    "outbox: take": (lambda s: outbox.take(s, "a", LEASE, limit=9), ("ix_outbox_account_due_at",)),
    "outbox: next": (lambda s: outbox.next_due(s, NOW), ("ix_outbox_due_at",)),
    "outbox: anything": (lambda s: outbox.anything_due(s, NOW), ("ix_outbox_due_at",)),
    "webhooks: ready": (
        lambda s: webhook_deliveries.ready(s, LEASE, 9),
        ("ix_webhook_delivery_due",),
    ),
    "webhooks: next": (
        lambda s: webhook_deliveries.next_instant(s, NOW),
        ("ix_webhook_delivery_next",),
    ),
}
QUEUES = ("verification", "token_set", "key_request", "advice", "outbox", "webhook_delivery")


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_goes_by_the_index(
    look: str, plans: Callable[[Callable[[Session], object]], str], url: str
) -> None:
    """Of the queue that it reads it reads the head of an index, and it goes through no queue as a whole."""
    work, indices = LOOKS[look]

    plan = plans(work)

    for index in indices:
        assert re.search(rf"\b{index}\b", plan), plan
    for queue in QUEUES:
        whole = rf"^SCAN {queue}$" if dialect(url) == SQLITE else rf"Seq Scan on {queue}\b"
        assert not re.search(whole, plan, re.MULTILINE), plan
