"""The types of the test kit, as a type checker shows them to users."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_a_users_tests_are_checked_by_the_types_of_the_kit(tmp_path: Path) -> None:
    """Strictly, outside of this project and its settings: mypy knows that the package is typed (PEP 561)."""
    shutil.copy(HERE / "typed" / "signups.py", tmp_path)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--cache-dir", "cache", "signups.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.returncode, checked.stdout, checked.stderr) == (
        0,
        "Success: no issues found in 1 source file\n",
        "",
    )
