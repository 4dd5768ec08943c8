"""Runs tests again and again, each time in a fork of a process that has the libraries loaded already.

Started with the folder of a scratch copy. Reads one request a line, `{"tests": [...], "limit": seconds}`,
and answers each with one line, `{"status": 1, "seconds": 0.8, "said": "..."}`; a status of null says that
the time was over. A request with `"record": [modules]`, made before any mistake is, has `entered` in its
answer as well: what each test enters of those modules.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import Phase, settings

from mutation.recording import Recording

_HEAVY = ("sqlalchemy", "cryptography.x509", "msgspec", "dns.message", "structlog", "jinja2")
_MEMORY = 4 << 30
_QUIET = ("-q", "--no-header", "--tb=line", "-p", "no:cacheprovider", "-p", "no:randomly")
# A library that is loaded before pytest starts keeps its own asserts as they are, which is no loss.
_LOADED_BEFORE = ("-W", "ignore::pytest.PytestAssertRewriteWarning")


def main() -> None:
    """Answer requests until there are no more."""
    root = Path(sys.argv[1])
    os.chdir(root)
    _load()
    for line in sys.stdin:
        print(json.dumps(_answer(root, json.loads(line))), flush=True)


def _answer(root: Path, request: dict[str, Any]) -> dict[str, Any]:
    start = time.monotonic()
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as told:
        child = os.fork()
        if child == 0:
            _run_tests(root, request, said, told)
        status = _status_within(child, request["limit"])
        answer = {"status": status, "seconds": round(time.monotonic() - start, 2)}
        said.seek(0)
        told.seek(0)
        text = said.read().decode(errors="replace")
        recorded: dict[str, Any] = json.loads(told.read() or b"{}")
    return answer | recorded | {"said": text[-4000:]}


def _status_within(child: int, limit: float) -> int | None:
    """Return how a child ended, or None when it had to be ended, with all that it had started."""
    until = time.monotonic() + limit
    ended, status = 0, 0
    while not ended and time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.01)
    if not ended:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return None
    return os.waitstatus_to_exitcode(status)


def _run_tests(root: Path, request: dict[str, Any], said: IO[bytes], told: IO[bytes]) -> None:
    os.setsid()
    os.dup2(said.fileno(), 1)
    os.dup2(said.fileno(), 2)
    modules = request.get("record")
    recording = Recording(root, modules) if modules else None
    if recording is None:
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    # The same examples each time, none remembered, and none made smaller: it is enough that one fails.
    settings.register_profile(
        "mutation", database=None, derandomize=True, phases=(Phase.explicit, Phase.generate)
    )
    settings.load_profile("mutation")
    until = () if recording else ("-x",)
    status = int(
        pytest.main([*_QUIET, *until, *_LOADED_BEFORE, *request["tests"]], [recording] if recording else [])
    )
    ours = Path(sys.modules["indicia"].__file__ or "") if "indicia" in sys.modules else root
    if not ours.is_relative_to(root):
        print(f"the tests ran on {ours}, which is not in the scratch copy {root}")
        status = 99
    if recording:
        told.write(json.dumps({"entered": recording.entered()}).encode())
        told.flush()
    sys.stdout.flush()
    os._exit(status)


def _load() -> None:
    """Load the libraries that take long to load, so that each run finds them there.

    Nothing that runs an event loop is among them: asyncio keeps what a fork must not share.
    """
    for name in _HEAVY:
        importlib.import_module(name)


if __name__ == "__main__":
    main()
