"""What housekeeping forgets, by its name, at a moment that a test says."""

from __future__ import annotations

from indicia.domain.time import Instant, Span
from indicia.store.engine import forgetting
from indicia.store.engine.session import Session
from indicia.store.subjects import FORGOTTEN


def forget(s: Session, name: str, *, kept: Span, now: Instant, limit: int) -> int:
    """Forget what has that name and is older than `kept`; return how many. Both clocks are `now`."""
    declared = [each for each in FORGOTTEN if each.name == name]
    assert declared
    return sum(forgetting.remove(s, each, kept=kept, now=now, real=now, limit=limit) for each in declared)
