"""JSON, read the way the live service reads it (spec 7.6).

The typed decoder of `rest` takes what is plainly right. What it does not take comes here: a string may stand
for a boolean, null means absent, and what cannot be read is refused in the vendor's words.
"""

from __future__ import annotations

import binascii
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from indicia.domain.faults import Fault, FaultKind
from indicia.wire.shapes.kinds import Kind, ListOf, MapOf, Scalar, ScalarName, Structure, members

if TYPE_CHECKING:
    from msgspec import Struct

TRUE_WORDS = frozenset({"true", "yes", "y", "t", "1"})
FALSE_WORDS = frozenset({"false", "no", "n", "f", "0"})

# `an Boolean` is how the live service says it, for strings only.
_TYPE_NAMES: dict[ScalarName, str] = {
    "text": "a String",
    "boolean": "a Boolean",
    "integer": "an Integer",
    "long": "a Long",
    "double": "a Double",
    "timestamp": "a Timestamp",
    "blob": "a Blob",
}
_LIMITS = {"integer": 2**31, "long": 2**63}
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:[Zz]|[+-]\d\d:?\d\d)?", re.ASCII
)
LONGEST_NUMBER = 64


def structure(value: object, shape: type[Struct]) -> dict[str, Any]:
    """The members of `shape` that `value`, a decoded JSON value, gives; absent ones are not in it.

    Raises SERIALIZATION where the live service cannot read the value.
    """
    if value is None:
        return {}
    if isinstance(value, list):
        _refuse("Start of list found where not expected")
    if not isinstance(value, dict):
        _refuse("Expected null")
    found = {}
    for member in members(shape):
        if member.name in value:
            part = _value(value[member.name], member.kind)
            if part is not None:
                found[member.name] = part
    return found


def build(shape: type[Struct], given: dict[str, Any]) -> Struct:
    """An instance of `shape`; a required member that is not given is None, for `validation` to tell of."""
    for member in members(shape):
        if member.required and member.name not in given:
            given[member.name] = None
    return shape(**given)


def _value(value: Any, kind: Kind) -> Any:
    match kind:
        case Scalar(name):
            return _scalar(value, name)
        case Structure(shape):
            return None if value is None else build(shape, structure(value, shape))
        case ListOf(item):
            return _list(value, item)
        case MapOf(_, inner):
            return _map(value, inner)


def _list(value: Any, item: Kind) -> list[Any] | None:
    if value is None:
        return None
    if isinstance(value, dict):
        _refuse("Start of structure or map found where not expected.")
    if not isinstance(value, list):
        _refuse("Expected list or null")
    return [_value(part, item) for part in value]


def _map(value: Any, inner: Kind) -> dict[str, Any] | None:
    if value is None:
        return None
    if isinstance(value, list):
        _refuse("Start of list found where not expected")
    if not isinstance(value, dict):
        _refuse("Expected null")
    read = ((key, _value(part, inner)) for key, part in value.items())
    return {key: part for key, part in read if part is not None}


def _scalar(value: Any, name: ScalarName) -> Any:
    """A scalar of the kind `name`, read from a decoded JSON value."""
    if isinstance(value, list):
        _refuse("Start of list found where not expected")
    if isinstance(value, dict):
        _refuse("Start of structure or map found where not expected.")
    if value is None:
        # A null boolean is refused, every other null is absent.
        return None if name != "boolean" else _refuse("NULL_VALUE can not be converted to a Boolean")
    if isinstance(value, bool):
        return value if name == "boolean" else _unfit("TRUE_VALUE" if value else "FALSE_VALUE", name)
    if isinstance(value, str):
        return text(value, name)
    return _number(value, name)


def _number(value: float, name: ScalarName) -> float:
    if name in _LIMITS:
        exact = int(value) if isinstance(value, int) or value.is_integer() else None
        fits = exact is not None and -_LIMITS[name] <= exact < _LIMITS[name]
        return exact if exact is not None and fits else _unfit("NUMBER_VALUE", name)
    try:
        return float(value) if name in {"double", "timestamp"} else _unfit("NUMBER_VALUE", name)
    except OverflowError:
        _unfit("NUMBER_VALUE", name)


def text(value: str, name: ScalarName) -> Any:
    """A scalar of the kind `name`, written as text: in a JSON string, in a query string.

    Raises SERIALIZATION when the text cannot be read as one.
    """
    match name:
        case "text":
            return value
        case "boolean":
            folded = value.lower()
            if folded in TRUE_WORDS or folded in FALSE_WORDS:
                return folded in TRUE_WORDS
            _refuse("STRING_VALUE can not be converted to an Boolean")
        case "blob":
            try:
                return binascii.a2b_base64(value, strict_mode=True)
            except ValueError:
                _unfit("STRING_VALUE", name)
    number = (
        whole(value, name) if name in _LIMITS else seconds(value) if name == "timestamp" else decimal(value)
    )
    if number is None:
        _unfit(f"'{value[:100]}'", name)
    return number


def whole(value: str, name: ScalarName) -> int | None:
    """The whole number that `value` writes, when it fits 32 bits ("integer") or 64 ("long")."""
    if _WHOLE.fullmatch(value) is None:
        return None
    number = int(value)
    return number if -_LIMITS[name] <= number < _LIMITS[name] else None


def decimal(value: str) -> float | None:
    """The finite number that `value` writes."""
    if len(value) > LONGEST_NUMBER or _DECIMAL.fullmatch(value) is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def seconds(value: str) -> float | None:
    """The seconds since the epoch that `value` writes, as a number or as an ISO 8601 date and time."""
    number = decimal(value)
    if number is not None:
        return number
    if len(value) > LONGEST_NUMBER or _MOMENT.fullmatch(value) is None:
        return None
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return moment.timestamp()
    except OverflowError:
        return None


def _unfit(value: str, name: ScalarName) -> NoReturn:
    # The number in a query string is told as `'abc' can not be converted to Integer` (spec 6.8), a JSON value
    # as `NUMBER_VALUE can not be converted to a String` (spec 7.6).
    kind = _TYPE_NAMES[name]
    _refuse(f"{value} can not be converted to {kind.split()[1] if value.startswith(chr(39)) else kind}")


def _refuse(message: str) -> NoReturn:
    raise Fault(FaultKind.SERIALIZATION, message)
