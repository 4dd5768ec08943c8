"""The calls of our own as an OpenAPI 3.1 document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from indicia.operations.own.route import OwnRoute
from indicia.wire.own import Access, labels_of


class Refusal(msgspec.Struct, frozen=True):
    """How every call here is refused."""

    code: str
    message: str


def describe(routes: Iterable[OwnRoute[Any, Any]]) -> dict[str, Any]:
    """Return the description of these calls."""
    listed = list(routes)
    bodies = [route.body_type for route in listed if route.body_type is not None]
    answers = [route.answer for route in listed if _is_described(route)]
    _, schemas = msgspec.json.schema_components(
        list(dict.fromkeys([Refusal, *bodies, *answers])), ref_template="#/components/schemas/{name}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in listed:
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


def _is_described(route: OwnRoute[Any, Any]) -> bool:
    return issubclass(route.answer, msgspec.Struct)


def _described(route: OwnRoute[Any, Any]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "Done."}
    if _is_described(route):
        good["content"] = _content(route.answer)
    described: dict[str, Any] = {
        "operationId": route.operation,
        "summary": route.summary,
        "parameters": [
            *(
                {"name": label, "in": "path", "required": True, "schema": {"type": "string"}}
                for label in labels_of(route.template)
            ),
            *(
                {"name": name, "in": "query", "schema": {"type": "string"}, "description": meaning}
                for name, meaning in route.query.items()
            ),
        ],
        "security": [{"sigv4": []}] if route.access is Access.SIGNED else [],
        "responses": {
            str(route.status): good,
            "default": {"description": "Refused.", "content": _content(Refusal)},
        },
    }
    if route.body_type is not None:
        described["requestBody"] = {"required": True, "content": _content(route.body_type)}
    return described


def _content(shape: type[Any]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{shape.__name__}"}}}
