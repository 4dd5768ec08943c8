"""How the generated part of a page is spelled, and where it goes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = ROOT / "src" / "indicia"

# Page to name of block to text.
Blocks: TypeAlias = Mapping[str, Mapping[str, str]]

_BEGIN, _END = "<!-- generated: {} -->", "<!-- end: {} -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table. A pipe inside a cell would end the cell, and is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def code(text: str) -> str:
    """Return text as inline code; nothing for no text."""
    return f"`{text}`" if text else ""


def link_to_source(page: str, path: Path, shown: str) -> str:
    """Return a link from a page of `docs/` to a file of the repository."""
    up = "../" * page.count("/")
    return f"[`{shown}`]({up}{path.relative_to(ROOT).as_posix()})"


def with_block(text: str, name: str, content: str) -> str:
    """Return the text of a page with what stands between the markers of a name replaced.

    Raises: `ValueError` when the markers are not there, once.
    """
    begin, end = _BEGIN.format(name), _END.format(name)
    pattern = re.compile(re.escape(begin) + r"\n.*?" + re.escape(end), re.DOTALL)
    lines = [begin, *([content] if content else []), end]
    made, count = pattern.subn(lambda _: "\n".join(lines), text)
    if count != 1:
        raise ValueError(f"it needs one line {begin} and, below it, one line {end}")
    return made
