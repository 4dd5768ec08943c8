"""What wildcards and DNAMEs synthesise: the playground and the tests' name server say what NSD says."""

from __future__ import annotations

import random
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest
from daemons import Address, nsd
from nameserver import NameServer

from indicia.sandbox.faces import Face
from indicia.sandbox.playground import Playground

_ZONES = 16
_TYPES = ("A", "TXT", "MX", "CNAME")
# Presentation form, as zone files and `NameServer.put` take it; the playground takes a TXT bare.
_VALUES = {
    "A": ("192.0.2.1", "192.0.2.2"),
    "TXT": ('"one"', '"two"'),
    "MX": ("10 t.{zone}.", "20 t.{zone}."),
    "CNAME": ("t.{zone}.", "a.t.{zone}.", "nothing.{zone}."),
    "DNAME": ("t.{zone}.", "nothing.{zone}."),
}

Records = dict[tuple[str, str], str]


def made(zone: str, chance: random.Random) -> Records:
    """A zone of a few records: names up to three labels deep, some of them wildcards, aliases, redirections.

    Where aliases lead there are none: a chain that never ends is another subject.
    """
    records: Records = {(f"t.{zone}", "A"): "192.0.2.9", (f"a.t.{zone}", "TXT"): '"end"'}
    if chance.random() < 0.5:
        records[f"*.t.{zone}", "MX"] = f"10 t.{zone}."
    for _ in range(chance.randint(2, 7)):
        labels = [chance.choice(("*", "a", "b")) for _ in range(chance.randint(1, 3))]
        name = ".".join([*labels, zone])
        rtype = chance.choice((*_TYPES, *(() if "*" in labels else ("DNAME",))))
        if _fits(records, name, rtype):
            records[name, rtype] = chance.choice(_VALUES[rtype]).format(zone=zone)
    return records


def _fits(records: Records, name: str, rtype: str) -> bool:
    """Whether a record may stand there.

    A CNAME stands alone (RFC 1034 §3.6.2), and a DNAME above nothing (RFC 6672 §2.3).
    """
    if any(kind == "CNAME" or rtype == "CNAME" for held, kind in records if held == name):
        return False
    if rtype == "DNAME" and any(held.endswith(f".{name}") for held, _ in records):
        return False
    return not any(kind == "DNAME" and name.endswith(f".{held}") for held, kind in records)


def zone_file(zone: str, records: Records) -> str:
    """The zone for NSD."""
    lines = [f"{name}. 60 {rtype} {value}" for (name, rtype), value in records.items()]
    head = [f"{zone}. 60 SOA ns1.{zone}. hostmaster.{zone}. 1 3600 600 86400 5", f"{zone}. 60 NS ns1.{zone}."]
    return "\n".join([*head, f"ns1.{zone}. 60 A 127.0.0.2", *lines, ""])


@pytest.fixture(scope="module")
def zones() -> dict[str, Records]:
    """Zones made by chance, the same ones every time."""
    chance = random.Random(4592)
    return {zone: made(zone, chance) for zone in (f"z{number}.example" for number in range(_ZONES))}


@pytest.fixture(scope="module")
def oracle(zones: dict[str, Records]) -> Iterator[Address]:
    """NSD with all of them."""
    with nsd({zone: zone_file(zone, records) for zone, records in zones.items()}) as address:
        yield address


def questions(zone: str) -> Iterator[tuple[str, str]]:
    """Every type at every name that something may be at, and at some where nothing is."""
    labels = ("*", "a", "b", "c")
    names = [zone, f"t.{zone}", f"a.t.{zone}", f"c.t.{zone}", *(f"{each}.{zone}" for each in labels)]
    names += [f"{one}.{two}.{zone}" for one in labels for two in labels]
    names += [f"{one}.{two}.{three}.{zone}" for one in labels for two in labels for three in ("a", "*")]
    return ((name, rtype) for name in names for rtype in (*_TYPES, "DNAME"))


def said(answer: dns.message.Message) -> tuple[str, set[str]]:
    """What an answer says, whatever the order it says it in."""
    records = {
        f"{rrset.name} {rrset.ttl} {rrset.rdtype.name} {rdata.to_text()}".lower()
        for rrset in answer.answer
        for rdata in rrset
    }
    return dns.rcode.to_text(answer.rcode()), records


def differences(
    zones: dict[str, Records], oracle: Address, answered: dict[str, NameServer | Playground]
) -> list[str]:
    """Where somebody says otherwise than NSD."""
    found = []
    for zone, records in zones.items():
        for name, rtype in questions(zone):
            query = dns.message.make_query(name, rtype, flags=0)
            right = said(dns.query.udp(query, oracle[0], port=oracle[1], timeout=5))
            for who, server in answered.items():
                if isinstance(server, Playground):
                    theirs = said(server.answer(query, Face.NS1))
                else:
                    theirs = said(dns.query.udp(query, server.host, port=server.port, timeout=5))
                if theirs != right:
                    found.append(f"{who}: {name} {rtype}: {theirs}, not {right}; {records}")
    return found


def test_they_answer_as_nsd_does(zones: dict[str, Records], oracle: Address) -> None:
    """Closest enclosers, empty non-terminals, aliases from wildcards, redirections: RFC 4592 and RFC 6672."""
    playground = Playground(lambda name: ".".join(name.split(".")[-2:]), lambda _: None)
    playground.served = True
    with NameServer() as server:
        for zone, records in zones.items():
            server.zone(zone, ttl=60)
            server.put(f"ns1.{zone}", "A", "127.0.0.2")
            for (name, rtype), value in records.items():
                server.put(name, rtype, value)
                playground.put(name, rtype, [value.strip('"')])
        differ = differences(zones, oracle, {"playground": playground, "name server": server})

    assert [] == differ[:5]
