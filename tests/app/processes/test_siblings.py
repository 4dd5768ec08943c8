"""What one process reads of another is bounded: a worker gone mad takes nobody else with it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from indicia.app.doctor.local_checks import service
from indicia.app.processes.worker_status import WorkerProcesses
from indicia.domain.installation.soundness import State
from indicia.runtime import ready
from indicia.runtime.ready import Ready

OWN = b"# HELP x Counted.\n# TYPE x counter\nx 1.0\n"
FLOOD = 256 * 1024 * 1024


class Endless:
    """Answers every request with status 200 and a body that does not end, and counts what was taken of it."""

    def __init__(self) -> None:
        self.taken = 0
        self.left = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Write until the other end has had enough."""
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n")
        piece = b"# nothing at all\n" * 4096
        with contextlib.suppress(ConnectionError):
            while self.taken < FLOOD:
                writer.write(piece)
                await writer.drain()
                self.taken += len(piece)
        self.left.set()
        writer.close()


@contextlib.asynccontextmanager
async def endless() -> AsyncIterator[tuple[Endless, Ready]]:
    """Run such a process on loopback."""
    mad = Endless()
    server = await asyncio.start_server(mad.serve, "127.0.0.1", 0)
    at = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield mad, Ready(pid=1, url="", http=(), admin=(at,), dns=(), region="us-east-1")


def test_a_worker_that_does_not_end_is_left_out(tmp_path: Path) -> None:
    """The page of metrics is that of the others, and some megabytes were read of it at most."""

    async def story() -> tuple[bytes, int]:
        async with endless() as (mad, at):
            siblings = WorkerProcesses(tmp_path, ("worker-1",))
            at.write(siblings.file("worker-1"))
            page = await siblings.metrics(OWN)
            await asyncio.wait_for(mad.left.wait(), 20)
            return page, mad.taken

    page, taken = asyncio.run(story())
    assert page == b'# HELP x Counted.\n# TYPE x counter\nx{process="main"} 1.0\n'
    assert taken < FLOOD // 8


def test_the_doctor_reads_no_answer_without_end() -> None:
    """A service that says something endless of itself fails the check; the doctor goes on."""

    async def story() -> tuple[State, int]:
        async with endless() as (mad, at):
            running = await asyncio.to_thread(service, at)
            await asyncio.wait_for(mad.left.wait(), 20)
            return running.check.state, mad.taken

    state, taken = asyncio.run(story())
    assert state is State.FAIL
    assert taken < FLOOD // 8


@pytest.mark.parametrize("size", [10, 200_000])
def test_a_ready_file_is_no_longer_than_a_ready_file(tmp_path: Path, size: int) -> None:
    """What is longer than any of ours is none, and is not read to its end."""
    at = Ready(pid=1, url="x" * size, http=(), admin=(), dns=(), region="us-east-1")
    at.write(tmp_path / "ready.json")

    assert json.loads((tmp_path / "ready.json").read_text())["pid"] == 1
    assert ready.read(tmp_path / "ready.json") == (at if size < 1000 else None)
