"""Hints that there is something new to do, and how a call that writes keeps them until it is durable."""

from __future__ import annotations

from typing import Protocol


class Hints(Protocol):
    """Who may be told that there is something new to do. Whoever misses a hint looks by itself.

    During a writing call these are remembered, and passed on only when what was written is durable.
    """

    def engine(self) -> None:
        """An identity became due."""

    def outbox(self) -> None:
        """A mail or an event waits to be delivered."""

    def pool(self) -> None:
        """A key was taken from the pool."""


class RememberedHints:
    """The hints of one writing call, until it is known whether it succeeded."""

    __slots__ = ("_wanted",)

    def __init__(self) -> None:
        self._wanted: set[str] = set()

    def engine(self) -> None:
        """Remember that an identity became due."""
        self._wanted.add("engine")

    def outbox(self) -> None:
        """Remember that a mail waits."""
        self._wanted.add("outbox")

    def pool(self) -> None:
        """Remember that a key was taken."""
        self._wanted.add("pool")

    def pass_on(self, hints: Hints) -> None:
        """Tell everyone who was to be told, each once."""
        if "engine" in self._wanted:
            hints.engine()
        if "outbox" in self._wanted:
            hints.outbox()
        if "pool" in self._wanted:
            hints.pool()
