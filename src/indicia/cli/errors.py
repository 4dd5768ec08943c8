"""How a command fails: one line on standard error that says what is wrong and what to do, and a status."""

from __future__ import annotations

import sys

FAILED = 1
USAGE = 2
INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it


class CommandError(Exception):
    """A command that cannot do what it was asked to. The sentence is for the person at the terminal."""

    def __init__(self, sentence: str, *, status: int = FAILED) -> None:
        super().__init__(sentence)
        self.status = status


def one_line(error: BaseException) -> str:
    """Return what an exception says, on one line."""
    return " ".join(str(error).split())


def complain(sentence: str) -> None:
    """Write one line on standard error, as every error of a command is."""
    print(f"indicia: {sentence}", file=sys.stderr)
