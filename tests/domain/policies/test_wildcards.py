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
