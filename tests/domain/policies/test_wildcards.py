"""Wildcards mean what a regular expression would mean, and never take long."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicia.domain.policies import wildcards

PATTERNS = st.text(alphabet="ab.@*?\n", max_size=12)
TEXTS = st.text(alphabet="ab.@*?\n", max_size=16)


def reference(pattern: str) -> re.Pattern[str]:
    """Return the pattern as a regular expression, which may backtrack on more than these short texts."""
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(each, re.escape(each)) for each in pattern), re.DOTALL)


@given(PATTERNS, TEXTS)
def test_a_pattern_means_what_the_expression_means(pattern: str, text: str) -> None:
    """The whole text fits the pattern exactly where it fits the expression."""
    assert wildcards.compiled(pattern)(text) is (reference(pattern).fullmatch(text) is not None)


@given(st.lists(PATTERNS, max_size=6), TEXTS)
def test_any_of_several_means_one_of_them(patterns: list[str], text: str) -> None:
    """However the patterns are asked about together, the answer is that of one by one."""
    alone = any(wildcards.compiled(pattern)(text) for pattern in patterns)

    assert wildcards.any_of(patterns)(text) is alone


@st.composite
def _near_fits(draw: st.DrawFn) -> tuple[str, str]:
    """Return a pattern, and a text made from it: it fits, or would but for one character changed or lost."""
    pattern = draw(PATTERNS)
    some = st.text(alphabet="ab.x", max_size=3)
    text = "".join(
        draw(some) if each == "*" else draw(st.sampled_from("ab.x")) if each == "?" else each
        for each in pattern
    )
    at = draw(st.integers(0, len(text)))
    return pattern, draw(st.sampled_from([text, text[:at] + text[at + 1 :], f"{text[:at]}x{text[at + 1 :]}"]))


@given(_near_fits())
def test_a_text_made_from_its_pattern_fits_as_the_expression_does(made: tuple[str, str]) -> None:
    """Texts that fit are rare among those drawn apart; here nearly all do, or fail by one character."""
    pattern, text = made
    fits = reference(pattern).fullmatch(text) is not None

    assert wildcards.compiled(pattern)(text) is fits
    assert wildcards.any_of([pattern])(text) is fits


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        # What stands for itself is no expression.
        ("a.?", "a.b", True),
        ("a.?", "axb", False),
        ("a.?*c", "axbc", False),
        ("*a.?*c", "zaxbc", False),
        ("[ab]?", "ab", False),
        # The ends need room beside each other.
        ("ab*ba", "aba", False),
        ("ab*ba", "abba", True),
        ("a?*?a", "aba", False),
        ("a*b*a", "aba", True),
        ("a*b*ba", "aba", False),
    ],
)
def test_what_fits_and_what_nearly_does(pattern: str, text: str, fits: bool) -> None:
    """Case by case."""
    assert wildcards.compiled(pattern)(text) is fits
    assert wildcards.any_of([pattern, "other"])(text) is fits


@given(st.text(max_size=20))
def test_every_text_is_a_pattern_of_itself_but_for_wildcards(text: str) -> None:
    """Without wildcards a pattern fits its own text and no other."""
    plain = text.replace("*", "").replace("?", "")

    assert wildcards.compiled(plain)(plain)
    assert not wildcards.compiled(plain)(plain + "x")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("*a" * 1000 + "b", "a" * 4000),
        ("*" * 2000 + "b", "a" * 4000),
        ("?*" * 1000 + "b", "a" * 4000),
        ("*" + "a" * 2000 + "b*c", "a" * 4000),
        ("*" + "?" * 1000 + "b*c", "a" * 4000),
    ],
)
@pytest.mark.timeout(30)
def test_every_pattern_comes_to_an_end(pattern: str, text: str) -> None:
    """Patterns on which a backtracking matcher would never end are answered."""
    assert not wildcards.compiled(pattern)(text)
