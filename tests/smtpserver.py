"""A mail server on loopback that takes letters, or refuses them in the words it is told."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass
class SmtpServer:
    """What the server does, and what it got.

    `replies` maps a verb to the reply it gets in place of the usual one: `CONNECT`, `MAIL`, `RCPT`, `DATA`
    (before the mail), `.` (after it). The reply `hang up` ends the connection. Who writes to a recipient that
    ends with `tarpit` gets no answer until `released`.
    """

    replies: dict[str, str] = field(default_factory=dict)
    offers_starttls: bool = False
    login: tuple[str, str] | None = None
    letters: list[tuple[str, str, bytes]] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    port: int = 0
    conversations: set[asyncio.Task[None] | None] = field(default_factory=set)
    tls: ssl.SSLContext | None = None
    tarpit: str = ""
    released: asyncio.Event = field(default_factory=asyncio.Event)
    held: int = 0
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hold one conversation."""
        self.conversations.add(asyncio.current_task())
        self.connections += 1
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender = recipient = ""
        if not await self._say(writer, "CONNECT", "220 mail ready"):
            return
        while line := await reader.readline():
            words = line.decode().strip()
            verb = words.partition(" ")[0].upper()
            self.verbs.append(verb)
            usual = "250 fine"
            if verb == "EHLO":
                usual = self._hello(writer)
            elif verb == "STARTTLS":
                await self._say(writer, verb, "220 go on")
                await writer.start_tls(self.tls)  # type: ignore[arg-type]
                continue
            elif verb == "AUTH":
                usual = self._authenticate(words)
            elif verb == "MAIL":
                sender = _path(words)
            elif verb == "RCPT":
                recipient = _path(words)
                if self.tarpit and recipient.endswith(self.tarpit):
                    self.held += 1
                    await self.released.wait()
                    self.held -= 1
            elif verb == "DATA":
                if not await self._say(writer, verb, "354 go on") or "DATA" in self.replies:
                    continue
                octets = await _until_dot(reader)
                self.encrypted.append(writer.get_extra_info("ssl_object") is not None)
                if "." not in self.replies:
                    self.letters.append((sender, recipient, octets))
                verb, usual = ".", "250 taken"
            elif verb == "QUIT":
                usual = "221 bye"
            if not await self._say(writer, verb, usual) or verb == "QUIT":
                return

    def _hello(self, writer: asyncio.StreamWriter) -> str:
        lines = ["mail"]
        if self.offers_starttls and writer.get_extra_info("ssl_object") is None:
            lines.append("STARTTLS")
        if self.login is not None:
            lines.append("AUTH PLAIN")
        return "\r\n".join([*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}"])

    def _authenticate(self, words: str) -> str:
        _, user, password = base64.b64decode(words.split()[2]).decode().split("\0")  # RFC 4616 §2
        return "235 welcome" if (user, password) == self.login else "535 5.7.8 wrong credentials"

    async def _say(self, writer: asyncio.StreamWriter, verb: str, usual: str) -> bool:
        reply = self.replies.get(verb, usual)
        if reply == "hang up":
            return False
        writer.write(f"{reply}\r\n".encode())
        await writer.drain()
        return True


def _path(words: str) -> str:
    return words[words.index("<") + 1 : words.rindex(">")]


async def _until_dot(reader: asyncio.StreamReader) -> bytes:
    octets = b""
    while (line := await reader.readline()) != b".\r\n":
        if not line:
            raise ConnectionResetError
        octets += line.removeprefix(b".") if line.startswith(b".") else line
    return octets


@contextlib.asynccontextmanager
async def listening(server: SmtpServer, *, tls_from_the_start: bool = False) -> AsyncIterator[SmtpServer]:
    """Let the server listen on a free port of loopback, named in its `port`, inside the block."""
    listener = await asyncio.start_server(
        server.serve, "127.0.0.1", server.port, ssl=server.tls if tls_from_the_start else None
    )
    server.port = listener.sockets[0].getsockname()[1]
    async with listener:
        try:
            yield server
        finally:
            await asyncio.gather(*filter(None, server.conversations))
