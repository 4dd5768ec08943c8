"""The fuzz target is one: it states its invariant, finds what breaks it, and finds nothing now."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parents[2] / "fuzz" / "dns_answer.py"


def test_it_states_its_invariant_in_the_first_line() -> None:
    """Whoever reads it knows at once what must never happen."""
    first, _, _ = TARGET.read_text().partition("\n")

    assert first.startswith('"""Invariant: any octets end in one `Answer`')


def test_the_invariant_holds() -> None:
    """Thousands of damaged answers, other ones every time: each is read, and by both decoders alike."""
    seed = str(random.SystemRandom().randrange(1 << 32))
    tried = subprocess.run(
        [sys.executable, str(TARGET), "1", seed], capture_output=True, text=True, check=False
    )

    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert int(tried.stdout.partition(" ")[0]) > 100
