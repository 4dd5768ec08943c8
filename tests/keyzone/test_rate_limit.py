"""Response rate limiting."""

from __future__ import annotations

from collections import Counter

import pytest

from indicia.keyzone.rate import RateLimit, RateVerdict


def _verdicts(limit: RateLimit, address: str, count: int, now: float) -> Counter[RateVerdict]:
    return Counter(limit.verdict(address, now) for _ in range(count))


def test_burst_then_rate() -> None:
    """Two seconds' worth are answered at once, then as many a second as allowed; half of the rest slips."""
    limit = RateLimit(10)

    assert _verdicts(limit, "192.0.2.1", 40, 100.0) == {
        RateVerdict.ANSWER: 20,
        RateVerdict.SLIP: 10,
        RateVerdict.DROP: 10,
    }
    assert _verdicts(limit, "192.0.2.1", 20, 101.0)[RateVerdict.ANSWER] == 10
    assert _verdicts(limit, "192.0.2.1", 100, 1000.0)[RateVerdict.ANSWER] == 20


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ("192.0.2.1", "192.0.2.254", True),
        ("192.0.2.1", "192.0.3.1", False),
        ("2001:db8:1:100::1", "2001:db8:1:1ff:ffff::1", True),
        ("2001:db8:1:100::1", "2001:db8:1:200::1", False),
        ("fe80::1%lo", "fe80::2", True),
    ],
)
def test_networks(first: str, second: str, shared: bool) -> None:
    """Clients of one /24 or one /56 share an allowance, others do not."""
    # Networks may fall on one bucket, once in 65,536 times; then another table tells them apart or never.
    limit = RateLimit(5)
    _verdicts(limit, first, 10, 100.0)

    assert (limit.verdict(second, 100.0) is not RateVerdict.ANSWER) is shared
