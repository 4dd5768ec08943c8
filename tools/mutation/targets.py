"""What mistakes are made in, and the tests that ought to notice: read from targets.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from mutation.scratch import ROOT

_TABLE = Path(__file__).parent / "targets.toml"
_SOURCES = ROOT / "src/indicia"


@dataclass(frozen=True)
class Target:
    """A group of modules that is judged as one, and the files and folders of tests that ought to notice."""

    name: str
    modules: list[str]
    tests: list[str]


def targets(narrowed: str) -> list[Target]:
    """Return the groups, or what of them lies under a path such as `domain/policies` or is so named."""
    table = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    within = f"src/indicia/{narrowed.removesuffix('.py').rstrip('/')}/"
    found = []
    for name, entry in table.items():
        modules = [
            module
            for module in _modules(entry["modules"])
            if narrowed in ("", name) or f"{module.removesuffix('.py')}/".startswith(within)
        ]
        if modules:
            found.append(Target(name, modules, entry["tests"]))
    return found


def _modules(places: list[str]) -> list[str]:
    files: list[Path] = []
    for place in places:
        path = _SOURCES / place
        files += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return [
        str(file.relative_to(ROOT))
        for file in files
        if file.name != "__init__.py" and "templates" not in file.parts
    ]
