"""The way of a request through the parts of the service, cut into steps that can be timed one by one.

The parts are the real ones on a real database; only the server, which has its own rows in the other table, is
not there. A step leaves in the `Work` what the next one needs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, TypeAlias, cast

from bench.population import populate
from bench.servers import SETTINGS
from bench.signing import Key
from indicia import settings
from indicia.domain.call import Call, Service
from indicia.installation import Installation
from indicia.operations.context import OperationContext
from indicia.operations.dispatch import Dispatch
from indicia.runtime import logs
from indicia.runtime.clock import Clock, real_now
from indicia.runtime.metrics import Metrics
from indicia.store.engine.session import Session
from indicia.store.identities import identities
from indicia.wire.authentication import AccessKeyRecord, Authenticator, Caller
from indicia.wire.aws import faults, query, rest, sigv4, xml
from indicia.wire.exchange import RequestExchange
from indicia.wire.gateway import QUERY_SERVICES, Gateway
from indicia.wire.http.requests import ANSWER, WHOLE, Request, new_request_id

Step: TypeAlias = Callable[["Work"], Awaitable[object]]


@dataclass(slots=True)
class Work:
    """One request, and what has become of it so far."""

    scope: dict[str, Any]
    body: bytes
    request: Request = field(init=False)
    exchange: RequestExchange = field(init=False)
    operation: Any = None
    labels: dict[str, str] = field(default_factory=dict)
    claim: sigv4.SignatureClaim = field(init=False)
    caller: Caller = field(init=False)
    asked: Any = None
    call: Call = field(init=False)
    answer: Any = None


def work_of(request: bytes) -> Work:
    """Return a request as a server hands it over, whole."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    method, target, _ = first.split(b" ")
    path, _, query_string = target.partition(b"?")
    headers = [(name.lower(), value) for name, _, value in (line.partition(b": ") for line in lines)]
    return Work(
        {
            "type": "http",
            "method": method.decode(),
            "path": path.decode(),
            "raw_path": path,
            "query_string": query_string,
            "headers": headers,
            "client": ("127.0.0.1", 50000),
            "scheme": "http",
            WHOLE: True,
            ANSWER: _answered,
        },
        body,
    )


async def _answered(_status: int, _headers: object, _body: bytes) -> None:
    """What the server does from here on is measured with the server."""


class Course:
    """The parts that requests go through, and the steps they take there."""

    def __init__(self, installation: Installation, key: Key) -> None:
        root = installation.root
        assert root is not None
        record = AccessKeyRecord(key.secret, root.account, f"arn:aws:iam::{root.account}:root")
        self._database = installation.database
        self._authenticator = Authenticator(lambda _: record, installation.settings.regions)
        # What only reads needs nothing of the house.
        self._dispatch = Dispatch(installation.database, cast("OperationContext", None))
        self._router = rest.Router()
        self._metrics = Metrics()
        self.log = StringIO()
        self._lines = logs.Lines(self.log, json=True, tells=True)
        self._gateway = Gateway(
            authenticator=self._authenticator,
            dispatch=self._dispatch,
            now=real_now,
            observe=self._metrics.answered,
            record=self._lines.record,
        )

    @property
    def rest(self) -> dict[str, Step]:
        """The steps of SES API v2."""
        return {
            "read the head": self._head,
            "find the operation": self._route,
            "read the signature, hold it against region, time, headers": self._examine,
            "verify the signature": self._authenticate,
            "decode, validate": self._decode_rest,
            "look up and answer (store and handler)": self._answer,
            "encode": self._encode_rest,
            "count, write the line": self._account,
        }

    @property
    def query(self) -> dict[str, Step]:
        """The steps of SES API v1."""
        return {
            "read the head": self._head,
            "read the signature, hold it against region, time, headers": self._examine,
            "verify the signature": self._authenticate,
            "decode, validate": self._decode_query,
            "look up and answer (store and handler)": self._answer,
            "encode": self._encode_query,
            "count, write the line": self._account,
        }

    async def whole(self, work: Work) -> None:
        """Let the gateway do all of it."""

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": work.body, "more_body": False}

        await self._gateway(work.scope, receive, _never)

    async def read(self, work: Work) -> None:
        """Read from the store what the step `look up and answer` reads there."""
        call, asked = work.call, work.asked

        def look(s: Session) -> object:
            if call.service == "ses":
                return identities.standing_many(s, call.account, call.region, asked.Identities)
            return identities.view(s, call.account, call.region, asked.EmailIdentity)

        self._database.read(look)

    async def _head(self, work: Work) -> None:
        work.request = Request(work.scope, new_request_id(), ())
        work.exchange = RequestExchange(work.request, faults.protocol_of(work.request.path))

    async def _route(self, work: Work) -> None:
        work.operation, work.labels = self._router.match(work.request.method, work.request.path)
        work.exchange.operation, work.exchange.route = work.operation.name, work.operation.path

    async def _examine(self, work: Work) -> None:
        work.claim = self._authenticator.examine(work.request, QUERY_SERVICES)
        work.exchange.claimed_by(work.claim)

    async def _authenticate(self, work: Work) -> None:
        work.caller = await self._authenticator.authenticate(
            work.claim, work.request, work.body, QUERY_SERVICES
        )
        work.exchange.made_by(work.caller)

    async def _decode_rest(self, work: Work) -> None:
        work.asked = rest.decode(work.operation, work.labels, work.request.query, work.body)
        work.call = _call(Service.SES_V2, work)

    async def _decode_query(self, work: Work) -> None:
        service, work.operation, work.asked = query.parse(work.body)
        work.call = _call(service, work)

    async def _answer(self, work: Work) -> None:
        work.answer = await self._dispatch(work.call, work.asked)

    async def _encode_rest(self, work: Work) -> bytes:
        return rest.encode(work.operation, work.answer)

    async def _encode_query(self, work: Work) -> bytes:
        return xml.encode(work.operation, work.answer, work.request.id)

    async def _account(self, work: Work) -> None:
        service = work.exchange.protocol.value
        self._lines.record(work.exchange.line(service, 200, 800, 0.0001))
        self._metrics.answered(service, work.operation.name, 200, 0.0001)


def _call(service: Service, work: Work) -> Call:
    caller, request = work.caller, work.request
    return Call(
        service,
        work.operation.name,
        caller.account,
        caller.region,
        caller.principal,
        caller.access_key,
        request.address,
        request.id,
        real_now(),
        caller.policy,
        request.scheme == "https",
        request.headers.get(b"user-agent", b"").decode("latin-1"),
    )


async def _never(_message: object) -> None:
    raise AssertionError("a whole answer takes the short way")


@contextmanager
def laid_out(folder: Path, identity_count: int) -> Iterator[tuple[Course, Key]]:
    """Have the parts on a new installation with that many identities."""
    key = populate(folder / "data", SETTINGS, identity_count)
    tree = settings.load(None, SETTINGS, {"data_dir": str(folder / "data")}, terminal=False)
    installation = Installation(tree, Clock())
    try:
        yield Course(installation, key), key
    finally:
        installation.close()
