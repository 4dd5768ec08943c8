"""The bare HTTP server: uvicorn with httptools and uvloop, one fixed answer, nothing looked at.

Run as a program: the file that holds the answer, its content type, the port.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from indicia.wire.requests import App, Receive, Scope, Send


def answering(body: bytes, content_type: str) -> App:
    """Return an ASGI application that always says the same."""
    headers = [(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(body))]

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


if __name__ == "__main__":
    _, file, content_type, port = sys.argv
    uvicorn.run(
        answering(Path(file).read_bytes(), content_type),
        port=int(port),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
