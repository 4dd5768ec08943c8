"""What h11 takes for requests: the oracle of the HTTP parser.

h11 is written without llhttp, by other people, in pure Python. Where both take octets for a request they have
to take them for the same one, and for the same beginning of the next.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import h11

# As many octets as a head may have here, several times: what is refused for its size is no business of h11's.
_MOST = 65_536
_BLANKS = re.compile(rb"^([A-Z]+) +([^ \r\n]*) +(?=HTTP/)")


@dataclass(frozen=True)
class Taken:
    """One request, as somebody understood it."""

    method: bytes
    target: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes


def spelled(pair: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """A field as everybody may spell it: h11 writes the name of a coding in lower case."""
    name, value = bytes(pair[0]).lower(), bytes(pair[1]).strip()
    return name, value.lower() if name == b"transfer-encoding" else value


def understood(octets: bytes) -> tuple[list[Taken], bool]:
    """What h11 takes for requests, and whether it refuses what follows.

    It is asked for one after the other: empty lines before a request are none of its own (RFC 9112 §2.2). And
    it is stricter than it has to be about blanks in a request line (RFC 9112 §3).
    """
    found: list[Taken] = []
    while octets := octets.lstrip(b"\r\n"):
        peer = h11.Connection(h11.SERVER, max_incomplete_event_size=_MOST)
        try:
            peer.receive_data(_BLANKS.sub(rb"\1 \2 ", octets, count=1))
            event = peer.next_event()
            if not isinstance(event, h11.Request):
                return found, False
            body = bytearray()
            while isinstance(data := peer.next_event(), h11.Data):
                body += data.data
            if not isinstance(data, h11.EndOfMessage):
                return found, False
        except h11.RemoteProtocolError:
            return found, True
        fields = tuple(map(spelled, event.headers))
        found.append(Taken(bytes(event.method), bytes(event.target), fields, bytes(body)))
        if peer.their_state is h11.MUST_CLOSE or closes(fields, bytes(event.http_version)):
            return found, False
        octets = peer.trailing_data[0]
    return found, False


def closes(fields: tuple[tuple[bytes, bytes], ...], version: bytes) -> bool:
    """Whether the connection ends behind this request (RFC 9112 §9.3)."""
    options = {
        each.strip().lower() for name, value in fields if name == b"connection" for each in value.split(b",")
    }
    return b"close" in options or version != b"1.1"


def same(ours: Taken, theirs: Taken) -> bool:
    """Whether both are the same request. Of a target in absolute form the server keeps the path."""
    target = theirs.target
    if target.lower().startswith(b"http://"):
        path = b"/" + target.partition(b"//")[2].partition(b"/")[2]
        target = path
    target = target.partition(b"#")[0].removesuffix(b"?") if b"?" in target or b"#" in target else target
    return (ours.method, ours.target.removesuffix(b"?"), ours.fields, ours.body) == (
        theirs.method,
        target,
        theirs.fields,
        theirs.body,
    )
