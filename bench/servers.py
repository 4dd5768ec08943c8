"""The servers that are measured, each a process of its own, and what the kernel says of them."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.population import populate
from bench.signing import Key, Reply
from indicia.runtime import ready

_START_WITHIN: Final = 120.0  # seconds; moto with 100,000 identities takes some
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_OWN: Final = ("HOME", "PATH", "LANG", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH")

# Everything on ports of its own; no limits, since one account asks for everything.
SETTINGS: Final = {
    "INDICIA_LIMITS": "off",
    "INDICIA_LISTEN_HTTP": "127.0.0.1:0",
    "INDICIA_LISTEN_ADMIN": "127.0.0.1:0",
    "INDICIA_LISTEN_DNS": "127.0.0.1:0",
    "INDICIA_LOG_FORMAT": "json",
}


# For a server that is not asked anything.
NOBODY: Final = Key("", "")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: how the table calls it, where it listens, whom it knows."""

    name: str
    port: int
    pid: int
    key: Key

    def cpu_seconds(self) -> float:
        """Return the processor time it has used so far, of all its threads (proc(5), utime and stime)."""
        text = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii")
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident_mib(self) -> float:
        """Return the memory it has resident now."""
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0


@contextmanager
def indicia(
    folder: Path, identity_count: int, *, roles: str = "", spare_keys: int = 0, resolver: str = ""
) -> Iterator[Server]:
    """Run `indicia serve` on a new installation with that many identities, and so many keys to spare.

    `roles` is a comma list; without it the server has every role. Without a `resolver` it is the system's.
    """
    settings = {**SETTINGS, **({"INDICIA_RESOLVERS": resolver} if resolver else {})}
    key = populate(folder / "data", SETTINGS, identity_count, spare_keys=spare_keys)
    told = folder / "ready.json"
    command = ["serve", "--data-dir", str(folder / "data"), "--ready-file", str(told)]
    command += ["--roles", roles] if roles else []
    with process([sys.executable, "-m", "indicia", *command], folder / "log", settings) as running:
        wait_for(running, folder / "log", told.exists)
        where = ready.read(told)
        assert where is not None
        port = int(where.http[0].rpartition(":")[2])
        yield Server(f"indicia, {identity_count:,}", port, running.pid, key)


@contextmanager
def moto(folder: Path, identity_count: int) -> Iterator[Server]:
    """Run moto's server with that many identities. Its log goes nowhere, which is the least it can cost."""
    port = free_port()
    command = [sys.executable, "-m", "bench.moto_peer", str(identity_count), str(port)]
    with process(command, Path(os.devnull)) as running:
        wait_for(running, folder / "log", lambda: listens(port))
        yield Server(f"moto, {identity_count:,}", port, running.pid, Key("AKIAIOSFODNN7EXAMPLE", "bench"))


@contextmanager
def bare(folder: Path, answer: Reply) -> Iterator[Server]:
    """Run the bare HTTP server, which always gives this answer."""
    port = free_port()
    body = folder / "answer"
    body.write_bytes(answer.body)
    command = [sys.executable, "-m", "bench.bare", str(body), answer.content_type, str(port)]
    with process(command, folder / "log") as running:
        wait_for(running, folder / "log", lambda: listens(port))
        yield Server("bare uvicorn", port, running.pid, Key("AKIAIOSFODNN7EXAMPLE", "bench"))


@contextmanager
def bare_creating(folder: Path, database: Path, answer: str) -> Iterator[Server]:
    """Run uvicorn and sqlite3 on a database in which an identity was created last, which this was said to."""
    port = free_port()
    command = [sys.executable, "-m", "bench.bare_creating", str(database), answer, str(port)]
    with process(command, folder / "log") as running:
        wait_for(running, folder / "log", lambda: listens(port))
        yield Server("bare uvicorn and sqlite3", port, running.pid, NOBODY)


@contextmanager
def process(
    command: Sequence[str], log: Path, settings: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in an environment of its own, and end it."""
    environment = {name: value for name, value in os.environ.items() if name in _OWN}
    with log.open("wb") as output:
        started = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**environment, **(settings or {})},
        )
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(15)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def wait_for(
    process: subprocess.Popen[bytes], log: Path, ready: Callable[[], bool], *, every: float = 0.02
) -> None:
    """Wait until the server is ready, and look for that every so many seconds."""
    give_up = time.monotonic() + _START_WITHIN
    while not ready():
        if process.poll() is not None or time.monotonic() > give_up:
            told = log.read_text(encoding="utf-8", errors="replace")[-2000:] if log.exists() else ""
            raise RuntimeError(f"a server did not start: {process.args!r}\n{told}")
        time.sleep(every)


def free_port() -> int:
    """Return a port that is free at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Say whether something answers on a port of this machine."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
