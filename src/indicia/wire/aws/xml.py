"""Results of the Query protocol as XML. The writer of a shape is compiled when it is first answered."""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from indicia.wire.shapes.kinds import Kind, ListOf, MapOf, Scalar, Structure, members

if TYPE_CHECKING:
    from msgspec import Struct

    from indicia.wire.shapes.operation import Operation

NAMESPACES = {
    "ses": "http://ses.amazonaws.com/doc/2010-12-01/",
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
}

_Writer: TypeAlias = Callable[[Any], str]

# XML 1.0 §2.2 has no way to write other control characters, nor the two non-characters; §2.11 would turn a
# carriage return into a line feed.
_SPECIAL = re.compile('[&<>"\\r\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\ufffe\uffff\ud800-\udfff]')
_REFERENCES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#xD;"}


def escape(text: str) -> str:
    """`text` for XML. A character that XML cannot hold becomes U+FFFD."""
    if _SPECIAL.search(text) is None:
        return text
    return _SPECIAL.sub(lambda found: _REFERENCES.get(found[0], "\ufffd"), text)


def encode(operation: Operation, result: Struct | None, request_id: str) -> bytes:
    """The body that answers `operation`. An operation without a result answers its metadata only."""
    name = operation.name
    inner = ""
    if operation.response is not None:
        content = "" if result is None else _structure(type(result))(result)
        inner = f"<{name}Result>{content}</{name}Result>" if content else f"<{name}Result/>"
    return (
        f'<{name}Response xmlns="{NAMESPACES[operation.service]}">{inner}'
        f"<ResponseMetadata><RequestId>{escape(request_id)}</RequestId></ResponseMetadata></{name}Response>"
    ).encode()


@cache
def _structure(shape: type[Struct]) -> _Writer:
    """What writes the members of a structure."""
    rows = [(member.name, _element(member.name, member.kind)) for member in members(shape)]

    def write(value: Struct) -> str:
        text = ""
        for name, element in rows:
            part = getattr(value, name)
            if part is not None:
                text += element(part)
        return text

    return write


def _element(name: str, kind: Kind) -> _Writer:
    """What writes a value as the element `name`."""
    if isinstance(kind, Scalar) and kind.name == "text":
        return lambda value: f"<{name}>{escape(value)}</{name}>"
    content = _content(kind)

    def write(value: Any) -> str:
        inner = content(value)
        return f"<{name}>{inner}</{name}>" if inner else f"<{name}/>"

    return write


def _content(kind: Kind) -> _Writer:
    """What writes a value without an element around it."""
    match kind:
        case Structure(shape):
            return _structure(shape)
        case ListOf(item):
            member = _element("member", item)
            return lambda values: "".join(map(member, values))
        case MapOf(_, value):
            return _entries(_element("value", value))
        case Scalar(name):
            return _SCALARS[name]


def _entries(value: _Writer) -> _Writer:
    def write(values: dict[str, Any]) -> str:
        return "".join(
            [f"<entry><key>{escape(key)}</key>{value(part)}</entry>" for key, part in values.items()]
        )

    return write


def _moment(seconds: float) -> str:
    """ISO 8601 with milliseconds, in UTC."""
    moment = datetime.fromtimestamp(round(seconds * 1000) / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


_SCALARS: dict[str, _Writer] = {
    "text": escape,
    "boolean": lambda value: "true" if value else "false",
    "integer": str,
    "long": str,
    "double": repr,
    "timestamp": _moment,
    "blob": lambda value: b2a_base64(value, newline=False).decode(),
}
