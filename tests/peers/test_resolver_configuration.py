"""deploy/unbound.conf as it is shipped, in a real unbound: what it refuses, proves and forgets.

Only what ties it to a machine is replaced: its port, its folder, whom it asks for which zone. The servers of
tests are on loopback, which it does not ask as it is shipped: it is told that it may, but for the test of it.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.dnssec
import dns.message
import dns.query
import dns.rcode
import dns.zone
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from daemons import Address, free_port, nsd, shipped_unbound
from nameserver import NameServer

from indicia.domain.address_space import NOT_PUBLIC
from indicia.domain.records.observation import Observation, Question, RecordType, Reply
from indicia.runtime.clock import real_now
from indicia.verifier.dns.client import Client

CONFIGURATION = Path(__file__).resolve().parents[2] / "deploy" / "unbound.conf"
# Documentation and what nobody routes lead into no network; loopback is refused by a line of its own.
NO_WAY_IN = re.compile("documentation|discarded|dummy|6bone|loopback$")
PRIVATE = [str(block.network) for block in NOT_PUBLIC if not NO_WAY_IN.search(block.purpose)]
ASK_LOOPBACK = ("do-not-query-localhost: no",)
ANYTHING = Question("localhost", RecordType.A)


def look(address: Address, *questions: Question) -> list[Observation]:
    """What the verifier sees through the resolver."""

    async def asked() -> list[Observation]:
        async with Client([address], "local", clock=real_now, control=ANYTHING) as client:
            return [await client.ask(question) for question in questions]

    return asyncio.run(asked())


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("module-config", "validator iterator"),
        ("val-permissive-mode", "no"),
        ("harden-dnssec-stripped", "yes"),
        ("ede", "yes"),
        ("use-caps-for-id", "yes"),
        ("harden-glue", "yes"),
        ("harden-below-nxdomain", "yes"),
        ("do-not-query-localhost", "yes"),
        ("cache-max-negative-ttl", "60"),
        ("serve-expired", "no"),
        ("aggressive-nsec", "no"),
        ("edns-buffer-size", "1232"),
    ],
)
def test_what_the_job_needs_is_set(option: str, value: str) -> None:
    """Unbound reads each setting that the verifier relies on as it is meant."""
    checker = shutil.which("unbound-checkconf") or shutil.which("unbound-checkconf", path="/usr/sbin")
    if checker is None:
        pytest.skip("unbound-checkconf is not installed: apt-get install unbound")

    told = subprocess.run(
        [checker, "-o", option, CONFIGURATION], capture_output=True, text=True, check=True
    ).stdout

    assert value == told.strip()


@pytest.mark.parametrize("setting", ["private-address", "do-not-query-address"])
def test_private_networks_are_neither_answers_nor_servers(setting: str) -> None:
    """Each private network is named for both: as an answer and as the address of a name server."""
    named = re.findall(rf"^\s*{setting}: (\S+)$", CONFIGURATION.read_text(), flags=re.MULTILINE)

    assert set(PRIVATE) <= set(named)


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server with the zone of a customer, which keeps negative answers for a day."""
    with NameServer() as running:
        running.zone("customer.example", minimum=86400, ttl=86400)
        yield running


def test_private_addresses_are_taken_out_of_answers(server: NameServer) -> None:
    """A name that leads into a private network leads nowhere; one that leads outside is answered."""
    server.put("inside.customer.example", "A", "10.0.0.1")
    server.put("inside.customer.example", "AAAA", "fd00::1")
    server.put("outside.customer.example", "A", "198.51.100.1")

    with shipped_unbound(CONFIGURATION, {"customer.example": server.address}, ASK_LOOPBACK) as address:
        four, six, outside = look(
            address,
            Question("inside.customer.example", RecordType.A),
            Question("inside.customer.example", RecordType.AAAA),
            Question("outside.customer.example", RecordType.A),
        )

    assert (four.reply, four.values) == (Reply.NODATA, ())
    assert (six.reply, six.values) == (Reply.NODATA, ())
    assert outside.values == ("198.51.100.1",)


def test_servers_on_loopback_and_in_private_networks_are_not_asked(server: NameServer) -> None:
    """As it is shipped, neither a server on this machine nor one at a private address hears a question."""
    stubs = {"customer.example": server.address, "private.example": ("10.0.0.1", 53)}

    with shipped_unbound(CONFIGURATION, stubs) as address:
        here, there = look(
            address,
            Question("customer.example", RecordType.SOA),
            Question("private.example", RecordType.SOA),
        )

    assert server.questions == []
    assert not here.reply.authoritative
    assert not there.reply.authoritative
    assert max(here.latency_ms, there.latency_ms) < 1000  # refused, and not waited for


def test_the_case_of_a_name_is_a_secret(server: NameServer) -> None:
    """The zone's servers are asked in mixed case (0x20)."""
    with shipped_unbound(CONFIGURATION, {"customer.example": server.address}, ASK_LOOPBACK) as address:
        for number in range(4):
            question = dns.message.make_query(f"a-long-enough-name-{number}.customer.example", "TXT")
            answer = dns.query.udp(question, address[0], port=address[1], timeout=10)
            assert answer.rcode() == dns.rcode.NXDOMAIN

    assert any(each.raw_name != each.raw_name.lower() for each in server.questions)


def test_an_absence_is_kept_for_a_minute_at_most(server: NameServer) -> None:
    """Whatever the zone's SOA says: who publishes a record now is seen a minute later."""
    absent = Question("absent.customer.example", RecordType.TXT)

    with shipped_unbound(CONFIGURATION, {"customer.example": server.address}, ASK_LOOPBACK) as address:
        _, kept = look(address, absent, absent)

    assert kept.reply is Reply.NXDOMAIN
    assert kept.negative_ttl is not None
    assert kept.negative_ttl <= 60
    assert server.asked("absent.customer.example", "TXT") == 1  # the second answer is the cache's


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed zone as its name server has it, and the anchor that vouches for its key."""

    text: str
    anchor: str


def _signed(name: str) -> Signed:
    zone = dns.zone.from_text(
        f"$ORIGIN {name}.\n$TTL 60\n@ SOA ns1 hostmaster 1 3600 600 86400 5\n@ NS ns1\nns1 A 198.51.100.1\n"
        f'right TXT "right"\n',
        name,
    )
    private = ed25519.Ed25519PrivateKey.generate()
    key = dns.dnssec.make_dnskey(private.public_key(), dns.dnssec.Algorithm.ED25519, flags=257)
    dns.dnssec.sign_zone(zone, keys=[(private, key)], lifetime=3600)
    anchor = dns.dnssec.make_ds(f"{name}.", key, "SHA256")
    return Signed(zone.to_text(relativize=False), f'trust-anchor: "{name}. DS {anchor.to_text()}"')


def test_dnssec_is_validated_and_its_failure_has_a_name() -> None:
    """An answer that is proved has the AD flag; one that fails is BOGUS, and no plain failure."""
    good, bad = _signed("good.example"), _signed("bad.example")
    forged = bad.text.replace('"right"', '"forged"')
    assert forged != bad.text

    with (
        nsd({"good.example": good.text, "bad.example": forged}) as authority,
        shipped_unbound(
            CONFIGURATION,
            {"good.example": authority, "bad.example": authority},
            (*ASK_LOOPBACK, good.anchor, bad.anchor),
        ) as address,
    ):
        proved, absent, bogus = look(
            address,
            Question("right.good.example", RecordType.TXT),
            Question("absent.good.example", RecordType.TXT),
            Question("right.bad.example", RecordType.TXT),
        )

    assert (proved.reply, proved.values, proved.secure) == (Reply.ANSWER, ("right",), True)
    assert (absent.reply, absent.secure) == (Reply.NXDOMAIN, True)
    assert bogus.reply is Reply.BOGUS
    assert bogus.extended


def test_a_resolver_of_this_kind_that_reaches_nobody_is_no_absence() -> None:
    """A zone whose servers are gone is unknown."""
    gone = ("127.0.0.1", free_port())

    with shipped_unbound(CONFIGURATION, {"customer.example": gone}, ASK_LOOPBACK) as address:
        (seen,) = look(address, Question("customer.example", RecordType.TXT))

    assert not seen.reply.authoritative
