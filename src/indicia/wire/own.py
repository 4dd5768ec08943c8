"""What SES has no operation for: the routes under `/indicia/v1/`, as a table that is handed in.

A route says who may use it. Templates hold labels in braces; a label is one segment, decoded after matching.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec

from indicia.domain.faults import Fault, FaultKind
from indicia.wire.aws.faults import MethodNotAllowed
from indicia.wire.http.browsers import Guard
from indicia.wire.http.forwarded import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from indicia.domain.call import Call
    from indicia.wire.http.requests import Request

PREFIX = b"/indicia/"
_GUARD = Guard()

T = TypeVar("T")


class Access(Enum):
    """Who may use a route."""

    SIGNED = "signed"  # as every operation
    LOCAL = "local"  # unsigned, from this machine, in a way that no web page can bring a browser to
    OPEN = "open"  # anybody: a description of the API


class Asked(NamedTuple):
    """What is asked of a route. Of several query parameters of one name the last counts."""

    labels: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes

    def read(self, shape: type[T]) -> T:
        """Return the body, which is JSON of that shape. Faults: INVALID_PARAMETER saying what is wrong."""
        if not self.body.strip():
            raise Fault(
                FaultKind.INVALID_PARAMETER, "This call takes a body, a JSON object, and there is none."
            )
        try:
            return msgspec.json.decode(self.body, type=shape)
        except msgspec.DecodeError as error:
            sentence = f"The body is not what this call takes: {error}."
            raise Fault(FaultKind.INVALID_PARAMETER, sentence) from None
        except (UnicodeDecodeError, RecursionError):
            raise Fault(FaultKind.INVALID_PARAMETER, "The body is not JSON.") from None


class CallReply(NamedTuple):
    """What a route answers."""

    body: bytes
    status: int = 200
    content_type: bytes = b"application/json"


Answering: TypeAlias = "Callable[[Call, Asked], Awaitable[CallReply]]"


@dataclass(frozen=True, slots=True)
class Route:
    """One call: `operation` is its name in policies and logs, `template` its path with labels in braces."""

    method: str
    template: str
    operation: str
    answer: Answering
    access: Access = Access.SIGNED


class Routes:
    """A table of routes, matched on the raw path.

    Routes are taken from an iterator when a request matches none of those before them: what makes the later
    ones is paid for by who needs it.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._left = iter(routes)
        self._routes: list[tuple[tuple[bytes, ...], Route]] = []

    def _all(self) -> Iterator[tuple[tuple[bytes, ...], Route]]:
        yield from self._routes
        for route in self._left:
            known = (tuple(route.template.encode().split(b"/")), route)
            self._routes.append(known)
            yield known

    def match(self, method: str, path: bytes) -> tuple[Route, dict[str, str]]:
        """The route at `path` and its labels. Faults: UNKNOWN_OPERATION, METHOD_NOT_ALLOWED."""
        segments = path.split(b"/")
        allowed: list[str] = []
        for template, route in self._all():
            labels = _labels(template, segments)
            if labels is None:
                continue
            if route.method == method:
                return route, {name: _decoded(value) for name, value in labels.items()}
            allowed.append(route.method)
        if allowed:
            raise MethodNotAllowed(allowed)
        raise Fault(FaultKind.UNKNOWN_OPERATION, "Nothing answers at this path.")


def labels_of(template: str) -> list[str]:
    """Return the names of the labels of a path."""
    return [part[1:-1] for part in template.split("/") if part.startswith("{")]


def _labels(template: tuple[bytes, ...], segments: list[bytes]) -> dict[str, bytes] | None:
    if len(template) != len(segments):
        return None
    labels: dict[str, bytes] = {}
    for wanted, given in zip(template, segments, strict=True):
        if wanted.startswith(b"{") and given:
            labels[wanted[1:-1].decode()] = given
        elif wanted != given:
            return None
    return labels


def _decoded(value: bytes) -> str:
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        raise Fault(FaultKind.INVALID_PARAMETER, "The percent encoding does not hold UTF-8.") from None


def parameters(query: bytes) -> dict[str, str]:
    """The parameters of a query string. Faults: MALFORMED_QUERY."""
    try:
        return dict(
            parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100)
        )
    except ValueError:
        raise Fault(FaultKind.MALFORMED_QUERY, "The query string is not well formed.") from None


def check_local(request: Request) -> None:
    """An unsigned request of this machine's own programs. Faults: ACCESS_DENIED.

    Beside what `browsers` looks at: no web page can give the content type of JSON without a preflight, which
    nothing here answers.
    """
    if not is_loopback(request.address):
        raise Fault(FaultKind.ACCESS_DENIED, "This call is answered on loopback only.")
    _GUARD.check(request.headers, request.scheme)
    media_type = request.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media_type != b"application/json":
        raise Fault(FaultKind.ACCESS_DENIED, "This call needs the header Content-Type: application/json.")
