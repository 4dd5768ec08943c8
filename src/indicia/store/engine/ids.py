"""Identifiers of rows: 63 bits, growing with time, made here rather than by a sequence.

Made by us they are known before the row is written, the same on both databases, and need no round trip.
43 bits of milliseconds last until 2248; 20 random bits keep two processes in one millisecond apart. They need
not be hard to guess: an identifier opens nothing.
"""

from __future__ import annotations

import threading
import time
from random import getrandbits

_RANDOM_BITS = 20
_lock = threading.Lock()
_last = 0


def new_id() -> int:
    """Return an identifier larger than every one this process made before.

    The real clock, not the movable one: an identifier orders rows and says nothing about when.
    """
    global _last  # noqa: PLW0603 - the order within a process is the point of it
    candidate = (time.time_ns() // 1_000_000) << _RANDOM_BITS | getrandbits(_RANDOM_BITS)
    with _lock:
        _last = candidate if candidate > _last else _last + 1
        return _last


def first_at(instant: int) -> int:
    """Return the least identifier of those made at this instant of real time, or after it."""
    return instant << _RANDOM_BITS
