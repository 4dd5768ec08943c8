"""Requests that were signed beforehand, each sent once, over some connections at the same time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bench.nameserver import HOST

CONNECTIONS: Final = 16


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of them: the rate of the whole, a second, and how many were not answered with 200."""

    count: int
    rate: float
    refused: int


def send(port: int, requests: Sequence[bytes], connections: int = CONNECTIONS) -> Sent:
    """Send all of them, and return when the last is answered."""
    return asyncio.run(_send(port, requests, connections))


async def _send(port: int, requests: Sequence[bytes], connections: int) -> Sent:
    left = iter(requests)
    began = time.perf_counter()
    refused = sum(await asyncio.gather(*(_connection(port, left) for _ in range(connections))))
    return Sent(len(requests), len(requests) / (time.perf_counter() - began), refused)


async def _connection(port: int, left: Iterator[bytes]) -> int:
    reader, writer = await asyncio.open_connection(HOST, port)
    refused = 0
    for request in left:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
        await reader.readexactly(length)
        refused += b" 200 " not in lines[0]
    writer.close()
    return refused
