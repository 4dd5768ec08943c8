"""What was measured, as a table for people and as JSON for whoever compares later."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

# A table is as wide as it is, into a file or a pipe too.
_WIDTH: Final = 150


@dataclass(frozen=True, slots=True)
class Spread:
    """What several rounds gave."""

    median: float
    lowest: float
    highest: float


def spread(values: Iterable[float]) -> Spread:
    """Return the median, the lowest and the highest."""
    known = sorted(values)
    return Spread(median(known), known[0], known[-1])


@dataclass(frozen=True, slots=True)
class Section:
    """One table: what is measured, a row for each subject, and what to know when reading it.

    The first column is text, the others are numbers as text.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    notes: tuple[str, ...] = ()
    figures: object = None  # the same, unrounded, for the file


@dataclass(frozen=True, slots=True)
class Aim:
    """What should be reached, what was, and whether that is it."""

    what: str
    aim: str
    found: str
    reached: bool


def machine() -> str:
    """Return what the figures were measured on."""
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return f"Python {platform.python_version()}, {os.cpu_count()} processors, load average {load}"


def show(sections: Sequence[Section], aims: Sequence[Aim]) -> None:
    """Print everything."""
    console = Console(width=_WIDTH, highlight=False, markup=False)  # brackets are ranges
    for section in sections:
        console.print(_table(section.title, section.columns, section.rows))
        for note in section.notes:
            console.print(f"  {note}", style="dim", soft_wrap=True)
        console.print()
    if aims:
        rows = [(each.what, each.aim, each.found, "yes" if each.reached else "NO") for each in aims]
        console.print(_table("Aims", ("", "aim", "found", "reached"), rows))


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def write(path: Path, sections: Sequence[Section], aims: Sequence[Aim]) -> None:
    """Write everything, unrounded where it was rounded, as JSON."""
    document = {
        "machine": machine(),
        "sections": [asdict(section) for section in sections],
        "aims": [asdict(aim) for aim in aims],
    }
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
