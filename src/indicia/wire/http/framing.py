"""What a request's octets are besides its head and its content: the bounds of it.

A chunked body has a line before each chunk, with extensions that nobody understands, and fields behind the
last one (RFC 9112 §7.1). A parser keeps a line until it is whole, and hands a trailer on as it does a header.
So both are bounded here, whatever parses them: trailers are counted and dropped (RFC 9112 §7.1.2), and the
lines may come to so much a chunk and no more.
"""

from __future__ import annotations

from dataclasses import dataclass

TRAILER_OCTETS = 1024
# A chunk's line is its size, of at most sixteen digits, and three line ends are about it.
_LINE_OCTETS = 24
# How far the lines of a body may be beyond what its chunks need: extensions, and a line that is not whole.
_SURPLUS_OCTETS = 4096
_CREDIT_OCTETS = 64


@dataclass(slots=True)
class Trailers:
    """How many fields behind a body were dropped, for metrics."""

    dropped: int = 0


class Framing:
    """Follows the body of one request after another.

    `length` is what Content-Length announces of the content and has not come yet, None when there is none.
    """

    __slots__ = ("_balance", "_chunks", "_content", "_first", "_trailer_octets", "chunked", "length")

    def __init__(self) -> None:
        self.begin(None, chunked=False)

    def begin(self, length: int | None, *, chunked: bool) -> None:
        """A head is whole, and says this of its body."""
        self.length = length
        self.chunked = chunked
        self._first = True  # a piece may hold the end of the head as well
        self._balance = _CREDIT_OCTETS
        self._chunks = 0
        self._content = 0
        self._trailer_octets = 0

    def chunk(self) -> None:
        """The line before a chunk is whole."""
        self._chunks += 1

    def content(self, octets: int) -> None:
        """So much of the content has come."""
        self._content += octets
        if self.length is not None:
            self.length -= octets

    def trailer(self, name: bytes, value: bytes) -> bool:
        """A field behind the body has come. Whether it is within what trailers may come to."""
        self._trailer_octets += len(name) + len(value) + 4  # the colon, the blank, the end of the line
        return self._trailer_octets <= TRAILER_OCTETS

    def fed(self, octets: int) -> bool:
        """A piece of so many octets was parsed, and the body is not whole. Whether its lines are in bounds.

        What the chunks need is paid back to them with each, and is not saved up: a million small chunks buy
        no line of a megabyte.
        """
        lines = 0 if self._first else octets - self._content
        self._balance = min(_CREDIT_OCTETS, self._balance + self._chunks * _LINE_OCTETS - lines)
        self._first = False
        self._chunks = self._content = 0
        return self._balance >= -_SURPLUS_OCTETS
