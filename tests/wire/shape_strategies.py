"""Hypothesis strategies for the requests and results of any shape."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from indicia.wire.shapes.kinds import Kind, ListOf, MapOf, Scalar, Structure, members
from indicia.wire.shapes.rules import Rule

# Characters that XML can hold, a surrogate pair and the five of XML's own among them.
TEXT = st.text(
    st.one_of(st.sampled_from("&<>\"'\r\n\t +%=.\U0001f600"), st.characters(codec="utf-8")), max_size=8
)
XML_TEXT = TEXT.map(
    lambda text: "".join(c for c in text if c in "\t\r\n" or (c >= " " and c not in "\ufffe\uffff"))
)


def values(kind: Kind, text: st.SearchStrategy[str] = TEXT) -> st.SearchStrategy[Any]:
    """Values of `kind`; they obey its enumeration, not its other rules."""
    match kind:
        case Structure(shape):
            return structs(shape, text)
        case ListOf(item):
            return st.lists(values(item, text), max_size=3)
        case MapOf(key, value):
            return st.dictionaries(values(key, text), values(value, text), max_size=3)
        case Scalar(name, rule):
            return _scalars(name, rule, text)


def _scalars(name: str, rule: Rule, text: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    if rule.one_of:
        return st.sampled_from(rule.one_of)
    return {
        "text": text,
        "boolean": st.booleans(),
        "integer": st.integers(-(2**31), 2**31 - 1),
        "long": st.integers(-(2**63), 2**63 - 1),
        "double": st.floats(allow_nan=False, allow_infinity=False),
        "timestamp": st.integers(0, 4_102_444_800_000).map(lambda instant: instant / 1000),
        "blob": st.binary(max_size=8),
    }[name]


def structs(
    shape: type[msgspec.Struct], text: st.SearchStrategy[str] = TEXT
) -> st.SearchStrategy[msgspec.Struct]:
    """Instances of `shape`, members absent and present."""
    required = {m.name: values(m.kind, text) for m in members(shape) if m.required}
    optional = {m.name: values(m.kind, text) for m in members(shape) if not m.required}
    return st.fixed_dictionaries(required, optional=optional).map(lambda given: shape(**given))
