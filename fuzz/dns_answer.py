"""Invariant: any octets end in one `Answer`, and what is read by hand dnspython reads alike.

    python fuzz/dns_answer.py [SECONDS] [SEED]

Starts from real answers, splices, flips and cuts them, and stops at the first one that breaks the invariant,
printing its octets.
"""

# ruff: noqa: INP001, T201 - a script, which prints

import random
import sys
import time

import dns.message
import dns.rrset

from indicia.domain.records.observation import Question, RecordType
from indicia.verifier.dns import slow_path
from indicia.verifier.dns.answer import Answer, conclude
from indicia.verifier.dns.codec import Form, Unusual, decode, form, plain

NAME = "a.example.com"
RECORDS = [
    ("CNAME", "b.example.com."),
    ("TXT", '"v=DKIM1; k=rsa; p=MIIB" "\\255"'),
    ("MX", "10 feedback-smtp.example.com."),
    ("SOA", "ns.example.com. host.example.com. 1 2 3 4 5"),
    ("NS", "ns.example.com."),
    ("A", "192.0.2.1"),
    ("AAAA", "2001:db8::1"),
    ("CAA", '0 issue "example.net"'),
    ("CNAME", "token.dkim.elsewhere.test."),
]
TEMPTING = b"\x00\x01\x0c\x29\x3f\x40\x7f\x80\xbf\xc0\xff"


def seeds() -> list[tuple[Form, bytes]]:
    """Answers as servers give them: every type asked for, every record in every section."""
    found = []
    for rtype in RecordType:
        query = dns.message.make_query(NAME, rtype.name, use_edns=True)
        for section in ("answer", "authority", "additional"):
            response = dns.message.make_response(query)
            for owner, (kind, text) in zip((NAME, NAME, "b.example.com") * 3, RECORDS, strict=False):
                getattr(response, section).append(dns.rrset.from_text(f"{owner}.", 60, "IN", kind, text))
            found.append((form(Question(NAME, rtype)), response.to_wire()))
    return found


def damaged(wire: bytes, start: int, other: bytes, chance: random.Random) -> bytes:
    """The message with a few octets of its records changed, exchanged with another's, or cut off."""
    octets = bytearray(wire)
    octets[6:12] = bytes(each if chance.random() < 0.9 else chance.randrange(4) for each in octets[6:12])
    for _ in range(chance.randrange(5)):
        octets[chance.randrange(start, len(octets))] = chance.choice([*TEMPTING, chance.randrange(256)])
    if chance.random() < 0.2:
        at = chance.randrange(start, len(octets))
        octets[at:] = other[chance.randrange(start, len(other)) :]
    if chance.random() < 0.1:
        del octets[chance.randrange(len(octets)) :]
    return bytes(octets)


def holds(wire: bytes, asked: Form) -> bool:
    """Whether the invariant holds for these octets."""
    if not isinstance(decode(wire, asked), Answer):
        return False
    try:
        message = plain(wire, asked) if len(wire) >= 12 + asked.length else None
    except Unusual:
        message = None
    if message is None:
        return True
    by_hand = conclude(asked.name, asked.rtype, message)
    return by_hand == slow_path.decode(wire, asked.name, asked.rtype)


def main(seconds: float, seed: int) -> int:
    """Try until the time is up. Returns the exit code."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    corpus, end, tried = seeds(), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        asked, wire = chance.choice(corpus)
        octets = damaged(wire, 12 + asked.length, chance.choice(corpus)[1], chance)
        try:
            held = holds(octets, asked)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
            held = False
            print(f"{type(error).__name__}: {error}")
        if not held:
            print(f"seed {seed}, message {tried}, {asked.name} {asked.rtype}: {octets.hex()}")
            return 1
        tried += 1
    print(f"{tried} messages, the invariant holds")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(float((sys.argv[1:] or ["10"])[0]), int((sys.argv[2:] or ["1"])[0])))
