"""`docs/reference/http.md`: the calls of our own, read from the routes and their OpenAPI description."""

from __future__ import annotations

from typing import Any, cast

from indicia.app.own_api import OwnApi, describe
from indicia.sandbox.calls import SandboxCalls
from indicia.wire.own import Access, Route
from pages.markdown import Blocks, code, table

PATH = "docs/reference/http.md"

_ACCESS = {
    Access.SIGNED: "signed",
    Access.LOCAL: "unsigned, on loopback only, with `Content-Type: application/json`",
    Access.OPEN: "unsigned",
}

# What the sandbox's calls take and answer; `indicia.sandbox.calls` has the types.
_SANDBOX = {
    "GetSandboxClock": ("", '`{"now"}`'),
    "AdvanceSandboxClock": (
        '`{"advance": "73h"}`',
        '`{"now"}`, when every check that became due is committed',
    ),
    "ListSandboxRecords": ("", '`{"records": [{"name", "type", "ttl", "values"}]}`'),
    "PutSandboxRecords": (
        (
            '`{"name", "type", "values": [], "ttl", "shown_by": []}`: for everybody, or for those of'
            " `resolver`, `ns1`, `ns2`, `ns3` that `shown_by` names;"
            ' or `{"name", "rcode"}`: the name fails so, with a response code,'
            " or as `BOGUS`, `UNREACHABLE` or `BLOCKED`"
        ),
        "`{}`, when everyone it concerns has been looked at",
    ),
    "DeleteSandboxRecords": (
        '`{"name", "type"}`, `{"name"}`, or `{"domain"}`: everything at and below it',
        '`{"removed"}`',
    ),
    "ListSandboxOutbox": ("", '`{"mails": [{"id", "sender", "to", "subject", "text", "html", …}]}`'),
    "EmptySandboxOutbox": ("", '`{"removed"}`'),
    "ResetSandbox": ("", "`{}`: no identities, records and mails any more; keys and the clock stay"),
}


def own_routes() -> tuple[Route, ...]:
    """Return every route under `/indicia/v1/`, those of a sandbox included. None of them is called here."""
    nobody = cast("Any", None)
    return OwnApi(nobody, more=SandboxCalls(nobody).routes()).routes


def blocks() -> Blocks:
    """Return the calls that every service has, and those of a sandbox."""
    routes = own_routes()
    document = describe(routes)
    everywhere = [_call(route, document) for route in routes if route.access is not Access.LOCAL]
    steering = [_steering(route) for route in routes if route.access is Access.LOCAL]
    return {
        PATH: {
            "calls": "\n\n".join(everywhere),
            "sandbox": table(("call", "takes", "answers"), steering),
        }
    }


def _steering(route: Route) -> tuple[str, str, str]:
    takes, answers = _SANDBOX.get(route.operation, ("", ""))
    return code(f"{route.method} {route.template}"), takes, answers


def _call(route: Route, document: dict[str, Any]) -> str:
    described = document["paths"][route.template][route.method.lower()]
    parts = [f"## {route.operation}", f"`{route.method} {route.template}`, {_ACCESS[route.access]}"]
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
