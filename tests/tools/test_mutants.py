"""The mistakes that `make mutate` makes in a module."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "tools"))

from mutation.mutants import sample
from mutation.scratch import ROOT
from mutation.targets import targets

SOURCE = '''"""What is at stake: a rule."""

from shapes import HOUR, Status

__all__ = ["due"]

LIMITS = {"a": 1, "b": 2}


class Rule:
    """It holds."""

    def due(self, seen: list[int], status: Status) -> int | None:
        """Return when."""
        self.note(seen)
        if status is Status.PENDING and seen:
            return max(seen) + HOUR
        return LIMITS["a"] if status is Status.FAILED else None
'''


@cache
def _changes(count: int, seed: int = 0) -> set[tuple[str, str, str]]:
    return {(one.inside, one.was, one.becomes) for one in sample("rule.py", SOURCE, count, seed)}


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("return max(seen) + HOUR", "return min(seen) + HOUR"),
        ("return max(seen) + HOUR", "return max(seen) - HOUR"),
        ("return max(seen) + HOUR", "return max(seen) + DAY"),
        ("return max(seen) + HOUR", "return None"),
        ("self.note(seen)", "pass"),
        ("if status is Status.PENDING and seen:", "if status is Status.FAILED and seen:"),
        ("if status is Status.PENDING and seen:", "if (seen):"),
        ("if status is Status.PENDING and seen:", "if (status is Status.PENDING and seen) and False:"),
    ],
)
def test_rules_are_broken_in_each_way(was: str, becomes: str) -> None:
    """Which of two, by how much, whether at all, which member: each is drawn sooner or later."""
    drawn = set().union(*(_changes(40, seed) for seed in range(10)))

    assert ("Rule.due", was, becomes) in drawn


def test_what_says_nothing_stays_as_it_is() -> None:
    """Docstrings, annotations, imports and lists of names are never changed."""
    drawn = set().union(*(_changes(40, seed) for seed in range(10)))

    assert not [was for _, was, _ in drawn if was.startswith(('"""', "from", "__all__", "class", "def"))]


def test_a_seed_draws_the_same_again() -> None:
    """The same seed makes the same mistakes, another one others."""
    assert _changes(6) == _changes.__wrapped__(6)
    assert _changes(6) != _changes(6, seed=1)


def test_the_table_of_targets_names_what_is_there() -> None:
    """Every module and every file or folder of tests in it exists."""
    named = [path for target in targets("") for path in (*target.modules, *target.tests)]

    assert [path for path in named if not (ROOT / path).exists()] == []


def test_targets_are_narrowed_to_a_path_or_a_group() -> None:
    """A folder is not another whose name begins alike; a module is one; a group has its name."""
    assert [target.name for target in targets("domain/verification")] == ["domain/verification"]
    assert [target.modules for target in targets("domain/policies/wildcards.py")] == [
        ["src/indicia/domain/policies/wildcards.py"]
    ]
    assert [target.name for target in targets("signatures")] == ["signatures"]
