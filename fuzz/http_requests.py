"""Invariant: what the server takes for a request, h11 takes for the same one, and nothing grows without end.

    python fuzz/http_requests.py [SECONDS] [SEED]

Makes requests one behind the other: with bodies announced and in chunks, with extensions, trailers and offers
of other protocols, cut into segments anywhere; serves them as they are and damaged; and compares with h11,
and with what was made. Stops at the first octets that break the invariant, printing them.
"""

# ruff: noqa: INP001, T201, S311 - a script, which prints; repeatable, not secret

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "wire"))

from h11_oracle import Taken, closes, same, spelled, understood

from indicia.wire.http.connection import HttpConnection, Serving
from indicia.wire.http.framing import TRAILER_OCTETS
from indicia.wire.http.requests import ANSWER

METHODS = (b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"HEAD")
TARGETS = (
    b"/",
    b"/v2/email/identities/a%2Fb?x=1&y",
    b"/a//b/../c",
    b"/?Action=ListIdentities",
    b"*",
    b"http://host/p",
)
FIELDS = (
    (b"Accept", b"*/*"),
    (b"X-Forwarded-For", b"192.0.2.1, 10.0.0.1"),
    (b"Upgrade", b"h2c"),
    (b"Upgrade", b"websocket, foo/2"),
    (b"Connection", b"Upgrade, HTTP2-Settings"),
    (b"Connection", b"keep-alive, Upgrade"),
    (b"HTTP2-Settings", b"AAMAAABkAAQCAAAAAAIAAAAA"),
    (b"Expect", b"100-continue"),
    (b"X-Empty", b""),
    (b"x-Octets", bytes(range(0xA1, 0xFF))),
    (b"Cookie", b"a=b; c=d"),
)
TRAILERS = (
    (b"X-Forwarded-For", b"203.0.113.9"),
    (b"Authorization", b"AWS4-HMAC-SHA256 x"),
    (b"Host", b"elsewhere"),
    (b"X-Checksum", b"abc"),
    (b"Expect", b"100-continue"),
)
EXTENSIONS = (b"", b"", b"", b";a", b";a=b", b';name="quoted value"')
TEMPTING = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"0\r\n\r\n", b"\0", b" ", b"\t", b":", b";", b"\xff", b"-1", b"+5",
    b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"Upgrade: h2c\r\n", b"0x5", b"HTTP/1.0",
    b"GET / HTTP/1.1\r\nHost: host\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"HTTP/2.0", b" folded\r\n",
    b"CONNECT host:1 ", b"Transfer-Encoding: gzip\r\n", b"Content-Length: 5, 5\r\n", b"Connection: close\r\n",
)  # fmt: skip


@dataclass
class Case:
    """Octets, the requests in them, and whether these are as they were made."""

    octets: bytes
    requests: list[Taken]
    whole: bool


class Wire(asyncio.Transport):
    """A connection without a network: what is written is kept, and what is paused waits."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = self.paused = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep what the server says."""
        self.written += data

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Say who speaks to whom."""
        return {"peername": ("192.0.2.9", 4711), "sockname": ("192.0.2.1", 80)}.get(name, default)

    def pause_reading(self) -> None:
        """Nothing comes for now."""
        self.paused = True

    def resume_reading(self) -> None:
        """It comes again."""
        self.paused = False

    def is_closing(self) -> bool:
        """Whether it has ended."""
        return self.closed

    def can_write_eof(self) -> bool:
        """Whether one side can end."""
        return False

    def get_write_buffer_size(self) -> int:
        """Everything is read at once."""
        return 0

    def close(self) -> None:
        """End."""
        self.closed = True

    abort = close


@dataclass
class Served:
    """What the server took for requests, and what it answered."""

    requests: list[Taken] = field(default_factory=list)
    said: bytes = b""
    taken_in: int = 0  # octets that it was given before it refused the rest

    async def app(self, scope: Any, receive: Any, _send: Any) -> None:
        """Note a request that is whole, and answer it."""
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        fields = tuple(map(spelled, scope["headers"]))
        self.requests.append(Taken(scope["method"].encode(), target, fields, bytes(body)))
        await scope[ANSWER](200, [(b"content-length", b"0")], b"")


def request(chance: random.Random) -> tuple[bytes, Taken]:
    """A request in octets, and what is in it."""
    method, target = chance.choice(METHODS), chance.choice(TARGETS)
    fields = [(b"Host", b"host"), *chance.sample(FIELDS, chance.randrange(5))]
    body = chance.randbytes(chance.choice((0, 1, 5, 100, 3000)))
    rest = b""
    if chance.random() < 0.4:
        fields.append((b"Transfer-Encoding", chance.choice((b"chunked", b"Chunked"))))
        rest = chunks(chance, body)
    elif body or chance.random() < 0.3:
        fields.append((b"Content-Length", b"%d" % len(body)))
        rest = body
    chance.shuffle(fields)
    head = b"%s %s HTTP/1.1\r\n" % (method, target)
    head += b"".join(
        b"%s:%s%s\r\n" % (name, chance.choice((b"", b" ", b" \t")), value) for name, value in fields
    )
    told = tuple(map(spelled, fields))
    return b"\r\n" * chance.choice((0, 0, 0, 2)) + head + b"\r\n" + rest, Taken(method, target, told, body)


def chunks(chance: random.Random, body: bytes) -> bytes:
    """A body in chunks of any size, with extensions, and with fields behind it."""
    made, at = [], 0
    while at < len(body):
        size = chance.choice((1, 7, 100, 5000))
        piece = body[at : at + size]
        made.append(
            b"%0*x%s\r\n%s\r\n" % (chance.choice((1, 1, 5)), len(piece), chance.choice(EXTENSIONS), piece)
        )
        at += size
    trailers = chance.sample(TRAILERS, chance.choice((0, 0, 1, 3)))
    behind = b"".join(b"%s: %s\r\n" % each for each in trailers)
    return b"".join(made) + b"0" + chance.choice(EXTENSIONS) + b"\r\n" + behind + b"\r\n"


def case(chance: random.Random) -> Case:
    """Some requests, as they are or damaged."""
    made = [request(chance) for _ in range(chance.choice((1, 1, 2, 3, 25)))]
    octets, whole = b"".join(each for each, _ in made), chance.random() < 0.4
    if not whole:
        octets = damaged(octets, chance)
    return Case(octets, [taken for _, taken in made], whole)


def damaged(octets: bytes, chance: random.Random) -> bytes:
    """The octets with something put in, taken out, exchanged or cut off."""
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(octets) + 1)
        to = min(len(octets), at + chance.choice((0, 0, 1, 2, 10)))
        if chance.random() < 0.7:  # where lines end is where it matters
            ends = [i for i in range(len(octets) - 1) if octets[i : i + 2] == b"\r\n"] or [at]
            at = to = chance.choice(ends) + chance.choice((0, 1, 2))
            to += chance.choice((0, 0, 1, 2))
        with_what = chance.choice((*TEMPTING, chance.randbytes(2), b""))
        octets = octets[:at] + with_what + octets[to:]
    return octets[: chance.randrange(len(octets) + 1)] if chance.random() < 0.1 else octets


async def served(octets: bytes, chance: random.Random, longest: int = 100_000) -> Served:
    """What the server makes of the octets, which come in segments."""
    outcome, wire = Served(), Wire()
    serving = Serving(app=outcome.app)
    connection = HttpConnection(serving)
    connection.connection_made(wire)
    waiting = deque(segments(octets, chance, longest))
    while waiting and not wire.closed:
        for _ in range(200):
            if not wire.paused:
                break
            await asyncio.sleep(0)
        segment = waiting.popleft()
        if b"HTTP/1.1 4" not in wire.written:  # the rest is thrown away
            outcome.taken_in += len(segment)
        connection.data_received(segment)
        if chance.random() < 0.5:
            await asyncio.sleep(0)
    for _ in range(200):
        await asyncio.sleep(0)
        if wire.closed or not (connection.waiting or serving.tasks):
            break
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    outcome.said = bytes(wire.written)
    wire.closed = True
    connection.connection_lost(None)
    for task in list(serving.tasks):
        await task
    return outcome


def segments(octets: bytes, chance: random.Random, longest: int) -> list[bytes]:
    """The octets as they may come."""
    size = min(longest, chance.choice((1, 3, 50, 1000, 100_000)))
    if size == 1 and len(octets) > 2000:
        size = 50
    return [octets[at : at + size] for at in range(0, len(octets), size)]


def trouble(made: Case, outcome: Served) -> str:
    """What breaks the invariant, "" when nothing does."""
    theirs, refused = understood(made.octets)
    ours = outcome.requests
    for number, each in enumerate(ours):
        if number >= len(theirs):
            return f"request {number} is {'refused' if refused else 'none'} to h11: {each}"
        if not same(each, theirs[number]):
            return f"request {number} is another to h11: {each} and {theirs[number]}"
    if made.whole:
        expected = made.requests
        for number, each in enumerate(expected):
            if closes(each.fields, b"1.1"):
                expected = expected[: number + 1]
                break
        if len(ours) != len(expected) or not all(map(same, ours, expected)):
            return f"{len(ours)} requests of {len(expected)} that were made"
    answers = outcome.said.replace(b"HTTP/1.1 100 ", b"").count(b"HTTP/1.1 ")
    if not len(ours) <= answers <= len(ours) + 1:
        return f"{answers} answers to {len(ours)} requests"
    return ""


async def endless(chance: random.Random) -> str:
    """What breaks the bounds of something that does not end, "" when nothing does."""
    head = b"POST / HTTP/1.1\r\nHost: host\r\nTransfer-Encoding: chunked\r\n"
    offered = chance.choice((b"", b"Upgrade: h2c\r\nConnection: Upgrade\r\n"))
    before = chance.choice((b"", b"5\r\n12345\r\n", b"1\r\nx\r\n" * 3000))
    beginning, again = chance.choice(
        (
            (b"0\r\nX: ", b"a" * 500),
            (b"0\r\n", b"A" * 500),
            (b"0\r\n", b"A: b\r\n" * 90),
            (b"5;", b"a" * 500),
            (b"5;a=", b"b" * 500),
            (b"5", b"0" * 500),
        )
    )
    if again[:1] == b"0":
        beginning = b"0"
    octets = head + offered + b"\r\n" + before + beginning
    outcome = await served(octets + again * 200, chance, longest=1000)
    most = len(octets) + TRAILER_OCTETS + 3 * 4096  # what is parsed at once, and what lines may be beyond
    if outcome.requests or (b" 400 " not in outcome.said and b" 431 " not in outcome.said):
        return f"{beginning!r} and no end of {again[:10]!r} is not refused"
    if outcome.taken_in > most:
        return f"{outcome.taken_in} octets are taken in of {beginning!r} and no end of {again[:10]!r}"
    return ""


async def tried(chance: random.Random, seconds: float) -> tuple[int, str]:
    """Try until the time is up, or something breaks the invariant: how often, and what did."""
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        if chance.random() < 0.02:
            found = await endless(chance)
            octets = b""
        else:
            made = case(chance)
            found = trouble(made, await served(made.octets, chance))
            octets = made.octets
        if found:
            return count, f"{found[:2000]}\n{octets[:2000]!r}"
        count += 1
    return count, ""


def main(seconds: float, seed: int) -> int:
    """Try until the time is up. Returns the exit code."""
    count, found = uvloop.run(tried(random.Random(seed), seconds))
    if found:
        print(f"seed {seed}, try {count}: {found}")
        return 1
    print(f"{count} connections, the invariant holds")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(float((sys.argv[1:] or ["10"])[0]), int((sys.argv[2:] or ["1"])[0])))
