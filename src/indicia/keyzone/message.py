"""The parts of a DNS message that the key zone reads and writes itself (RFC 1035 §4, RFC 6891).

Headers are made once for every kind of answer; what remains for a question is to put octets side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Final

HEADER: Final = 12
PLAIN_UDP: Final = 512  # RFC 1035 §4.2.1: without EDNS
# DNS Flag Day 2020: passes every path unfragmented. What we offer, and the most we send in a datagram.
EDNS_UDP: Final = 1232
OVER_TCP: Final = 65535

ONE_QUESTION: Final = bytes((0, 1, 0, 0, 0, 0, 0, 0))
ONE_QUESTION_AND_OPT: Final = bytes((0, 1, 0, 0, 0, 0, 0, 1))

_QR, _AA, _TC, _RD = 0x80, 0x04, 0x02, 0x01
_OPT_LENGTH: Final = 11  # RFC 6891 §6.1.2: root, type, size, extended rcode, version, flags, no options


class Rcode(IntEnum):
    """RFC 6895 §2.3."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    NOTAUTH = 9
    BADVERS = 16


class Type(IntEnum):
    """The types that the key zone treats by name."""

    NS = 2
    SOA = 6
    HINFO = 13
    TXT = 16
    OPT = 41
    TKEY = 249
    TSIG = 250
    IXFR = 251
    AXFR = 252
    MAILB = 253
    MAILA = 254
    ANY = 255


@dataclass(frozen=True, slots=True)
class Head:
    """The header of one kind of answer, from the flags on: whole and truncated.

    Each in four flavours: plain, with RD, with OPT, with both. `flavour` is the index.
    """

    whole: tuple[bytes, ...]
    cut: tuple[bytes, ...]


@cache
def head(rcode: Rcode, *, authoritative: bool, answers: int = 0, authority: int = 0) -> Head:
    """Return the header of answers with this code and these counts."""

    def octets(flags: int, flavour: int, answers: int, authority: int) -> bytes:
        first = _QR | flags | (_AA if authoritative else 0) | (flavour & _RD)
        return bytes((first, rcode & 15, 0, 1, 0, answers, 0, authority, 0, flavour >> 1))

    return Head(
        tuple(octets(0, flavour, answers, authority) for flavour in range(4)),
        tuple(octets(_TC, flavour, 0, 0) for flavour in range(4)),
    )


def bare(query: bytes, rcode: Rcode, with_opt: bytes = b"") -> bytes:
    """Return an answer without a question, to a message whose question was not understood."""
    first = _QR | (query[2] & (0x78 | _RD))  # RFC 1035 §4.1.1: opcode and RD are copied
    return query[:2] + bytes((first, rcode, 0, 0, 0, 0, 0, 0, 0, bool(with_opt))) + with_opt


def opt(*, dnssec_ok: bool, extended: int = 0) -> bytes:
    """Return our OPT record (RFC 6891 §6.1.2). DO is copied from the question (RFC 3225 §3)."""
    return b"\0\0\x29" + EDNS_UDP.to_bytes(2) + bytes((extended, 0, 0x80 if dnssec_ok else 0, 0, 0, 0))


OPT: Final = opt(dnssec_ok=False)
OPT_DNSSEC_OK: Final = opt(dnssec_ok=True)


def edns(query: bytes, at: int) -> tuple[int, bytes] | None:
    """Return the room the client has for a datagram, and the OPT to answer with.

    `at` is where the only additional record begins. None when it is anything but an OPT of version 0 that
    ends with the message. Options are ignored, as RFC 6891 §6.1.2 has it for those that are not understood.
    """
    if (
        len(query) < at + _OPT_LENGTH
        or query[at : at + 3] != b"\0\0\x29"
        or query[at + 6]
        or at + _OPT_LENGTH + (query[at + 9] << 8 | query[at + 10]) != len(query)
    ):
        return None
    size = query[at + 3] << 8 | query[at + 4]
    room = EDNS_UDP if size >= EDNS_UDP else max(size, PLAIN_UDP)  # RFC 6891 §6.2.3: less than 512 is 512
    return room, OPT_DNSSEC_OK if query[at + 7] & 0x80 else OPT


def fit(query: bytes, question: bytes, made: tuple[Head, bytes], room: int, with_opt: bytes) -> bytes:
    """Return the answer, or when it has no room its truncated form: question and OPT only (RFC 2181 §9)."""
    kind, body = made
    flavour = query[2] & _RD | (2 if with_opt else 0)
    if HEADER + len(question) + len(body) + len(with_opt) > room:
        return b"".join((query[:2], kind.cut[flavour], question, with_opt))
    return b"".join((query[:2], kind.whole[flavour], question, body, with_opt))


def wire_name(text: str) -> bytes:
    """Return a host or zone name as labels with their lengths, in lower case (RFC 1035 §3.1).

    Raises ValueError when it is not one: a setting, not a question, is wrong then.
    """
    labels = text.rstrip(".").lower().encode("ascii").split(b".")
    if not all(1 <= len(label) <= 63 for label in labels) or sum(map(len, labels)) + len(labels) > 254:
        raise ValueError(f"{text!r} is not a domain name")
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


def well_formed(name: bytes) -> bool:
    """Say whether the octets are one uncompressed name: labels of 1 to 63, the root, 255 in all."""
    at, size = 0, len(name)
    while at < size and 0 < name[at] < 64:
        at += name[at] + 1
    return at == size - 1 and name[at] == 0 and size <= 255
