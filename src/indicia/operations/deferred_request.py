"""A request that nobody has looked at yet: it is read when the call is known to be allowed.

Who may not do a thing learns nothing of how it is asked for, and refusals of what was asked for are on the
record as those of every other call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DeferredRequest(Generic[T]):
    """What `read` returns is the request. It may raise a `Fault`, which refuses the call."""

    read: Callable[[], T]
