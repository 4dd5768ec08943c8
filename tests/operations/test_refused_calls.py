"""Refused calls in the audit log: each of a few, and the sum of many."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from desk import Desk

from indicia.domain.faults import FaultKind
from indicia.domain.rates import Allowance
from indicia.operations.dispatch import Dispatch
from indicia.operations.rate_limiting import Meter
from indicia.operations.refused_calls import ENTRIES, MINUTE, RefusedCalls
from indicia.store.accounts import audit
from indicia.store.accounts.audit import AuditEntry


class Watch:
    """A clock of real time that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """What it says."""
        return self.now


@pytest.fixture
def watch() -> Watch:
    """What a minute is measured with."""
    return Watch()


@pytest.fixture
def refused(desk: Desk, watch: Watch) -> RefusedCalls:
    """What puts the refused calls of the desk on record."""
    made = RefusedCalls(desk.database, monotonic=watch)
    desk.dispatch = Dispatch(desk.database, desk.house, refused=made)
    return made


def ask_in_vain(desk: Desk, times: int, operation: str = "DeleteEmailIdentity", **members: Any) -> None:
    """Make a call that is refused, so often."""
    given = members or {"EmailIdentity": "nowhere.example"}
    for _ in range(times):
        desk.refused(operation, **given)


def summed(desk: Desk) -> list[tuple[str, int, str]]:
    """Operation, number and kinds of what was summed up, newest first."""
    return [(line.operation, line.calls, line.detail) for line in trail(desk) if line.outcome == "refused"]


def trail(desk: Desk) -> list[AuditEntry]:
    """The audit log of the account, newest first."""
    return desk.trail()


def test_each_of_a_few_has_its_entry(desk: Desk, refused: RefusedCalls) -> None:
    """Who, what, from where and why, as for a call that succeeds."""
    ask_in_vain(desk, 3)

    assert [(line.outcome, line.calls, line.access_key) for line in trail(desk)] == [
        ("not_found", 1, "AKIATESTTESTTESTTEST")
    ] * 3


def test_many_are_one_entry_an_operation_and_minute(desk: Desk, refused: RefusedCalls, watch: Watch) -> None:
    """However many: so many entries, and then one for each operation, with the numbers and the kinds."""
    ask_in_vain(desk, ENTRIES)
    ask_in_vain(desk, 30)
    ask_in_vain(desk, 5, "TagResource", ResourceArn="none", Tags=[])
    assert len(trail(desk)) == ENTRIES
    watch.now += MINUTE
    ask_in_vain(desk, 1)

    assert summed(desk) == [
        ("sesv2:TagResource", 5, "invalid_parameter 5"),
        ("sesv2:DeleteEmailIdentity", 30, "not_found 30"),
    ]
    assert len(trail(desk)) == ENTRIES + 3
    watch.now += MINUTE
    ask_in_vain(desk, 1)
    assert len(trail(desk)) == ENTRIES + 4


def test_what_comes_too_fast_is_on_record_too(desk: Desk, watch: Watch) -> None:
    """A call that would have changed something, beyond its rate; of one that reads nothing is."""
    one = Meter(operation=Allowance(1, 3_600_000, 1))
    desk.dispatch = Dispatch(
        desk.database, desk.house, meter=one, refused=RefusedCalls(desk.database, monotonic=watch)
    )
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    desk.refused("CreateEmailIdentity", EmailIdentity="example.net")
    desk.ask("ListIdentities")
    desk.refused("ListIdentities")

    assert [(line.outcome, line.resource.rpartition("/")[2]) for line in trail(desk)] == [
        ("throttled", "example.net"),
        ("success", "example.com"),
    ]


def test_what_one_account_is_refused_hides_nothing_of_anothers(desk: Desk, refused: RefusedCalls) -> None:
    """Each has entries of its own."""
    other = desk.beside(account="444455556666")
    ask_in_vain(desk, ENTRIES + 3)
    ask_in_vain(other, 1)

    assert [line.outcome for line in trail(other)] == ["not_found"]


def test_a_success_is_always_an_entry_of_its_own(desk: Desk, refused: RefusedCalls) -> None:
    """What has an effect is on record with it, whatever was refused before."""
    ask_in_vain(desk, ENTRIES + 3)
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")

    assert trail(desk)[0].operation == "sesv2:CreateEmailIdentity"


def test_the_end_of_the_process_loses_no_count(desk: Desk, refused: RefusedCalls) -> None:
    """What was counted is written when the service stops."""
    ask_in_vain(desk, ENTRIES + 3)
    asyncio.run(refused.close())

    assert summed(desk) == [("sesv2:DeleteEmailIdentity", 3, "not_found 3")]
    asyncio.run(refused.close())
    assert len(summed(desk)) == 1


def test_a_minute_ends_by_itself(desk: Desk) -> None:
    """Nobody has to be refused again for that: whoever looks at the log sees the last minute."""

    async def story() -> None:
        refused = RefusedCalls(desk.database)
        loop = asyncio.get_running_loop()
        began = loop.time()
        loop.time = lambda: began + passed  # type: ignore[method-assign]
        passed = 0.0
        call = desk.call("sesv2", "DeleteEmailIdentity")
        for _ in range(ENTRIES + 7):
            await refused.note(call, "*", FaultKind.NOT_FOUND.value)
        passed = MINUTE + 1
        while not await desk.database.reading(lambda s: bool(summed_in(s))):
            await asyncio.sleep(0)

    def summed_in(s: Any) -> list[AuditEntry]:
        return [line for line in audit.latest(s, desk.account, limit=100) if line.outcome == "refused"]

    asyncio.run(story())
    assert summed(desk) == [("sesv2:DeleteEmailIdentity", 7, "not_found 7")]
