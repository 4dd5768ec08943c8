"""The ready file: where a running server can be reached, written when it can be.

Ports may be chosen by the machine, so whoever starts a server reads its addresses from here.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from indicia.private_files import write_file

_MOST: Final = 64 * 1024  # octets: what is longer was written by nobody of ours


@dataclass(frozen=True, slots=True)
class Ready:
    """What a process serves and where. A list is empty when the process does not have that role."""

    pid: int
    url: str  # the API, as a client on this machine reaches it; empty without one
    http: tuple[str, ...]
    admin: tuple[str, ...]
    dns: tuple[str, ...]
    region: str
    playground: str = ""  # where a sandbox's DNS answers

    def write(self, path: Path) -> None:
        """Put the file in place in one step: whoever sees it sees all of it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        # No secret, and often for somebody else: whoever started the server.
        write_file(path, json.dumps(asdict(self), indent=2) + "\n", mode=0o644)


def read(path: Path) -> Ready | None:
    """Return what the file says; None when there is none, or it is not a ready file."""
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(_MOST))
        return Ready(
            pid=int(document["pid"]),
            url=str(document["url"]),
            http=tuple(map(str, document["http"])),
            admin=tuple(map(str, document["admin"])),
            dns=tuple(map(str, document["dns"])),
            region=str(document["region"]),
            playground=str(document.get("playground", "")),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remove(path: Path) -> None:
    """Remove the file if it is this process's own: another may have started meanwhile."""
    written = read(path)
    if written is not None and written.pid == os.getpid():
        path.unlink(missing_ok=True)
