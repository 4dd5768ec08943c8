"""One request and what became known of it on the way; at its end, the line that is written of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from indicia.wire.authentication import Caller
    from indicia.wire.aws import sigv4
    from indicia.wire.aws.faults import Protocol
    from indicia.wire.http.requests import Request
    from indicia.wire.http.unheard import UnheardRefusal

    Record: TypeAlias = Callable[[Struct], None]

# What may be written down of a key id that nobody has proved to hold: the form that key ids have. A secret
# put there by mistake does not have it.
_KEY_ID_FORM = re.compile(r"[A-Z0-9]{16,32}", re.ASCII)


class RequestLine(Struct, frozen=True, tag_field="event", tag="request"):
    """The one line that is logged of a request: names and measures, nothing of what it or its answer held."""

    method: str
    path: str
    service: str
    operation: str
    account: str
    access_key: str
    address: str
    status: int
    fault: str
    ms: float
    bytes: int
    request_id: str


def unread_line(refusal: UnheardRefusal, service: str) -> RequestLine:
    """Return what is to be written down of something that was refused before it was a request."""
    return RequestLine(
        method="",
        path="(unread)",
        service=service,
        operation="",
        account="",
        access_key="",
        address=refusal.address,
        status=refusal.status,
        fault=refusal.kind.value,
        ms=round(refusal.seconds * 1000, 2),
        bytes=refusal.size,
        request_id=refusal.request_id,
    )


def through(log: Any) -> Record:
    """Return what writes request lines to a logger of structlog."""

    def record(line: Struct) -> None:
        log.info("request", **structs.asdict(line))

    return record


class RequestExchange:
    """One request and what became known of it on the way."""

    __slots__ = ("access_key", "account", "fault", "operation", "protocol", "request", "route")

    def __init__(self, request: Request, protocol: Protocol) -> None:
        self.request = request
        self.protocol = protocol
        self.route = "(unmatched)"
        self.operation = ""
        self.account = ""
        self.access_key = ""
        self.fault = ""

    def claimed_by(self, claim: sigv4.SignatureClaim) -> None:
        """Note whose key is said to have signed."""
        key_id = claim.credential.key_id
        self.access_key = key_id if _KEY_ID_FORM.fullmatch(key_id) else "(other)"

    def made_by(self, caller: Caller) -> None:
        """Note who has proved to be calling."""
        self.access_key = caller.access_key
        self.account = caller.account

    def line(self, service: str, status: int, size: int, seconds: float) -> RequestLine:
        """Return what is to be written down, now that it is over."""
        request = self.request
        return RequestLine(
            request.method if len(request.method) <= 16 else "(other)",
            self.route,
            service,
            self.operation,
            self.account,
            self.access_key,
            request.address,
            status,
            self.fault,
            round(seconds * 1000, 2),
            size,
            request.id,
        )
