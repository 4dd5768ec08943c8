"""Write what the pages of `docs/` say about the code: operations, standards, settings, commands, errors.

Pages are written by hand, and have pairs of markers between which this writes. `tools/generate_docs.py`
writes, `--check` only compares, and fails naming the pages that are not up to date.
"""

from __future__ import annotations

import sys

from pages import commands, errors, events, findings, operations, rfcs, rooms, routes, settings, states
from pages.markdown import ROOT, with_block

_GROUPS = (operations, rfcs, settings, commands, routes, events, states, findings, errors, rooms)


def main(arguments: list[str]) -> int:
    """Write or compare the pages; return the exit status."""
    try:
        made = {page: _filled(page, blocks) for group in _GROUPS for page, blocks in group.blocks().items()}
    except ValueError as error:
        print(f"generate_docs: {error}", file=sys.stderr)
        return 1
    stale = {page: text for page, (before, text) in made.items() if before != text}
    if "--check" in arguments:
        for page in stale:
            print(f"{page} is not up to date: run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    for page, text in stale.items():
        (ROOT / page).write_text(text, encoding="utf-8")
        print(f"wrote {page}")
    return 0


def _filled(page: str, blocks: dict[str, str]) -> tuple[str, str]:
    """Return a page as it is and as it should be. Raises: `ValueError` naming a page that cannot be."""
    try:
        before = text = (ROOT / page).read_text(encoding="utf-8")
        for name, content in blocks.items():
            text = with_block(text, name, content)
    except FileNotFoundError:
        raise ValueError(f"{page} is not there: write it") from None
    except ValueError as error:
        raise ValueError(f"{page}: {error}") from error
    return before, text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
