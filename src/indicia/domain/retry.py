"""When what failed is tried again: one item by itself, and a destination that nobody gets an answer from.

An item waits longer with each failure of its own (exponential backoff). A destination that fails again and
again, whatever it is sent, is left alone as a whole, and then tried with one item: if that goes through, the
others follow (circuit breaker).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from indicia.domain.time import Instant, Span


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait, longer each time: `first`, then `growth` as long as before, `longest` at most.

    `growth` is a fraction, of whole numbers: waits are the same everywhere.
    """

    first: Span
    longest: Span
    growth: tuple[int, int] = (2, 1)

    def after(self, failures: int) -> Span:
        """Return how long to wait after so many failures in a row, of which there is at least one."""
        wait = min(self.first, self.longest)
        for _ in range(min(failures, _MOST_STEPS) - 1):
            wait = self.following(wait)
        return wait

    def following(self, wait: Span) -> Span:
        """Return how long to wait next, where this was the last wait."""
        numerator, denominator = self.growth
        return min(self.longest, max(self.first, wait * numerator // denominator))


# However many failures there are: by then every wait is the longest.
_MOST_STEPS: Final = 64


@dataclass(frozen=True, slots=True)
class Circuit:
    """How a destination has answered of late: `failures` in a row; nothing is sent before `resume_at`.

    It is closed as long as it works, open until `resume_at` once it has failed `OPENS_AFTER` times in a row,
    and half open from then on: what is tried next decides.
    """

    failures: int = 0
    resume_at: Instant | None = None

    @property
    def trusted(self) -> bool:
        """Whether as much may be sent at once as there is."""
        return self.failures < OPENS_AFTER

    def open_at(self, now: Instant) -> bool:
        """Say whether nothing is sent at this instant."""
        return self.resume_at is not None and now < self.resume_at

    def failed(self, now: Instant, backoff: Backoff) -> Circuit:
        """Return the circuit after one more failure. Of what was begun before it opened none counts."""
        if self.open_at(now):
            return self
        failures = self.failures + 1
        if failures < OPENS_AFTER:
            return Circuit(failures)
        return Circuit(failures, now + backoff.after(failures - OPENS_AFTER + 1))


OPENS_AFTER = 3
"""So many failures in a row say something of the destination, and not of what it was sent."""
CLOSED = Circuit()
