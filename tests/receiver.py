"""A real HTTP receiver of webhooks on loopback, which misbehaves as it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class Post:
    """One message as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


@dataclass
class Receiver:
    """Keeps what it is sent. `answer` says of each message what to do: a status, or a way to misbehave.

    What it is told to `hold` is answered with 204 once `released` is set; `held` counts it.
    """

    answer: Callable[[Post], int | str] = lambda _: 204
    posts: list[Post] = field(default_factory=list)
    port: int = 0
    host: str = "127.0.0.1"
    redirect_to: str = ""
    released: asyncio.Event = field(default_factory=asyncio.Event)
    held: int = 0
    _server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.host}:{self.port}/hook"

    async def start(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines) if name
            }
            body = await reader.readexactly(int(headers["content-length"]))
            post = Post(first.split(" ")[1], headers, body)
            self.posts.append(post)
            await self._reply(self.answer(post), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _reply(
        self, what: int | str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if what == "close":
            return
        if what == "silent":
            await reader.read()
            return
        if what == "hold":
            self.held += 1
            await self.released.wait()
            self.held -= 1
            what = 204
        if what == "garbage":
            writer.write(b"\x00\x01 not HTTP\r\n\r\n")
        elif what == "endless":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200_000)
        elif what == "redirect":
            writer.write(
                f"HTTP/1.1 302 Found\r\nLocation: {self.redirect_to}\r\nContent-Length: 0\r\n\r\n".encode()
            )
        else:
            writer.write(f"HTTP/1.1 {what} Fine\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()


@asynccontextmanager
async def receiving(**given: Any) -> AsyncIterator[Receiver]:
    """Run a receiver inside the block."""
    receiver = await Receiver(**given).start()
    try:
        yield receiver
    finally:
        await receiver.stop()
