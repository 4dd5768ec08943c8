"""Requests are counted per account, region and operation, and refused so that SDKs back off."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from indicia.domain.call import Call
from indicia.domain.faults import Fault, FaultKind
from indicia.domain.rates import Allowance
from indicia.operations.dispatch import entry_of
from indicia.operations.rate_limiting import Meter
from indicia.store.engine import budgets
from indicia.store.engine.database import Database

ONE_A_SECOND = Allowance(1, 1000, 10)
FIFTY_A_SECOND = Allowance(50, 1000, 100)


class Time:
    """Real time, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000_000

    def __call__(self) -> int:
        """Return the present."""
        return self.now


def _call(
    operation: str = "GetEmailIdentity", account: str = "111111111111", region: str = "us-east-1"
) -> Call:
    service = {"GetCallerIdentity": "sts", "CheckIdentity": "indicia"}.get(operation, "sesv2")
    return Call(service, operation, account, region, "arn", "key", "::1", "id", 0)


def _admitted(meter: Meter, *calls: Call) -> list[bool]:
    async def admit() -> list[bool]:
        admitted = []
        for call in calls:
            try:
                await meter.admit(call, entry_of(call))
            except Fault as fault:
                admitted.append((fault.kind, fault.message) != (FaultKind.THROTTLED, "Rate exceeded"))
            else:
                admitted.append(True)
        return admitted

    return asyncio.run(admit())


def test_each_operation_of_an_account_in_a_region_has_its_own_rate() -> None:
    """Ten at once, then one a second; other operations, accounts and regions are not touched."""
    time = Time()
    meter = Meter(operation=ONE_A_SECOND, now=time)

    assert [True] * 10 + [False] == _admitted(meter, *[_call()] * 11)
    others = [_call("ListEmailIdentities"), _call(account="2" * 12), _call(region="eu-west-1")]
    assert [True] * 3 == _admitted(meter, *others)
    time.now += 1000
    assert [True, False] == _admitted(meter, _call(), _call())


def test_the_account_has_a_rate_for_all_operations_together() -> None:
    """A hundred at once, of whatever operation."""
    meter = Meter(account=FIFTY_A_SECOND, now=Time())
    calls = [_call(operation) for operation in ("GetEmailIdentity", "ListEmailIdentities") * 51]

    assert [True] * 100 + [False] * 2 == _admitted(meter, *calls)


def test_checks_are_counted_by_themselves_and_sts_not_at_all() -> None:
    """Asking the DNS has a rate of its own; who am I is free."""
    meter = Meter(checks=Allowance(1, 60_000, 1), operation=ONE_A_SECOND, now=Time())

    assert [True, False] == _admitted(meter, _call("CheckIdentity"), _call("CheckIdentity"))
    assert all(_admitted(meter, *[_call("GetCallerIdentity")] * 50))


def test_no_limit_admits_everything() -> None:
    """A meter without allowances counts nothing."""
    assert all(_admitted(Meter(), *[_call()] * 1000))


@pytest.mark.parametrize(("allowance", "most"), [(ONE_A_SECOND, 10), (FIFTY_A_SECOND, 100)])
def test_processes_that_share_a_database_share_the_rate(
    database: Database, allowance: Allowance, most: int
) -> None:
    """Three processes together admit what one would, and do not write for every request."""
    time, leases = Time(), 0

    async def lease(key: str, wanted: Allowance, now: int, tokens: int) -> int:
        nonlocal leases
        leases += 1
        return await database.writing(
            partial(budgets.lease, key=key, allowance=wanted, now=now, wanted=tokens)
        )

    meters = [Meter(account=allowance, lease=lease, now=time) for _ in range(3)]

    async def admit_all() -> int:
        admitted = 0
        for number in range(3 * most):
            try:
                await meters[number % 3].admit(_call(), entry_of(_call()))
            except Fault:
                continue
            admitted += 1
        return admitted

    assert most == asyncio.run(admit_all())
    assert leases <= most + 3  # one more for each process, which then knows that there is nothing left
