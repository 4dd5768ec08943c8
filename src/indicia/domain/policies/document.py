"""The text of a policy as a tree of JSON. What two readers might read differently is refused."""

from __future__ import annotations

import json
import re
from typing import NoReturn, TypeAlias

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.names import shown

Json: TypeAlias = "str | bool | list[Json] | dict[str, Json] | None"
"""A tree. Numbers are `Number`, which is their text."""


class Number(str):
    """A number, as it was written."""

    __slots__ = ()


_WHITE_SPACE = re.compile(r'("(?:[^"\\]|\\.)*")|[ \t\r\n]+')


def without_white_space(text: str) -> str:
    """Return the JSON text with nothing between its tokens, and every token as it was written."""
    return _WHITE_SPACE.sub(lambda found: found[1] or "", text)


def parse(text: str, most: int) -> dict[str, Json]:
    """Return the object that the text is.

    Raises: `Fault` INVALID_POLICY for a text of more than `most` octets, one that is not JSON, one whose
    object has a name twice, and one that is no object.
    """
    try:
        size = len(text.encode())
        if size > most:
            refuse(FaultKind.INVALID_POLICY, f"Policy document has {size} bytes; at most {most} are allowed.")
        tree: Json = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=Number,
            parse_float=Number,
            parse_constant=_no_constant,
        )
        # RFC 8259 §8.2: half a surrogate pair, escaped, is well formed and yet no text.
        json.dumps(tree, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        malformed("it has characters that are no text")
    except RecursionError:
        malformed("it is nested too deeply")
    except json.JSONDecodeError as error:
        malformed(f"it is not JSON at line {error.lineno}, column {error.colno}")
    if not isinstance(tree, dict):
        malformed("it is not a JSON object")
    return tree


def malformed(why: str) -> NoReturn:
    """Refuse a document for its form. The vendor has no text for these.

    Raises: `Fault` INVALID_POLICY.
    """
    refuse(FaultKind.INVALID_POLICY, f"Policy document is malformed: {why}.")


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for name, value in pairs:
        if name in found:
            malformed(f"{shown(name)} is given twice in one object")
        found[name] = value
    return found


def _no_constant(name: str) -> NoReturn:
    malformed(f"{name} is not JSON")
