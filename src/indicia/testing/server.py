"""A sandbox in a process of its own, on free ports, from `start` to `stop`."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from indicia.runtime import ready

_WITHIN: Final = 30.0  # seconds until it has to be ready
_LOOK: Final = 0.005
_GRACE: Final = 10.0
# In memory where there is such a place: nothing of a test has to outlive the machine.
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - the folder made in it is private


class ServerError(Exception):
    """The sandbox did not start. The sentence says what it said."""


class SandboxServer:
    """A sandbox for tests. `url` is its API, `dns` its playground as `address:port`, once it has started.

    Without a `service_domain` it has the one of every sandbox.
    """

    def __init__(self, service_domain: str = "") -> None:
        self._service_domain = service_domain
        self.url = ""
        self.dns = ""
        self._process: subprocess.Popen[bytes] | None = None
        place = _MEMORY if os.access(_MEMORY, os.W_OK) else None
        self._folder = tempfile.TemporaryDirectory(
            prefix="indicia-testing-", dir=place, ignore_cleanup_errors=True
        )

    def start(self) -> None:
        """The sandbox answers. Raises: `ServerError`."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """The sandbox is on its way."""
        folder = Path(self._folder.name)
        command = [sys.executable, "-m", "indicia.app.quick_sandbox", str(folder / "data")]
        command += [self._service_domain] if self._service_domain else []
        # What the environment says of Indicia is about another installation.
        environ = {name: value for name, value in os.environ.items() if not name.startswith("INDICIA_")}
        with self._log.open("wb") as out:
            self._process = subprocess.Popen(  # noqa: S603 - the program is this package
                command, env=environ, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    def wait(self) -> None:
        """The sandbox that was launched answers. Raises: `ServerError`."""
        assert self._process is not None
        path = Path(self._folder.name) / "data" / "ready.json"
        end = time.monotonic() + _WITHIN
        while time.monotonic() < end:
            found = ready.read(path)
            if found is not None:
                self.url, self.dns = found.url, found.playground
                return
            if self._process.poll() is not None:
                break
            time.sleep(_LOOK)
        said = self._log.read_text(encoding="utf-8", errors="replace")
        raise ServerError(f"the sandbox did not start: {said.strip()[-2000:] or 'it said nothing'}")

    def stop(self) -> None:
        """The process has ended, and its data are gone."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        with contextlib.suppress(OSError):
            self._folder.cleanup()

    @property
    def _log(self) -> Path:
        return Path(self._folder.name) / "log"
