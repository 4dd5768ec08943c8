"""The key zone and real DNS software: dig, unbound in front of it, NSD beside it."""

from __future__ import annotations

import asyncio
import base64
import random
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rrset
import pytest
from daemons import Address, nsd, program, unbound

from indicia.keyzone.lookup import NO_KEY_YET, Found
from indicia.keyzone.server import KeyZone
from indicia.keyzone.zonefile import zone_lines

# So long a zone that a 2048-bit key needs more than 512 octets.
ZONE = f"dkim.{'long' * 12}.example"
LONG, SHORT, KEYLESS, NEVER = ("a" * 32, "b" * 32, "c" * 32, "d" * 32)
KEYS: dict[str, str] = {
    LONG: base64.b64encode(random.Random(1).randbytes(294)).decode(),
    SHORT: base64.b64encode(random.Random(2).randbytes(162)).decode(),
}
NAMESERVERS = ("ns1.service.example", "ns2.service.example")


def _lookup(_zone: str, token: str) -> Found:
    return NO_KEY_YET if token == KEYLESS else KEYS.get(token)


def _zone_text() -> str:
    return "".join(zone_lines(ZONE, nameservers=NAMESERVERS, serial=7, keys=KEYS.items()))


@pytest.fixture(scope="module")
def keyzone() -> Iterator[Address]:
    """A key zone that runs on an event loop in a thread of its own."""
    zone = KeyZone(
        lookup=_lookup, zones=lambda: [ZONE], nameservers=NAMESERVERS, serial=lambda: 7, rate_limit=None
    )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    (address,) = asyncio.run_coroutine_threadsafe(zone.start([("127.0.0.1", 0)]), loop).result(10)
    yield address
    asyncio.run_coroutine_threadsafe(zone.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def _dig(at: Address, *words: str) -> str:
    command = [
        program("dig", "dnsutils"),
        f"@{at[0]}",
        "-p",
        str(at[1]),
        "+tries=1",
        "+time=5",
        "+norecurse",
        *words,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout
    return "\n".join(" ".join(line.split()) for line in done.stdout.splitlines())


def _key(text: str) -> str:
    """The key in a TXT record as dig prints it: strings in quotes."""
    return "".join(text.strip().strip('"').split('" "'))


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
@pytest.mark.parametrize("token", [LONG, SHORT])
def test_dig_reads_the_key(keyzone: Address, transport: str, token: str) -> None:
    """Dig, which sends a cookie, reads the same key over UDP and TCP."""
    assert _key(_dig(keyzone, transport, "+short", f"{token}.{ZONE}", "TXT")) == f"p={KEYS[token]}"


def test_dig_comes_back_over_tcp(keyzone: Address) -> None:
    """Without EDNS the key does not fit: dig sees the truncation and gets all of it over TCP."""
    name = f"{LONG}.{ZONE}"
    cut = _dig(keyzone, "+noedns", "+ignore", name, "TXT")

    assert "flags: qr aa tc;" in cut
    assert "ANSWER: 0" in cut
    assert _key(_dig(keyzone, "+noedns", "+short", name, "TXT").splitlines()[-1]) == f"p={KEYS[LONG]}"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            (f"{KEYLESS}.{ZONE}", "TXT"),
            ["status: NOERROR", "ANSWER: 0, AUTHORITY: 1", " SOA ns1."],
        ),
        ((f"{NEVER}.{ZONE}", "TXT"), ["status: NXDOMAIN", "ANSWER: 0, AUTHORITY: 1", "flags: qr aa;"]),
        ((ZONE, "NS"), ["status: NOERROR", "NS ns1.service.example.", "NS ns2.service.example."]),
        ((ZONE, "ANY"), ["status: NOERROR", 'HINFO "RFC8482" ""']),
        (("www.example.com", "A"), ["status: REFUSED", "flags: qr;"]),
        (("version.bind", "CH", "TXT"), ["status: REFUSED"]),
        ((ZONE, "SOA", "+edns=7", "+noednsnegotiation"), ["status: BADVERS"]),
        ((ZONE, "SOA", "+opcode=notify"), ["status: NOTIMP", "opcode: NOTIFY"]),
        ((ZONE, "SOA", "+subnet=192.0.2.0/24", "+nsid", "+dnssec"), ["status: NOERROR", "flags: do"]),
    ],
)
def test_dig_reads_every_answer(keyzone: Address, words: tuple[str, ...], expected: list[str]) -> None:
    """Dig understands the other answers too, and has nothing to warn of."""
    answer = _dig(keyzone, *words)

    assert [line for line in expected if line not in answer] == [], answer


def test_dig_is_refused_a_transfer(keyzone: Address) -> None:
    """A transfer is refused."""
    assert "Transfer failed" in _dig(keyzone, ZONE, "AXFR")


@pytest.mark.parametrize("upstream", ["udp-upstream: yes", "tcp-upstream: yes", "edns-buffer-size: 512"])
def test_key_through_a_resolver(keyzone: Address, upstream: str) -> None:
    """A receiver behind unbound gets the key through it, however unbound asks, and denials as denials."""
    settings = ["tcp-upstream: no"] if upstream.startswith("udp") else [upstream]
    with unbound({ZONE: keyzone}, settings) as (host, port):
        answers = {
            token: dns.query.tcp(
                dns.message.make_query(f"{token}.{ZONE}", "TXT"), host, port=port, timeout=10
            )
            for token in (LONG, SHORT, KEYLESS, NEVER)
        }
    for token, key in KEYS.items():
        (rdata,) = answers[token].answer[0]
        assert b"".join(rdata.strings).decode() == f"p={key}"
        assert not answers[token].flags & dns.flags.AA
    assert (answers[KEYLESS].rcode(), answers[KEYLESS].answer) == (dns.rcode.NOERROR, [])
    assert answers[NEVER].rcode() == dns.rcode.NXDOMAIN


def test_zone_file_is_accepted(tmp_path: Path) -> None:
    """NSD's own check finds nothing wrong with the exported zone file."""
    (tmp_path / "zone").write_text(_zone_text())
    command = [program("nsd-checkzone", "nsd"), ZONE, str(tmp_path / "zone")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert done.stdout.strip() == f"zone {ZONE} is ok", done.stdout + done.stderr


def _records(section: list[dns.rrset.RRset]) -> set[str]:
    return {line for rrset in section for line in rrset.to_text().splitlines()}


def test_nsd_says_the_same(keyzone: Address) -> None:
    """NSD on the exported zone file gives the same answers as we do, but for what a zone file cannot say."""
    with nsd({ZONE: _zone_text()}) as peer:
        for name, rtype in (
            (f"{LONG}.{ZONE}", "TXT"), (f"{SHORT.upper()}.{ZONE}", "TXT"), (f"{LONG}.{ZONE}", "A"),
            (f"{NEVER}.{ZONE}", "TXT"), (f"x.{LONG}.{ZONE}", "TXT"), (ZONE, "SOA"), (ZONE, "NS"),
            (ZONE, "MX"), ("www.example.com", "A"),
        ):  # fmt: skip
            for payload in (512, 1232):
                question = dns.message.make_query(name, rtype, use_edns=0, payload=payload)
                ours = dns.query.udp(question, keyzone[0], port=keyzone[1], timeout=5)
                theirs = dns.query.udp(question, peer[0], port=peer[1], timeout=5)
                assert (ours.rcode(), ours.flags) == (theirs.rcode(), theirs.flags), (name, rtype, payload)
                if rtype == "NS":
                    theirs.authority.clear()
                if not ours.flags & dns.flags.TC:
                    assert ours.answer == theirs.answer
                    assert [rrset.ttl for rrset in ours.answer] == [rrset.ttl for rrset in theirs.answer]
                    if not ours.answer:
                        assert ours.authority == theirs.authority
                        assert [rrset.ttl for rrset in ours.authority] == [
                            rrset.ttl for rrset in theirs.authority
                        ]
