"""`docs/reference/http.md`: the calls of our own, read from the routes and their OpenAPI description."""

from __future__ import annotations

from typing import Any

from indicia.operations.own.api import declared
from indicia.operations.own.openapi import describe
from indicia.operations.own.route import OwnRoute
from indicia.sandbox.calls import CALLS
from indicia.wire.own import Access
from pages.markdown import Blocks, code, table

PATH = "docs/reference/http.md"

_ACCESS = {
    Access.SIGNED: "signed",
    Access.LOCAL: "unsigned, on loopback only, with `Content-Type: application/json`",
    Access.OPEN: "unsigned",
}


def own_routes() -> tuple[OwnRoute[Any, Any], ...]:
    """Return every call under `/indicia/v1/`, those of a sandbox included."""
    return (*declared(), *CALLS)


def blocks() -> Blocks:
    """Return the calls that every service has, and those of a sandbox."""
    routes = own_routes()
    document = describe(routes)
    everywhere = [_call(route, document, "##") for route in routes if route.access is not Access.LOCAL]
    steering = [_call(route, document, "###") for route in routes if route.access is Access.LOCAL]
    return {PATH: {"calls": "\n\n".join(everywhere), "sandbox": "\n\n".join(steering)}}


def _call(route: OwnRoute[Any, Any], document: dict[str, Any], level: str) -> str:
    described = document["paths"][route.template][route.method.lower()]
    parts = [f"{level} {route.operation}", f"`{route.method} {route.template}`, {_ACCESS[route.access]}"]
    parts.append(described["summary"])
    asked = [
        (code(each["name"]), each["description"]) for each in described["parameters"] if each["in"] == "query"
    ]
    if asked:
        parts += ["In its query there may be", table(("parameter", "meaning"), asked)]
    taken = _body(described.get("requestBody"), document)
    if taken:
        parts += ["It takes", taken]
    status, answer = next(
        (status, each) for status, each in described["responses"].items() if status != "default"
    )
    given = _body(answer, document)
    parts += [f"It answers {status} with", given] if given else [f"It answers {status}."]
    return "\n\n".join(parts)


def _body(described: dict[str, Any] | None, document: dict[str, Any]) -> str:
    schema = (described or {}).get("content", {}).get("application/json", {}).get("schema")
    if not schema:
        return ""
    return table(("member", "type", "meaning"), _members("", schema, document["components"]["schemas"], ()))


def _members(
    prefix: str, schema: dict[str, Any], known: dict[str, Any], inside: tuple[str, ...]
) -> list[tuple[str, str, str]]:
    """Return the members of an object, those of objects inside it behind them."""
    name, found = _resolved(schema, known)
    rows: list[tuple[str, str, str]] = []
    for member, of in found.get("properties", {}).items():
        path = f"{prefix}{member}"
        inner_name, inner = _object_in(of, known)
        meaning = inner.get("description", "").split("\n\n")[0].replace("\n", " ") if inner else ""
        rows.append((code(path), _kind(of, known), meaning))
        if inner and inner_name not in (*inside, name):
            listed = "[]" if "items" in of or "prefixItems" in of else ""
            rows += _members(f"{path}{listed}.", inner, known, (*inside, name, inner_name))
    return rows


def _resolved(schema: dict[str, Any], known: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return (name, known[name]) if name else ("", schema)


def _object_in(schema: dict[str, Any], known: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the object that a member is or lists; nothing where it is a plain value."""
    candidates = [schema, schema.get("items"), *schema.get("anyOf", [])]
    for each in candidates:
        if isinstance(each, dict) and "$ref" in each:
            return _resolved(each, known)
    return "", {}


def _kind(schema: dict[str, Any], known: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_kind(each, known) for each in schema["anyOf"])
    if "$ref" in schema:
        return "object"
    kind = str(schema.get("type", "any"))
    if kind == "array" and isinstance(schema.get("items"), dict):
        return f"list of {_kind(schema['items'], known)}"
    return {"array": "list", "null": "null"}.get(kind, kind)
