"""The example projects pass their own tests, each run as its README line says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TOOLS = Path(sys.executable).parent
INSTALL = f"npm install --prefix {EXAMPLES / 'node_signup'} --no-package-lock"


def run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a reader would, with nothing said about AWS or Indicia."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "INDICIA_", "PYTEST_", "NODE_"))
    }
    kept["PATH"] = f"{TOOLS}:{kept['PATH']}"
    return subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, check=False)


def left_behind() -> str:
    """What is in the folder of the examples that nobody has committed and nobody ignores."""
    if not (EXAMPLES.parent / ".git").exists():
        pytest.skip("not in a checkout: there is nobody to say what is committed")
    done = run("git", "ls-files", "--others", "--exclude-standard", "--", ".", folder=EXAMPLES)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_flask_signup() -> None:
    """Domains and addresses go through the Flask signup, tested with the plugin; nothing is left of it."""
    done = run("pytest", "-q", folder=EXAMPLES / "flask_signup")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout
    assert left_behind() == ""


def test_npm_install_leaves_no_lock_file() -> None:
    """The line of the README is `npm install`, without a word about lock files."""
    if shutil.which("npm") is None:
        pytest.skip("node is not installed: apt-get install nodejs npm")
    said = run("npm", "config", "get", "package-lock", folder=EXAMPLES / "node_signup")

    assert said.stdout.strip() == "false"


def test_the_node_signup() -> None:
    """The same in JavaScript, in `indicia sandbox -- npm test`."""
    folder = EXAMPLES / "node_signup"
    if shutil.which("npm") is None:
        pytest.skip("node is not installed: apt-get install nodejs npm")
    if not (folder / "node_modules").is_dir():
        pytest.skip(f"the SDK is not installed: {INSTALL}")

    done = run("indicia", "sandbox", "--", "npm", "test", folder=folder)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass 5" in done.stdout
    assert "fail 0" in done.stdout
