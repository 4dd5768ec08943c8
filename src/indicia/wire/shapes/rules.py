"""The words in which the generated shapes are written: constraints, number types, timestamps, reticence."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, NewType, TypeAlias

from msgspec import Meta, Struct

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import Enum

    from indicia.domain.time import Instant


class Rule(NamedTuple):
    """What the service model asks of a value; stands in the annotation of a member.

    `minimum` and `maximum` bound the length of text, lists and maps, and the value of numbers. `pattern` must
    match the whole text. `one_of` is an enumeration, sorted as the vendor's messages list it.
    """

    minimum: int | None = None
    maximum: int | None = None
    pattern: str | None = None
    one_of: tuple[str, ...] | None = None


Integer: TypeAlias = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
"""A 32 bit number, `integer` in the service models."""

Long: TypeAlias = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""A 64 bit number, `long` in the service models."""

Timestamp = NewType("Timestamp", float)
"""Seconds since the epoch with a millisecond fraction: what REST-JSON carries. `timestamp` makes one."""


def timestamp(instant: Instant) -> Timestamp:
    """`instant`, which counts milliseconds, as a timestamp of the wire."""
    return Timestamp(instant / 1000)


word: Final[Callable[[Enum], str]] = attrgetter("_value_")
"""The text of a member of a closed set. `Enum.value` says the same in two calls of Python."""


class Reticent(Struct, frozen=True):
    """A shape with a member that the service model marks sensitive: its `repr` shows no value at all."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []
