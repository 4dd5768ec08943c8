"""Response rate limiting: nobody is flooded with our answers by somebody who writes their address.

One token bucket a client network, /24 or /56. Beyond it every second question is answered with nothing but
the truncation flag, which sends a true client to TCP, where addresses cannot be forged; the others are not
answered. The buckets are a fixed table: networks that fall on the same one share it, and an attacker with
many addresses cannot make it grow.
"""

from __future__ import annotations

import socket
from array import array
from enum import Enum
from typing import Final

_BUCKETS: Final = 1 << 16
_BURST: Final = 2  # seconds' worth


class RateVerdict(Enum):
    """What becomes of a question."""

    ANSWER = "answer"
    SLIP = "slip"  # answered truncated
    DROP = "drop"


class RateLimit:
    """So many answers a second to one network."""

    def __init__(self, rate: int) -> None:
        self._rate = float(rate)
        self._full = float(rate * _BURST)
        self._levels = array("d", [self._full]) * _BUCKETS
        self._times = array("d", [0.0]) * _BUCKETS
        self._slip = False

    def verdict(self, address: str, now: float) -> RateVerdict:
        """Return what becomes of a question from an address, and count it."""
        at = hash(_network(address)) % _BUCKETS
        level = min(self._full, self._levels[at] + (now - self._times[at]) * self._rate)
        self._times[at] = now
        if level >= 1.0:
            self._levels[at] = level - 1.0
            return RateVerdict.ANSWER
        self._levels[at] = level
        self._slip = not self._slip
        return RateVerdict.SLIP if self._slip else RateVerdict.DROP


def _network(address: str) -> str | bytes:
    """Return what stands for the client's network: /24 of IPv4, /56 of IPv6."""
    if ":" not in address:
        return address[: address.rfind(".")]
    return socket.inet_pton(socket.AF_INET6, address.partition("%")[0])[:7]
