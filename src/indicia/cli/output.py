"""What commands print: JSON for programs, plain columns for people. Nothing is wrapped or cut."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence


def print_json(value: object) -> None:
    """Print one JSON document."""
    json.dump(value, sys.stdout, indent=2)
    sys.stdout.write("\n")


def print_columns(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under headings, each column as wide as its widest value, the last one as it comes."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    for row in (headings, *rows):
        padded = [value.ljust(width) for value, width in zip(row, widths, strict=True)]
        print("  ".join(padded).rstrip())
