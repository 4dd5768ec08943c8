"""`docs/spec/rfcs.md`: the standards that are obeyed, how far, and in which files.

Where a section is obeyed is read from the references in the sources; how far a standard is done, and what of
it is left out, is said by people in `docs/spec/rfcs.toml`. A reference to a standard that is not there stops
the generation.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pages.markdown import ROOT, SOURCES, Blocks, link_to_source, table

PATH = "docs/spec/rfcs.md"
STATED = ROOT / "docs" / "spec" / "rfcs.toml"

# `RFC 2308 §2.1, §2.2`, `RFC 6376 §3.6.1 p=`, `RFC 8017 §A.1`, and `RFC 7766` alone. White space may be the
# end of a line within a docstring or a comment.
_REFERENCE = re.compile(r"\bRFC[ \n#]{0,12}(\d{3,5})((?:[ \n#]{0,12}§[0-9A-Z][0-9A-Za-z.]*,?(?: and)?)*)")
_SECTION = re.compile(r"§([0-9A-Z][0-9A-Za-z.]*)")


@dataclass(frozen=True)
class Reference:
    """A section of a standard, and a file that obeys it. An empty section is the standard as a whole."""

    rfc: int
    section: str
    file: Path


def references_in(text: str, file: Path) -> set[Reference]:
    """Return every reference in a text."""
    found = set()
    for number, sections in _REFERENCE.findall(text):
        for section in _SECTION.findall(sections) or [""]:
            found.add(Reference(int(number), section.rstrip("."), file))
    return found


def references() -> set[Reference]:
    """Return every reference in the sources."""
    files = sorted(SOURCES.rglob("*.py"))
    return {each for file in files for each in references_in(file.read_text(encoding="utf-8"), file)}


def blocks() -> Blocks:
    """Return the states and the sections. Raises: `ValueError` naming a standard that is not stated."""
    found = references()
    stated: dict[str, dict[str, str]] = tomllib.loads(STATED.read_text(encoding="utf-8"))
    unknown = {str(each.rfc) for each in found} - set(stated)
    if unknown:
        raise ValueError(
            f"{STATED.relative_to(ROOT)} does not say how far RFC {', '.join(sorted(unknown))} is done,"
            " which the sources refer to"
        )
    in_order = sorted(stated.items(), key=lambda item: int(item[0]))
    states = [(_title(number, of), of["state"], of["says"]) for number, of in in_order]
    sections = [_sections(number, of, found) for number, of in in_order]
    return {
        PATH: {
            "states": table(("standard", "state", "what"), states),
            "sections": "\n\n".join(filter(None, sections)),
        }
    }


def _title(number: str, of: dict[str, str]) -> str:
    return f"[RFC {number}](https://www.rfc-editor.org/rfc/rfc{number}) {of['title']}"


def _sections(number: str, of: dict[str, str], found: set[Reference]) -> str:
    here = [each for each in found if each.rfc == int(number)]
    if not here:
        return ""
    files: dict[str, list[Path]] = {}
    for each in sorted(here, key=lambda each: str(each.file)):
        files.setdefault(each.section, []).append(each.file)
    rows = [
        (f"§{section}" if section else "as a whole", ", ".join(map(_file, files[section])))
        for section in sorted(files, key=_in_order)
    ]
    return f"### RFC {number}: {of['title']}\n\n{table(('section', 'files'), rows)}"


def _in_order(section: str) -> list[tuple[int, str]]:
    """Return what sorts §2.10 behind §2.9, and an appendix behind them."""
    return [(int(part), "") if part.isdigit() else (1000, part) for part in section.split(".") if section]


def _file(path: Path) -> str:
    return link_to_source(PATH, path, path.relative_to(SOURCES).as_posix())
