"""Several processes on one SQLite file: who comes and goes takes nothing from who stays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from indicia.store import meta, schema
from indicia.store.database import Database

# Opens the database as a command does, and leaves; prints what it reads.
VISITOR = """
import sys
from indicia.store import meta, schema
from indicia.store.database import Database
schema.check(sys.argv[1])
database = Database.open(sys.argv[1])
print(database.read(lambda s: meta.get(s, sys.argv[2])))
database.write(lambda s: meta.put(s, "visited by " + sys.argv[2], "yes"))
database.close()
"""


def visit(url: str, name: str) -> str:
    """Let another process read a value, write one, and leave; return what it read."""
    done = subprocess.run(
        [sys.executable, "-c", VISITOR, url, name], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_who_comes_and_goes_takes_nothing_away(tmp_path: Path) -> None:
    """What is written after another process has left is seen by the next, and what that wrote is seen here.

    The log of the file stays where it is as long as anybody writes to it.
    """
    url = f"sqlite:///{tmp_path / 'indicia.db'}"
    schema.migrate(url)
    database = Database.open(url)
    assert database.read(lambda s: meta.get(s, "first")) is None  # the reader came after the writer
    for name in ("first", "second", "third"):
        database.write(lambda s, name=name: meta.put(s, name, f"the {name}"))

        assert visit(url, name) == f"the {name}"

        assert (tmp_path / "indicia.db-wal").exists()
        assert database.read(lambda s, name=name: meta.get(s, f"visited by {name}")) == "yes"
    database.close()
