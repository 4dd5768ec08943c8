"""How many requests an account may make: token buckets, kept here, or leased where processes share them.

Rates keep real time (contract, the movable clock). A request that finds its bucket empty is refused with the
code on which every AWS SDK backs off and tries again (spec 7.7).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.rates import Allowance, Bucket, full, take
from indicia.operations.entry import Rate
from indicia.runtime.clock import real_now

if TYPE_CHECKING:
    from indicia.operations.call import Call
    from indicia.operations.registry import AnyEntry

SECOND: Final = 1000
MINUTE: Final = 60_000
_MOST_BUCKETS: Final = 65_536
# A process spends what it has leased within a second, and leases for a quarter of one at a time: of rates as
# low as one a second it leases each token by itself.
_SPEND_WITHIN: Final = SECOND
_LEASES_A_SECOND: Final = 4

Lease: TypeAlias = Callable[[str, Allowance, int, int], Awaitable[int]]
_REFUSAL: Final = "Rate exceeded"  # spec 7.5, control plane


@dataclass(slots=True)
class _Leased:
    """Tokens taken from the common budget and not spent yet; `dry` while the budget is known to be empty."""

    tokens: int
    until: int
    dry: bool = False


class Meter:
    """Admits calls, or refuses them.

    `account` is the allowance of all control calls of one account in one region together, `operation` that of
    each operation by itself, `checks` that of the calls that ask the DNS; None is no limit. `lease` takes
    tokens from a budget that several processes share; None keeps them here.
    """

    def __init__(
        self,
        *,
        account: Allowance | None = None,
        operation: Allowance | None = None,
        checks: Allowance | None = None,
        lease: Lease | None = None,
        now: Callable[[], int] = real_now,
    ) -> None:
        self._account = account
        self._operation = operation
        self._checks = checks
        self._lease = lease
        self._now = now
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._leased: OrderedDict[str, _Leased] = OrderedDict()
        self.idle = account is None and operation is None and checks is None

    async def admit(self, call: Call, entry: AnyEntry) -> None:
        """The call counts against the allowances of its account. Raises: `Fault` THROTTLED."""
        if self.idle or entry.rate is Rate.FREE:
            return
        who = f"{call.account}/{call.region}"
        if entry.rate is Rate.CHECK and self._checks is not None:
            await self._spend(f"check/{who}", self._checks)
        if self._operation is not None:
            await self._spend(f"{call.operation}/{who}", self._operation)
        if self._account is not None:
            await self._spend(f"all/{who}", self._account)

    async def _spend(self, key: str, allowance: Allowance) -> None:
        now = self._now()
        if self._lease is None:
            admitted = self._take_here(key, allowance, now)
        else:
            admitted = self._take_leased(key, now) or await self._lease_more(self._lease, key, allowance, now)
        if not admitted:
            raise Fault(FaultKind.THROTTLED, _REFUSAL)

    def _take_here(self, key: str, allowance: Allowance, now: int) -> bool:
        bucket = self._buckets.pop(key, None) or full(allowance, now)
        self._buckets[key], granted = take(bucket, allowance, now)
        if len(self._buckets) > _MOST_BUCKETS:
            self._buckets.popitem(last=False)  # who was not seen for the longest time begins with a full one
        return granted == 1

    def _take_leased(self, key: str, now: int) -> bool:
        held = self._leased.get(key)
        if held is None or held.until < now or held.tokens == 0:
            return False
        held.tokens -= 1
        return True

    async def _lease_more(self, lease: Lease, key: str, allowance: Allowance, now: int) -> bool:
        held = self._leased.get(key)
        if held is not None and held.dry and now < held.until:
            return False  # a flood of refused requests must not become a flood of writes
        wanted = max(1, allowance.count * SECOND // allowance.period // _LEASES_A_SECOND)
        granted = await lease(key, allowance, now, wanted)
        held = self._leased.pop(key, None)
        if granted == 0:
            self._leased[key] = _Leased(0, now + allowance.period // allowance.count, dry=True)
            return False
        # Two requests may have leased side by side: what the other one brought is kept.
        left = held.tokens if held is not None and held.until >= now else 0
        self._leased[key] = _Leased(left + granted - 1, now + _SPEND_WITHIN)
        if len(self._leased) > _MOST_BUCKETS:
            self._leased.popitem(last=False)
        return True
