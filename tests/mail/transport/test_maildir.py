"""The Maildir holds whole mails, each once: whoever was killed, was slow, or lost its lease meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from correspondence import ADDRESS, KEYRING, mails_in, written_to
from places import TESTS

from indicia.mail.message.compose import Letter
from indicia.mail.outbox import Deliverer
from indicia.mail.transport.maildir import LEFTOVER_AFTER, Maildir
from indicia.runtime.clock import Clock
from indicia.store.engine.opening import open_database

LETTER = Letter(
    identity="5f0c@mail.example.org",
    sender="no-reply@mail.example.org",
    recipient="reader@example.com",
    message=b"To: reader@example.com\r\n\r\n" + b"x" * 99 + b"\r\n" * 3000,
    until=10**15,
)
WHOLE = b"Return-Path: <no-reply@mail.example.org>\nDelivered-To: reader@example.com\n" + (
    LETTER.message.replace(b"\r\n", b"\n")
)

# Ends by SIGXFSZ in the middle of a write: half of the letter is in a file, and nobody tidies up.
_DIES_HALF_WAY = """
import asyncio, resource, signal, sys
from pathlib import Path
sys.path[:0] = {paths!r}
from test_maildir import *
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
asyncio.run(Maildir(Path({maildir!r})).deliver(LETTER))
"""
_DIES_BEFORE_NOTING = """
import asyncio, os, signal, sys
from pathlib import Path
sys.path[:0] = {paths!r}
from test_maildir import *
class Dying(Maildir):
    async def deliver(self, letter):
        await super().deliver(letter)
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(Deliverer(open_database({url!r}), KEYRING, Dying(Path({maildir!r})), Clock()).run())
"""


def run(script: str, **given: str) -> int:
    """Run a script beside this process and return its status."""
    here = Path(__file__).parent
    text = script.format(paths=[str(here), str(TESTS), str(TESTS / "mail")], **given)
    return subprocess.run([sys.executable, "-c", text], check=False, timeout=60).returncode


def contents(folder: Path) -> list[bytes]:
    """What the files of a folder hold."""
    return [path.read_bytes() for path in folder.iterdir()]


def delivered(maildir: Path) -> None:
    """Deliver the letter."""
    asyncio.run(Maildir(maildir).deliver(LETTER))


def test_a_deliverer_that_lost_its_lease_moves_no_half_mail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is held up at its last step while another begins the same letter and is killed half-way.

    The first goes on then, and what it puts into `new` is its own whole mail.
    """
    written, go_on, fsync = threading.Event(), threading.Event(), os.fsync

    def held_up(descriptor: int) -> None:
        written.set()
        assert go_on.wait(60)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", held_up)
    first = threading.Thread(target=delivered, args=(tmp_path,))
    first.start()
    assert written.wait(60)
    assert run(_DIES_HALF_WAY, maildir=str(tmp_path)) == -signal.SIGXFSZ
    go_on.set()
    first.join(60)

    assert contents(tmp_path / "new") == [WHOLE]


def test_a_kill_half_way_shows_nothing_and_loses_nothing(tmp_path: Path) -> None:
    """No reader sees what was left half-written, and the next delivery is whole."""
    assert run(_DIES_HALF_WAY, maildir=str(tmp_path)) == -signal.SIGXFSZ
    assert contents(tmp_path / "new") == []
    delivered(tmp_path)

    assert contents(tmp_path / "new") == [WHOLE]


def read_by_a_mail_program(maildir: Path) -> None:
    """Move what is new to what was seen, as https://cr.yp.to/proto/maildir.html has it."""
    for path in (maildir / "new").iterdir():
        path.rename(maildir / "cur" / f"{path.name}:2,S")


def nothing(_: Path) -> None:
    """Do nothing."""


@pytest.mark.parametrize("meanwhile", [nothing, read_by_a_mail_program])
def test_a_kill_between_file_and_note_leaves_one_mail(
    sqlite_url: str, tmp_path: Path, meanwhile: Callable[[Path], None]
) -> None:
    """The letter goes out again after a kill -9, and is the same file, also when it was read meanwhile."""
    maildir, clock = tmp_path / "outbox", Clock()
    database = open_database(sqlite_url)
    database.write(lambda s: written_to(s, clock.now()))
    assert run(_DIES_BEFORE_NOTING, url=sqlite_url, maildir=str(maildir)) == -signal.SIGKILL
    meanwhile(maildir)

    async def story() -> None:
        deliverer = Deliverer(database, KEYRING, Maildir(maildir), clock)
        running = asyncio.create_task(deliverer.run())
        await asyncio.wait_for(deliverer.settled(), 60)
        deliverer.stop()
        await running

    asyncio.run(story())
    database.close()
    assert [mail["To"] for mail in mails_in(maildir)] == [ADDRESS]
    assert len([*(maildir / "new").iterdir(), *(maildir / "cur").iterdir()]) == 1


def test_what_dead_deliveries_left_is_removed_by_its_age(tmp_path: Path) -> None:
    """After 36 hours, and not before: it may be somebody's who is slow."""
    delivered(tmp_path)
    for name, age in (("old", LEFTOVER_AFTER + 60), ("young", LEFTOVER_AFTER - 60)):
        (tmp_path / "tmp" / name).write_bytes(b"half")
        at = time.time() - age
        os.utime(tmp_path / "tmp" / name, (at, at))
    delivered(tmp_path)

    assert [path.name for path in (tmp_path / "tmp").iterdir()] == ["young"]


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails, again and again, does not fill the disk further with its attempts."""

    def fails(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    for _ in range(3):
        with pytest.raises(Exception, match="No space left on device"):
            delivered(tmp_path)

    assert contents(tmp_path / "tmp") == []
    assert contents(tmp_path / "new") == []
