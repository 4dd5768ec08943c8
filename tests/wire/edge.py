"""A gateway with two keys and a desk that answers anything, and the means to ask it in one process."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from indicia.domain.faults import Fault, FaultKind
from indicia.wire import shapes
from indicia.wire.authentication import AccessKeyRecord, Authenticator
from indicia.wire.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import Mapping

    from indicia.domain.call import Call

KEY, SECRET = "AKIAEXAMPLEKEYEXAMPL", "example/secret+that/opens+nothing/at/all"
NARROW_KEY = "AKIAEXAMPLENARROWKEY"
UNKNOWN_KEY = "AKIAEXAMPLENOBODYHAS"
ACCOUNT = "123456789012"
REGIONS = ("us-east-1", "eu-central-1")
HOST = "indicia.test:8465"

KEYS = {
    KEY: AccessKeyRecord(SECRET, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root"),
    NARROW_KEY: AccessKeyRecord(SECRET, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/narrow", '{"Statement": []}'),
}


@dataclass
class Desk:
    """What stands behind the gateway: it notes every call, and answers with an empty result or a fault."""

    calls: list[tuple[Call, msgspec.Struct]] = field(default_factory=list)
    faults: dict[str, Exception] = field(default_factory=dict)

    async def answer(self, call: Call, asked: msgspec.Struct) -> msgspec.Struct | None:
        """Answer one call."""
        self.calls.append((call, asked))
        fault = self.faults.get(call.operation)
        if fault is not None:
            raise fault
        response = shapes.operations(call.service)[call.operation].response
        if response is None:
            return None
        try:
            return response()
        except TypeError:  # the shape has required members
            raise Fault(FaultKind.NOT_IMPLEMENTED, f"{call.operation} is not built.") from None


def gateway(desk: Desk | None = None, **more: Any) -> Gateway:
    """A gateway in front of `desk` that knows the two keys above."""
    options = {
        "authenticator": Authenticator(KEYS.get, REGIONS),
        "dispatch": (desk or Desk()).answer,
        "now": lambda: 1_700_000_000_000,
    }
    return Gateway(**{**options, **more})


@dataclass(frozen=True)
class Answered:
    """An answer, with header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """What the fault is called: from the header (v2), the XML (v1), the JSON (ours)."""
        if "x-amzn-errortype" in self.headers:
            return self.headers["x-amzn-errortype"]
        found = re.search(rb"<Code>(.*?)</Code>", self.body)
        return found[1].decode() if found else msgspec.json.decode(self.body)["code"]

    @property
    def message(self) -> str:
        """The sentence."""
        found = re.search(rb"<Message>(.*?)</Message>", self.body, re.DOTALL)
        if found:
            text = found[1].decode()
            return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        return msgspec.json.decode(self.body)["message"]


@dataclass(frozen=True)
class Asking:
    """A request as it goes over the wire."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def but(self, **changes: Any) -> Asking:
        """The same request with something else in it."""
        return Asking(**{**self.__dict__, **changes})

    def without(self, name: str) -> Asking:
        """The same request without a header."""
        return self.but(headers=tuple(h for h in self.headers if h[0].lower() != name))

    def with_header(self, name: str, value: str) -> Asking:
        """The same request with a header set."""
        return self.but(headers=(*self.without(name.lower()).headers, (name, value)))

    def header(self, name: str) -> str:
        """The value of a header."""
        return next(value for key, value in self.headers if key.lower() == name)


def signed(
    method: str = "GET",
    target: str = "/v2/email/identities/example.com",
    body: bytes = b"",
    *,
    key: str = KEY,
    secret: str = SECRET,
    region: str = "us-east-1",
    service: str = "ses",
    presigned: bool = False,
    headers: Mapping[str, str] | None = None,
    unsigned: bool = False,
) -> Asking:
    """A request signed by botocore, in the header or the query string, the body as well unless `unsigned`."""
    request = AWSRequest(method=method, url=f"http://{HOST}{target}", data=body, headers=dict(headers or {}))
    auth = (SigV4QueryAuth if presigned else SigV4Auth)(Credentials(key, secret), service, region)
    if unsigned:
        auth.payload = lambda _: "UNSIGNED-PAYLOAD"
    auth.add_auth(request)
    prepared = request.prepare()
    parts = urlsplit(prepared.url)
    sent = [("Host", HOST)]
    for name, value in prepared.headers.items():
        text = value.decode() if isinstance(value, bytes) else str(value)
        if name.lower() not in {"host", "content-length"}:
            sent.append((name, text))
    if body:
        sent.append(("Content-Length", str(len(body))))
    return Asking(method, parts.path + (f"?{parts.query}" if parts.query else ""), tuple(sent), body)


def ask(app: Any, asking: Asking, client: str = "192.0.2.1", pieces: int = 1) -> Answered:
    """What `app` answers, asked in this process; the body comes in `pieces` pieces."""
    return asyncio.run(asked(app, asking, client, pieces))


async def asked(app: Any, asking: Asking, client: str = "192.0.2.1", pieces: int = 1) -> Answered:
    """As `ask`, in a loop that runs."""
    path, _, query = asking.target.partition("?")
    scope = {
        "type": "http",
        "method": asking.method,
        "path": path,
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "headers": [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in asking.headers],
        "client": (client, 40000),
        "scheme": "http",
    }
    size = max(1, -(-len(asking.body) // pieces))
    parts = [asking.body[i : i + size] for i in range(0, len(asking.body), size)] or [b""]
    incoming = [
        {"type": "http.request", "body": part, "more_body": i + 1 < len(parts)}
        for i, part in enumerate(parts)
    ]
    outgoing: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        outgoing.append(message)

    await app(scope, receive, send)
    start, *rest = outgoing
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answered(start["status"], headers, b"".join(message.get("body", b"") for message in rest))


FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


def v1(
    action: str = "ListIdentities",
    *,
    presigned: bool = False,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Asking:
    """A signed request of the Query protocol: a POST, or a GET when it is presigned."""
    form = f"Action={action}&Version=2010-12-01"
    if presigned:
        return signed("GET", f"/?{form}", presigned=True, **more)
    return signed("POST", "/", form.encode(), headers={**FORM, **(headers or {})}, **more)


def v2(**more: Any) -> Asking:
    """A signed GET of the REST protocol."""
    return signed("GET", "/v2/email/identities/example.com", **more)
