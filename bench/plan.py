"""How much is measured in this run."""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of the stores, number and length of the rounds."""

    sizes: tuple[int, ...]
    rounds: int
    seconds: int

    def say(self, what: str) -> None:
        """Tell whoever waits what is going on."""
        print(f"... {what}", file=sys.stderr, flush=True)
