"""What `indicia doctor` prints of the installation itself: a table for people, one document for programs."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, Any, Final

from indicia.domain.installation.service_records import zone_line
from indicia.domain.installation.soundness import State, is_sound

if TYPE_CHECKING:
    from rich.console import Console

    from indicia.app.doctor.examination import Examination

_STYLES: Final = {State.OK: "green", State.WARN: "yellow", State.FAIL: "red", State.UNKNOWN: "magenta"}
_WIDEST: Final = 96  # prose is read best in lines of this many characters


def document(examination: Examination) -> dict[str, Any]:
    """Return the examination for programs."""
    return {
        "service_domain": examination.service_domain,
        "sound": is_sound(examination.checks),
        "checks": [
            {"name": check.name, "state": check.state.value, "seen": check.seen, "fix": check.fix or None}
            for check in examination.checks
        ],
        "records": [
            {
                "name": record.name,
                "type": record.type,
                "value": record.value or None,
                "note": record.note or None,
            }
            for record in examination.records
        ],
    }


def print_report(examination: Examination) -> None:
    """Print it for people: colours and wrapped prose on a terminal, plain whole lines elsewhere."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    arrow = "→" if console.encoding.lower().replace("-", "").startswith("utf") else ">"
    width = max(len(check.name) for check in examination.checks)
    for check in examination.checks:
        words = [("", check.seen, ""), *([(f"{arrow} ", check.fix, "bold")] if check.fix else [])]
        first = True
        for mark, text, style in words:
            for line in _lines(console, f"{mark}{text}", indent=width + 11):
                state = check.state.value if first else ""
                name = check.name if first else ""
                _line(
                    console,
                    (f"{state:<9}", f"bold {_STYLES[check.state]}"),
                    (f"{name:<{width}}  ", "bold"),
                    (line, style),
                )
                first = False
    if examination.records:
        console.print(f"\nWhat {examination.service_domain} must publish:\n")
        for record in examination.records:
            sys.stdout.write(f"{zone_line(record)}\n")
    sys.stdout.flush()
    console.print(f"\n{_summary(examination)}")


def _lines(console: Console, text: str, *, indent: int) -> list[str]:
    if not console.is_terminal:
        return [text]
    width = max(40, min(_WIDEST, console.width - indent))
    return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)


def _line(console: Console, *parts: tuple[str, str]) -> None:
    from rich.text import Text

    text = Text.assemble(*parts)
    text.rstrip()
    console.print(text)


def _summary(examination: Examination) -> str:
    checks = examination.checks
    wrong = [check for check in checks if check.state in (State.FAIL, State.UNKNOWN)]
    warned = sum(check.state is State.WARN for check in checks)
    beside = f" {warned} deserve{'s' if warned == 1 else ''} a look." if warned else ""
    if not wrong:
        return f"The installation is sound.{beside}"
    return f"{len(wrong)} of {len(checks)} checks {'is' if len(wrong) == 1 else 'are'} not right.{beside}"
