"""What the server itself answers, to what no application has heard of: it was no request, or not whole."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from indicia.domain.faults import Fault, FaultKind
from indicia.wire.aws import faults
from indicia.wire.aws.faults import Protocol
from indicia.wire.http.front_page import https_page, url_of, wants_page
from indicia.wire.http.requests import new_request_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from indicia.wire.aws.faults import HttpAnswer

# As far as it has to be understood what somebody says who speaks HTTP where TLS is spoken.
_REQUEST_LINE = re.compile(rb"[A-Z]{3,16} ([^ ?\r\n]*)")
_FIELD = re.compile(rb"\r\n(host|accept):[ \t]*([^\r\n]+)", re.IGNORECASE)


class UnheardRefusal(NamedTuple):
    """What was answered to something that no application has seen, and to whom."""

    protocol: Protocol
    kind: FaultKind
    status: int
    size: int
    address: str
    request_id: str
    seconds: float  # since it, or its connection, began


def whole(answer: HttpAnswer, request_id: str, usual: Iterable[tuple[bytes, bytes]]) -> bytes:
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


class Told(NamedTuple):
    """What is answered in clear, and what is to be noted of it."""

    octets: bytes
    refusal: UnheardRefusal


def spoken_in_clear(
    first: bytes, port: int, client: str, usual: Sequence[tuple[bytes, bytes]]
) -> Told | None:
    """The answer to plain HTTP where TLS is spoken, given its first octets; None when it is neither."""
    line = _REQUEST_LINE.match(first)
    if line is None:
        return None
    fields = {found[1].lower(): found[2] for found in _FIELD.finditer(first)}
    url = url_of(fields.get(b"host", b""), "https")
    protocol = faults.protocol_of(line[1] or b"/")
    kind = FaultKind.MALFORMED_INPUT
    request_id = new_request_id()
    if wants_page(fields):
        answer = https_page(url)
    else:
        sentence = f"Port {port} speaks HTTPS, and was asked over HTTP. Use {url or 'https://'}."
        answer = faults.answer(protocol, Fault(kind, sentence), request_id)
    refusal = UnheardRefusal(protocol, kind, answer.status, len(answer.body), client, request_id, 0.0)
    return Told(whole(answer, request_id, usual), refusal)


def no_room(usual: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The answer to whoever cannot connect: that of every protocol, as nothing has been asked yet."""
    request_id = new_request_id()
    fault = Fault(FaultKind.UNAVAILABLE, "This server has as many connections as it can have. Try again.")
    answer = faults.answer(Protocol.INDICIA, fault, request_id)
    return whole(answer, request_id, (*usual, (b"retry-after", b"1")))
