"""What the server itself answers, to what no application has heard of: it was no request, or not whole."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from indicia.domain.faults import FaultKind
    from indicia.wire.faults import Answer, Protocol


class Refusal(NamedTuple):
    """What was answered to something that no application has seen, and to whom."""

    protocol: Protocol
    kind: FaultKind
    status: int
    size: int
    address: str
    request_id: str
    seconds: float  # since it, or its connection, began


def whole(answer: Answer, request_id: str, usual: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A whole answer, for when there is no request yet that an application could answer."""
    fields = [
        b"HTTP/1.1 %d %s" % (answer.status, HTTPStatus(answer.status).phrase.encode()),
        b"content-type: " + answer.content_type,
        b"content-length: %d" % len(answer.body),
        b"x-amzn-requestid: " + request_id.encode(),
        b"connection: close",
    ]
    further = (*usual, *answer.headers)
    fields += [name + b": " + value for name, value in further if name != b"connection"]
    return b"\r\n".join([*fields, b"", answer.body])
