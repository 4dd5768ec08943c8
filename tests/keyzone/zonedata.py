"""A small key zone for tests: two tokens with keys, one without, and questions in wire form."""

from __future__ import annotations

import base64
import random

import dns.flags
import dns.message
import dns.rdataclass
import dns.rdatatype

from indicia.keyzone.lookup import NO_KEY_YET, Found
from indicia.keyzone.responder import Responder

ZONE = "dkim.service.example"
OLD_ZONE = "dkim.old.example"
LONG = "a" * 32  # a 2048-bit key
SHORT = "b" * 32  # a 1024-bit key
KEYLESS = "c" * 32
NEVER = "d" * 32

# The right lengths of base64 SubjectPublicKeyInfo; what is in them is of no concern to a name server.
LONG_KEY = base64.b64encode(random.Random(1).randbytes(294)).decode()
SHORT_KEY = base64.b64encode(random.Random(2).randbytes(162)).decode()

KEYS: dict[tuple[str, str], Found] = {
    (ZONE, LONG): LONG_KEY,
    (ZONE, SHORT): SHORT_KEY,
    (ZONE, KEYLESS): NO_KEY_YET,
    (OLD_ZONE, LONG): SHORT_KEY,
}
NAMESERVERS = ("ns1.service.example", "ns2.service.example")


def lookup(zone: str, token: str) -> Found:
    """The store's part, from a dictionary."""
    return KEYS.get((zone, token))


def responder(**settings: int) -> Responder:
    """A responder for both zones."""
    made = Responder(lookup, NAMESERVERS, lambda: 7, **settings)
    made.serve([ZONE, OLD_ZONE])
    return made


def question(name: str, rtype: str = "TXT", *, edns: int | None = 1232, rclass: str = "IN") -> bytes:
    """A plain question with RD set, with that much room for a datagram, or none for a client without EDNS."""
    message = dns.message.make_query(name, rtype, rclass)
    message.id = 4711
    if edns is not None:
        message.use_edns(0, payload=edns)
    return message.to_wire()


def ask(server: Responder, query: bytes, now: float = 0.0, *, datagram: bool = True) -> dns.message.Message:
    """The answer, as dnspython reads it."""
    answer = server.respond(query, now, datagram=datagram)
    assert isinstance(answer, bytes)
    return dns.message.from_wire(answer)
