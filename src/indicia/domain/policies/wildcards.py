"""Wildcards of policies: `*` is any run of characters, `?` is any one character.

The text is passed over once: the pieces between the stars are looked for from left to right, each where it
stands first. Nothing is tried twice, so that no pattern takes long on any text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

Test: TypeAlias = Callable[[str], bool]


def has_wildcard(pattern: str) -> bool:
    """Say whether a pattern stands for more than its own text."""
    return "*" in pattern or "?" in pattern


def compiled(pattern: str) -> Test:
    """Return what says of a text whether the whole of it fits the pattern. Case counts."""
    if not has_wildcard(pattern):
        return pattern.__eq__
    if not pattern.strip("*"):
        return _anything
    first, *inner = pattern.split("*")
    if not inner:
        return _one_piece(first)
    last = inner.pop()
    head, tail, middle = _anchored(first), _anchored(last), [_search(piece) for piece in inner if piece]
    shortest, ends = len(first) + len(last), len(last)

    def fits(text: str) -> bool:
        size = len(text)
        if size < shortest or not head(text, 0) or not tail(text, size - ends):
            return False
        at, limit = len(first), size - ends
        for search in middle:
            at = search(text, at, limit)
            if at < 0:
                return False
        return True

    return fits


def any_of(patterns: Iterable[str]) -> Test:
    """Return what says of a text whether it fits one of the patterns.

    The plain ones, `text*` and `*text` are each asked about together, however many there are.
    """
    exact: set[str] = set()
    prefixes: list[str] = []
    suffixes: list[str] = []
    others: list[str] = []
    for pattern in patterns:
        if not has_wildcard(pattern):
            exact.add(pattern)
        elif not pattern.strip("*"):
            return _anything
        elif not has_wildcard(pattern[:-1]):
            (prefixes if pattern[-1] == "*" else others).append(pattern)
        elif not has_wildcard(pattern[1:]):
            (suffixes if pattern[0] == "*" else others).append(pattern)
        else:
            others.append(pattern)
    if not (prefixes or suffixes or others):
        return frozenset(exact).__contains__
    starts, ends = tuple(each[:-1] for each in prefixes), tuple(each[1:] for each in suffixes)
    tests = tuple(map(compiled, others))

    def plainly(text: str) -> bool:
        return text in exact or text.startswith(starts) or text.endswith(ends)

    if not tests:
        return plainly
    return lambda text: plainly(text) or any(test(text) for test in tests)


def _anything(_text: str) -> bool:
    return True


def _expression(piece: str) -> re.Pattern[str]:
    """Return the piece, which has no star, as an expression of a fixed length."""
    return re.compile("".join("." if each == "?" else re.escape(each) for each in piece), re.DOTALL)


def _one_piece(piece: str) -> Test:
    expression = _expression(piece)
    return lambda text: expression.fullmatch(text) is not None


def _anchored(piece: str) -> Callable[[str, int], bool]:
    if "?" not in piece:
        return lambda text, at: text.startswith(piece, at)
    expression = _expression(piece)
    return lambda text, at: expression.match(text, at) is not None


def _search(piece: str) -> Callable[[str, int, int], int]:
    """Return what finds the end of the first occurrence in a part of a text; -1 when there is none."""
    size = len(piece)
    if "?" not in piece:

        def find(text: str, at: int, limit: int) -> int:
            found = text.find(piece, at, limit)
            return found + size if found >= 0 else -1

        return find
    expression = _expression(piece)

    def match(text: str, at: int, limit: int) -> int:
        found = expression.search(text, at, limit)
        return found.end() if found is not None else -1

    return match
