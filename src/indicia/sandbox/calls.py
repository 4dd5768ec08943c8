"""The calls that steer a sandbox over HTTP: `/indicia/v1/sandbox/...`, and `/_aws/ses` of LocalStack's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final, TypeAlias
from urllib.parse import parse_qs

import msgspec

from indicia.domain.call import Call
from indicia.domain.faults import Fault, FaultKind
from indicia.domain.time import rfc3339
from indicia.operations.own.api import routed
from indicia.operations.own.route import WHOLE, OwnRoute
from indicia.sandbox.mailbox import Mail
from indicia.sandbox.playground import TTL
from indicia.sandbox.steering import Steering
from indicia.settings.parsers import parse_span
from indicia.wire.own import Access, Asked, CallReply, Route

_PLACE = "/indicia/v1/sandbox"
_ALLOWED = ((b"allow", b"DELETE, GET"),)
_encode = msgspec.json.Encoder().encode
MOST_TTL = 2**31 - 1  # RFC 2181 §8

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Advance(msgspec.Struct, forbid_unknown_fields=True):
    """How far to move the clock, as `73h`."""

    advance: str


class PutRecords(msgspec.Struct, forbid_unknown_fields=True):
    """One record set to publish. `ttl` is in seconds.

    `rcode` makes the name fail instead: with that response code, or as `BOGUS`, `UNREACHABLE` or `BLOCKED`.

    `shown_by` says which of `resolver`, `ns1`, `ns2` and `ns3` have the set; empty means everybody.
    """

    name: str
    type: str = ""
    values: list[str] = []
    ttl: Annotated[int, msgspec.Meta(ge=0, le=MOST_TTL)] = TTL
    rcode: str = ""
    shown_by: list[str] = []


class DeleteRecords(msgspec.Struct, forbid_unknown_fields=True):
    """What to withdraw: a set of a name, all of a name, or everything of a `domain`."""

    name: str = ""
    type: str = ""
    domain: str = ""


class Nothing(msgspec.Struct, frozen=True):
    """What is asked without a word more, or answered without one."""


class ClockResponse(msgspec.Struct, frozen=True):
    """The present of the sandbox (RFC 3339)."""

    now: str


class PublishedSet(msgspec.Struct, frozen=True):
    """One record set that is published. `ttl` is in seconds."""

    name: str
    type: str
    ttl: int
    values: list[str]


class PublishedResponse(msgspec.Struct, frozen=True):
    """Everything that is published."""

    records: list[PublishedSet]


class RemovedResponse(msgspec.Struct, frozen=True):
    """How many there were: record sets, names with any, or mails."""

    removed: int


class OutboxResponse(msgspec.Struct, frozen=True):
    """The mails that were sent, the oldest first."""

    mails: list[Mail]


def _call(  # noqa: PLR0917 - a row of the table below
    method: str, place: str, operation: str, request: type[Any], answer: type[Any], summary: str
) -> OwnRoute[Any, Any]:
    body = "" if request is Nothing else WHOLE
    return OwnRoute(
        method, f"{_PLACE}/{place}", operation, request, answer, summary, body=body, access=Access.LOCAL
    )


CALLS: Final = (
    _call("GET", "clock", "GetSandboxClock", Nothing, ClockResponse, "The present of the sandbox."),
    _call(
        "POST",
        "clock",
        "AdvanceSandboxClock",
        Advance,
        ClockResponse,
        "Moves the clock, and answers when every check that became due is committed.",
    ),
    _call(
        "GET", "records", "ListSandboxRecords", Nothing, PublishedResponse, "Everything that is published."
    ),
    _call(
        "PUT",
        "records",
        "PutSandboxRecords",
        PutRecords,
        Nothing,
        "Publishes a record set, or lets a name fail, and answers when everyone it concerns has been"
        " looked at.",
    ),
    _call(
        "DELETE",
        "records",
        "DeleteSandboxRecords",
        DeleteRecords,
        RemovedResponse,
        "Withdraws a set, all of a name, or everything at and below a domain.",
    ),
    _call("GET", "outbox", "ListSandboxOutbox", Nothing, OutboxResponse, "The mails that were sent."),
    _call("DELETE", "outbox", "EmptySandboxOutbox", Nothing, RemovedResponse, "Forgets them."),
    _call(
        "POST",
        "reset",
        "ResetSandbox",
        Nothing,
        Nothing,
        "No identities, records and mails any more; keys and the clock stay.",
    ),
)


@dataclass(frozen=True, slots=True)
class SandboxCalls:
    """The calls of one sandbox."""

    steering: Steering

    def routes(self) -> tuple[Route, ...]:
        """Return them, for the gateway."""
        answers: dict[str, Callable[[Any], Awaitable[object]]] = {
            "GetSandboxClock": self._clock,
            "AdvanceSandboxClock": self._advance,
            "ListSandboxRecords": self._records,
            "PutSandboxRecords": self._put,
            "DeleteSandboxRecords": self._delete,
            "ListSandboxOutbox": self._outbox,
            "EmptySandboxOutbox": self._empty,
            "ResetSandbox": self._reset,
        }
        return tuple(routed(call, partial(_answered, call, answers[call.operation])) for call in CALLS)

    async def _clock(self, _: Nothing) -> ClockResponse:
        return ClockResponse(rfc3339(self.steering.now()))

    async def _advance(self, wanted: Advance) -> ClockResponse:
        try:
            span = parse_span(wanted.advance)
        except ValueError as error:
            raise Fault(FaultKind.INVALID_PARAMETER, f"advance {error}.") from error
        return ClockResponse(rfc3339(await self.steering.advance(span)))

    async def _records(self, _: Nothing) -> PublishedResponse:
        return PublishedResponse(
            [
                PublishedSet(name, kind, ttl, values)
                for name, kind, ttl, values in self.steering.playground.records()
            ]
        )

    async def _put(self, wanted: PutRecords) -> Nothing:
        if wanted.rcode:
            await self.steering.misbehave(wanted.name, wanted.rcode)
        else:
            await self.steering.put(wanted.name, wanted.type, wanted.values, wanted.ttl, wanted.shown_by)
        return Nothing()

    async def _delete(self, wanted: DeleteRecords) -> RemovedResponse:
        if wanted.domain:
            return RemovedResponse(await self.steering.remove_under(wanted.domain))
        if wanted.name:
            return RemovedResponse(await self.steering.remove(wanted.name, wanted.type or None))
        raise Fault(FaultKind.INVALID_PARAMETER, "Give a name, or a domain to withdraw all of it.")

    async def _outbox(self, _: Nothing) -> OutboxResponse:
        await self.steering.settle()
        return OutboxResponse(list(self.steering.mailbox.mails()))

    async def _empty(self, _: Nothing) -> RemovedResponse:
        await self.steering.settle()
        return RemovedResponse(self.steering.mailbox.clear())

    async def _reset(self, _: Nothing) -> Nothing:
        await self.steering.reset()
        return Nothing()


async def _answered(
    route: OwnRoute[Any, Any], answer: Callable[[Any], Awaitable[object]], _call: Call, asked: Asked
) -> CallReply:
    return CallReply(_encode(await answer(route.read(asked))))


@dataclass(frozen=True, slots=True)
class SentMail:
    """An ASGI application at `/_aws/ses`: sent mail in the form that LocalStack has made usual.

    GET lists it (`?id=` one, `?email=` of one sender), DELETE forgets it.
    """

    steering: Steering
    region: str

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        asked = parse_qs(scope["query_string"].decode("latin-1"))
        wanted = asked.get("id", [None])[0]
        await self.steering.settle()
        if scope["method"] == "GET":
            sender = asked.get("email", [None])[0]
            mails = [
                self._as_usual(mail)
                for mail in self.steering.mailbox.mails()
                if wanted in (None, mail.id) and (sender is None or sender in mail.sender)
            ]
            await _answer(send, 200, _encode({"messages": mails}))
        elif scope["method"] == "DELETE":
            self.steering.mailbox.clear(wanted)
            await _answer(send, 204, b"")
        else:
            await _answer(send, 405, b'{"message":"GET and DELETE are answered here."}', _ALLOWED)

    def _as_usual(self, mail: Mail) -> dict[str, Any]:
        return {
            "Id": mail.id,
            "Region": self.region,
            "Timestamp": rfc3339(mail.at),
            "Source": mail.sender,
            "Destination": {"ToAddresses": mail.to},
            "Subject": mail.subject,
            "Body": {"text_part": mail.text, "html_part": mail.html},
            "RawData": mail.raw,
        }


async def _answer(send: Send, status: int, body: bytes, further: Sequence[tuple[bytes, bytes]] = ()) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *further]})
    await send({"type": "http.response.body", "body": body})
