"""What was acknowledged survives the death of the process, at any point."""

from __future__ import annotations

import random
import select
import signal
import sqlite3
import subprocess
import sys
import time

from places import TESTS
from values import ACCOUNT, REGION

from indicia.domain.identities.identity import Facet, Status
from indicia.store.engine.opening import open_database
from indicia.store.identities import identities
from indicia.store.proofs import listed

ROUNDS = 30
WRITER = TESTS / "store" / "acknowledging_writer.py"


def write_and_die(url: str, run: int, seconds: float) -> list[str]:
    """Run the writer, kill it that long after its first acknowledgement, return what it acknowledged."""
    with subprocess.Popen([sys.executable, str(WRITER), url, str(run)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        try:
            ready, _, _ = select.select([writer.stdout], [], [], 30)
            assert ready, "the writer acknowledged nothing"
            ends = time.monotonic() + seconds
            heard = b""
            while (left := ends - time.monotonic()) > 0:
                if select.select([writer.stdout], [], [], left)[0]:
                    heard += writer.stdout.read1()  # type: ignore[union-attr]  # a pipe is a BufferedReader
        finally:
            writer.send_signal(signal.SIGKILL)
        heard += writer.stdout.read()
    whole = heard[: heard.rfind(b"\n") + 1]
    return whole.decode().split()


def test_what_was_acknowledged_survives_a_kill_at_any_point(url: str):
    """Killed at random points, many times, on the same database: every acknowledged identity is whole."""
    chance = random.Random(20260101)
    acknowledged: list[str] = []
    for run in range(ROUNDS):
        heard = write_and_die(url, run, chance.uniform(0.0, 0.08))
        assert heard
        acknowledged += heard
    database = open_database(url)
    found: dict[str, identities.IdentityView] = {}
    for start in range(0, len(acknowledged), 1000):
        names = acknowledged[start : start + 1000]
        found |= database.read(lambda s, names=names: identities.view_many(s, ACCOUNT, REGION, names))
    assert sorted(found) == sorted(acknowledged)
    assert all(view.token_set is not None and Facet.DKIM in view.facets for view in found.values())

    page = database.read(lambda s: listed.page(s, ACCOUNT, REGION, after="", size=1_000_000))
    # Nothing is half there, acknowledged or not: the counter, the rows and what hangs on them agree.
    assert Status.NOT_STARTED not in page.statuses
    assert database.read(lambda s: identities.count(s, ACCOUNT, REGION)) == len(page.names)
    database.close()
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.close()
