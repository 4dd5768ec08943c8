"""A copy of the sources in which mistakes are made, and the tests that are run on them there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parent.parent.parent
_TOOLS = Path(__file__).parent.parent
_LONGEST_RECORDING = 900.0


@dataclass(frozen=True)
class Outcome:
    """How a run of the tests ended: all passed, some failed, or the time was over."""

    passed: bool
    in_time: bool
    seconds: float
    said: str

    @property
    def is_of_a_test(self) -> bool:
        """Whether a test failed, rather than the whole of them could not be run."""
        return "::" in self.failed_test

    @property
    def failed_test(self) -> str:
        """The first test that failed, or why there is none to name."""
        if not self.in_time:
            return "(out of time)"
        for line in self.said.splitlines():
            if line.startswith(("FAILED ", "ERROR ")):
                return line.split(" ", 1)[1].split(" - ")[0]
        return "(did not run to its end)"


class Scratch:
    """The copy. Only `with_source` changes it, and puts back what was there."""

    def __init__(self, root: Path, server: subprocess.Popen[str]) -> None:
        self.root = root
        self._server = server

    def record(self, file: str, modules: list[str]) -> dict[str, Any]:
        """Run a file of tests on the sources as they are; return what each test enters of some modules."""
        # A rule that is broken is broken on either database, and SQLite needs no server.
        answer = self._ask(tests=[file, "-k", "not postgresql"], limit=_LONGEST_RECORDING, record=modules)
        if "entered" not in answer:
            raise RuntimeError(f"the tests of {file} do not run to their end:\n{answer['said']}")
        entered: dict[str, Any] = answer["entered"]
        return entered

    def run(self, tests: list[str], limit: float) -> Outcome:
        """Run tests until the first fails, for at most `limit` seconds."""
        answer = self._ask(tests=tests, limit=limit)
        status = answer["status"]
        if status in (5, 99):
            raise RuntimeError(f"the tests {' '.join(tests)} cannot be run:\n{answer['said']}")
        return Outcome(status == 0, status is not None, answer["seconds"], answer["said"])

    @contextmanager
    def with_source(self, module: str, source: str) -> Iterator[None]:
        """While this holds, a module of the copy has another text."""
        path = self.root / module
        before, times = path.read_text(encoding="utf-8"), path.stat()
        path.write_text(source, encoding="utf-8")
        # Python takes a compiled module for current by the date and size of its source.
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 60_000_000_000))
        try:
            yield
        finally:
            path.write_text(before, encoding="utf-8")
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def _ask(self, **request: object) -> dict[str, Any]:
        to, back = _pipes(self._server)
        to.write(json.dumps(request) + "\n")
        to.flush()
        line = back.readline()
        if not line:
            raise RuntimeError("the process that runs the tests has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def scratch_copy() -> Iterator[Scratch]:
    """Copy all that is not ignored, as it stands in the work tree, and start what runs the tests there."""
    with tempfile.TemporaryDirectory(prefix="mutate-") as folder:
        root = Path(folder).resolve()
        for name in _files():
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
        environment = os.environ | {"PYTHONPATH": f"{root / 'src'}{os.pathsep}{_TOOLS}"}
        server = subprocess.Popen(
            [sys.executable, "-m", "mutation.fork_server", str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        try:
            yield Scratch(root, server)
        finally:
            _pipes(server)[0].close()
            server.wait()


def _pipes(server: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert server.stdin is not None
    assert server.stdout is not None
    return server.stdin, server.stdout


def _files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
