"""One stretch of load on one server, by wrk, and what it cost the server."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.servers import Server

CONNECTIONS: Final = 16
_SCRIPT: Final = Path(__file__).with_name("replay.lua")


class NoLoadToolError(Exception):
    """wrk is not installed."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What came of it. `refused` are answers that were errors, `failed` requests that had none."""

    requests: int
    rate: float  # a second
    cpu_us: float  # of the server's processor time, a request
    p50_ms: float
    p99_ms: float
    refused: int
    failed: int


def wrk() -> str:
    """Return where wrk is. Raises: `NoLoadToolError` with the line that installs it."""
    found = shutil.which("wrk")
    if found is None:
        raise NoLoadToolError("The load comes from wrk, which is not installed: apt-get install wrk")
    return found


def run(server: Server, requests: Path, seconds: int, connections: int = CONNECTIONS) -> Stretch:
    """Send the requests in the file over and over for that long, from one thread."""
    options = ["--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
    target = f"http://127.0.0.1:{server.port}"
    before = server.cpu_seconds()
    done = subprocess.run(
        [wrk(), *options, "--timeout", "20s", "--script", str(_SCRIPT), target, "--", str(requests)],
        capture_output=True,
        text=True,
        check=True,
    )
    used = server.cpu_seconds() - before
    told = json.loads(done.stdout.splitlines()[-1])
    count = told["requests"]
    return Stretch(
        requests=count,
        rate=count / told["seconds"],
        cpu_us=used * 1e6 / count if count else 0.0,
        p50_ms=told["p50_ms"],
        p99_ms=told["p99_ms"],
        refused=told["refused"],
        failed=told["failed"],
    )
