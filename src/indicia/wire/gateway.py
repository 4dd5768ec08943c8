"""The edge: every HTTP request comes in here and is answered, logged and counted here.

Protocol by path: `/` is SES API v1 and STS (Query, XML), `/v2/` and `/v1/` SES API v2 (REST-JSON),
`/indicia/` our own. What else there is (pages, health) is mounted as ASGI applications of their own. Whatever
goes wrong is answered in the protocol of the request; what is not a refusal is a mistake of ours and is
answered as such, with nothing of its text.
"""

from __future__ import annotations

import re
import traceback
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import structlog
from msgspec import Struct

from indicia.domain.call import Call, Service
from indicia.domain.faults import Fault, FaultKind, refuse
from indicia.wire import own, shapes
from indicia.wire.authentication import Caller
from indicia.wire.aws import faults, query, rest, sigv4, xml
from indicia.wire.aws.faults import HttpAnswer, MethodNotAllowed, Protocol
from indicia.wire.exchange import RequestExchange, through, unread_line
from indicia.wire.http.bodies import MIB, Bodies, BodyAllowance
from indicia.wire.http.body_budget import BodyBudget
from indicia.wire.http.front_page import front_page, wants_page
from indicia.wire.http.requests import Disconnected, Request, new_request_id
from indicia.wire.shapes.rules import word

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
    from typing import TypeAlias

    from indicia.domain.time import Instant
    from indicia.wire.authentication import Authenticator
    from indicia.wire.aws.query import Admit
    from indicia.wire.exchange import Record
    from indicia.wire.http.forwarded import Network
    from indicia.wire.http.requests import App, Message, Receive, Scope, Send
    from indicia.wire.http.unheard import UnheardRefusal

    Dispatch: TypeAlias = Callable[[Call, Struct], Awaitable[Struct | None]]
    # What renders the answer that a dispatch gives, and who has it in octets: for a call that says this much.
    Render: TypeAlias = Callable[[Dispatch], Awaitable[bytes]]
    Keep: TypeAlias = Callable[[Call, tuple[bytes, bytes, bytes], Render], Awaitable[bytes]]
    Observe: TypeAlias = Callable[[str, str, int, float], None]  # service, operation, status, seconds

# `ses` is the signing name of both versions (contract); STS has its own.
QUERY_SERVICES = {"ses": None, "sts": None}
SES_ONLY = {"ses": None}

_V2_SENDS = frozenset({"SendEmail", "SendBulkEmail"})
_V1_SENDS = frozenset(
    {"SendEmail", "SendRawEmail", "SendTemplatedEmail", "SendBulkTemplatedEmail", "SendBounce"}
)
# What asks for an answer that may be kept is short; what is long is not worth looking for.
_MOST_KEPT_BODY = 1024
_ACTION = re.compile(rb"(?:^|&)Action=([A-Za-z]{1,64})(?=&|$)")

_NOBODY = Caller("", "", "", "")


class RequestLimits(Struct, frozen=True):
    """How much a request may hold, in octets, and how long its body may take, in seconds (contract, HTTP).

    `bodies` is how much all requests of the process may hold at the same time, `share` how much of that is
    for one client.
    """

    control: int = MIB
    v1_send: int = 10 * MIB
    v2_send: int = 40 * MIB
    body_seconds: float = 60.0
    bodies: int = 256 * MIB
    share: int = 64 * MIB


class Gateway:
    """The ASGI application of a process's HTTP listeners.

    `mounts` are pairs of a path and an application: a path that ends in a slash stands for all below it, any
    other for itself. They are not signed. Without `serves_api` there is nothing else. `admit` refuses
    operations before their members are read. `keep` has answers of API v2 that need not be rendered again.
    """

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        dispatch: Dispatch,
        keep: Keep | None = None,
        admit: Admit = lambda _: None,
        now: Callable[[], Instant],
        routes: Iterable[own.Route] = (),
        mounts: Sequence[tuple[str, App]] = (),
        limits: RequestLimits | None = None,
        trusted_proxies: Collection[Network] = (),
        observe: Observe | None = None,
        log: Any = None,
        record: Record | None = None,
        serves_api: bool = True,
    ) -> None:
        self._serves_api = serves_api
        self._authenticator = authenticator
        self._dispatch = dispatch
        self._keep = keep
        self._admit = admit
        self._now = now
        self._router = rest.Router()
        self._routes = own.Routes(routes)
        self._mounts = [(path.encode(), app) for path, app in mounts]
        limits = limits or RequestLimits()
        self._limits = limits
        self._trusted = tuple(trusted_proxies)
        self._observe = observe
        self._log = log if log is not None else structlog.get_logger("indicia.http")
        self._record = record or through(self._log)
        self.budget = BodyBudget(limits.bodies, limits.share)
        self._bodies = Bodies(self.budget, limits.body_seconds, self._trusted)
        self._control = BodyAllowance(limits.control)
        self._v2_send = BodyAllowance(limits.v2_send)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3)."""
        if scope["type"] != "http":
            await _not_http(scope, receive, send)
            return
        started = perf_counter()
        request = Request(scope, new_request_id(), self._trusted)
        exchange = RequestExchange(request, faults.protocol_of(request.path))
        try:
            if exchange.protocol is Protocol.INDICIA and (app := self._mounted(exchange)) is not None:
                status, size = await self._mount(exchange, app, scope, receive, send)
            else:
                answer = await self._answer(exchange, receive)
                status, size = answer.status, len(answer.body)
                await _reply(request, answer, send)
        except Disconnected:
            exchange.fault = "disconnected"
            status, size = 499, 0
        finally:
            if request.held is not None:
                request.held.release()
        self._account_for(exchange, status, size, perf_counter() - started)

    async def _answer(self, exchange: RequestExchange, receive: Receive) -> HttpAnswer:
        """What the API answers, be it a refusal."""
        try:
            if not self._serves_api:
                if _is_looked_at(exchange.request):
                    return front_page(exchange.request.headers, exchange.request.scheme, api=False)
                refuse(FaultKind.UNKNOWN_OPERATION, "This server has pages only. The API is elsewhere.")
            if exchange.protocol is Protocol.SES_V2:
                return await self._rest(exchange, receive)
            if exchange.protocol is Protocol.SES_V1:
                return await self._query(exchange, receive)
            return await self._own(exchange, receive)
        except Fault as fault:
            exchange.fault = fault.kind.value
            return faults.answer(exchange.protocol, fault, exchange.request.id)
        except Disconnected:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer and no detail
            return self._mistake(exchange, error)

    def refused(self, refusal: UnheardRefusal) -> None:
        """Account for what the server has answered by itself: it was no request, or not in time."""
        service = word(refusal.protocol)
        self._record(unread_line(refusal, service))
        if self._observe is not None:
            self._observe(service, "", refusal.status, refusal.seconds)

    async def _rest(self, exchange: RequestExchange, receive: Receive) -> HttpAnswer:
        """SES API v2. The operation is known from method and path, before anything is read or proved.

        Of one that is not built nothing is read (contract, HTTP).
        """
        request = exchange.request
        matched = self._router.match(request.method, request.path)
        operation = matched.operation
        exchange.operation, exchange.route = operation.name, operation.path
        claim = self._authenticator.examine(request, SES_ONLY)
        exchange.claimed_by(claim)
        self._admit(operation)
        allowance = self._v2_send if operation.name in _V2_SENDS else self._control
        body = await self._signed_body(claim, request, receive, allowance)
        caller = await self._authenticator.authenticate(claim, request, body, SES_ONLY)
        exchange.made_by(caller)
        call = self._call(Service.SES_V2, operation.name, caller, request)
        render = partial(self._rendered, matched, request, body, call)
        if self._keep is None or len(body) > _MOST_KEPT_BODY:
            return HttpAnswer(200, b"application/json", await render(self._dispatch))
        asked = (request.path, request.query, body)
        return HttpAnswer(200, b"application/json", await self._keep(call, asked, render))

    async def _rendered(
        self, matched: rest.Match, request: Request, body: bytes, call: Call, dispatch: Dispatch
    ) -> bytes:
        operation, labels = matched
        asked = rest.decode(operation, labels, request.query, body)
        return rest.encode(operation, await dispatch(call, asked))

    async def _query(self, exchange: RequestExchange, receive: Receive) -> HttpAnswer:
        """SES API v1 and STS. The operation is known from the form.

        It stands where the form begins, so that no more than that is read of one that is not built.
        """
        request = exchange.request
        exchange.route = "/"
        if request.method not in {"POST", "GET"}:
            raise MethodNotAllowed(("GET", "POST"))
        try:
            claim = self._authenticator.examine(request, QUERY_SERVICES)
        except Fault as fault:
            if fault.kind is FaultKind.MISSING_AUTHENTICATION:
                if _is_looked_at(request):
                    return front_page(request.headers, request.scheme, api=True)
                await self._check_obsolete(request, receive)
            raise
        exchange.claimed_by(claim)
        if claim.credential.service == "sts":
            exchange.protocol = Protocol.STS
        limits = self._limits
        allowance = BodyAllowance(max(limits.control, limits.v1_send), partial(self._judge_form, exchange))
        body = await self._signed_body(claim, request, receive, allowance)
        caller = await self._authenticator.authenticate(claim, request, body, QUERY_SERVICES)
        exchange.made_by(caller)
        # A presigned request may be POSTed as well, with everything in the query string.
        service, operation, asked = query.parse(body or request.query, self._admit)
        exchange.operation, exchange.protocol = operation.name, Protocol(service)
        self._authenticator.check_service(claim, service)
        result = await self._dispatch(self._call(service, operation.name, caller, request), asked)
        return HttpAnswer(200, b"text/xml", xml.encode(operation, result, request.id))

    def _judge_form(self, exchange: RequestExchange, beginning: bytes) -> int:
        """How large a form may be that begins so. Faults: NOT_IMPLEMENTED when it need not be read."""
        found = _ACTION.search(beginning)
        action = found[1].decode() if found is not None else ""
        for service in query.VERSIONS.values():
            operation = shapes.operations(service).get(action)
            if operation is not None:
                exchange.operation = action
                self._admit(operation)
        return self._limits.v1_send if action in _V1_SENDS else self._limits.control

    async def _check_obsolete(self, request: Request, receive: Receive) -> None:
        """A small form is looked at for a version 2 signature, which has its own error (spec 7.6)."""
        if request.announced is not None and request.announced <= 16_384:
            body = await self._bodies.read(request, receive, self._control)
            if sigv4.is_obsolete_form(body):
                raise Fault(FaultKind.UNKNOWN_KEY, sigv4.UNKNOWN)

    async def _own(self, exchange: RequestExchange, receive: Receive) -> HttpAnswer:
        """What SES has no operation for."""
        request = exchange.request
        route, labels = self._routes.match(request.method, request.path)
        exchange.operation, exchange.route = route.operation, route.template
        claim: sigv4.SignatureClaim | None = None
        if route.access is own.Access.SIGNED:
            claim = self._authenticator.examine(request, SES_ONLY)
            exchange.claimed_by(claim)
        elif route.access is own.Access.LOCAL:
            own.check_local(request)
        caller = _NOBODY
        if claim is None:
            body = await self._bodies.read(request, receive, self._control)
        else:
            body = await self._signed_body(claim, request, receive, self._control)
            caller = await self._authenticator.authenticate(claim, request, body, SES_ONLY)
            exchange.made_by(caller)
        asked = own.Asked(labels, own.parameters(request.query), body)
        reply = await route.answer(self._call(Service.OWN, route.operation, caller, request), asked)
        return HttpAnswer(reply.status, reply.content_type, reply.body)

    async def _signed_body(
        self, claim: sigv4.SignatureClaim, request: Request, receive: Receive, allowance: BodyAllowance
    ) -> bytes:
        if request.bodiless:
            return b""
        owner = self._authenticator.owner(claim, request)
        know = partial(self._authenticator.know, claim, request)
        return await self._bodies.read(request, receive, allowance, owner, know)

    def _call(self, service: Service, operation: str, caller: Caller, request: Request) -> Call:
        return Call(
            service,
            operation,
            caller.account,
            caller.region,
            caller.principal,
            caller.access_key,
            request.address,
            request.id,
            self._now(),
            caller.policy,
            request.scheme == "https",
            request.headers.get(b"user-agent", b"").decode("latin-1"),
        )

    def _mounted(self, exchange: RequestExchange) -> App | None:
        path = exchange.request.path
        for place, app in self._mounts:
            if path == place or (place.endswith(b"/") and path.startswith(place)):
                exchange.route = place.decode()  # what follows may be a secret, as a link's token is
                return app
        return None

    async def _mount(
        self, exchange: RequestExchange, app: App, scope: Scope, receive: Receive, send: Send
    ) -> tuple[int, int]:
        """Let a mounted application answer; its status and the size of its answer."""
        request = exchange.request
        status, size = 0, 0

        async def sending(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                named = (b"x-amzn-requestid", request.id.encode())
                message = {**message, "headers": [*message.get("headers", ()), named]}
            else:
                size += len(message.get("body", b""))
            await send(message)

        try:
            body = await self._bodies.read(request, receive, self._control)
            told = {**scope, "scheme": request.scheme, "client": (request.address, 0)}
            await app(told, _replayed(body, receive), sending)
        except Disconnected:
            raise
        except Exception as error:  # noqa: BLE001 - as in _answer
            if isinstance(error, Fault):
                exchange.fault = error.kind.value
                answer = faults.answer(Protocol.INDICIA, error, request.id)
            else:
                answer = self._mistake(exchange, error)
            if status:
                raise Disconnected from None  # half an answer is out: the server cuts the connection
            await _reply(request, answer, send)
            return answer.status, len(answer.body)
        return status, size

    def _mistake(self, exchange: RequestExchange, error: Exception) -> HttpAnswer:
        """A mistake of ours. Where it happened is logged; its text is not, as it may quote a secret."""
        exchange.fault = FaultKind.INTERNAL.value
        places = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)]
        self._log.error(
            "mistake", request_id=exchange.request.id, error=type(error).__qualname__, places=places
        )
        fault = Fault(FaultKind.INTERNAL, "The request processing has failed because of an internal error.")
        return faults.answer(exchange.protocol, fault, exchange.request.id)

    def _account_for(self, exchange: RequestExchange, status: int, size: int, seconds: float) -> None:
        service = word(exchange.protocol)
        self._record(exchange.line(service, status, size, seconds))
        if self._observe is not None:
            self._observe(service, exchange.operation, status, seconds)


def _is_looked_at(request: Request) -> bool:
    """Whether a person has opened the address in a browser."""
    at_the_door = request.method == "GET" and request.path == b"/" and not request.query
    return at_the_door and wants_page(request.headers)


async def _reply(request: Request, answer: HttpAnswer, send: Send) -> None:
    headers = [
        (b"content-type", answer.content_type),
        (b"content-length", b"%d" % len(answer.body)),
        (b"x-amzn-requestid", request.id.encode()),
        *answer.headers,
    ]
    if not request.bodiless and request.unread() and faults.CLOSE not in answer.headers:
        headers.append(faults.CLOSE)
    if request.answering is not None:
        await request.answering(answer.status, headers, answer.body)
        return
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A receive that gives `body` once and then whatever the connection gives."""
    given = False

    async def receiving() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receiving


async def _not_http(scope: Scope, receive: Receive, send: Send) -> None:
    """A WebSocket is refused; the lifespan of a server is acknowledged."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
        return
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
