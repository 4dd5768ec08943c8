"""Requests as they come over the wire, unsigned, and the octets that answer them."""

from __future__ import annotations

import asyncio
from typing import Any

from desk import Desk

from indicia.domain.faults import Fault
from indicia.wire.aws import faults, query, rest, xml
from indicia.wire.aws.faults import Protocol

REQUEST_ID = "r-1"
NAMESPACE = "http://ses.amazonaws.com/doc/2010-12-01/"
_ROUTER = rest.Router()


def v1(desk: Desk, form: str) -> tuple[int, str]:
    """Status and body of a call of API v1."""

    async def answered() -> tuple[int, str]:
        try:
            service, operation, request = query.parse(f"Version=2010-12-01&Action={form}".encode())
            result = await desk.dispatch(desk.call(service, operation.name), request)
        except Fault as fault:
            answer = faults.answer(Protocol.SES_V1, fault, REQUEST_ID)
            return answer.status, answer.body.decode()
        return 200, xml.encode(operation, result, REQUEST_ID).decode()

    return asyncio.run(answered())


def v2(desk: Desk, method: str, path: str, body: str = "") -> tuple[int, str, str]:
    """Status, error type (empty where there is none) and body of a call of API v2."""

    async def answered() -> tuple[int, str, str]:
        try:
            operation, labels = _ROUTER.match(method, path.encode())
            request: Any = rest.decode(operation, labels, b"", body.encode())
            result = await desk.dispatch(desk.call("sesv2", operation.name), request)
        except Fault as fault:
            answer = faults.answer(Protocol.SES_V2, fault, REQUEST_ID)
            return answer.status, dict(answer.headers)[b"x-amzn-errortype"].decode(), answer.body.decode()
        return 200, "", rest.encode(operation, result).decode()

    return asyncio.run(answered())


def v1_result(operation: str, inner: str = "") -> tuple[int, str]:
    """What a call of API v1 that succeeds answers, `inner` standing in its result."""
    result = f"<{operation}Result>{inner}</{operation}Result>" if inner else f"<{operation}Result/>"
    return (
        200,
        (
            f'<{operation}Response xmlns="{NAMESPACE}">{result}<ResponseMetadata>'
            f"<RequestId>{REQUEST_ID}</RequestId></ResponseMetadata></{operation}Response>"
        ),
    )


def v1_refusal(code: str, message: str, members: str = "") -> tuple[int, str]:
    """What a call of API v1 that is refused answers."""
    told = message.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return (
        400,
        (
            f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
            f"<Message>{told}</Message>{members}</Error><RequestId>{REQUEST_ID}</RequestId></ErrorResponse>"
        ),
    )
