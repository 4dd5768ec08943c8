"""An installation that runs as a subprocess, and how clients reach it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

INDICIA = Path(sys.executable).with_name("indicia")
_WITHIN = 30.0
_FREE_PORTS = {
    "INDICIA_LISTEN_HTTP": "127.0.0.1:0",
    "INDICIA_LISTEN_ADMIN": "127.0.0.1:0",
    "INDICIA_LISTEN_DNS": "127.0.0.1:0",
    "INDICIA_LIMITS": "off",
    "INDICIA_RESOLVERS": "127.0.0.1:1",  # nobody answers: no test asks the DNS of the world
    "INDICIA_LOG_FORMAT": "json",
}


@dataclass(frozen=True, slots=True)
class Running:
    """A running server: where it is, where its data are, and the key to it."""

    url: str
    region: str
    data_dir: Path
    account: str
    key: str
    secret: str = field(repr=False)

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a shell in which nobody has said anything about AWS, but where the data are."""
        return {**bare(), "INDICIA_DATA_DIR": str(self.data_dir)}

    def client(self, service: str, **given: Any) -> Any:
        """Return a client of boto3 with the server's key, that does not retry."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=given.pop("region", self.region),
            aws_access_key_id=given.pop("key", self.key),
            aws_secret_access_key=given.pop("secret", self.secret),
            config=Config(retries={"max_attempts": 0, "mode": "standard"}),
            **given,
        )

    def run(self, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command in that environment and return how it ended."""
        return subprocess.run(
            command, env={**self.environ, **environ}, capture_output=True, text=True, timeout=90, check=False
        )


def bare() -> dict[str, str]:
    """The environment without a word about AWS or Indicia, with the project's programs on its path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "INDICIA_"))}
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return {
        **kept,
        **nowhere,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PATH": f"{INDICIA.parent}:{kept['PATH']}",
    }


@contextlib.contextmanager
def started(role: str, folder: Path, **settings: str) -> Iterator[Running]:
    """`indicia serve` or `indicia sandbox` in the folder, from when it is ready to its clean end."""
    data_dir = folder / "data"
    environ = {**bare(), **_FREE_PORTS, **settings, "INDICIA_DATA_DIR": str(data_dir)}
    if role == "sandbox":
        del environ["INDICIA_RESOLVERS"]
    ready_file, log = folder / "ready.json", folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(INDICIA), role, "--ready-file", str(ready_file)],
            env=environ, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=folder,
        )  # fmt: skip
    try:
        ready = _wait_for(ready_file, process, log)
        key = _credentials(data_dir)
        yield Running(
            ready["url"],
            ready["region"],
            data_dir,
            key["aws_account_id"],
            key["aws_access_key_id"],
            key["aws_secret_access_key"],
        )
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
    assert status == 0, log.read_text()
    assert "Traceback" not in log.read_text(), log.read_text()


def _wait_for(path: Path, process: subprocess.Popen[bytes], log: Path) -> Mapping[str, Any]:
    end = time.monotonic() + _WITHIN
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        if path.exists():
            return json.loads(path.read_text())  # type: ignore[no-any-return]
        time.sleep(0.02)
    raise AssertionError(f"not ready: {log.read_text()}")


def _credentials(data_dir: Path) -> dict[str, str]:
    lines = (data_dir / "credentials").read_text().splitlines()
    return dict(map(str.strip, line.split("=", 1)) for line in lines if "=" in line)
