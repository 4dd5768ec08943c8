"""Which tests can notice a mistake: those that enter the function it is in, the nearest first."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mutation.mutants import Mutant
from mutation.scratch import ROOT, Scratch

_KEPT = ROOT / ".mutate" / "reach"
_MOST_TESTS = 80
_MOST_SECONDS = 40.0


@dataclass(frozen=True)
class Selection:
    """The tests that are run on a mutant, and the seconds they take together when there is none."""

    tests: list[str]
    seconds: float


class Reach:
    """The tests of a few files and folders, and what each enters of some modules."""

    def __init__(self, scratch: Scratch, folders: list[str], modules: list[str]) -> None:
        self._tests: dict[str, Any] = {}
        for file in _files(folders):
            self._tests |= _recorded(scratch, file, modules)

    def selection(self, mutant: Mutant) -> Selection:
        """Return the tests for a mutant. None enters a constant: whoever enters its module is taken then."""
        in_module = [
            (test, seconds, entered[mutant.module])
            for test, (seconds, entered) in self._tests.items()
            if mutant.module in entered
        ]
        entering = [one for one in in_module if any(_within(mutant.inside, name) for name in one[2])]
        chosen: list[str] = []
        whole = 0.0
        for test, seconds, _ in sorted(entering or in_module, key=lambda one: _far(one[0], one[1], mutant)):
            if len(chosen) < _MOST_TESTS and (not chosen or whole + seconds < _MOST_SECONDS):
                chosen.append(test)
                whole += seconds
        return Selection(chosen or [test for test, _ in self._quickest()], whole)

    def _quickest(self) -> list[tuple[str, Any]]:
        return sorted(self._tests.items(), key=lambda one: float(one[1][0]))[:_MOST_TESTS]


def _within(inside: str, name: str) -> bool:
    return name == inside or inside.startswith(f"{name}.")


def _far(test: str, seconds: float, mutant: Mutant) -> tuple[bool, int, float]:
    file = Path(test.split("::", 1)[0])
    folder = Path(mutant.module).parent.relative_to("src/indicia")
    mirrors = file.parent == Path("tests") / folder
    return (not mirrors, round(seconds * 2), seconds)


def _files(folders: list[str]) -> list[str]:
    found: list[Path] = []
    for folder in folders:
        path = ROOT / folder
        found += sorted(path.rglob("test_*.py")) if path.is_dir() else [path]
    return list(dict.fromkeys(str(file.relative_to(ROOT)) for file in found))


def _recorded(scratch: Scratch, file: str, modules: list[str]) -> dict[str, Any]:
    """Return what the tests of a file enter, recorded once as long as file and modules are as they were."""
    digest = hashlib.sha256()
    near = sorted((ROOT / file).parent.glob("*.py"))
    own = [path for path in near if path.name == Path(file).name or not path.name.startswith("test_")]
    for path in (*own, *(ROOT / module for module in modules)):
        digest.update(path.read_bytes())
    kept = _KEPT / f"{digest.hexdigest()[:32]}.json"
    if not kept.exists():
        _KEPT.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(scratch.record(file, modules)), encoding="utf-8")
    tests: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return tests
