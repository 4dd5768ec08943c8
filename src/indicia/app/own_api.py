"""The calls under `/indicia/v1/`: how their requests are read, who answers, how answers are written.

The rules are the operations'; here is only the way in and out, and the description of both.
"""

from __future__ import annotations

from typing import Any

import msgspec

from indicia.domain.call import Call
from indicia.operations.checking import CheckRequest, CheckResponse
from indicia.operations.dispatch import Dispatch
from indicia.operations.history import HistoryRequest, HistoryResponse
from indicia.operations.records import RecordsRequest, RecordsResponse
from indicia.verifier.diagnosis import Diagnosis, Doctor
from indicia.wire.own import Access, Asked, Reply, Route

_encoder = msgspec.json.Encoder()
_TEXT = b"text/plain; charset=utf-8"

IDENTITY = "/indicia/v1/identities/{name}"
DESCRIPTION = "/indicia/v1/openapi.json"


class Refusal(msgspec.Struct, frozen=True):
    """How every call here is refused."""

    code: str
    message: str


class OwnApi:
    """The signed calls about identities, and the description of them all."""

    def __init__(self, dispatch: Dispatch, doctor: Doctor, more: tuple[Route, ...] = ()) -> None:
        self._dispatch = dispatch
        self._doctor = doctor
        self.routes: tuple[Route, ...] = (
            Route("GET", f"{IDENTITY}/records", "GetIdentityRecords", self._records),
            Route("GET", f"{IDENTITY}/diagnosis", "DiagnoseIdentity", self._diagnosis),
            Route("POST", f"{IDENTITY}/check", "CheckIdentity", self._check),
            Route("GET", f"{IDENTITY}/history", "GetIdentityHistory", self._history),
            Route("GET", DESCRIPTION, "DescribeApi", self._describe, Access.OPEN),
            *more,
        )

    async def _records(self, call: Call, asked: Asked) -> Reply:
        request = RecordsRequest(name=asked.labels["name"], format=asked.query.get("format", "json"))
        answer = await self._dispatch(call, request)
        if isinstance(answer, str):
            return Reply(answer.encode(), content_type=_TEXT)
        return Reply(_encoder.encode(answer))

    async def _diagnosis(self, call: Call, asked: Asked) -> Reply:
        diagnosis = await self._doctor.diagnose(call.account, call.region, asked.labels["name"])
        return Reply(_encoder.encode(diagnosis))

    async def _check(self, call: Call, asked: Asked) -> Reply:
        return Reply(
            _encoder.encode(await self._dispatch(call, CheckRequest(name=asked.labels["name"]))), 202
        )

    async def _history(self, call: Call, asked: Asked) -> Reply:
        return Reply(_encoder.encode(await self._dispatch(call, HistoryRequest(name=asked.labels["name"]))))

    async def _describe(self, _call: Call, _asked: Asked) -> Reply:
        return Reply(_encoder.encode(describe(self.routes)))


# What each call answers with 200 or 202, for the description.
_ANSWERS: dict[str, tuple[int, type[Any]]] = {
    "GetIdentityRecords": (200, RecordsResponse),
    "DiagnoseIdentity": (200, Diagnosis),
    "CheckIdentity": (202, CheckResponse),
    "GetIdentityHistory": (200, HistoryResponse),
}
_MEANINGS = {
    "GetIdentityRecords": "The records to publish, and how the last check saw each.",
    "DiagnoseIdentity": "Looks at the DNS now and explains, record by record. Moves no state.",
    "CheckIdentity": "Makes the identity due at once.",
    "GetIdentityHistory": "The stored verdicts, newest first, with their evidence.",
    "DescribeApi": "This description.",
}


def describe(routes: tuple[Route, ...]) -> dict[str, Any]:
    """Return the calls as an OpenAPI 3.1 document."""
    _, schemas = msgspec.json.schema_components(
        [Refusal, *(answer for _, answer in _ANSWERS.values())], ref_template="#/components/schemas/{name}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.template, {})[route.method.lower()] = _described(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Indicia",
            "version": "1",
            "description": "What the Amazon SES API has no operation for. Requests carry AWS Signature"
            " Version 4 (service `ses`).",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "sigv4": {"type": "apiKey", "name": "Authorization", "in": "header"},
            },
        },
    }


def _described(route: Route) -> dict[str, Any]:
    labels = [part[1:-1] for part in route.template.split("/") if part.startswith("{")]
    status, answer = _ANSWERS.get(route.operation, (200, None))
    good: dict[str, Any] = {"description": "Done."}
    if answer is not None:
        good["content"] = {
            "application/json": {"schema": {"$ref": f"#/components/schemas/{answer.__name__}"}}
        }
    refused = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    return {
        "operationId": route.operation,
        "summary": _MEANINGS.get(route.operation, ""),
        "parameters": [
            {"name": label, "in": "path", "required": True, "schema": {"type": "string"}} for label in labels
        ],
        "security": [{"sigv4": []}] if route.access is Access.SIGNED else [],
        "responses": {str(status): good, "default": {"description": "Refused.", "content": refused}},
    }
