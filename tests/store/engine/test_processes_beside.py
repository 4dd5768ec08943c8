"""Several processes on one SQLite file: who comes and goes takes nothing from who stays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from indicia.store.engine import meta, schema
from indicia.store.engine.opening import open_database

# Opens the database as a command does, and leaves; prints what it reads.
VISITOR = """
import sys
from indicia.store.engine import meta, schema
from indicia.store.engine.opening import open_database
schema.check(sys.argv[1])
database = open_database(sys.argv[1])
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
    database = open_database(url)
    assert database.read(lambda s: meta.get(s, "first")) is None  # the reader came after the writer
    for name in ("first", "second", "third"):
        database.write(lambda s, name=name: meta.put(s, name, f"the {name}"))

        assert visit(url, name) == f"the {name}"

        assert (tmp_path / "indicia.db-wal").exists()
        assert database.read(lambda s, name=name: meta.get(s, f"visited by {name}")) == "yes"
    database.close()


# Reads in a thread, and forks while that thread lives. The child, which has no such thread any more, says
# whether its connection is still open.
FORKS = """
import os, sys, threading
from indicia.store.engine import meta
from indicia.store.engine.opening import open_database
database = open_database(sys.argv[1])
has_read, may_end = threading.Event(), threading.Event()
held = []
def reading():
    held.append(database._held().connection)
    database.read(lambda s: meta.get(s, "a"))
    has_read.set()
    may_end.wait()
thread = threading.Thread(target=reading)
thread.start()
has_read.wait()
child = os.fork()
if child == 0:
    held[0].execute("SELECT 1")  # raises where it was closed
    os._exit(7)
_, status = os.waitpid(child, 0)
may_end.set()
thread.join()
database.read(lambda s: meta.get(s, "a"))
database.close()
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_a_forked_child_closes_nothing_of_its_parent_s(tmp_path: Path) -> None:
    """What its parent's threads read with stays as it is: closing it may wait for a lock of theirs."""
    url = f"sqlite:///{tmp_path / 'indicia.db'}"
    schema.migrate(url)

    done = subprocess.run([sys.executable, "-c", FORKS, url], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (7, "")
