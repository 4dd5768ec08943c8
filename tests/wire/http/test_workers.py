"""Several processes on one address: watched, replaced, ended together."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# A worker says its process id to whoever connects, and drains by closing.
PROGRAM = """
import os, select, signal, sys
from indicia.wire.http.server import addresses_of
from indicia.wire.http.workers import Supervisor, shared_sockets

def work(sockets):
    if sys.argv[1] == "fail":
        raise RuntimeError("hunter2")
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
    reread = []
    signal.signal(signal.SIGHUP, lambda *_: reread.append(1))
    for each in sockets:
        each.listen()
    while not ended:
        for each in select.select(sockets, [], [], 0.05)[0]:
            connection, _ = each.accept()
            connection.sendall(f"{os.getpid()} {len(reread)}".encode())
            connection.close()
    return 0

sockets = shared_sockets([("127.0.0.1", 0)], 2)
print(addresses_of(sockets[0])[0].port, flush=True)
sys.exit(Supervisor([work, work], sockets).run())
"""


@contextlib.contextmanager
def supervised(tmp_path: Path, how: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A supervisor in a process of its own, and its port."""
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, how], stdout=subprocess.PIPE, stderr=log, text=True
    )
    try:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()
        log.close()


def workers(port: int) -> dict[int, int]:
    """The ids of the workers that answer at `port`, and how often each was told to read again."""
    found: dict[int, int] = {}
    for _ in range(40):
        with (
            contextlib.suppress(ConnectionError),
            socket.create_connection(("127.0.0.1", port), 10) as connection,
        ):
            said = connection.recv(100).split()
            if len(said) == 2:
                found[int(said[0])] = int(said[1])
    return found


def until(condition: Callable[[], object]) -> None:
    """`condition` has come true."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_gone(process: int) -> bool:
    """Whether no process has this id."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_workers_are_replaced_and_end_together(tmp_path: Path) -> None:
    """A worker that is killed is replaced; SIGHUP reaches all; SIGTERM ends all, and the status is 0."""
    with supervised(tmp_path, "serve") as (supervisor, port):
        until(lambda: len(workers(port)) == 2)
        before = workers(port)
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        until(lambda: len(workers(port)) == 2 and victim not in workers(port))
        supervisor.send_signal(signal.SIGHUP)
        until(lambda: len(workers(port)) == 2 and all(workers(port).values()))
        after = workers(port)
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(20) == 0
        assert all(is_gone(process) for process in before.keys() | after.keys())
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 10)


def test_workers_that_keep_failing_end_the_whole(tmp_path: Path) -> None:
    """After a row of failures the supervisor gives up with status 1, and the log has no text of the error."""
    with supervised(tmp_path, "fail") as (supervisor, _):
        assert supervisor.wait(30) == 1
        assert supervisor.stdout is not None
        said = supervisor.stdout.read() + (tmp_path / "log").read_text()
        assert "workers.keep_failing" in said
        assert "RuntimeError" in said
        assert "hunter2" not in said


@pytest.mark.skipif(sys.platform != "linux", reason="The kernel's death signal is Linux's")
def test_no_worker_outlives_its_supervisor(tmp_path: Path) -> None:
    """A supervisor that is killed takes its workers with it."""
    with supervised(tmp_path, "serve") as (supervisor, port):
        until(lambda: len(workers(port)) == 2)
        before = workers(port)
        supervisor.kill()
        supervisor.wait(10)
        until(lambda: all(is_gone(process) for process in before))
