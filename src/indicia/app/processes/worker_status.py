"""The other processes of the same `serve`: how they are, and what they have counted.

Each has left its addresses in a file of a folder that only they know, and is asked at its own admin address.
What they answer is bounded in time and octets: one that has gone mad must not take this one with it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from indicia.runtime import ready
from indicia.runtime.health import Check
from indicia.runtime.metrics import labelled, together

_WITHIN: Final = 2.0  # seconds
_MOST: Final = 4 * 1024 * 1024  # octets: a page of metrics is some 30 KiB
_READ: Final = 64 * 1024
MAIN: Final = "main"


@dataclass(frozen=True, slots=True)
class Siblings:
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
        host, _, port = known.admin[0].rpartition(":")
        try:
            async with asyncio.timeout(_WITHIN):
                reader, writer = await asyncio.open_connection(host, int(port), limit=_READ)
                try:
                    # HTTP/1.0: the answer ends with the connection, and comes in one piece.
                    writer.write(f"GET {path} HTTP/1.0\r\nHost: {known.admin[0]}\r\n\r\n".encode())
                    head, _, body = (await _whole(reader)).partition(b"\r\n\r\n")
                finally:
                    writer.close()
                return int(head.split(b" ", 2)[1]), body.decode()
        except (OSError, TimeoutError, ValueError, IndexError):
            return 0, ""


async def _whole(reader: asyncio.StreamReader) -> bytes:
    """Return what comes before the end. Raises: `ValueError` when that is more than anybody has to say."""
    octets = bytearray()
    while piece := await reader.read(_READ):
        octets += piece
        if len(octets) > _MOST:
            raise ValueError(f"more than {_MOST} octets")
    return bytes(octets)
