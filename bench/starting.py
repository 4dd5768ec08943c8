"""How long a start takes, from the process to the first answer, and how long emptying a sandbox does.

A suite waits for the one before its first test, and for the other before every test. moto's server starts in
the same rounds. What is in the table as CPU is the server's own, so that a machine which others work on as
well still says something: keys are made beside a start, and count.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.plan import Plan
from bench.report import Aim, Section, spread
from bench.servers import NOBODY, SETTINGS, Server, free_port, listens, process, wait_for
from indicia.runtime import ready
from indicia.testing.kit import Sandbox

_LOOK: Final = 0.001  # seconds
_RESETS: Final = 20  # a round
_WITHIN: Final = 0.5  # seconds; what the test kit says of its sandbox
_FREE_PORTS: Final = {name: text for name, text in SETTINGS.items() if name.startswith("INDICIA_LISTEN")}


@dataclass(slots=True)
class _Starts:
    """What the starts of one server took, in seconds: until it was ready, and of the processor."""

    until_ready: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def measure(plan: Plan) -> tuple[list[Section], list[Aim]]:
    """Return what starts take, and resets."""
    plan.say("starting")
    starts = {name: _Starts() for name in ("the test kit", "sandbox", "serve", "serve, again", "moto")}
    resets: list[float] = []
    with TemporaryDirectory(prefix="indicia-bench-") as temporary:
        for turn in range(-1, plan.rounds):  # in the round before the first, files are read into memory
            found = {name: _Starts() for name in starts} if turn < 0 else starts
            folder = Path(temporary) / str(turn)
            folder.mkdir()
            _start_all(folder, found, resets)
    kit = spread(starts["the test kit"].until_ready)
    aim = Aim(
        "the sandbox of the test kit is ready", f"< {_WITHIN} s", f"{kit.median:.2f} s", kit.median < _WITHIN
    )
    figures = {name: {"ready_s": each.until_ready, "cpu_s": each.cpu} for name, each in starts.items()}
    section = Section(
        "Starting: seconds, median [lowest-highest]",
        ("", "ready", "CPU until then"),
        [(name, _seconds(each.until_ready), _seconds(each.cpu)) for name, each in starts.items()],
        (f"Emptying a sandbox took {_milliseconds(resets)} ms.",),
        {**figures, "reset_s": resets},
    )
    return [section], [aim]


def _start_all(folder: Path, starts: dict[str, _Starts], resets: list[float]) -> None:
    """Start each server once, on installations of this folder."""
    kit, told = folder / "kit", folder / "ready.json"
    _start(
        starts["the test kit"],
        folder,
        ["-m", "indicia.app.quick_sandbox", str(kit)],
        (kit / "ready.json").exists,
        lambda: resets.extend(_resets(kit / "ready.json")),
    )
    _start(starts["sandbox"], folder, ["-m", "indicia", "sandbox", "--ready-file", str(told)], told.exists)
    serve = ["-m", "indicia", "serve", "--data-dir", str(folder / "data"), "--ready-file", str(told)]
    for name in ("serve", "serve, again"):
        _start(starts[name], folder, serve, told.exists)
    port = free_port()
    _start(starts["moto"], folder, ["-m", "bench.moto_peer", "0", str(port)], partial(listens, port))


def _start(
    starts: _Starts,
    folder: Path,
    command: list[str],
    is_ready: Callable[[], bool],
    use: Callable[[], object] = lambda: None,
) -> None:
    """Start one server, note what that took, let it be used, and end it."""
    began = time.monotonic()
    with process([sys.executable, *command], folder / "log", _FREE_PORTS) as running:
        wait_for(running, folder / "log", is_ready, every=_LOOK)
        starts.until_ready.append(time.monotonic() - began)
        starts.cpu.append(Server("", 0, running.pid, NOBODY).cpu_seconds())
        use()


def _resets(told: Path) -> list[float]:
    """Return what resets take, in seconds, each of a sandbox in which something was published."""
    where = ready.read(told)
    assert where is not None
    sandbox = Sandbox(where.url, where.playground)
    taken = []
    for _ in range(_RESETS):
        sandbox.put("shop.example", "TXT", ["v=spf1 -all"])
        began = time.monotonic()
        sandbox.reset()
        taken.append(time.monotonic() - began)
    return taken


def _milliseconds(values: list[float]) -> str:
    found = spread(values)
    return f"{found.median * 1000:.1f} [{found.lowest * 1000:.1f}-{found.highest * 1000:.1f}]"


def _seconds(values: list[float]) -> str:
    found = spread(values)
    return f"{found.median:.2f} [{found.lowest:.2f}-{found.highest:.2f}]"
