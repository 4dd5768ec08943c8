"""The stories in `examples/` are told as they happen: each checks by itself what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from serving import INDICIA, environment

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
_TOLD = re.compile(
    r"^ {18}(PENDING|SUCCESS|TEMPORARY_FAILURE|FAILED)\b.*, (may|may not) be sent from$", re.MULTILINE
)
_EVENT = re.compile(r"^\S+ \S+  (identity\.\w+)", re.MULTILINE)


def test_the_life_of_a_domain() -> None:
    """Pending, proved, lost, in grace, restored, revoked, proved anew; and each was told once."""
    done = subprocess.run(
        [*INDICIA, "sandbox", "--", sys.executable, str(EXAMPLES / "life_of_a_domain.py")],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert _TOLD.findall(done.stdout) == [
        *[("PENDING", "may not")] * 2,
        *[("SUCCESS", "may")] * 3,
        ("TEMPORARY_FAILURE", "may"),
        ("SUCCESS", "may"),
        ("TEMPORARY_FAILURE", "may"),
        *[("FAILED", "may not")] * 2,
        ("SUCCESS", "may"),
    ]
    assert _EVENT.findall(done.stdout) == [
        f"identity.{what}"
        for what in ("created", "verified", "lost", "restored", "lost", "failed", "started", "verified")
    ]
