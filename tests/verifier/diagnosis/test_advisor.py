"""The advisor: what it asks and when, and what it leaves as it was when nobody can say."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import pytest
import sqlalchemy as sa
from lookout import ACCOUNT, SERVICE_DOMAIN, Lookout, delete, until
from nameserver import NameServer, Trick

from indicia.domain.diagnosis.recommendations import Progress
from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identities.identity import Facet, FacetState, Identity, Status
from indicia.domain.time import DAY, HOUR
from indicia.store.diagnosis import recommendations, tables
from indicia.store.engine.database import Database
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.identities import identities
from indicia.store.proofs import facets
from indicia.verifier.diagnosis.advisor import Advisor

OTHER = "000011112222"
_DUE = Prepared(sa.select(tables.advice.c.identity_id).where(tables.advice.c.due_at == 0))


class Adviser(Lookout):
    """A lookout whose engine is accompanied by an advisor."""

    def __init__(self, database: Database, *servers: NameServer) -> None:
        super().__init__(database, *servers)
        self.advisor = Advisor(
            database,
            self.asking,
            self.rules,
            self.clock,
            registrable=lambda name: ".".join(name.split(".")[-2:]),
            random=lambda: 0.5,
        )

    async def settled(self) -> None:
        """Checks and advice are made and committed."""
        await super().settled()
        await asyncio.wait_for(self.advisor.settled(), 30)

    def put(self, name: str, text: str, *, everywhere: bool = True) -> None:
        """Publish a text on every server, or on the first only."""
        for server in self.servers if everywhere else self.servers[:1]:
            server.put(name, "TXT", f'"{text}"')

    def open(self, identity: Identity) -> set[str]:
        """The codes that are open."""
        return self._codes(identity, Progress.OPEN)

    def fixed(self, identity: Identity) -> set[str]:
        """The codes that were followed."""
        return self._codes(identity, Progress.FIXED)

    def _codes(self, identity: Identity, progress: Progress) -> set[str]:
        found = self.database.read(partial(recommendations.of, identity_id=identity.id))
        return {each.code.value for each in found if each.progress is progress}

    async def again(self, identity: Identity) -> None:
        """Have the identity looked at once more."""
        self.database.write(partial(recommendations.make_due, identity_ids=[identity.id]))
        await self.settled()


def run(database: Database, story: Callable[[Adviser], Awaitable[None]], *servers: NameServer) -> None:
    """Tell a story with an engine and an advisor, to its end but not for ever."""

    async def told() -> None:
        async with Adviser(database, *servers) as adviser:
            advising = asyncio.create_task(adviser.advisor.run())
            await story(adviser)
            adviser.advisor.stop()
            await advising

    async def limited() -> None:
        await asyncio.wait_for(told(), 60)

    asyncio.run(limited())


@pytest.fixture
def server() -> object:
    """A name server with a zone in it."""
    with NameServer() as running:
        running.zone("example.com")
        yield running


def test_a_domain_is_looked_at_once_it_is_proved(database: Database, server: NameServer) -> None:
    """Nobody asks for the sake of advice while nothing may be sent; then it comes by itself."""

    async def story(adviser: Adviser) -> None:
        identity = adviser.add("example.com")
        await adviser.settled()
        assert (adviser.open(identity), server.asked("_dmarc.example.com")) == (set(), 0)

        adviser.publish(identity)
        await adviser.advance(HOUR)

        assert adviser.status("example.com") is Status.SUCCESS
        assert adviser.open(identity) == {"DMARC1", "BIMI1"}

    run(database, story, server)


def test_what_is_followed_is_fixed_at_the_next_look(database: Database, server: NameServer) -> None:
    """A domain is looked at again every CHECK_VERIFIED, without anything having changed here."""

    async def story(adviser: Adviser) -> None:
        identity = adviser.add("example.com")
        adviser.publish(identity)
        await adviser.settled()
        adviser.put("_dmarc.example.com", "v=DMARC1; p=none")

        await adviser.advance(DAY)

        assert (adviser.open(identity), adviser.fixed(identity)) == ({"BIMI1"}, {"DMARC1"})

    run(database, story, server)


def test_records_of_the_organisation_serve_its_domains(database: Database, server: NameServer) -> None:
    """Receivers look there when the domain itself has none (RFC 7489 §6.6.3), and so do we."""

    async def story(adviser: Adviser) -> None:
        adviser.put("_dmarc.example.com", "v=DMARC1; p=reject")
        adviser.put("default._bimi.example.com", "v=BIMI1; l=https://example.com/l.svg")
        inheriting, own = adviser.add("a.example.com"), adviser.add("b.example.com")
        adviser.put("_dmarc.b.example.com", "v=DMARC1; p=oops")
        adviser.publish(inheriting)
        adviser.publish(own)

        await adviser.settled()

        assert (adviser.open(inheriting), adviser.open(own)) == (set(), {"DMARC2"})

    run(database, story, server)


def test_spf_is_followed_through_includes(database: Database, server: NameServer) -> None:
    """The include of this service may be in a record that the domain's record includes."""

    async def story(adviser: Adviser) -> None:
        identity = adviser.add("example.com", mail_from_domain="bounce.example.com")
        adviser.publish(identity)
        adviser.put("bounce.example.com", "v=spf1 include:spf.example.com")
        adviser.put("spf.example.com", f"v=spf1 include:{SERVICE_DOMAIN} -all")
        await adviser.settled()
        assert adviser.open(identity) == {"DMARC1", "BIMI1", "SPF3"}

        adviser.put("spf.example.com", "v=spf1 -all")
        await adviser.again(identity)

        assert adviser.open(identity) == {"DMARC1", "BIMI1", "SPF2", "SPF3"}

    run(database, story, server)


def test_what_is_unknown_changes_nothing(database: Database, server: NameServer) -> None:
    """A name server in trouble neither opens nor fixes; an include that cannot be had judges no SPF."""

    async def story(adviser: Adviser) -> None:
        identity = adviser.add("example.com", mail_from_domain="bounce.example.com")
        adviser.publish(identity)
        adviser.put("bounce.example.com", "v=spf1 include:spf.example.com -all")
        adviser.put("spf.example.com", "v=spf1 -all")
        server.misbehave(Trick.SERVFAIL, "_dmarc.example.com")
        server.misbehave(Trick.SERVFAIL, "spf.example.com")
        await adviser.settled()
        assert adviser.open(identity) == {"BIMI1"}

        server.behave()
        await adviser.again(identity)
        assert adviser.open(identity) == {"BIMI1", "DMARC1", "SPF2"}

        server.misbehave(Trick.SERVFAIL)
        await adviser.again(identity)
        assert adviser.open(identity) == {"BIMI1", "DMARC1", "SPF2"}

    run(database, story, server)


def test_one_perspective_alone_fixes_nothing(database: Database) -> None:
    """What is recommended stands until the quorum sees the record."""

    async def story(adviser: Adviser) -> None:
        identity = adviser.add("example.com")
        adviser.publish(identity)
        await adviser.settled()

        adviser.put("_dmarc.example.com", "v=DMARC1; p=none", everywhere=False)
        await adviser.again(identity)
        assert "DMARC1" in adviser.open(identity)

        adviser.put("_dmarc.example.com", "v=DMARC1; p=none")
        await adviser.again(identity)
        assert "DMARC1" in adviser.fixed(identity)

    with NameServer() as first, NameServer() as second:
        first.zone("example.com")
        second.zone("example.com")
        run(database, story, first, second)


def test_settings_are_looked_into_when_they_change(database: Database, server: NameServer) -> None:
    """Signing that was switched off is advised against at once, not tomorrow."""

    async def story(adviser: Adviser) -> None:
        identity = adviser.add("example.com")
        adviser.publish(identity)
        await adviser.settled()

        silent = replace(identity, signing_enabled=False)
        adviser.database.write(partial(identities.update, identity=silent, expected_version=identity.version))
        await adviser.settled()

        assert "DKIM1" in adviser.open(identity)

    run(database, story, server)


def test_addresses_and_deleted_domains_have_no_advice(database: Database, server: NameServer) -> None:
    """Nothing is asked for an address; what was said of a domain goes with it."""

    async def story(adviser: Adviser) -> None:
        address, domain = adviser.add("ann@example.com", starts=()), adviser.add("example.com")
        proved = FacetState(Facet.LINK, Status.SUCCESS, 1, 0)
        adviser.database.write(lambda s: facets.put(s, address.id, proved))
        adviser.publish(domain)
        await adviser.again(address)
        assert adviser.open(address) == set()
        assert adviser.open(domain) != set()

        delete(adviser.database, domain)
        await adviser.settled()

        assert adviser.open(domain) == set()

    run(database, story, server)


def test_an_identity_deleted_during_the_look_is_forgotten(database: Database, server: NameServer) -> None:
    """What was found for an identity that is gone is stored nowhere."""

    async def story(adviser: Adviser) -> None:
        identity = adviser.add("example.com")
        adviser.publish(identity)
        server.misbehave(Trick.SLOW, "_dmarc.example.com")
        await Lookout.settled(adviser)
        while not server.asked("_dmarc.example.com"):
            adviser.advisor.wake()
            await asyncio.sleep(0.01)

        await asyncio.to_thread(delete, adviser.database, identity)
        await adviser.settled()

        assert adviser.open(identity) == set()

    run(database, story, server)


def test_what_changes_during_a_look_is_looked_at_again(database: Database) -> None:
    """The end of a look puts nothing off that was made due while it lasted."""
    now = 1_000
    identity = _stored(database)
    database.write(partial(recommendations.make_due, identity_ids=[identity.id]))
    (turn,) = database.write(
        partial(recommendations.take, account=ACCOUNT, now=now, until=now + HOUR, limit=8)
    )
    assert not database.read(partial(recommendations.anything_due, now=now + HOUR - 1))
    assert database.read(partial(recommendations.next_due, now=now)) == now + HOUR

    database.write(partial(recommendations.make_due, identity_ids=[identity.id]))
    database.write(partial(recommendations.done, turn=turn, due_at=now + DAY))

    assert database.read(partial(recommendations.anything_due, now=0))


def test_a_database_that_is_away_is_waited_for(
    database: Database, server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The advisor outlives it, and goes on when it is back."""
    away, tried = True, list[bool]()
    following = recommendations.next_due

    def failing(s: Session, now: int) -> int | None:
        if away:
            tried.append(True)
            raise Fault(FaultKind.UNAVAILABLE, "away")
        return following(s, now)

    async def story(adviser: Adviser) -> None:
        nonlocal away
        while not tried:
            await asyncio.sleep(0.001)
        away = False
        identity = adviser.add("example.com")
        adviser.publish(identity)

        await adviser.settled()

        assert adviser.open(identity) == {"DMARC1", "BIMI1"}

    monkeypatch.setattr(recommendations, "next_due", failing)
    run(database, story, server)


def _stored(database: Database) -> Identity:
    with NameServer() as server:
        return Lookout(database, server).add("example.com")


def test_an_account_whose_servers_say_nothing_delays_no_others_advice(
    database: Database, server: NameServer
) -> None:
    """Of sixty domains whose advice waits for silence four are in hand; what others wait for goes on.

    It was due long before: without turns it would be looked at first.
    """

    async def story(adviser: Adviser) -> None:
        server.misbehave(Trick.SILENT, when=lambda asked: ".tarpit" in asked.name)
        hostile = [adviser.add(f"tarpit{number}.example", account=OTHER, due=False) for number in range(60)]
        honest = adviser.add("example.com", due=False)
        for identity in (*hostile, honest):
            proved = FacetState(Facet.DKIM, Status.SUCCESS, identity.generation, adviser.clock.now())
            database.write(partial(facets.put, identity_id=identity.id, state=proved))
        database.write(partial(recommendations.make_due, identity_ids=[each.id for each in hostile]))
        adviser.advisor.wake()
        await until(lambda: adviser.advisor._shares.of(0, OTHER) == 4)
        database.write(partial(recommendations.make_due, identity_ids=[honest.id]))
        adviser.advisor.wake()
        await until(lambda: adviser.open(honest) == {"DMARC1", "BIMI1"})

        assert adviser.advisor._shares.of(0, OTHER) <= 4
        assert len(database.read(lambda s: s.all(_DUE))) > 30

    run(database, story, server)
