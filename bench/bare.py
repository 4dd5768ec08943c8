"""The bare HTTP server: uvicorn with httptools and uvloop, one fixed answer, nothing looked at.

Run as a program: the file that holds the answer, its content type, the port.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from indicia.wire.http.requests import App, Receive, Scope, Send


def answering(
    body: bytes, content_type: str, first: Callable[[Scope, Receive], Awaitable[None]] | None = None
) -> App:
    """Return an ASGI application that always says the same, when it has done what comes `first`, if any."""
    headers = [(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(body))]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if first is not None:
            await first(scope, receive)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def serve(app: App, port: int) -> None:
    """Serve it until the process is ended."""
    uvicorn.run(
        app,
        port=port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    _, file, content_type, port = sys.argv
    serve(answering(Path(file).read_bytes(), content_type), int(port))
