"""AWS SDK for JavaScript v3, as it comes from npm, in a sandbox."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from running import Running

FOLDER = Path(__file__).with_name("js")
INSTALL = f"npm install --prefix {FOLDER} --no-package-lock"


def test_the_sdk_for_javascript(sandbox: Running) -> None:
    """Every test of the script passes in the environment of `indicia env`, and nothing is retried."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: apt-get install nodejs npm")
    if not (FOLDER / "node_modules").is_dir():
        pytest.skip(f"the SDK is not installed: {INSTALL}")

    done = sandbox.run(
        "bash",
        "-c",
        f'eval "$(indicia env)"; cd {FOLDER}; exec {node} --test --test-reporter=tap identities.test.js',
        EXPECTED_ACCOUNT=sandbox.account,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout
    assert "# pass 7" in done.stdout
