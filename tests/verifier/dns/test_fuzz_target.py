"""The fuzz targets of the DNS: they state their invariants, find what breaks them, and find nothing now."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from places import ROOT

FOLDER = ROOT / "fuzz"
# What each is about, and how much of it a second is good for at least.
TARGETS = [
    ("dns_answer.py", "any octets end in one `Answer`", 100),
    ("dns_client.py", "whoever guesses ids and ports is never believed", 10),
]


@pytest.mark.parametrize(("target", "invariant"), [each[:2] for each in TARGETS])
def test_it_states_its_invariant_in_the_first_line(target: str, invariant: str) -> None:
    """Whoever reads it knows at once what must never happen."""
    first, _, _ = (FOLDER / target).read_text().partition("\n")

    assert first.startswith(f'"""Invariant: {invariant}')


@pytest.mark.parametrize(("target", "most"), [(each[0], each[2]) for each in TARGETS])
def test_the_invariant_holds(target: str, most: int) -> None:
    """Damaged and forged answers, other ones every time: all are read, and none is believed."""
    seed = str(random.SystemRandom().randrange(1 << 32))
    tried = subprocess.run(
        [sys.executable, str(FOLDER / target), "1", seed], capture_output=True, text=True, check=False
    )

    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert int(tried.stdout.partition(" ")[0]) > most
