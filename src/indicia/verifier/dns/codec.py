"""Questions to octets, and plain answers back, by hand.

This is the one place where we read the DNS protocol ourselves: a question is asked millions of times, and
dnspython takes longer over an answer than the resolver does. The decoder knows the plain answer of the few
types we ask for. Whatever it does not know to the last octet it leaves to `unusual`, which decides what is
garbage: this one never refuses anything by itself. A property test holds the two together.
"""

import os
import socket
import struct
from functools import lru_cache
from typing import NamedTuple

import dns.exception
import dns.name

from indicia.domain.records.observation import Question, RecordType, Soa
from indicia.verifier.dns import slow_path
from indicia.verifier.dns.answer import (
    GARBAGE,
    MAX_RECORDS,
    TRUNCATED,
    Answer,
    Message,
    ResourceRecord,
    conclude,
)

EDNS_SIZE = 1232
"""The UDP payload we accept (RFC 6891 §6.2.5): what passes any path whole since the flag day of 2020."""

_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_SOA_NUMBERS = struct.Struct("!IIIII")

_RD, _AD = 0x0100, 0x0020
_QR, _AA, _TC = 0x8000, 0x0400, 0x0200
_OPCODE, _RCODE = 0x7800, 0x000F

# RFC 6891 §6.1.2: root, OPT, our size, extended rcode 0, version 0, DO off, no options.
_OPT_RECORD = b"\0" + struct.pack("!HHIH", 41, EDNS_SIZE, 0, 0)
_OPT, _IN = 41, 1

_A, _NS, _CNAME, _SOA = RecordType.A.value, RecordType.NS.value, RecordType.CNAME.value, RecordType.SOA.value
_MX, _TXT, _AAAA = RecordType.MX.value, RecordType.TXT.value, RecordType.AAAA.value

_MAX_TTL = 0x7FFFFFFF  # RFC 2181 §8
_MAX_POINTERS = 8
_POINTER_TO_QUESTION = b"\xc0\x0c"

# Octets that stand for themselves in a name's presentation form (RFC 1035 §5.1, as dnspython escapes it), and
# the dot, which is counted.
_PLAIN = bytes(octet for octet in range(0x21, 0x7F) if octet not in b'"();\\@$')
_LABEL_OCTETS = bytes(octet for octet in _PLAIN if octet != ord("."))
_LABEL = [b"", *(bytes((length,)) for length in range(1, 64))]
_TYPE_IN = {rtype.value: struct.pack("!HH", rtype.value, _IN) for rtype in RecordType}
_LETTERS = bytes(0x20 if chr(octet).isalpha() and octet < 0x80 else 0 for octet in range(256))


class Form(NamedTuple):
    """A question in the form it is sent: the octets of name, type and class in lower case, as one number.

    `name` is spelled as the decoders spell it. `letters` has bit 0x20 set wherever the octets have a letter.
    """

    name: str
    rtype: int
    octets: int
    letters: int
    length: int


class Unusual(Exception):
    """The answer is not one that this decoder knows."""


class Chance:
    """Unpredictable octets, bought from the system in bulk."""

    __slots__ = ("_at", "_pool")

    def __init__(self) -> None:
        self._pool = b""
        self._at = 0

    def take(self, count: int) -> int:
        """`count` octets that nobody can guess, as a number."""
        at = self._at
        if at + count > len(self._pool):
            self._pool = os.urandom(max(8192, count))
            at = 0
        self._at = at + count
        return int.from_bytes(self._pool[at : at + count])


def form(question: Question) -> Form:
    """The question, ready to be encoded. Raises `ValueError` for a name that the DNS cannot hold."""
    name = question.name
    raw = name.encode("ascii")
    if raw.translate(None, _PLAIN):
        octets = _careful(name)
        name = dns.name.from_wire(octets, 0)[0].to_text(omit_final_dot=True)
    elif raw in (b"", b"."):
        octets, name = b"\0", "."
    else:
        first, dot, rest = raw.lower().partition(b".")
        above = _labels(rest) if dot else b"\0"
        if not 0 < len(first) < 64 or not above or len(first) + 1 + len(above) > 255:
            raise _not_a_name(name)
        octets = _LABEL[len(first)] + first + above
    number = question.rtype.value
    octets += _TYPE_IN[number]
    letters = int.from_bytes(octets.translate(_LETTERS))  # type and class have none: 28 at most, and 1
    return Form(name, number, int.from_bytes(octets), letters, len(octets))


@lru_cache(maxsize=8192)
def _labels(raw: bytes) -> bytes:
    """The wire form of a name in plain octets, empty when it has none. Neighbours share it."""
    try:
        octets = b"".join([_LABEL[len(label)] + label for label in raw.split(b".")]) + b"\0"
    except IndexError:
        return b""
    return octets if len(octets) == len(raw) + 2 else b""  # an empty label has no length octet


def _not_a_name(name: str) -> ValueError:
    return ValueError(f"not a DNS name: {name[:100]!r}")


def _careful(name: str) -> bytes:
    """The wire form of a name with escapes in it, in lower case."""
    try:
        return (dns.name.from_text(name).to_wire() or b"").lower()
    except dns.exception.DNSException as error:
        raise _not_a_name(name) from error


def encode(form: Form, ident: int, *, case: int = 0, edns: bool = True, recursive: bool = True) -> bytes:
    """The question as one message. A letter is in upper case where `case` has bit 0x20 of its octet set.

    AD is set to say that we understand it (RFC 6840 §5.7); DO is not, the resolver validates.
    """
    octets = (form.octets ^ (form.letters & case)).to_bytes(form.length)
    flags = _RD | _AD if recursive else _AD
    if edns:
        return _HEADER.pack(ident, flags, 1, 0, 0, 1) + octets + _OPT_RECORD
    return _HEADER.pack(ident, flags, 1, 0, 0, 0) + octets


def decode(wire: bytes, form: Form, *, recursive: bool = True) -> Answer:
    """Say what the octets answer; garbage is an answer too. Id and question have been compared."""
    if len(wire) < 12:
        return GARBAGE
    _, flags, _, answers, authorities, additionals = _HEADER.unpack_from(wire)
    if flags & (_QR | _OPCODE) != _QR:
        return GARBAGE
    if flags & _TC:
        return TRUNCATED
    if answers + authorities + additionals > MAX_RECORDS:
        return GARBAGE
    try:
        message = plain(wire, form)
    except Unusual:
        return slow_path.decode(wire, form.name, form.rtype, recursive=recursive)
    return conclude(form.name, form.rtype, message, recursive=recursive)


def plain(wire: bytes, form: Form) -> Message:
    """The parts of a plain answer to the question. Raises `Unusual` for any other."""
    _, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(wire)
    if questions != 1:
        raise Unusual
    at, name = 12 + form.length, form.name
    answer: list[ResourceRecord] = []
    for _ in range(answers):
        owner, rtype, ttl, start, at = _record(wire, at, name)
        if rtype == _TXT:
            value, strings = _text(wire, start, at)
            answer.append(ResourceRecord(owner, rtype, ttl, value, strings))
        else:
            answer.append(ResourceRecord(owner, rtype, ttl, _value(wire, rtype, start, at)))
    soa: Soa | None = None
    soa_ttl, servers = 0, False
    for _ in range(authorities):
        owner, rtype, ttl, start, at = _record(wire, at, name)
        value = _value(wire, rtype, start, at)
        if rtype == _SOA and soa is None:
            primary, admin, serial, _, _, _, minimum = value.split(" ")
            soa, soa_ttl = Soa(owner, primary, admin, int(serial), int(minimum)), ttl
        elif rtype == _NS:
            servers = True
    for count in range(additionals):
        if wire[at : at + 3] == b"\0\0\x29":
            at = _bare_opt(wire, at, last=count == additionals - 1)
        else:
            _, rtype, _, start, at = _record(wire, at, name)
            _value(wire, rtype, start, at)
    if at != len(wire):
        raise Unusual
    return Message(
        flags & _RCODE, flags & _AA != 0, flags & _AD != 0, answer, soa, soa_ttl, servers and soa is None
    )


def _record(wire: bytes, at: int, asked: str) -> tuple[str, int, int, int, int]:
    """The record at `at`: owner, type, TTL, where its data begins and ends."""
    if wire[at : at + 2] == _POINTER_TO_QUESTION:
        owner, at = asked, at + 2
    else:
        owner, at = _name(wire, at, len(wire))
    start = at + 10
    if start > len(wire):
        raise Unusual
    rtype, rclass, ttl, length = _RECORD.unpack_from(wire, at)
    end = start + length
    if rclass != _IN or ttl > _MAX_TTL or end > len(wire):
        raise Unusual
    return owner, rtype, ttl, start, end


def _bare_opt(wire: bytes, at: int, *, last: bool) -> int:
    """Where an OPT record ends that says nothing: no options, version 0, no more of the rcode."""
    rest = wire[at + 5 : at + 11]  # extended rcode, version, flags, length of the options
    if not last or len(rest) < 6 or rest[0] or rest[1] or rest[4] or rest[5]:
        raise Unusual
    return at + 11


def _value(wire: bytes, rtype: int, at: int, end: int) -> str:
    """The value of a record as `Observation.values` spells it."""
    if rtype in (_CNAME, _NS):
        value, at = _target(wire, at, end)
    elif rtype == _A:
        value, at = socket.inet_ntoa(wire[at:end]) if end - at == 4 else "", at + 4
    elif rtype == _AAAA:
        value, at = socket.inet_ntop(socket.AF_INET6, wire[at:end]) if end - at == 16 else "", at + 16
    elif rtype == _MX:
        value, stop = _name(wire, at + 2, end)
        value, at = f"{wire[at] << 8 | wire[at + 1]} {value}", stop
    elif rtype == _SOA:
        primary, at = _name(wire, at, end)
        admin, at = _name(wire, at, end)
        if end - at != 20:
            raise Unusual
        value, at = " ".join([primary, admin, *map(str, _SOA_NUMBERS.unpack_from(wire, at))]), end
    elif rtype == _TXT:
        value, at = _text(wire, at, end)[0], end
    else:
        raise Unusual
    if at != end:
        raise Unusual
    return value


def _text(wire: bytes, at: int, end: int) -> tuple[str, tuple[str, ...]]:
    """The strings of a TXT record (RFC 1035 §3.3.14), joined and as they are."""
    strings: list[str] = []
    while at < end:
        stop = at + 1 + wire[at]
        strings.append(wire[at + 1 : stop].decode("latin-1"))
        at = stop
    if at != end or not strings:
        raise Unusual
    return "".join(strings), tuple(strings)


@lru_cache(maxsize=8192)
def _above(octets: bytes) -> str | None:
    """What is above the first label of a name in plain octets without pointers; None where there are some."""
    labels: list[bytes] = []
    at = 0
    while length := octets[at]:
        if length > 63:
            return None
        labels.append(octets[at + 1 : at + 1 + length])
        at += 1 + length
        if at >= len(octets):
            return None
    name = b".".join(labels)
    if at + 1 != len(octets) or name.translate(None, _PLAIN) or name.count(b".") != len(labels) - 1:
        return None
    return name.decode("ascii").lower()


def _target(wire: bytes, at: int, end: int) -> tuple[str, int]:
    """As `_name`, for a name that ends where its record does.

    The targets of Easy DKIM are a token below a zone, the same for all: what is above the token is read once.
    """
    second = at + 1 + wire[at] if at < end else end
    if second + 1 < end:
        above = _above(wire[second:end])
        first = wire[at + 1 : second]
        if (
            above
            and first
            and second - at < 65
            and end - at < 255
            and not first.translate(None, _LABEL_OCTETS)
        ):
            return f"{first.decode('ascii').lower()}.{above}", end
    return _name(wire, at, end)


def _name(wire: bytes, at: int, end: int) -> tuple[str, int]:
    """The name at `at`, which must end before `end`, in lower case, and where the next thing is.

    A pointer leads backwards, and what it leads to ends before the part of the name that holds the pointer:
    so no name is read twice, and none is longer than the message.
    """
    labels: list[bytes] = []
    start, after, pointers = at, 0, 0
    while True:
        if at >= end:
            raise Unusual
        length = wire[at]
        if length == 0:
            break
        if length < 64:
            labels.append(wire[at + 1 : at + 1 + length])
            at += 1 + length
        elif length >= 192 and at + 1 < end and pointers < _MAX_POINTERS:
            target = (length & 0x3F) << 8 | wire[at + 1]
            if not 12 <= target < start:
                raise Unusual
            after = after or at + 2
            end, start, at, pointers = start, target, target, pointers + 1
        else:
            raise Unusual
    name = b".".join(labels)
    if len(name) > 253 or name.translate(None, _PLAIN) or name.count(b".") != max(len(labels) - 1, 0):
        raise Unusual
    return name.decode("ascii").lower() or ".", after or at + 1
