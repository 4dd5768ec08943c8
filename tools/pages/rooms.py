"""`docs/explain/architecture.md`: the rooms and their arrows, as the import test holds them."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from pages.markdown import ROOT, SOURCES, Blocks, code, table

PATH = "docs/explain/architecture.md"


def blocks() -> Blocks:
    """Return the picture of the arrows, and what each room and each of its subjects is."""
    held = _import_test()
    arrows: dict[str, set[str]] = held.ARROWS
    lines = [
        f"    {room} --> {target}"
        for room, targets in arrows.items()
        for target in sorted({each.split(".")[0] for each in targets} - {room})
    ]
    picture = "\n".join(["```mermaid", "flowchart LR", *lines, "```"])
    rows = [(code(f"{each.relative_to(SOURCES).as_posix()}/"), _said_of(each)) for each in _rooms()]
    return {PATH: {"arrows": picture, "rooms": table(("room", "what it is"), rows)}}


def _import_test() -> ModuleType:
    spec = importlib.util.spec_from_file_location("held_arrows", ROOT / "tests" / "test_imports.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _rooms() -> Iterator[Path]:
    """Yield every package, a room before its subjects."""
    for found in sorted(SOURCES.rglob("__init__.py")):
        inside = found.parent.relative_to(SOURCES)
        if inside.parts and len(inside.parts) <= 2 and "migrations" not in inside.parts:
            yield found.parent


def _said_of(package: Path) -> str:
    """Return the first sentence of what a package says of itself."""
    said = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8"))) or ""
    return " ".join(said.split("\n\n")[0].split())
