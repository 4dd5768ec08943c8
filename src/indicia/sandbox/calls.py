"""The calls that steer a sandbox over HTTP: `/indicia/v1/sandbox/...`, and `/_aws/ses` of LocalStack's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias
from urllib.parse import parse_qs

import msgspec

from indicia.domain.call import Call
from indicia.domain.faults import Fault, FaultKind
from indicia.domain.time import rfc3339
from indicia.sandbox.mailbox import Mail
from indicia.sandbox.playground import TTL
from indicia.sandbox.steering import Steering
from indicia.settings.words import parse_span
from indicia.wire.own import Access, Asked, Reply, Route

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
    """One record set to publish. `ttl` is in seconds. `rcode` makes the name fail instead.

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


@dataclass(frozen=True, slots=True)
class SandboxCalls:
    """The calls of one sandbox."""

    steering: Steering

    def routes(self) -> tuple[Route, ...]:
        """Return them, for the gateway."""
        table = (
            ("GET", "clock", "GetSandboxClock", self._clock),
            ("POST", "clock", "AdvanceSandboxClock", self._advance),
            ("GET", "records", "ListSandboxRecords", self._records),
            ("PUT", "records", "PutSandboxRecords", self._put),
            ("DELETE", "records", "DeleteSandboxRecords", self._delete),
            ("GET", "outbox", "ListSandboxOutbox", self._outbox),
            ("DELETE", "outbox", "EmptySandboxOutbox", self._empty),
            ("POST", "reset", "ResetSandbox", self._reset),
        )
        return tuple(
            Route(method, f"{_PLACE}/{place}", operation, answer, Access.LOCAL)
            for method, place, operation, answer in table
        )

    async def _clock(self, _call: Call, _asked: Asked) -> Reply:
        return Reply(_encode({"now": rfc3339(self.steering.now())}))

    async def _advance(self, _call: Call, asked: Asked) -> Reply:
        wanted = asked.read(Advance)
        try:
            span = parse_span(wanted.advance)
        except ValueError as error:
            raise Fault(FaultKind.INVALID_PARAMETER, f"advance {error}.") from error
        return Reply(_encode({"now": rfc3339(await self.steering.advance(span))}))

    async def _records(self, _call: Call, _asked: Asked) -> Reply:
        records = [
            {"name": name, "type": kind, "ttl": ttl, "values": values}
            for name, kind, ttl, values in self.steering.playground.records()
        ]
        return Reply(_encode({"records": records}))

    async def _put(self, _call: Call, asked: Asked) -> Reply:
        wanted = asked.read(PutRecords)
        if wanted.rcode:
            await self.steering.misbehave(wanted.name, wanted.rcode)
        else:
            await self.steering.put(wanted.name, wanted.type, wanted.values, wanted.ttl, wanted.shown_by)
        return Reply(b"{}")

    async def _delete(self, _call: Call, asked: Asked) -> Reply:
        wanted = asked.read(DeleteRecords)
        if wanted.domain:
            removed = await self.steering.remove_under(wanted.domain)
        elif wanted.name:
            removed = await self.steering.remove(wanted.name, wanted.type or None)
        else:
            raise Fault(FaultKind.INVALID_PARAMETER, "Give a name, or a domain to withdraw all of it.")
        return Reply(_encode({"removed": removed}))

    async def _outbox(self, _call: Call, _asked: Asked) -> Reply:
        await self.steering.settle()
        return Reply(_encode({"mails": self.steering.mailbox.mails()}))

    async def _empty(self, _call: Call, _asked: Asked) -> Reply:
        await self.steering.settle()
        return Reply(_encode({"removed": self.steering.mailbox.clear()}))

    async def _reset(self, _call: Call, _asked: Asked) -> Reply:
        await self.steering.reset()
        return Reply(b"{}")


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
