"""Tags of a resource: which are acceptable, and in which words the others are refused (spec 6.4).

The words and their order are those of the vendor, as somebody wrote them down who had called it (probe:
floci): the number, the characters (value before key), the reserved prefix, the lengths, the keys.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from indicia.domain.faults import FaultKind, refuse

Tags: TypeAlias = tuple[tuple[str, str], ...]
"""Keys and values, in the order of the keys."""

MOST: Final = 50
MAX_KEY: Final = 128
MAX_VALUE: Final = 256
RESERVED_PREFIX: Final = "aws:"

TOO_MANY: Final = (
    f"Maximum of {MOST} user tags are allowed per resource,"
    " consider reducing the number of tags in the request"
)
TOO_MANY_TOGETHER: Final = f"{TOO_MANY} or delete existing tags and retry"
BAD_CHARACTER: Final = (
    "Tags can only contain letters, numbers, spaces, and the following special characters: _ . : / = + - @"
)
SYSTEM_TAG: Final = "Caller is an end user and not allowed to mutate system tags"
REPEATED_KEY: Final = "Cannot provide multiple tags with the same key"

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

    Raises: `Fault` INVALID_PARAMETER, in the vendor's words, for what is wrong first.
    """
    if len(tags) > MOST:
        refuse(FaultKind.INVALID_PARAMETER, TOO_MANY)
    if not all(_plain(value) and _plain(key) for key, value in tags):
        refuse(FaultKind.INVALID_PARAMETER, BAD_CHARACTER)
    # The prefix is reserved whatever its case; a value may begin with it.
    if any(key.lower().startswith(RESERVED_PREFIX) for key, _ in tags):
        refuse(FaultKind.INVALID_PARAMETER, SYSTEM_TAG)
    violations = [
        violation for at, (key, value) in enumerate(tags, 1) for violation in _wrong_lengths(at, key, value)
    ]
    if violations:
        counted = f"{len(violations)} validation error{'s' if len(violations) > 1 else ''}"
        refuse(FaultKind.VALIDATION, f"{counted} detected: {'; '.join(violations)}")
    if len({key for key, _ in tags}) < len(tags):
        refuse(FaultKind.INVALID_PARAMETER, REPEATED_KEY)
    return tuple(sorted(tags))


def _wrong_lengths(at: int, key: str, value: str) -> list[str]:
    found: list[str] = []
    if len(value) > MAX_VALUE:
        found.append(_violation(at, "value", f"less than or equal to {MAX_VALUE}"))
    if len(key) > MAX_KEY:
        found.append(_violation(at, "key", f"less than or equal to {MAX_KEY}"))
    if not key:
        found.append(_violation(at, "key", "greater than or equal to 1"))
    return found


def _violation(at: int, member: str, bound: str) -> str:
    return (
        f"Value at 'tags.{at}.member.{member}' failed to satisfy constraint: Member must have length {bound}"
    )


def merged(present: Mapping[str, str], added: Tags) -> dict[str, str]:
    """Return the tags of a resource after some were added: a key that is there takes the new value.

    Raises: `Fault` INVALID_PARAMETER where that makes more than `MOST`.
    """
    together = {**present, **dict(added)}
    if len(together) > MOST:
        refuse(FaultKind.INVALID_PARAMETER, TOO_MANY_TOGETHER)
    return together
