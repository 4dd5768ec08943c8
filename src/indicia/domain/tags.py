"""Tags of a resource: which are acceptable, and in which words the others are refused (spec 6.4)."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TypeAlias

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.names import shown

Tags: TypeAlias = tuple[tuple[str, str], ...]
"""Keys and values, in the order of the keys."""

MOST = 50
MAX_KEY = 128
MAX_VALUE = 256
RESERVED_PREFIX = "aws:"

_PUNCTUATION = frozenset("_.:/=+-@")


def _plain(text: str) -> bool:
    """Letters and marks, numbers and spaces of any script (Unicode L, M, N, Zs), and `_ . : / = + - @`."""
    return (text.isascii() and text.isalnum()) or all(map(_allowed, text))


def _allowed(character: str) -> bool:
    return character in _PUNCTUATION or unicodedata.category(character)[0] in "LMN" or _is_space(character)


def _is_space(character: str) -> bool:
    # Zs only: a tab or a line break is a control character, and would break what lists tags.
    return unicodedata.category(character) == "Zs"


def check_tags(tags: Sequence[tuple[str, str]]) -> Tags:
    """Return the tags as they are stored: case kept, in the order of their keys.

    Raises: `Fault` INVALID_PARAMETER naming the first tag that breaks a rule.
    """
    for key, value in tags:
        _check(key, value)
    keys = [key for key, _ in tags]
    if len(set(keys)) < len(keys):
        twice = next(key for at, key in enumerate(keys) if key in keys[:at])
        refuse(
            FaultKind.INVALID_PARAMETER, f"Tag keys must be unique: {shown(twice)} is given more than once."
        )
    if len(tags) > MOST:
        refuse(FaultKind.INVALID_PARAMETER, f"A resource has at most {MOST} tags; {len(tags)} were given.")
    return tuple(sorted(tags))


def _check(key: str, value: str) -> None:
    if not 1 <= len(key) <= MAX_KEY:
        refuse(FaultKind.INVALID_PARAMETER, f"A tag key has 1 to {MAX_KEY} characters; one has {len(key)}.")
    if key.lower().startswith(RESERVED_PREFIX):
        refuse(FaultKind.INVALID_PARAMETER, f"Tag keys beginning with aws: are reserved: {shown(key)}")
    if len(value) > MAX_VALUE:
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"A tag value has at most {MAX_VALUE} characters; that of {shown(key)} has {len(value)}.",
        )
    if not _plain(key) or not _plain(value):
        refuse(
            FaultKind.INVALID_PARAMETER,
            "Tags consist of letters, digits, spaces and _ . : / = + - @ only; "
            f"the tag {shown(key)} has another character.",
        )
