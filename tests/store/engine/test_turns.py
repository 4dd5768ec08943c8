"""Processes that write to one file queue up: one at a time, none twice while another waits."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from indicia.domain.faults import Fault, FaultKind
from indicia.store.engine import meta
from indicia.store.engine.file_lock import FileLock
from indicia.store.engine.opening import open_database


def test_it_is_one_process_s_turn_at_a_time(tmp_path: Path) -> None:
    """Of several that write as fast as they can no two do so at once, and each gets its turns."""
    (tmp_path / "file").touch()
    path, writing, most, taken = str(tmp_path / "file"), 0, 0, [0] * 4
    enough = threading.Event()

    def write(number: int) -> None:
        nonlocal writing, most
        turns = FileLock(path, 30)
        while not enough.is_set():
            turns.take()
            writing += 1
            most = max(most, writing)
            taken[number] += 1
            writing -= 1
            turns.give()
            if min(taken) >= 20:
                enough.set()
        turns.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == 1
    assert min(taken) >= 20


def test_who_waits_comes_before_who_has_just_been(tmp_path: Path) -> None:
    """The one that gives its turn back cannot take the next while somebody stands in the door."""
    first, second = FileLock(str(tmp_path / "file"), 30), FileLock(str(tmp_path / "file"), 30)
    (tmp_path / "file").touch()
    came: list[str] = []

    def wait() -> None:
        second.take()
        came.append("second")
        second.give()

    first.take()
    waiting = threading.Thread(target=wait)
    waiting.start()
    with (tmp_path / "file-door").open("rb") as door:
        while _is_free(door.fileno()):
            pass
    first.give()
    first.take()
    came.append("first")
    first.give()
    waiting.join()

    assert came == ["second", "first"]


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


def test_a_turn_that_does_not_come_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    """Whoever holds it for too long makes the others say so; when it is given back they go on."""
    (tmp_path / "file").touch()
    held, waiting = FileLock(str(tmp_path / "file"), 30), FileLock(str(tmp_path / "file"), 0)
    held.take()

    with pytest.raises(Fault, match="another process writes to it") as caught:
        waiting.take()
    assert caught.value.kind is FaultKind.UNAVAILABLE

    held.give()
    waiting.take()


def test_the_turn_of_a_process_that_died_is_free(tmp_path: Path) -> None:
    """The kernel takes it back, however it died."""
    (tmp_path / "file").touch()
    path = str(tmp_path / "file")
    taken = f"from indicia.store.engine.file_lock import FileLock; FileLock({path!r}, 30).take()"
    dies = f"import os; {taken}; os._exit(9)"
    assert subprocess.run([sys.executable, "-c", dies], check=False).returncode == 9

    FileLock(path, 0).take()


def test_the_files_belong_to_those_whose_the_database_is(tmp_path: Path) -> None:
    """Whoever writes first, root for instance: the others can write after it."""
    database = tmp_path / "file"
    database.touch()
    database.chmod(0o660)
    if os.geteuid() == 0:
        os.chown(database, 12, 34)
    turns = FileLock(str(database), 0)
    turns.take()
    turns.give()

    for made in (tmp_path / "file-door", tmp_path / "file-turn"):
        found, whose = made.stat(), database.stat()
        assert (found.st_mode, found.st_uid, found.st_gid) == (whose.st_mode, whose.st_uid, whose.st_gid)


def test_without_such_files_nobody_waits_and_nothing_leaks(tmp_path: Path) -> None:
    """Where one of them cannot be opened the lock of SQLite has to do; no descriptor is left open."""
    (tmp_path / "file").touch()
    (tmp_path / "file-turn").mkdir()
    turns = FileLock(str(tmp_path / "file"), 0)
    with capture_logs() as logged:
        turns.take()
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(20):
            turns.take()
            turns.give()

    assert [(line["event"], line["reason"]) for line in logged] == [("turns.none", "Is a directory")]
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_write_waits_for_its_turn(sqlite_url: str) -> None:
    """The database writes in its turn only, and says that it cannot while the turn does not come."""
    database = open_database(sqlite_url)
    other = FileLock(sqlite_url.removeprefix("sqlite:///"), 30)
    other.take()
    written = threading.Thread(target=database.write, args=(lambda s: meta.put(s, "a", "there"),))
    written.start()
    assert database.read(lambda s: meta.get(s, "a")) is None
    assert written.is_alive()

    other.give()
    written.join()

    assert database.read(lambda s: meta.get(s, "a")) == "there"
    database.close()
