"""A request as it came in over ASGI, read once: what was sent, and from where."""

from __future__ import annotations

from collections.abc import Callable
from random import getrandbits
from typing import TYPE_CHECKING, Any

from indicia.wire.aws.sigv4 import normalised_path
from indicia.wire.http.forwarded import Origin, origin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection, Iterable, MutableMapping, Sequence
    from typing import TypeAlias

    from indicia.wire.http.body_budget import Held
    from indicia.wire.http.forwarded import Network

    Scope: TypeAlias = MutableMapping[str, Any]
    Message: TypeAlias = MutableMapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[Message]]
    Send: TypeAlias = Callable[[Message], Awaitable[None]]
    Answering: TypeAlias = Callable[[int, Sequence[tuple[bytes, bytes]], bytes], Awaitable[None]]
    App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


# Stands in the ASGI scope when the server has all of the request already, so that no timer need run for it.
WHOLE = "indicia.whole"
# Names in the scope what sends a whole answer at once: a status, headers, a body.
ANSWER = "indicia.answer"


class Disconnected(Exception):
    """The client went away before its request was whole. There is nobody to answer."""


def new_request_id() -> str:
    """A fresh id in the form of a UUID of version 4. Not unguessable: it is no right to anything."""
    digits = f"{getrandbits(128):032x}"  # no system call; seeded anew in a forked process
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


class Request:
    """The head of a request. `path` is raw and normalised: what is signed is also what is routed."""

    __slots__ = (
        "address",
        "announced",
        "answering",
        "bodiless",
        "ended",
        "headers",
        "held",
        "id",
        "method",
        "path",
        "query",
        "read",
        "scheme",
        "whole",
    )

    def __init__(self, scope: Scope, request_id: str, trusted: Collection[Network]) -> None:
        sent: list[tuple[bytes, bytes]] = scope["headers"]
        headers = dict(sent)
        if len(headers) != len(sent):
            headers = joined(sent)
        self.id = request_id
        self.method: str = scope["method"]
        self.path: bytes = normalised_path(scope.get("raw_path") or scope["path"].encode())
        self.query: bytes = scope["query_string"]
        self.headers = headers
        self.read = 0
        self.ended = False  # all of the body has been read
        self.held: Held | None = None  # what of the body is held
        self.whole = WHOLE in scope
        self.answering: Answering | None = scope.get(ANSWER)
        length = headers.get(b"content-length")
        self.announced = int(length) if length is not None and length.isdigit() and len(length) < 16 else None
        self.bodiless = b"transfer-encoding" not in headers and not self.announced
        client = scope.get("client")
        peer = Origin(client[0] if client else "", scope.get("scheme", "http"))
        self.address, self.scheme = origin(peer, headers, trusted) if trusted else peer

    def unread(self) -> bool:
        """Whether more of the body may be on its way than is worth taking in only to throw it away."""
        if self.bodiless or self.ended:
            return False
        return self.announced is None or self.announced - self.read > 65_536


def joined(sent: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers by name. Several of one name are one, joined by commas (RFC 9110 §5.3)."""
    headers: dict[bytes, bytes] = {}
    for name, value in sent:
        headers[name] = headers[name] + b"," + value if name in headers else value
    return headers
