"""The words of the sources: one meaning for each class name, and no comment that is only a heading."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "src" / "indicia"
# Names in OpenAPI and of the test kit, which stay as others know them.
SHOWN = {"Mail", "Verdict"}
# A line of dashes, with or without words in it.
_HEADING = re.compile(r"^\s*#.*[-=#~]{4,}\s*$", re.MULTILINE)


def test_each_class_name_has_one_meaning() -> None:
    """Whoever searches for a class finds one, but for what is generated from the vendor's models."""
    places: dict[str, set[str]] = defaultdict(set)
    for path in SOURCES.rglob("*.py"):
        if "shapes" in path.parts:
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].add(path.relative_to(SOURCES).as_posix())

    assert {name: found for name, found in places.items() if len(found) > 1 and name not in SHOWN} == {}


def test_no_comment_is_only_a_heading() -> None:
    """What wants a heading is a module of its own."""
    found = [
        f"{path.relative_to(ROOT)}: {heading.group().strip()}"
        for folder in ("src", "tests", "tools", "bench", "fuzz")
        for path in (ROOT / folder).rglob("*.py")
        if not {"node_modules", ".venv"} & set(path.parts)
        for heading in _HEADING.finditer(path.read_text(encoding="utf-8"))
    ]

    assert found == []
