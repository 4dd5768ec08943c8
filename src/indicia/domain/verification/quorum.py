"""How many perspectives must agree, and what they say together."""

from __future__ import annotations

from collections.abc import Sequence

from indicia.domain.proofs.transitions import Sight


def default_quorum(perspectives: int) -> int:
    """Return how many must agree: all of one or two, all but one from three up.

    After CA/Browser Forum Baseline Requirements 3.2.2.9, for fewer perspectives than it asks for.
    """
    return perspectives if perspectives <= 2 else perspectives - 1


def combine(sights: Sequence[Sight], quorum: int) -> Sight:
    """Return what the perspectives saw together: what the quorum agrees on, else UNKNOWN.

    One wrong resolver neither verifies nor demotes: presence and absence both need the quorum.
    """
    for sight in (Sight.PRESENT, Sight.ABSENT):
        if sights.count(sight) >= quorum:
            return sight
    return Sight.UNKNOWN


def all_of(sights: Sequence[Sight]) -> Sight:
    """Return what several required records amount to: present only together, absent as soon as one is."""
    if Sight.ABSENT in sights:
        return Sight.ABSENT
    if not sights or Sight.UNKNOWN in sights:
        return Sight.UNKNOWN
    return Sight.PRESENT
