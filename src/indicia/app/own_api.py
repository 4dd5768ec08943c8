"""The calls under `/indicia/v1/`: how their requests are read, who answers, how answers are written.

The rules are the operations'; here is only the way in and out, and the description of both.
"""

from __future__ import annotations

from typing import Any

import msgspec

from indicia.domain.call import Call
from indicia.operations.diagnosis.diagnosing import DiagnosisRequest
from indicia.operations.dispatch import Dispatch
from indicia.operations.dkim.replication_offer import ReplicationRequest, ReplicationResponse
from indicia.operations.dkim.rotating import RotateRequest, RotateResponse
from indicia.operations.events.webhooks import (
    CreateWebhookRequest,
    DeletedResponse,
    ListWebhooksRequest,
    QueuedResponse,
    RedeliverRequest,
    Redelivery,
    UpdateWebhookRequest,
    WebhookChanges,
    WebhookDetailResponse,
    WebhookListResponse,
    WebhookRequest,
    WebhookResponse,
    WebhookSecretResponse,
)
from indicia.operations.identities.records import DomainConnect, RecordsRequest, RecordsResponse, completed
from indicia.operations.policies.policy_explanation import ExplainRequest, ExplainResponse
from indicia.operations.unread import Unread
from indicia.operations.verification.checking import CheckRequest, CheckResponse
from indicia.operations.verification.history import HistoryRequest, HistoryResponse
from indicia.verifier.diagnosis import Diagnosis
from indicia.verifier.forecast import Foresees, nothing_foreseen
from indicia.wire.own import Access, Asked, Reply, Route

_encoder = msgspec.json.Encoder()
_TEXT = b"text/plain; charset=utf-8"

IDENTITY = "/indicia/v1/identities/{name}"
REPLICATION = "/indicia/v1/replication/{name}"
POLICY = "/indicia/v1/policy"
WEBHOOKS = "/indicia/v1/webhooks"
WEBHOOK = f"{WEBHOOKS}/{{id}}"
DESCRIPTION = "/indicia/v1/openapi.json"


class Refusal(msgspec.Struct, frozen=True):
    """How every call here is refused."""

    code: str
    message: str


class OwnApi:
    """The signed calls, each of which passes the dispatch, and the description of them all."""

    def __init__(
        self, dispatch: Dispatch, more: tuple[Route, ...] = (), *, foresee: Foresees = nothing_foreseen
    ) -> None:
        self._dispatch = dispatch
        self._foresee = foresee
        self.routes: tuple[Route, ...] = (
            Route("GET", f"{IDENTITY}/records", "GetIdentityRecords", self._records),
            Route("GET", f"{IDENTITY}/diagnosis", "DiagnoseIdentity", self._diagnosis),
            Route("POST", f"{IDENTITY}/check", "CheckIdentity", self._check),
            Route("POST", f"{IDENTITY}/rotate", "RotateIdentityKey", self._rotate),
            Route("GET", REPLICATION, "ReplicateIdentity", self._replicate),
            Route("GET", f"{IDENTITY}/history", "GetIdentityHistory", self._history),
            Route("POST", f"{POLICY}/explain", "ExplainPolicy", self._explain),
            Route("POST", WEBHOOKS, "CreateWebhook", self._create_webhook),
            Route("GET", WEBHOOKS, "ListWebhooks", self._list_webhooks),
            Route("GET", WEBHOOK, "GetWebhook", self._webhook),
            Route("PATCH", WEBHOOK, "UpdateWebhook", self._update_webhook),
            Route("DELETE", WEBHOOK, "DeleteWebhook", self._webhook),
            Route("POST", f"{WEBHOOK}/secret", "RotateWebhookSecret", self._webhook),
            Route("POST", f"{WEBHOOK}/test", "TestWebhook", self._webhook_later),
            Route("POST", f"{WEBHOOK}/redeliver", "RedeliverWebhook", self._redeliver),
            Route("GET", DESCRIPTION, "DescribeApi", self._describe, Access.OPEN),
            *more,
        )

    async def _records(self, call: Call, asked: Asked) -> Reply:
        request = RecordsRequest(
            name=asked.labels["name"],
            format=asked.query.get("format", "json"),
            zone=asked.query.get("zone", ""),
        )
        answer = await self._dispatch(call, request)
        if isinstance(answer, str):
            return Reply(answer.encode(), content_type=_TEXT)
        forecast = await self._foresee(call.account, call.region, request.name)
        found = forecast.connection
        connection = None if found is None else DomainConnect(provider=found.provider, url=found.url)
        return Reply(_encoder.encode(completed(answer, forecast.records, connection)))

    async def _diagnosis(self, call: Call, asked: Asked) -> Reply:
        request = DiagnosisRequest(name=asked.labels["name"])
        return Reply(_encoder.encode(await self._dispatch(call, request)))

    async def _check(self, call: Call, asked: Asked) -> Reply:
        return Reply(
            _encoder.encode(await self._dispatch(call, CheckRequest(name=asked.labels["name"]))), 202
        )

    async def _rotate(self, call: Call, asked: Asked) -> Reply:
        return Reply(
            _encoder.encode(await self._dispatch(call, RotateRequest(name=asked.labels["name"]))), 202
        )

    async def _replicate(self, call: Call, asked: Asked) -> Reply:
        region = asked.query.get("replica-region", "")
        request = ReplicationRequest(name=asked.labels["name"], replica_region=region)
        return Reply(_encoder.encode(await self._dispatch(call, request)))

    async def _history(self, call: Call, asked: Asked) -> Reply:
        return Reply(_encoder.encode(await self._dispatch(call, HistoryRequest(name=asked.labels["name"]))))

    async def _explain(self, call: Call, asked: Asked) -> Reply:
        return Reply(_encoder.encode(await self._dispatch(call, asked.read(ExplainRequest))))

    async def _create_webhook(self, call: Call, asked: Asked) -> Reply:
        answer = await self._dispatch(call, Unread(lambda: asked.read(CreateWebhookRequest)))
        return Reply(_encoder.encode(answer), 201)

    async def _list_webhooks(self, call: Call, _: Asked) -> Reply:
        return Reply(_encoder.encode(await self._dispatch(call, ListWebhooksRequest())))

    async def _webhook(self, call: Call, asked: Asked) -> Reply:
        return Reply(_encoder.encode(await self._dispatch(call, WebhookRequest(id=asked.labels["id"]))))

    async def _webhook_later(self, call: Call, asked: Asked) -> Reply:
        return (await self._webhook(call, asked))._replace(status=202)

    async def _update_webhook(self, call: Call, asked: Asked) -> Reply:
        request = Unread(
            lambda: UpdateWebhookRequest(id=asked.labels["id"], changes=asked.read(WebhookChanges))
        )
        return Reply(_encoder.encode(await self._dispatch(call, request)))

    async def _redeliver(self, call: Call, asked: Asked) -> Reply:
        request = Unread(lambda: RedeliverRequest(id=asked.labels["id"], wanted=asked.read(Redelivery)))
        return Reply(_encoder.encode(await self._dispatch(call, request)), 202)

    async def _describe(self, _call: Call, _asked: Asked) -> Reply:
        return Reply(_encoder.encode(describe(self.routes)))


# What the calls with a body take, and what each call answers with 200 or 202, for the description.
_BODIES: dict[str, type[Any]] = {
    "ExplainPolicy": ExplainRequest,
    "CreateWebhook": CreateWebhookRequest,
    "UpdateWebhook": WebhookChanges,
    "RedeliverWebhook": Redelivery,
}
_ANSWERS: dict[str, tuple[int, type[Any]]] = {
    "GetIdentityRecords": (200, RecordsResponse),
    "DiagnoseIdentity": (200, Diagnosis),
    "CheckIdentity": (202, CheckResponse),
    "RotateIdentityKey": (202, RotateResponse),
    "ReplicateIdentity": (200, ReplicationResponse),
    "GetIdentityHistory": (200, HistoryResponse),
    "ExplainPolicy": (200, ExplainResponse),
    "CreateWebhook": (201, WebhookSecretResponse),
    "ListWebhooks": (200, WebhookListResponse),
    "GetWebhook": (200, WebhookDetailResponse),
    "UpdateWebhook": (200, WebhookResponse),
    "DeleteWebhook": (200, DeletedResponse),
    "RotateWebhookSecret": (200, WebhookSecretResponse),
    "TestWebhook": (202, QueuedResponse),
    "RedeliverWebhook": (202, QueuedResponse),
}
# What may stand in the query of a call.
_QUERIES: dict[str, dict[str, str]] = {
    "GetIdentityRecords": {
        "format": "json, or a form that tools read, as text: table, zone, terraform, cloudflare, octodns",
        "zone": "the zone that the records are put into, for those forms; the last that was seen without it",
    },
    "ReplicateIdentity": {"replica-region": "the region of the replica"},
}
_MEANINGS = {
    "GetIdentityRecords": "The records to publish, and how the last check saw each.",
    "DiagnoseIdentity": "Looks at the DNS now and explains, record by record. Moves no state.",
    "CheckIdentity": "Makes the identity due at once.",
    "RotateIdentityKey": "Publishes the next key of Easy DKIM, which signs once it was seen.",
    "ReplicateIdentity": "The tokens and keys of a parent, for a replica in another installation.",
    "GetIdentityHistory": "The stored verdicts, newest first, with their evidence.",
    "ExplainPolicy": "Whether a principal may do something with an identity, and what decides it.",
    "CreateWebhook": "Sends the events of the account in the region to a URL. Shows the secret, once.",
    "ListWebhooks": "The webhooks of the account in the region.",
    "GetWebhook": "A webhook, and how its last deliveries went.",
    "UpdateWebhook": "Changes what is given; what waits is tried at once.",
    "DeleteWebhook": "Removes a webhook, and what waits for it.",
    "RotateWebhookSecret": "Makes a new secret, shown once. The one before signs as well for a day.",
    "TestWebhook": "Sends an event that tells of nothing.",
    "RedeliverWebhook": "Sends an event, or all since an instant, once more.",
    "DescribeApi": "This description.",
}


def describe(routes: tuple[Route, ...]) -> dict[str, Any]:
    """Return the calls as an OpenAPI 3.1 document."""
    _, schemas = msgspec.json.schema_components(
        [Refusal, *_BODIES.values(), *(answer for _, answer in _ANSWERS.values())],
        ref_template="#/components/schemas/{name}",
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
    described: dict[str, Any] = {
        "operationId": route.operation,
        "summary": _MEANINGS.get(route.operation, ""),
        "parameters": [
            *(
                {"name": label, "in": "path", "required": True, "schema": {"type": "string"}}
                for label in labels
            ),
            *(
                {"name": name, "in": "query", "schema": {"type": "string"}, "description": meaning}
                for name, meaning in _QUERIES.get(route.operation, {}).items()
            ),
        ],
        "security": [{"sigv4": []}] if route.access is Access.SIGNED else [],
        "responses": {str(status): good, "default": {"description": "Refused.", "content": refused}},
    }
    body = _BODIES.get(route.operation)
    if body is not None:
        schema = {"$ref": f"#/components/schemas/{body.__name__}"}
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return described
