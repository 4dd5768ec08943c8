"""Octets in, requests out, without a network: as h11 reads them, and nothing that can be read in two ways."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from h11_oracle import Taken, same, spelled, understood
from hypothesis import event, given, settings
from hypothesis import strategies as st
from listening import Running, everything, running
from smuggling import ROWS, Fate, Row

from indicia.domain.faults import FaultKind
from indicia.wire.http.connection import HEAD_OCTETS
from indicia.wire.http.framing import Trailers
from indicia.wire.http.request_parser import NotTakenError, RequestHead, RequestParser

if TYPE_CHECKING:
    from collections.abc import Iterator

NEXT = b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class Reading:
    """What the parser took octets for: a receiver that keeps what it is told."""

    heads: list[RequestHead] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    whole: int = 0
    refusal: NotTakenError | None = None

    def head_begun(self) -> None:
        """Nothing is to be done."""

    def head_whole(self, head: RequestHead) -> None:
        """Keep it."""
        self.heads.append(head)
        self.bodies.append(b"")

    def body_piece(self, piece: bytes) -> None:
        """Keep it with the rest."""
        self.bodies[-1] += piece

    def request_whole(self) -> None:
        """Count it, once for each head."""
        self.whole += 1
        assert self.whole == len(self.heads)

    @property
    def requests(self) -> list[Taken]:
        """Those that have come whole, up to the last of the connection."""
        found = []
        for head, body in list(zip(self.heads, self.bodies, strict=True))[: self.whole]:
            target = head.path + (b"?" + head.query if head.query else b"")
            fields = tuple(map(spelled, head.fields))
            found.append(Taken(head.method.encode(), target, fields, body))
            if not head.persists:
                break
        return found


def read(octets: bytes, size: int = 1 << 20) -> Reading:
    """What the parser makes of octets that come in pieces of that size."""
    reading = Reading()
    parser = RequestParser(reading, head_octets=HEAD_OCTETS, trailers=Trailers())
    try:
        for start in range(0, len(octets), size):
            piece, at = octets[start : start + size], 0
            while at < len(piece):
                at += parser.feed(piece, at)
    except NotTakenError as refusal:
        reading.refusal = refusal
    parser.close()
    return reading


def test_every_row_is_another() -> None:
    """The table has each case once, and names it."""
    assert len({row.sent for row in ROWS}) == len({(row.rule, row.name) for row in ROWS}) == len(ROWS)


def named(row: Row) -> str:
    """How a row is called in a report."""
    return f"{row.rule} {row.name}"


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize("row", ROWS, ids=named)
def test_it_is_clear_where_a_request_ends_or_nothing_is_read(row: Row, size: int) -> None:
    """In pieces of any size, the request behind it is seen where it begins, or not at all."""
    reading = read(row.sent + NEXT, size)

    targets = [each.target for each in reading.requests]
    if row.fate is Fate.REFUSED:
        assert reading.refusal is not None
        assert reading.refusal.kind is FaultKind.MALFORMED_INPUT
        assert targets == []
        return
    assert targets[1:] == ([b"/next"] if row.fate is Fate.SERVED else [])
    assert reading.requests[0].body == row.body
    assert reading.refusal is None


async def reader(_scope: Any, receive: Any, send: Any) -> None:
    """An application that reads whatever is sent, and says so."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A server, for all rows."""
    with running(reader) as made:
        yield made


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_the_connection_ends_where_reading_on_would_be_guessing(server: Running, row: Row) -> None:
    """On the wire: one answer, of 400, and the end; or an answer to each that was asked."""
    last = NEXT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with server.connect() as connection:
        connection.sendall(row.sent + last)
        said = everything(connection)

    heads = said.split(b"HTTP/1.1 ")[1:]
    assert len(heads) == (2 if row.fate is Fate.SERVED else 1)
    assert heads[0].startswith(b"400 " if row.fate is Fate.REFUSED else b"200 ")
    assert b"\r\nconnection: close\r\n" in heads[-1]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Octets of a request: as it should be, or with something that is not quite so."""
    blank = draw(st.sampled_from([b" "] * 6 + [b"", b"\t", b"  "]))
    end = draw(st.sampled_from([b"\r\n"] * 8 + [b"\n", b"\r"]))
    method = draw(st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"DELETE", b"PATCH"]))
    target = draw(
        st.sampled_from([b"/", b"/a?b=c", b"/a%2Fb//c", b"*", b"http://x/p?q", b"/a?", b"/a?b?c#d"])
    )
    version = draw(st.sampled_from([b"HTTP/1.1"] * 8 + [b"HTTP/1.0", b"HTTP/1.2"]))
    body = draw(st.binary(max_size=40))
    framing, sent = draw(
        st.sampled_from(
            [
                (b"Content-Length:%s%d" % (blank, len(body)), body),
                (b"Content-Length: 0%d" % len(body), body),
                (b"Transfer-Encoding:%schunked" % blank, in_chunks(body, draw(st.integers(1, 50)), end)),
                (b"X-None: x", b""),
                (b"Transfer-Encoding: chunked\r\nContent-Length: %d" % len(body), in_chunks(body, 9, end)),
                (b"Content-Length: %d\r\nContent-Length: %d" % (len(body), len(body)), body),
                (b"Content-Length: %d, %d" % (len(body), len(body)), body),
                (b"Content-Length: +%d" % len(body), body),
                (b"Transfer-Encoding: gzip, chunked", in_chunks(body, 9, end)),
            ]
        )
    )
    fields = [b"Host: x", framing, *draw(st.lists(st.sampled_from(ODD_FIELDS), max_size=3))]
    fields = draw(st.permutations(fields))
    return b"".join((method, b" ", target, b" ", version, end, end.join(fields), end, end, sent))


ODD_FIELDS = (
    b"X:  a\t ",
    b"X:",
    b"x-y: \xe9\xff",
    b"X: a\r\n b",
    b"X : a",
    b"X",
    b"Connection: keep-alive",
    b"Connection: close",
    b"Connection: Upgrade\r\nUpgrade: h2c",
    b"Expect: 100-continue",
    b"Content-Type: a/b",
    b"Transfer_Encoding: chunked",
    b"X: Content-Length: 5",
)
"""Fields beside those that say where a request ends."""


def in_chunks(body: bytes, size: int, end: bytes) -> bytes:
    """The body in chunks of a size, with an extension here and there, and a trailer."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    lines = [b"%x%s%s%s%s" % (len(p), b";a=b" if n % 2 else b"", end, p, end) for n, p in enumerate(pieces)]
    return b"".join(lines) + b"0" + end + (b"T: x" + end if size % 2 else b"") + end


@settings(max_examples=400)
@given(made=st.lists(requests(), min_size=1, max_size=3), size=st.sampled_from([1, 2, 13, 4096]))
def test_what_both_take_is_the_same_to_h11(made: list[bytes], size: int) -> None:
    """Method, target, fields, body, and where the next one begins: as far as both take it for a request."""
    octets = b"".join(made) + NEXT
    ours, (theirs, _) = read(octets, size).requests, understood(octets)

    event(f"{min(len(ours), len(theirs))} taken by both")
    for mine, other in zip(ours, theirs, strict=False):
        assert same(mine, other)


@given(made=st.lists(requests(), min_size=1, max_size=3), size=st.integers(1, 50))
def test_it_does_not_matter_in_which_pieces_octets_come(made: list[bytes], size: int) -> None:
    """One by one or all at once: the same requests, and the same is refused."""
    octets = b"".join(made)
    at_once, in_pieces = read(octets), read(octets, size)

    assert in_pieces.requests == at_once.requests
    assert (in_pieces.refusal is None) is (at_once.refusal is None)


def test_a_mistake_of_ours_is_no_refusal() -> None:
    """What whoever is told raises comes out as it is: no client is blamed for it."""

    class Mistaken(Reading):
        def head_whole(self, head: RequestHead) -> None:
            raise LookupError(head.method)

    parser = RequestParser(Mistaken(), head_octets=HEAD_OCTETS, trailers=Trailers())

    with pytest.raises(LookupError, match="GET"):
        parser.feed(NEXT)
