"""The other processes of the same `serve`: how they are, and what they have counted.

Each has left its addresses in a file of a folder that only they know, and is asked at its own admin address.
What they answer is bounded in time and octets: one that has gone mad must not take this one with it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Final

from indicia.outbound.request import HttpRequest
from indicia.runtime import ready
from indicia.runtime.health import Check
from indicia.runtime.metrics import labelled, together

_WITHIN: Final = 2.0  # seconds
_MOST: Final = 4 * 1024 * 1024  # octets: a page of metrics is some 30 KiB
MAIN: Final = "main"


@dataclass(frozen=True, slots=True)
class WorkerProcesses:
    """The workers by name, and the folder with their ready files."""

    folder: Path
    names: tuple[str, ...]

    def file(self, name: str) -> Path:
        """Return where a worker leaves its addresses."""
        return self.folder / f"{name}.json"

    def note_all_ready(self) -> None:
        """Remember that there was a moment at which all of them were ready."""
        (self.folder / "ready").touch()

    def were_all_ready(self) -> bool:
        """Say whether there was such a moment."""
        return (self.folder / "ready").exists()

    def checks(self) -> dict[str, Check]:
        """Return a check a worker: whether it is ready."""

        def check_of(name: str) -> Check:
            async def check() -> str | None:
                status, _ = await self._ask(name, "/readyz")
                return None if status == 200 else "not ready"

            return check

        return {name: check_of(name) for name in self.names}

    async def metrics(self, own: bytes) -> bytes:
        """Return this process's page of metrics and those of the workers as one, told apart by `process`."""
        asked = await asyncio.gather(*(self._ask(name, "/metrics") for name in self.names))
        pages = [labelled(own.decode(), MAIN)]
        pages += [
            labelled(page, name)
            for name, (status, page) in zip(self.names, asked, strict=True)
            if status == 200
        ]
        return together(pages).encode()

    async def _ask(self, name: str, path: str) -> tuple[int, str]:
        """Return status and body of a worker's answer; status 0 when there is none."""
        known = ready.read(self.file(name))
        if known is None or not known.admin:
            return 0, ""
        asked = HttpRequest(f"http://{known.admin[0]}", within=_WITHIN, most=_MOST)
        try:
            response = await asyncio.to_thread(asked.send, "GET", path)
            return response.status, response.body.decode()
        except (OSError, HTTPException, ValueError):
            return 0, ""
        finally:
            asked.hang_up()  # where nobody waits any more, its thread shall not either
