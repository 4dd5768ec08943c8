"""The Query protocol of SES API v1 and STS: a form or a query string in, a typed request out.

Lists are `Name.member.1`, maps `Name.entry.1.key` and `.value`, structures `Name.Member`; order is by index,
whatever the order of arrival. What the operation does not know is ignored.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from urllib.parse import unquote_to_bytes

from indicia.domain.call import Service
from indicia.domain.faults import Fault, FaultKind
from indicia.wire import shapes
from indicia.wire.aws import coercion
from indicia.wire.aws.validation import validate
from indicia.wire.shapes.kinds import Kind, ListOf, MapOf, Scalar, ScalarName, Structure, members

if TYPE_CHECKING:
    from msgspec import Struct

    from indicia.wire.shapes.operation import Operation

    Admit: TypeAlias = Callable[[Operation], None]

# The operations of a version of an API. A request without a version may mean either: no name is in both.
VERSIONS = {"2010-12-01": Service.SES, "2011-06-15": Service.STS}

# The largest real requests (SendBulkTemplatedEmail) have a few thousand parameters; the longest name (in
# SendBounce, its extension fields) has eight parts.
MOST_PARAMETERS = 10_000
DEEPEST = 8
LONGEST_INDEX = 6

# A parameter's value, or what its name goes on to, by the next part of the name. The value of a name that
# others continue is under "".
_Node: TypeAlias = "str | dict[str, _Node]"
_Reader: TypeAlias = Callable[[_Node], Any]


def parse(form: bytes, admit: Admit = lambda _: None) -> tuple[Service, Operation, Struct]:
    """The service (SES or STS), the operation and the valid request that `form` holds.

    Raises MALFORMED_QUERY when it is no form, MISSING_ACTION, UNKNOWN_OPERATION, MALFORMED_INPUT for a value
    that is not of its type, VALIDATION; and what `admit` raises for an operation whose members are not read.
    """
    tree = _tree(form)
    operation = _operation(tree)
    admit(operation)
    request = _structure(operation.request)(tree)
    validate(request)
    return Service(operation.service), operation, request


def _operation(tree: dict[str, _Node]) -> Operation:
    action, version = tree.get("Action"), tree.get("Version")
    if not action or not isinstance(action, str):
        raise Fault(FaultKind.MISSING_ACTION, "The request must name an Action.")
    services = VERSIONS.values() if version is None else [VERSIONS.get(str(version), "")]
    for service in filter(None, services):
        operation = shapes.operations(service).get(action)
        if operation is not None:
            return operation
    told = version[:100] if isinstance(version, str) else "NO_VERSION_SPECIFIED"
    raise Fault(FaultKind.UNKNOWN_OPERATION, f"Could not find operation {action[:100]} for version {told}")


def _tree(form: bytes) -> dict[str, _Node]:
    """The parameters by the parts of their names. Of two of one name the first counts."""
    if form.count(b"&") >= MOST_PARAMETERS:
        raise Fault(FaultKind.MALFORMED_QUERY, f"A request has at most {MOST_PARAMETERS} parameters.")
    tree: dict[str, _Node] = {}
    for name, value in _pairs(form):
        if "." not in name:
            held = tree.setdefault(name, value)
            if isinstance(held, dict):
                held.setdefault("", value)
            continue
        parts = name.split(".", DEEPEST)
        if len(parts) <= DEEPEST:
            _place(tree, parts, value)
    return tree


def _pairs(form: bytes) -> Iterator[tuple[str, str]]:
    """Names and values, decoded. Where nothing is encoded, as in most forms, all are decoded at once."""
    encoded = b"%" in form or b"+" in form
    for pair in form.decode("latin-1").split("&") if encoded else _utf8(form).split("&"):
        if pair:
            name, _, value = pair.partition("=")
            yield (_text(name), _text(value)) if encoded else (name, value)


def _place(tree: dict[str, _Node], parts: list[str], value: str) -> None:
    for part in parts[:-1]:
        below = tree.get(part)
        if not isinstance(below, dict):
            below = tree[part] = {} if below is None else {"": below}
        tree = below
    held = tree.setdefault(parts[-1], value)
    if isinstance(held, dict):
        held.setdefault("", value)


def _text(encoded: str) -> str:
    """A name or a value of a form whose octets were taken for characters of Latin-1."""
    octets = encoded.replace("+", " ").encode("latin-1")
    return _utf8(unquote_to_bytes(octets) if b"%" in octets else octets)


def _utf8(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise Fault(FaultKind.MALFORMED_QUERY, "The query string is not UTF-8.") from None


@cache
def _structure(shape: type[Struct]) -> _Reader:
    """What reads a structure."""
    rows = [(member.name, _reader(member.kind, member.name), member.required) for member in members(shape)]

    def read(node: _Node) -> Struct:
        given: dict[str, Any] = {}
        tree = node if isinstance(node, dict) else {}
        for name, reader, required in rows:
            below = tree.get(name)
            if below is not None:
                given[name] = reader(below)
            elif required:
                given[name] = None
        return shape(**given)

    return read


def _reader(kind: Kind, name: str) -> _Reader:
    match kind:
        case Scalar():
            return _scalar(kind, name)
        case Structure(shape):
            return _structure(shape)
        case ListOf(item):
            return _list(_reader(item, name))
        case MapOf(key, value):
            return _map(_scalar(key, name), _reader(value, name))


def _scalar(kind: Scalar, name: str) -> _Reader:
    if kind.name == "text":
        return lambda node: node if isinstance(node, str) else node.get("")

    def read(node: _Node) -> Any:
        text = node if isinstance(node, str) else node.get("")
        if text is None:
            return None
        value = _converted(cast("str", text), kind.name)
        if value is None:
            raise Fault(FaultKind.MALFORMED_INPUT, f"The value of {name} is not {_ARTICLES[kind.name]}.")
        return value

    return read


_ARTICLES = {
    "boolean": "a boolean: true or false",
    "integer": "an integer",
    "long": "an integer",
    "double": "a number",
    "timestamp": "an ISO 8601 timestamp",
    "blob": "base64",
}


def _converted(text: str, name: ScalarName) -> Any:
    """`text` as a value of its type; None when it is not one."""
    match name:
        case "boolean":
            return {"true": True, "false": False}.get(text.lower())
        case "integer" | "long":
            return coercion.whole(text, name)
        case "double":
            return coercion.decimal(text)
        case "timestamp":
            return coercion.seconds(text)
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return None


def _list(item: _Reader) -> _Reader:
    def read(node: _Node) -> list[Any]:
        # `Identities=` is how SDKs write an empty list.
        return [item(below) for below in _ordered(node, "member")]

    return read


def _map(key: _Reader, value: _Reader) -> _Reader:
    def read(node: _Node) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for entry in _ordered(node, "entry"):
            if isinstance(entry, dict) and "key" in entry and "value" in entry:
                found.setdefault(key(entry["key"]), value(entry["value"]))
        return found

    return read


def _ordered(node: _Node, word: str) -> list[_Node]:
    """The nodes under `word` by their index. Gaps are closed; what is not an index is ignored."""
    inner = node.get(word) if isinstance(node, dict) else None
    if not isinstance(inner, dict):
        return []
    if len(inner) == 1 and "1" in inner:
        return [inner["1"]]  # what most lists are
    indexes = [
        (int(index), below)
        for index, below in inner.items()
        if index.isascii() and index.isdigit() and len(index) <= LONGEST_INDEX
    ]
    return [below for _, below in sorted(indexes, key=lambda pair: pair[0])]
