"""What goes over the wire, to the octet, in both protocols and on both databases."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from desk import Desk
from transcripts import Stage, exchanges, rewritten

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.txt"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_answers_are_what_they_were(desk: Desk, path: Path) -> None:
    """Each request of a transcript, in its order, is answered in the very octets that stand there."""
    if os.environ.get("INDICIA_GOLDEN") == "write":
        path.write_text(rewritten(path, Stage(desk)), "utf-8")
        return
    stage = Stage(desk)
    for step in exchanges(path.read_text("utf-8")):
        given = stage.play(step)

        assert step.scene or stage.fits(step.answer, given), "\n".join(
            [f"{path.name}:{step.line}", *step.request, "expected:", *step.answer, "given:", *given]
        )


def test_there_are_transcripts() -> None:
    """The files were found."""
    assert len(GOLDEN) >= 1
