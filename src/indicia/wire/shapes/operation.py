"""What is known of an operation from its service model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from msgspec import Struct


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One operation of one service, at one route.

    `path` holds labels in braces. `labels` and `query` map names on the wire to members of `request`; all
    other members travel in the body. `response` is None when the operation answers nothing at all.
    """

    service: str
    name: str
    request: type[Struct]
    response: type[Struct] | None
    errors: tuple[str, ...] = ()
    method: str = "POST"
    path: str = "/"
    labels: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()

    def at(self, method: str, path: str, *query: str) -> Operation:
        """The same operation at another route, with the members named in `query` in the query string."""
        return replace(self, method=method, path=path, query=tuple((name, name) for name in query))


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """A modelled error: its code on the wire, its HTTP status, its members besides the message."""

    code: str
    status: int
    members: tuple[str, ...] = ()
