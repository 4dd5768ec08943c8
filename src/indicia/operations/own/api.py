"""The calls of our own as routes: each is read, passes the dispatch, and is written as JSON or as text."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from indicia.operations.deferred_request import DeferredRequest
from indicia.operations.own.openapi import describe
from indicia.operations.own.route import OwnRoute
from indicia.operations.registry import REGISTRY, AnyEntry
from indicia.wire.own import Access, Answering, Asked, CallReply, Route

if TYPE_CHECKING:
    from indicia.domain.call import Call
    from indicia.operations.dispatch import Dispatch

# Adds to an answer what the store does not know: the call, its request, its answer.
Completes: TypeAlias = "Callable[[Call, Any, Any], Awaitable[Any]]"

_encode: Final = msgspec.json.Encoder().encode
_TEXT: Final = b"text/plain; charset=utf-8"
DESCRIPTION: Final[OwnRoute[Any, Any]] = OwnRoute(
    "GET",
    "/indicia/v1/openapi.json",
    "DescribeApi",
    msgspec.Struct,
    dict,
    "This description.",
    access=Access.OPEN,
)


def declared() -> tuple[OwnRoute[Any, Any], ...]:
    """Return every call of our own that a service answers."""
    return (*(entry.route for entry in REGISTRY.values() if entry.route is not None), DESCRIPTION)


def routes(dispatch: Dispatch, complete: Mapping[str, Completes] | None = None) -> Iterator[Route]:
    """Yield the routes of all of them. `complete` adds to the answers of some operations."""
    for entry in REGISTRY.values():
        if entry.route is not None:
            answering = _Answering(dispatch, entry, entry.route, (complete or {}).get(entry.operation))
            yield routed(entry.route, answering)
    yield routed(DESCRIPTION, _describe)


def routed(route: OwnRoute[Any, Any], answer: Answering) -> Route:
    """Return the route of a call that is answered so."""
    return Route(route.method, route.template, route.operation, answer, route.access)


@dataclass(frozen=True, slots=True)
class _Answering:
    """The answer to one operation."""

    dispatch: Dispatch
    entry: AnyEntry
    route: OwnRoute[Any, Any]
    complete: Completes | None

    async def __call__(self, call: Call, asked: Asked) -> CallReply:
        """Answer one call. Raises: `Fault`."""
        # The body of what writes is looked at when the call is known to be allowed.
        unread = bool(self.route.body) and self.entry.writes
        request = DeferredRequest(partial(self.route.read, asked)) if unread else self.route.read(asked)
        answer = await self.dispatch(call, request)
        if isinstance(answer, str):
            return CallReply(answer.encode(), self.route.status, _TEXT)
        if self.complete is not None:
            answer = await self.complete(call, request, answer)
        return CallReply(_encode(answer), self.route.status)


async def _describe(_call: Call, _asked: Asked) -> CallReply:
    return CallReply(_encode(describe(declared())))
