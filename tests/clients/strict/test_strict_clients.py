"""Programs that use SES, as they come from their registries, in a sandbox: nothing in them is changed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from indicia.testing import Sandbox

FOLDER = Path(__file__).parent
PYTHON = FOLDER / ".venv" / "bin" / "python"

needs_python = pytest.mark.skipif(not PYTHON.exists(), reason="not installed: make clients")


def run(*command: str | Path) -> None:
    """Run a program in the sandbox's environment, which is this test's, to its good end."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [str(word) for word in command], env=environ, cwd=FOLDER, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("all is well\n"), done.stdout


@needs_python
def test_aiobotocore(indicia: Sandbox) -> None:
    """Both versions, errors as classes, a paginator, and the waiter on a domain that is published."""
    indicia.client("ses").verify_domain_dkim(Domain="published.example")
    indicia.publish("published.example")

    run(PYTHON, "through_aiobotocore.py", "published.example")


@needs_python
def test_django_ses_and_django_anymail(indicia: Sandbox) -> None:
    """django-ses verifies, lists and deletes an address; sending is refused as not built, by both."""
    run(PYTHON, "through_django.py", "add")
    (mail,) = indicia.outbox
    indicia.follow(mail.links[0])

    run(PYTHON, "through_django.py", "verified")


def test_nodemailer(indicia: Sandbox) -> None:
    """The transport reaches the service, and is told in its own error class that sending is not built."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: apt-get install nodejs npm")
    if not (FOLDER / "node_modules").is_dir():
        pytest.skip("not installed: make clients")

    run(node, "through_nodemailer.mjs")
