"""What a start takes in: what it uses, and no more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# What takes milliseconds to import and is needed later, elsewhere, or by nobody.
LATER = {
    "alembic",
    "aiosmtplib",
    "boto3",
    "click",
    "colorama",
    "cyclopts",
    "difflib",
    "dns.asyncquery",
    "dns.asyncresolver",
    "dns.query",
    "h11",
    "http.server",
    "indicia.operations.configuration_sets.configuration_options",
    "indicia.operations.identities.tagging",
    "jinja2",
    "nh3",
    "psycopg",
    "rich.console",
    "sqlalchemy.dialects.postgresql",
    "starlette",
    "tomllib",
    "urllib.request",
    "zipfile",
}
START = """
import asyncio, sys
from indicia.runtime import lazy_imports as lean
lean.import_libraries()
from indicia.app.sandbox import SandboxService
from indicia.settings import load
from indicia.settings.sandbox import DEFAULTS, FREE_PORTS
async def start():
    defaults = {**DEFAULTS, **FREE_PORTS, "data_dir": sys.argv[1]}
    sandbox = SandboxService(load(None, {}, {}, terminal=False, defaults=defaults), strict=False, keep=False)
    await sandbox.start()
    print(*sorted(sys.modules))
    await sandbox.stop()
asyncio.run(start())
"""


def test_a_sandbox_starts_without_what_it_may_need_later(tmp_path: Path) -> None:
    """Suites wait for it: what is imported here is paid for before every first test."""
    command = [sys.executable, "-c", START, str(tmp_path)]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert LATER & set(done.stdout.split()) == set()


OPENED = """
import threading
from indicia.runtime import lazy_imports as lean
lean.import_libraries()
import importlib.metadata, prometheus_client
found = []
def look():
    found.append(ASKED)
looking = [threading.Thread(target=look) for _ in range(8)]
for each in looking:
    each.start()
for each in looking:
    each.join()
print(len(found), all(found))
"""


@pytest.mark.parametrize(
    "asked",
    [
        "importlib.metadata.version('structlog')",
        "prometheus_client.generate_latest",
    ],
)
def test_what_a_start_leaves_out_is_there_for_whoever_asks_for_it(asked: str) -> None:
    """A library that was left unopened is whole when it is first asked for something, in each thread."""
    start = OPENED.replace("ASKED", asked)

    done = subprocess.run([sys.executable, "-c", start], capture_output=True, text=True, check=True)

    assert done.stdout == "8 True\n", done.stderr


def test_a_name_that_no_library_has_is_missing_as_ever() -> None:
    """Asking an unopened library for what it does not have is an AttributeError, the first time and later."""
    start = """
from indicia.runtime import lazy_imports as lean
lean.import_libraries()
import prometheus_client as opened
print(hasattr(opened, "nothing"), hasattr(opened, "nothing"), callable(opened.start_http_server))
"""

    done = subprocess.run([sys.executable, "-c", start], capture_output=True, text=True, check=True)

    assert done.stdout == "False False True\n", done.stderr
