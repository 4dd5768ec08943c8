"""The verifier and real DNS software: records in NSD's zones, seen through unbound, keys in our key zone."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import dns.message
import dns.query
import dns.rrset
import pytest
from daemons import HOST, Address, Nsd, editable_nsd, free_port, unbound
from databases import database, postgres_server, postgres_url
from lookout import NEGATIVE_TTL, PACE, SERVICE_DOMAIN, ZONE, Lookout, easy_dkim, own_dkim, run
from running import Running, started

from indicia.domain.identities.identity import ErrorType, Facet, Status
from indicia.domain.records.expected import ExpectedRecord
from indicia.domain.time import DAY, SECOND
from indicia.keyzone.server import KeyZone
from indicia.store.dkim import keys
from indicia.store.engine.database import Database
from indicia.store.engine.sharding import shard_of
from indicia.store.verification import checks
from indicia.vault import rsa

__all__ = ["database", "postgres_server", "postgres_url"]

DOMAIN = "customer.example"
# Unbound keeps nothing for longer than the second it came in; and the root is there to be asked for.
FRESH = (
    "cache-max-ttl: 0",
    "cache-max-negative-ttl: 0",
    "ede: yes",
    'local-zone: "." typetransparent',
    'local-data: ". NS root.example."',
)


def zone(serial: int, *records: ExpectedRecord) -> str:
    """The text of the customer's zone with these records."""
    lines = [
        f"$ORIGIN {DOMAIN}.",
        "$TTL 60",
        f"@ SOA ns1 hostmaster {serial} 3600 600 86400 {NEGATIVE_TTL // SECOND}",
        "@ NS ns1",
        "ns1 A 192.0.2.1",
    ]
    for record in records:
        value = record.value
        if record.rtype.name == "TXT":
            value = " ".join(f'"{value[at : at + 255]}"' for at in range(0, len(value), 255))
        elif record.rtype.name in ("CNAME", "MX"):
            value += "."
        lines.append(f"{record.name}. {record.rtype.name} {value}")
    return "\n".join([*lines, ""])


@dataclass(frozen=True, slots=True)
class At:
    """Somebody to ask."""

    address: Address

    def shows(self, name: str, rtype: str, *, there: bool = True) -> list[dns.rrset.RRset]:
        """Return the answer, once there is one, or once there is none any more."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            question = dns.message.make_query(name, rtype)
            answer = dns.query.udp(question, self.address[0], port=self.address[1], timeout=10).answer
            if any(each.rdtype.name == rtype for each in answer) is there:
                return answer
            time.sleep(0.05)
        raise AssertionError(f"{name} {rtype} is {'not there' if there else 'still there'}")


@pytest.fixture
def customer() -> Iterator[Nsd]:
    """NSD with the customer's zone, empty at first."""
    with editable_nsd({DOMAIN: zone(1)}) as running:
        yield running


@pytest.fixture
def resolver(customer: Nsd) -> Iterator[At]:
    """Unbound, which finds the customer's zone at NSD."""
    with unbound({DOMAIN: customer.address}, FRESH) as address:
        yield At(address)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_records_come_and_go_and_come_back(database: Database, customer: Nsd, resolver: At) -> None:
    """PENDING, SUCCESS, TEMPORARY_FAILURE and SUCCESS again, as NSD's zone says and unbound tells it."""

    async def story(lookout: Lookout) -> None:
        name = f"mail.{DOMAIN}"
        identity = lookout.add(name)
        await lookout.settled()
        pending = lookout.state(name)
        records = lookout.records(identity)[Facet.DKIM]
        customer.edit(DOMAIN, zone(2, *records))
        resolver.shows(records[2].name, "CNAME")
        await lookout.advance(PACE.largest)
        found = lookout.view(name)
        customer.edit(DOMAIN, zone(3, *records[:2]))
        resolver.shows(records[2].name, "CNAME", there=False)
        await lookout.advance(DAY)
        once = lookout.status(name)
        await lookout.advance(PACE.first + NEGATIVE_TTL)
        lost = lookout.view(name)
        customer.edit(DOMAIN, zone(4, *records))
        resolver.shows(records[2].name, "CNAME")
        await lookout.advance(PACE.largest)

        assert (pending.status, pending.error) == (Status.PENDING, ErrorType.HOST_NOT_FOUND)
        assert found.facets[Facet.DKIM].status is Status.SUCCESS
        assert found.soa is not None
        assert (found.soa.zone, found.soa.primary, found.soa.serial) == (DOMAIN, f"ns1.{DOMAIN}", 2)
        assert once is Status.SUCCESS
        assert lost.facets[Facet.DKIM].status is Status.TEMPORARY_FAILURE
        assert lost.error is ErrorType.HOST_NOT_FOUND
        assert lost.soa is not None
        assert lost.soa.serial == 3
        assert lookout.status(name) is Status.SUCCESS

    run(database, story, resolver)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_every_kind_of_record_is_found(database: Database, customer: Nsd, resolver: At) -> None:
    """A long key in several strings, the legacy TXT, and the MX of MAIL FROM, each through real software."""

    async def story(lookout: Lookout) -> None:
        facets = [Facet.DKIM, Facet.OWNERSHIP, Facet.MAIL_FROM]
        identity = lookout.add(
            DOMAIN,
            dkim=own_dkim("sel", rsa.generate(2048).public_key),
            starts=facets,
            legacy_requested=True,
            mail_from_domain=f"bounce.{DOMAIN}",
        )
        customer.edit(
            DOMAIN, zone(2, *(each for group in lookout.records(identity).values() for each in group))
        )
        await lookout.settled()

        assert {lookout.status(DOMAIN, facet) for facet in facets} == {Status.SUCCESS}
        assert len(lookout.records(identity)) == 3

    run(database, story, resolver)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_zone_whose_servers_are_gone_is_unknown(database: Database) -> None:
    """Unbound is silent for long and then says SERVFAIL when it reaches nobody: weeks of it demote nobody."""
    with contextlib.ExitStack() as life:
        customer = life.enter_context(editable_nsd({DOMAIN: zone(1)}))
        address = life.enter_context(unbound({DOMAIN: customer.address}, FRESH))

        async def story(lookout: Lookout) -> None:
            identity = lookout.add(DOMAIN)
            customer.edit(DOMAIN, zone(2, *lookout.records(identity)[Facet.DKIM]))
            await lookout.settled()
            verified = lookout.status(DOMAIN)
            customer.stop()
            for _ in range(3):
                await lookout.advance(10 * DAY)

            assert verified is Status.SUCCESS
            assert lookout.status(DOMAIN) is Status.SUCCESS
            assert lookout.error(DOMAIN) in (ErrorType.SERVICE_ERROR, ErrorType.DNS_SERVER_ERROR)
            assert lookout.trail(identity)[0].finding in ("UNREACHABLE", "SERVER_FAILURE")
            assert lookout.state(DOMAIN).absent_since is None

        run(database, story, At(address))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_key_is_found_behind_the_cnames(database: Database, customer: Nsd) -> None:
    """A receiver asks for the customer's name: unbound follows NSD's CNAME into our key zone, to the key."""
    port = free_port()
    stubs = {DOMAIN: customer.address, ZONE: (HOST, port)}
    with unbound(stubs, FRESH) as (host, at):

        async def story(lookout: Lookout) -> None:
            key_zone = KeyZone(
                lookup=lambda zone, token: database.read(lambda s: keys.lookup(s, zone, token)),
                zones=lambda: [ZONE],
                nameservers=[f"ns1.{SERVICE_DOMAIN}"],
            )
            await key_zone.start([(HOST, port)])
            identity = lookout.add(DOMAIN, dkim=easy_dkim(has_key=False))
            public = lookout.stock()
            records = lookout.records(identity)[Facet.DKIM]
            customer.edit(DOMAIN, zone(2, *records))
            await lookout.settled()
            (key,) = database.read(lambda s: keys.published(s, identity.token_set_id or 0))
            answer = await asyncio.to_thread(At((host, at)).shows, f"{key.token}._domainkey.{DOMAIN}", "TXT")
            await key_zone.stop()

            assert lookout.status(DOMAIN) is Status.SUCCESS
            alias, text = answer
            assert alias[0].target.to_text() == f"{key.token}.{ZONE}."
            assert b"".join(text[0].strings).decode() == f"p={public}"

        run(database, story, At((host, at)))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("way", ["two hops", "DNAME", "wildcard"])
def test_what_leads_to_ours_is_ours(database: Database, way: str) -> None:
    """Through another name of the customer's, by a DNAME, and by what a wildcard synthesises."""
    keyless = zone(1).replace(f"$ORIGIN {DOMAIN}.", f"$ORIGIN {ZONE}.")
    with (
        editable_nsd({DOMAIN: zone(1), ZONE: keyless}) as servers,
        unbound({DOMAIN: servers.address, ZONE: servers.address}, FRESH) as address,
    ):

        async def story(lookout: Lookout) -> None:
            facet = Facet.MAIL_FROM if way == "wildcard" else Facet.DKIM
            bounce = f"bounce.sub.{DOMAIN}" if facet is Facet.MAIL_FROM else ""
            identity = lookout.add(DOMAIN, mail_from_domain=bounce, starts=(facet,), due=False)
            records = lookout.records(identity)[facet]
            if way == "two hops":
                hops = [replace(each, value=f"hop.{each.name}") for each in records]
                text = zone(2, *hops, *(replace(each, name=f"hop.{each.name}") for each in records))
            elif way == "DNAME":
                text = f"{zone(2)}_domainkey DNAME {ZONE}.\n"
            else:
                text = zone(2, replace(records[0], name=f"*.{DOMAIN}"))
            servers.edit(DOMAIN, text)
            await asyncio.to_thread(At(address).shows, records[0].name, records[0].rtype.name)
            shard, now = shard_of(DOMAIN), lookout.clock.now()
            lookout.database.write(lambda s: checks.schedule(s, identity.id, shard, now))
            await lookout.settled()

            assert lookout.status(DOMAIN, facet) is Status.SUCCESS

        run(database, story, At(address))


@pytest.fixture
def service(customer: Nsd, tmp_path: Path) -> Iterator[Running]:
    """`indicia serve` behind unbound, which finds our key zone at its own DNS port. It looks every second."""
    port = free_port()
    stubs = {DOMAIN: customer.address, "dkim.service.example": (HOST, port)}
    with (
        unbound(stubs, FRESH) as (host, at),
        started(
            "serve",
            tmp_path,
            INDICIA_SERVICE_DOMAIN="service.example",
            INDICIA_LISTEN_DNS=f"{HOST}:{port}",
            INDICIA_RESOLVERS=f"{host}:{at}",
            INDICIA_CHECK_MIN="1s",
            INDICIA_CHECK_MAX="1s",
            INDICIA_CHECK_VERIFIED="2s",
        ) as running,
    ):
        yield running


def test_the_service_from_end_to_end(customer: Nsd, service: Running) -> None:
    """boto3 at one end, NSD at the other, nothing of ours replaced: pending, success, lost, and back."""
    v2 = service.client("sesv2")
    created = v2.create_email_identity(EmailIdentity=DOMAIN)["DkimAttributes"]
    cnames = [
        f"{token}._domainkey.{DOMAIN}. CNAME {token}.{created['SigningHostedZone']}.\n"
        for token in created["Tokens"]
    ]

    def becomes(status: str) -> None:
        end = time.monotonic() + 30
        while (found := v2.get_email_identity(EmailIdentity=DOMAIN))["VerificationStatus"] != status:
            assert time.monotonic() < end, found
            time.sleep(0.1)

    becomes("PENDING")
    customer.edit(DOMAIN, zone(2) + "".join(cnames))
    becomes("SUCCESS")
    customer.edit(DOMAIN, zone(3))
    becomes("TEMPORARY_FAILURE")
    customer.edit(DOMAIN, zone(4) + "".join(cnames))
    becomes("SUCCESS")

    assert created["SigningHostedZone"] == "dkim.service.example"
    info = v2.get_email_identity(EmailIdentity=DOMAIN)["VerificationInfo"]
    assert info["SOARecord"]["PrimaryNameServer"] == f"ns1.{DOMAIN}"
