"""Bodies of requests: taken in within a size, a time and a budget, and none for nothing.

A body beyond 1 MiB is not read before its key is known, and one that is announced beyond its limit not at
all (contract, HTTP).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from indicia.connections.networks import network_of
from indicia.domain.faults import Fault, FaultKind
from indicia.wire.http.body_budget import BodyBudget, Held
from indicia.wire.http.forwarded import is_within
from indicia.wire.http.requests import Disconnected

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection
    from typing import TypeAlias

    from indicia.wire.http.forwarded import Network
    from indicia.wire.http.requests import Message, Receive, Request

    Know: TypeAlias = Callable[[], Awaitable[None]]

MIB = 1024 * 1024
# Octets that are read for anybody.
UNKNOWN_OCTETS = MIB
# Whose share a body is of that comes from where nobody has proved to hold its key lately.
STRANGERS = "strangers"
# How much of a body is looked at to tell what it deserves.
_BEGINNING = 4096


class BodyAllowance(NamedTuple):
    """How large a body may be: `most` octets, if `judge` does not say otherwise of how it begins.

    `judge` returns how many it may have, and raises what keeps the rest from being read.
    """

    most: int
    judge: Callable[[bytes], int] | None = None


class Bodies:
    """Takes in the bodies of a process's requests.

    `seconds` is how long one may take. The budget is shared by the networks that requests come from, and by
    accounts; what comes from a trusted proxy itself is of no network's share.
    """

    def __init__(self, budget: BodyBudget, seconds: float, trusted: Collection[Network] = ()) -> None:
        self._budget = budget
        self._seconds = seconds
        self._trusted = trusted

    async def read(
        self,
        request: Request,
        receive: Receive,
        allowance: BodyAllowance,
        owner: str = STRANGERS,
        know: Know | None = None,
    ) -> bytes:
        """The body, held in the budget until `request.held` is released.

        It is of the share of `owner`. `know` is awaited before more than 1 MiB is read, and raises when it is
        for nobody. Faults: TOO_LARGE, before anything is read where Content-Length tells; TOO_SLOW;
        UNAVAILABLE when the budget is used up, THROTTLED when a share of it is. Raises: Disconnected.
        """
        if request.bodiless:
            return b""
        if request.announced is not None and request.announced > allowance.most:
            raise _too_large(allowance.most)
        owners = [owner]
        if not is_within(request.address, self._trusted):
            owners.append(f"network {network_of(request.address)}")
        request.held = held = Held(self._budget, *owners)
        if request.whole:
            return await _taken(request, receive, held, allowance, know)
        try:
            async with asyncio.timeout(self._seconds):
                return await _taken(request, receive, held, allowance, know)
        except TimeoutError:
            sentence = f"The request was not received within {self._seconds:g} seconds."
            raise Fault(FaultKind.TOO_SLOW, sentence) from None


async def _taken(
    request: Request, receive: Receive, held: Held, allowance: BodyAllowance, know: Know | None
) -> bytes:
    """The body, piece by piece. What is kept of many small pieces is no more than what is in them."""
    most, judge = allowance
    body = b""
    gathered: bytearray | None = None
    while True:
        if know is not None and max(request.read + 1, request.announced or 0) > UNKNOWN_OCTETS:
            await know()
            know = None
        message = await receive()
        piece = _piece(request, message)
        held.take(len(piece))
        more = message.get("more_body", False)
        if gathered is not None:
            gathered += piece
        elif more:
            gathered = bytearray(piece)
        else:
            body = piece
        if judge is not None and (request.read >= _BEGINNING or not more):
            most, judge = judge(bytes((gathered or body)[:_BEGINNING])), None
        if max(request.read, request.announced or 0) > most:
            raise _too_large(most)
        if not more:
            return bytes(gathered) if gathered is not None else body


def _piece(request: Request, message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise Disconnected
    body: bytes = message.get("body", b"")
    request.read += len(body)
    request.ended = not message.get("more_body", False)
    return body


def _too_large(most: int) -> Fault:
    return Fault(FaultKind.TOO_LARGE, f"The request body is larger than {most} bytes.")
