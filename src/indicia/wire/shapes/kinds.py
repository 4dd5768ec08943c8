"""What a member of a shape holds, read off the annotations once.

Readers, writers and validators of the protocols are compiled from these, class by class, when first needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

import msgspec

from indicia.wire.shapes.rules import Integer, Long, Rule, Timestamp

NO_RULE = Rule()

ScalarName: TypeAlias = Literal["text", "boolean", "integer", "long", "double", "timestamp", "blob"]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value without parts."""

    name: ScalarName
    rule: Rule = NO_RULE


@dataclass(frozen=True, slots=True)
class ListOf:
    """Values of one kind in order."""

    item: Kind
    rule: Rule = NO_RULE


@dataclass(frozen=True, slots=True)
class MapOf:
    """Values of one kind by text."""

    key: Scalar
    value: Kind
    rule: Rule = NO_RULE


@dataclass(frozen=True, slots=True)
class Structure:
    """Named members."""

    shape: type[msgspec.Struct]


Kind: TypeAlias = Scalar | ListOf | MapOf | Structure


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a structure. `default` is what absence means; a required member has none."""

    name: str
    kind: Kind
    required: bool
    default: Any


@cache
def members(shape: type[msgspec.Struct]) -> tuple[Member, ...]:
    """The members of `shape` in the order of the service model."""
    return tuple(
        Member(
            name=field.name,
            kind=_kind(field.type),
            required=field.required,
            default=None if field.required else field.default,
        )
        for field in msgspec.structs.fields(shape)
    )


_SCALARS: dict[Any, ScalarName] = {
    str: "text",
    bool: "boolean",
    float: "double",
    bytes: "blob",
    Timestamp: "timestamp",
}
_WIDTHS: dict[Any, ScalarName] = {get_args(Integer)[1]: "integer", get_args(Long)[1]: "long"}


def _kind(annotation: Any) -> Kind:
    """The kind that an annotation of a generated shape means."""
    rule = NO_RULE
    width: ScalarName | None = None
    if get_origin(annotation) in {Union, UnionType}:
        (annotation,) = (part for part in get_args(annotation) if part is not NoneType)
    if get_origin(annotation) is Annotated:
        annotation, *notes = get_args(annotation)
        for note in notes:
            if isinstance(note, Rule):
                rule = note
            else:
                width = _WIDTHS[note]
    if width is not None:
        return Scalar(width, rule)
    if annotation in _SCALARS:
        return Scalar(_SCALARS[annotation], rule)
    if get_origin(annotation) is list:
        return ListOf(_kind(get_args(annotation)[0]), rule)
    if get_origin(annotation) is dict:
        key, value = map(_kind, get_args(annotation))
        assert isinstance(key, Scalar)
        return MapOf(key, value, rule)
    assert issubclass(annotation, msgspec.Struct)
    return Structure(annotation)
