"""What a start takes in: what it uses, and no more."""

from __future__ import annotations

import subprocess
import sys

# What takes milliseconds to import and is needed later, elsewhere, or by nobody.
LATER = {
    "alembic",
    "aiosmtplib",
    "boto3",
    "cyclopts",
    "dns.asyncquery",
    "dns.asyncresolver",
    "h11",
    "jinja2",
    "psycopg",
    "rich.console",
    "sqlalchemy.dialects.postgresql",
    "starlette",
}
START = """
import sys
from indicia import lean
lean.import_structlog()
import indicia.app.sandbox, indicia.app.serving, indicia.keyzone.server
print(*sorted(sys.modules))
"""


def test_a_sandbox_starts_without_what_it_may_need_later() -> None:
    """Suites wait for it: what is imported here is paid for before every first test."""
    done = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True)

    assert LATER & set(done.stdout.split()) == set()
