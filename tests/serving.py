"""Real processes for tests: `indicia serve` and `indicia sandbox` as a person would start them."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config

from indicia.credentials import AccountCredentials, read_credentials
from indicia.runtime import ready
from indicia.runtime.ready import Ready

T = TypeVar("T")

INDICIA = (sys.executable, "-m", "indicia")
FREE = {
    "INDICIA_LISTEN_HTTP": "127.0.0.1:0",
    "INDICIA_LISTEN_ADMIN": "127.0.0.1:0",
    "INDICIA_LISTEN_DNS": "127.0.0.1:0",
}
WITHIN = 30.0


def environment(**given: str) -> dict[str, str]:
    """Return an environment without settings of whoever runs the tests, and with these."""
    plain = {
        name: value for name, value in os.environ.items() if not name.startswith(("INDICIA_", "AWS_", "COV_"))
    }
    return plain | given


def until(condition: Callable[[], T], what: str = "the condition", within: float = WITHIN) -> T:
    """Return what the condition returns as soon as that is something."""
    deadline = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come true"
        time.sleep(0.01)
    return found


@cache
def _session() -> boto3.Session:
    return boto3.Session()


def client(service: str, url: str, key: AccountCredentials, region: str = "us-east-1", **config: Any) -> Any:
    """Return a boto3 client that tries everything once."""
    return _session().client(
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=key.id,
        aws_secret_access_key=key.secret,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20, **config),
    )


def get(
    address: str, path: str, method: str = "GET", headers: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Return status and body of an unsigned request to `host:port`, `[v6]:port` or a URL of it."""
    host, _, port = address.removeprefix("http://").rpartition(":")
    connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=10)
    try:
        connection.request(method, path, headers=dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


@dataclass
class Running:
    """A process that was started, and where it writes to."""

    process: subprocess.Popen[bytes]
    data_dir: Path
    log_file: Path
    clients: dict[str, Any] = field(default_factory=dict)

    @property
    def ready(self) -> Ready:
        """Where it can be reached, once it can be."""

        def written() -> Ready | None:
            assert self.process.poll() is None, f"it ended: {self.log}"
            found = ready.read(self.data_dir / "ready.json")
            return found if found is not None and found.pid == self.process.pid else None

        return until(written, "the ready file")

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self.log_file.read_text()

    @property
    def key(self) -> AccountCredentials:
        """The operator's access key, once the server is ready."""
        assert self.ready
        key = read_credentials(self.data_dir / "credentials")
        assert key is not None
        return key

    def client(self, service: str = "sesv2") -> Any:
        """Return a client with the operator's key."""
        if service not in self.clients:
            self.clients[service] = client(service, self.ready.url, self.key)
        return self.clients[service]

    def get(self, path: str) -> tuple[int, str]:
        """Ask the admin address."""
        return get(self.ready.admin[0], path)

    def readiness(self) -> dict[str, Any]:
        """Return what /readyz?verbose says."""
        found: dict[str, Any] = json.loads(self.get("/readyz?verbose")[1])
        return found

    def metric(self, name: str) -> float:
        """Return the sum of a metric's samples whose line begins so."""
        page = self.get("/metrics")[1]
        return sum(float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(name))

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal and return the status with which it ends."""
        self.process.send_signal(number)
        return self.process.wait(WITHIN)


@contextlib.contextmanager
def started(
    folder: Path, *arguments: str, cwd: Path | None = None, files: int | None = None, **settings: str
) -> Iterator[Running]:
    """A command that goes on running, on free ports, with its data in `folder/data`; killed at the end.

    `files` is how many it may open (`ulimit -n`).
    """
    limited = () if files is None else ("sh", "-c", f'ulimit -n {files} && exec "$@"', "sh")
    data_dir = folder / "data"
    log_file = folder / "log"
    given = FREE | {"INDICIA_DATA_DIR": str(data_dir)} | settings
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [*limited, *INDICIA, *arguments],
            env=environment(**given),
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            cwd=cwd or folder,
        )
    try:
        yield Running(process, data_dir, log_file)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(WITHIN)


def serve(
    folder: Path, *arguments: str, files: int | None = None, **settings: str
) -> contextlib.AbstractContextManager[Running]:
    """`indicia serve`."""
    return started(folder, "serve", *arguments, files=files, **settings)


def run(*arguments: str, cwd: Path, **given: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*INDICIA, *arguments],
        env=environment(**given),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
