"""REST-JSON, the protocol of SES API v2: routes, requests, results.

A route is matched on the path as it was sent; labels are decoded after that, so that `a%2Fb` is one label.
A body that fits its shape is decoded and checked in C; any other is read again by `coercion`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from urllib.parse import unquote_to_bytes

import msgspec

from indicia.domain.faults import Fault, FaultKind
from indicia.wire import shapes
from indicia.wire.aws import coercion
from indicia.wire.aws.faults import MethodNotAllowed
from indicia.wire.aws.validation import validate
from indicia.wire.shapes.kinds import ListOf, Member, Scalar, members

if TYPE_CHECKING:
    from collections.abc import Mapping

    from msgspec import Struct

    from indicia.wire.shapes.operation import Operation

MOST_QUERY_PARAMETERS = 1000

# The slow reading takes microseconds a part: a body with more commas than this is not read that way. Up to
# this length nobody counts.
MOST_PARTS = 20_000
LIGHT_BODY = 65_536

_encode = msgspec.json.Encoder().encode
_decode_any = msgspec.json.Decoder().decode


class Match(NamedTuple):
    """The operation behind a method and a path, and its labels by member name, decoded."""

    operation: Operation
    labels: dict[str, str]


class Router:
    """All routes of API v2, today's and those of earlier service models."""

    def __init__(self) -> None:
        self._root: _Node = _Node()
        for operation in (*shapes.operations("sesv2").values(), *shapes.earlier_routes("sesv2")):
            member_of = dict(operation.labels)
            segments = operation.path.rstrip("/").split("/")[1:]
            node = self._root
            for segment in segments:
                node = node.below(segment)
            names = tuple(member_of[segment[1:-1]] for segment in segments if segment.startswith("{"))
            node.routes[operation.method] = (operation, names)

    def match(self, method: str, raw_path: bytes) -> Match:
        """The operation at `raw_path`. A slash at the end changes nothing.

        UNKNOWN_OPERATION is raised when there is none, METHOD_NOT_ALLOWED when only the method is wrong.
        """
        try:
            path = raw_path.decode("ascii")
        except UnicodeDecodeError:
            raise Fault(FaultKind.UNKNOWN_OPERATION, "The path is not ASCII.") from None
        segments = path.removesuffix("/").split("/")
        if segments[0]:
            raise Fault(FaultKind.UNKNOWN_OPERATION, "The path does not begin with a slash.")
        allowed: set[str] = set()
        found = self._root.walk(method, segments) or self._root.find(method, segments, 1, [], allowed)
        if found is not None:
            (operation, names), values = found
            return Match(operation, dict(zip(names, map(_label, values), strict=True)))
        if allowed:
            raise MethodNotAllowed(allowed)
        raise Fault(FaultKind.UNKNOWN_OPERATION, "No operation answers at this path.")


# An operation, and the members that the labels on the way to it are, in the order of the path.
_Route: TypeAlias = "tuple[Operation, tuple[str, ...]]"


class _Node:
    """A place in the tree of path segments."""

    __slots__ = ("label", "literal", "routes")

    def __init__(self) -> None:
        self.literal: dict[str, _Node] = {}
        self.label: _Node | None = None
        self.routes: dict[str, _Route] = {}

    def below(self, segment: str) -> _Node:
        """The node of a template's segment, made when it is new."""
        if not segment.startswith("{"):
            return self.literal.setdefault(segment, _Node())
        if self.label is None:
            self.label = _Node()
        return self.label

    def walk(self, method: str, segments: list[str]) -> tuple[_Route, list[str]] | None:
        """The route that is found without trying twice, as nearly all are; `find` knows the others."""
        node = self
        values: list[str] = []
        for segment in segments[1:]:
            below = node.literal.get(segment)
            if below is None:
                below = node.label
                if below is None or not segment:
                    return None
                values.append(segment)
            node = below
        route = node.routes.get(method)
        return None if route is None else (route, values)

    def find(
        self, method: str, segments: list[str], at: int, values: list[str], allowed: set[str]
    ) -> tuple[_Route, list[str]] | None:
        """The route that `segments` lead to; a literal segment goes before a label."""
        if at == len(segments):
            route = self.routes.get(method)
            if route is None:
                allowed.update(self.routes)
                return None
            return route, values
        segment = segments[at]
        child = self.literal.get(segment)
        if child is not None:
            found = child.find(method, segments, at + 1, values, allowed)
            if found is not None:
                return found
        if self.label is not None and segment:
            return self.label.find(method, segments, at + 1, [*values, segment], allowed)
        return None


def _label(value: str) -> str:
    return value if "%" not in value else _text(value.encode("ascii"))


def _text(value: bytes) -> str:
    """`value` without its percent encoding."""
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        raise Fault(FaultKind.SERIALIZATION, "The percent encoding does not hold UTF-8.") from None


def decode(operation: Operation, labels: Mapping[str, str], raw_query: bytes, body: bytes) -> Struct:
    """The request, typed and valid; SERIALIZATION or VALIDATION is raised when it is not.

    Members that the operation does not know are ignored; a member that is null is absent.
    """
    plan = _plan(operation)
    if not plan.outside:
        request = _body(plan, body)
    else:
        given: dict[str, Any] = dict(labels)
        if plan.query:
            given.update(_query(plan.query, raw_query))
        request = _joined(operation, plan, given, body)
    validate(request)
    return request


def encode(operation: Operation, result: Struct | None) -> bytes:
    """The body that answers `operation`; `{}` when there is nothing to tell."""
    return b"{}" if result is None else _encode(result)


class _Plan(NamedTuple):
    """How the requests of one operation are put together."""

    shape: type[Struct]
    outside: bool
    query: dict[str, Member]
    body: tuple[str, ...]
    decoder: msgspec.json.Decoder[Any] | None


@cache
def _plan(operation: Operation) -> _Plan:
    shape = operation.request
    outside = {name for _, name in (*operation.labels, *operation.query)}
    by_name = {member.name: member for member in members(shape)}
    inside = tuple(name for name in by_name if name not in outside)
    # What travels in the body, as a shape of its own when other members travel elsewhere.
    carried = shape if not outside else _part(shape, inside) if inside else None
    return _Plan(
        shape=carried or shape,
        outside=bool(outside),
        query={wire: by_name[name] for wire, name in operation.query},
        body=inside,
        decoder=msgspec.json.Decoder(carried) if carried else None,
    )


def _part(shape: type[Struct], names: tuple[str, ...]) -> type[Struct]:
    """A shape with only the members `names` of `shape`."""
    fields = [
        (field.name, field.type) if field.required else (field.name, field.type, field.default)
        for field in msgspec.structs.fields(shape)
        if field.name in names
    ]
    return msgspec.defstruct(f"{shape.__name__}Body", fields, kw_only=True)


def _joined(operation: Operation, plan: _Plan, given: dict[str, Any], body: bytes) -> Struct:
    """The request of `given` (labels, query string) and what the body holds."""
    if plan.decoder is not None and body:
        carried = _body(plan, body)
        for name in plan.body:
            value = getattr(carried, name)
            if value is not None:
                given[name] = value
    return coercion.build(operation.request, given)


def _body(plan: _Plan, body: bytes) -> Struct:
    """The body, typed; what is required and absent is None."""
    heavy = len(body) > LIGHT_BODY and body.count(b",") > MOST_PARTS
    try:
        # The typed decoder takes null for every member that may be absent; the slow reading knows better.
        request = _typed(plan, body) if body and (heavy or b"null" not in body) else None
        if request is not None:
            return request
        if heavy:
            raise Fault(FaultKind.SERIALIZATION, "The body does not have the members expected.")
        value = _decode_any(body) if body else {}
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Fault(FaultKind.SERIALIZATION, "The body is not valid JSON.") from None
    return coercion.build(plan.shape, coercion.structure(value, plan.shape))


def _typed(plan: _Plan, body: bytes) -> Struct | None:
    """The body, when it fits its shape exactly."""
    assert plan.decoder is not None
    try:
        request: Struct = plan.decoder.decode(body)
    except msgspec.ValidationError:
        return None
    return request


def _query(wanted: Mapping[str, Member], raw_query: bytes) -> dict[str, Any]:
    """The members in the query string. Of a member that is no list, the first value counts."""
    if raw_query.count(b"&") >= MOST_QUERY_PARAMETERS:
        raise Fault(FaultKind.SERIALIZATION, "The query string has too many parameters.")
    found: dict[str, Any] = {}
    for pair in raw_query.split(b"&"):
        key, _, value = pair.partition(b"=")
        member = wanted.get(_text(key))
        if member is None:
            continue
        text = _text(value.replace(b"+", b" "))
        if isinstance(member.kind, ListOf):
            found.setdefault(member.name, []).append(text)
        elif member.name not in found:
            assert isinstance(member.kind, Scalar)
            found[member.name] = coercion.text(text, member.kind.name)
    return found
