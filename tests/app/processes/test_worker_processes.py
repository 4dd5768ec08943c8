"""`indicia serve --workers N` as a process: many answer, one speaks for all, none is missed when it dies."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from pathlib import Path

import psutil
from serving import FREE, Running, run, serve, until


def children(house: Running) -> set[int]:
    """Return the process ids of the workers and of the one beside them."""
    return {child.pid for child in psutil.Process(house.process.pid).children()}


def answered_by(house: Running) -> dict[str, float]:
    """Return how many requests each process has answered."""
    page = house.get("/metrics")[1]
    found: dict[str, float] = {}
    for line in page.splitlines():
        if line.startswith("indicia_requests_total"):
            process = line.partition('process="')[2].partition('"')[0]
            found[process] = found.get(process, 0) + float(line.rpartition(" ")[2])
    return found


def knock(house: Running) -> None:
    """Ask on a connection of its own, so that any worker may get it."""
    host, _, port = house.ready.http[0].rpartition(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_the_work_is_shared_and_survives_the_death_of_any(tmp_path: Path) -> None:
    """Every worker answers; one that is killed is replaced; what was created is seen by all."""
    with serve(tmp_path, "--workers", "2") as house:
        assert house.ready.pid == house.process.pid
        assert len(children(house)) == 3
        assert house.readiness()["parts"].keys() >= {"database", "verifier", "worker-1", "worker-2"}

        def shared() -> bool:
            knock(house)
            return answered_by(house).keys() >= {"worker-1", "worker-2"}

        until(shared, "an answer of each worker")
        house.client().create_email_identity(EmailIdentity="kept.example.com")

        before = children(house)
        for victim in sorted(before):
            os.kill(victim, signal.SIGKILL)
            until(lambda victim=victim: len(children(house) - {victim}) == 3, "a replacement")
            until(lambda: _is_ready(house), "readiness")
        assert not before & children(house)
        found = house.client().list_email_identities()["EmailIdentities"]
        assert [each["IdentityName"] for each in found] == ["kept.example.com"]

        former = children(house)
        assert house.stop() == 0
        assert not any(psutil.pid_exists(pid) for pid in former)
    assert not (house.data_dir / "ready.json").exists()


def _is_ready(house: Running) -> bool:
    with contextlib.suppress(OSError):  # the one that speaks for all may be the one that was killed
        return house.get("/readyz")[0] == 200
    return False


def test_nothing_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    """`kill -9` of the process that was started ends the others too, and a new start takes their place."""
    with serve(tmp_path, "--workers", "2") as house:
        assert house.ready
        former = children(house)
        house.process.kill()
        until(lambda: not any(psutil.pid_exists(pid) for pid in former), "the end of all")

    with serve(tmp_path, "--workers", "2") as house:
        assert house.client().list_email_identities()["EmailIdentities"] == []
        assert house.stop(signal.SIGINT) == 0


def test_a_start_that_cannot_be_ends_at_once(tmp_path: Path) -> None:
    """A busy port of the process beside the workers is one line and status 1, with workers too."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = FREE | {"INDICIA_DATA_DIR": str(tmp_path / "data"), "INDICIA_LISTEN_DNS": address}
        done = run("serve", "--workers", "2", cwd=tmp_path, **settings)

    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert done.returncode == 1
    assert said == [f"indicia: cannot listen on {address} for DNS: Address already in use"]
