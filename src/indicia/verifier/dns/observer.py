"""What looks at the DNS: the port through which everything that judges records sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from indicia.domain.records.observation import Question, Soa
from indicia.domain.verification.check import Observations


class DnsObserver(Protocol):
    """Something that asks the DNS through every perspective."""

    async def observe(self, questions: Sequence[Question], within: float | None = None) -> Observations:
        """Return one observation a perspective for each question. Trouble is an observation, no error.

        Raises: `TimeoutError` when that takes more than `within` seconds.
        """

    async def enclosing_zone(self, name: str) -> Sequence[Soa | None]:
        """Return the SOA of the zone that holds the name, as each perspective sees it."""
