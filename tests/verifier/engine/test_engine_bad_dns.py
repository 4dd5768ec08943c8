"""Bad DNS, from a server that really misbehaves: which states stay, which move, and what it is called.

What moves because two perspectives differ, or because the zone or the expectation changed during the check,
is in test_engine.py; how long states last in trouble is there too.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lookout import PACE, QUICK, Lookout, run
from nameserver import Asked, NameServer, Trick

from indicia.domain.identities.identity import ErrorType, Facet, FacetState, Identity, Status
from indicia.domain.time import DAY
from indicia.domain.verification.findings import Finding
from indicia.store.engine.database import Database
from indicia.store.engine.sharding import shard_of
from indicia.store.proofs import facets
from indicia.store.verification import checks
from indicia.verifier.dns.client import Budget

NAME = "example.com"

# What each trick is told as, whichever record it is played on.
TROUBLE = {
    Trick.SERVFAIL: (ErrorType.DNS_SERVER_ERROR, Finding.SERVER_FAILURE),
    Trick.REFUSED: (ErrorType.DNS_SERVER_ERROR, Finding.LAME),
    Trick.FORMERR: (ErrorType.DNS_SERVER_ERROR, Finding.SERVER_FAILURE),
    Trick.SILENT: (ErrorType.SERVICE_ERROR, Finding.UNREACHABLE),
    Trick.TRUNCATED_ALWAYS: (ErrorType.DNS_SERVER_ERROR, Finding.SERVER_FAILURE),
    Trick.TCP_CUT: (ErrorType.DNS_SERVER_ERROR, Finding.SERVER_FAILURE),
    Trick.WRONG_ID: (ErrorType.SERVICE_ERROR, Finding.UNREACHABLE),
    Trick.WRONG_QUESTION: (ErrorType.SERVICE_ERROR, Finding.UNREACHABLE),
    Trick.GARBAGE: (ErrorType.DNS_SERVER_ERROR, Finding.SERVER_FAILURE),
    Trick.LOOP: (ErrorType.DNS_SERVER_ERROR, Finding.SERVER_FAILURE),
    Trick.LONG_CHAIN: (ErrorType.DNS_SERVER_ERROR, Finding.SERVER_FAILURE),
    Trick.HUGE: (ErrorType.DNS_SERVER_ERROR, Finding.SERVER_FAILURE),
    Trick.BOGUS: (ErrorType.DNS_SERVER_ERROR, Finding.BOGUS),
    Trick.NO_AUTHORITY: (ErrorType.HOST_NOT_FOUND, Finding.UNREACHABLE),
    Trick.STALE: (ErrorType.HOST_NOT_FOUND, Finding.UNREACHABLE),
    Trick.REFERRAL: (ErrorType.DNS_SERVER_ERROR, Finding.LAME),
}

# Whoever asks for a CNAME follows none: the first link of what is played there is an answer.
CHAINS = (Trick.LOOP, Trick.LONG_CHAIN)

# What is waited for in vain is waited for a short time; what is answered, as long as a busy machine takes.
UNANSWERED = (Trick.SILENT, Trick.WRONG_ID, Trick.WRONG_QUESTION)
ANSWERED = Budget(exchange=5.0, tries=2, question=15.0)

# Odd, and still an answer: seen as it is.
HARMLESS = [
    Trick.SLOW,
    Trick.TRUNCATED,
    Trick.FORGED_FIRST,
    Trick.DUPLICATE,
    Trick.NO_EDNS,
    Trick.LOWER_CASE,
    Trick.NOT_AUTHORITATIVE,
]


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server with one zone."""
    with NameServer() as running:
        running.zone(NAME, minimum=5)
        yield running


def _owned(lookout: Lookout, name: str, *, proved: bool) -> Identity:
    """Add an identity that is looked at through the legacy record, which is published."""
    identity = lookout.add(name, starts=[Facet.OWNERSHIP], legacy_requested=True, due=False)
    lookout.servers[0].put(f"_amazonses.{name}", "TXT", identity.legacy_token)
    if proved:
        state = FacetState(Facet.OWNERSHIP, Status.SUCCESS, identity.generation, lookout.clock.now())
        lookout.database.write(lambda s: facets.put(s, identity.id, state))
    now = lookout.clock.now()
    shard = shard_of(name)
    lookout.database.write(lambda s: checks.schedule(s, identity.id, shard, now, interval=PACE.first))
    return identity


def _mailing(lookout: Lookout, name: str, *, proved: bool) -> Identity:
    """Add an address with a custom MAIL FROM domain, whose MX is published."""
    host = f"bounce-{name.partition('@')[0]}.example.com"
    identity = lookout.add(name, starts=[Facet.MAIL_FROM], mail_from_domain=host, due=False)
    lookout.publish(identity, Facet.MAIL_FROM)
    if proved:
        state = FacetState(Facet.MAIL_FROM, Status.SUCCESS, identity.generation, lookout.clock.now())
        lookout.database.write(lambda s: facets.put(s, identity.id, state))
    now, shard = lookout.clock.now(), shard_of(name)
    lookout.database.write(lambda s: checks.schedule(s, identity.id, shard, now, interval=PACE.first))
    return identity


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("trick", TROUBLE, ids=lambda trick: trick.value)
def test_trouble_moves_no_state_and_has_a_name(database: Database, server: NameServer, trick: Trick) -> None:
    """What was proved stays proved and what was not is not, whatever is published; the finding says why.

    So for the legacy TXT, the MX of MAIL FROM and the CNAMEs of Easy DKIM.
    """
    error, finding = TROUBLE[trick]

    async def story(lookout: Lookout) -> None:
        for rtype in ("TXT", "MX") if trick in CHAINS else ("TXT", "MX", "CNAME"):
            server.misbehave(trick, rtype=rtype)
        looked_at = {
            _owned(lookout, "proved.example.com", proved=True): (Facet.OWNERSHIP, Status.SUCCESS),
            _owned(lookout, "pending.example.com", proved=False): (Facet.OWNERSHIP, Status.PENDING),
            _mailing(lookout, "proved@example.com", proved=True): (Facet.MAIL_FROM, Status.SUCCESS),
            _mailing(lookout, "pending@example.com", proved=False): (Facet.MAIL_FROM, Status.PENDING),
        }
        if trick not in CHAINS:
            pending = lookout.add("pending-dkim.example.com")
            lookout.publish(pending)
            looked_at[pending] = (Facet.DKIM, Status.PENDING)
            looked_at[lookout.add_verified("proved-dkim.example.com")] = (Facet.DKIM, Status.SUCCESS)
        await lookout.settled()
        await lookout.advance(2 * DAY)

        for identity, (facet, status) in looked_at.items():
            state = lookout.state(identity.name, facet)
            assert (state.status, state.absent_since) == (status, None)
            assert state.error is error
            assert {each.finding for each in lookout.trail(identity)} == {finding.value}

    run(database, story, server, budget=QUICK if trick in UNANSWERED else ANSWERED)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("trick", CHAINS, ids=lambda trick: trick.value)
def test_a_chain_in_place_of_a_cname_is_another_target(
    database: Database, server: NameServer, trick: Trick
) -> None:
    """It is followed, and leads nowhere: that is not what should be there, and that counts."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add_verified(NAME)
        server.misbehave(trick, rtype="CNAME")
        await lookout.settled()
        await lookout.advance(DAY)

        assert lookout.status(NAME) is Status.TEMPORARY_FAILURE
        assert lookout.error(NAME) is ErrorType.INVALID_VALUE
        assert {each.finding for each in lookout.trail(identity)} == {Finding.WRONG_TARGET.value}

    run(database, story, server)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("trick", HARMLESS, ids=lambda trick: trick.value)
def test_an_odd_answer_is_still_an_answer(database: Database, server: NameServer, trick: Trick) -> None:
    """The record is seen through it, and so is its absence: one is proved, the other missed."""

    async def story(lookout: Lookout) -> None:
        server.misbehave(trick, rtype="TXT")
        pending = _owned(lookout, "pending.example.com", proved=False)
        lost = _owned(lookout, "lost.example.com", proved=True)
        server.remove("_amazonses.lost.example.com")
        await lookout.settled()

        assert lookout.status(pending.name, Facet.OWNERSHIP) is Status.SUCCESS
        assert [each.finding for each in lookout.trail(pending)] == [Finding.OK.value]
        assert lookout.state(lost.name, Facet.OWNERSHIP).absent_since is not None

    run(database, story, server, budget=Budget(exchange=2.0, tries=2, question=5.0))


def test_a_private_address_in_place_of_a_record_is_an_absence(database: Database, server: NameServer) -> None:
    """It is not followed, it proves nothing, and it is what it is: another type."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add(NAME)
        for record in lookout.records(identity)[Facet.DKIM]:
            server.put(record.name, "A", "10.0.0.1")
            server.put(record.name, "AAAA", "fd00::1")
        await lookout.settled()
        await lookout.advance(PACE.largest)

        assert lookout.status(NAME) is Status.PENDING
        assert lookout.error(NAME) is ErrorType.TYPE_NOT_FOUND
        assert {each.finding for each in lookout.trail(identity)} <= {
            Finding.MISSING.value,
            Finding.WRONG_TYPE.value,
            Finding.FLATTENED.value,
        }
        assert {each.rtype for each in server.questions} <= {"CNAME", "SOA", "TXT", "A", "AAAA", "NS"}

    run(database, story, server)


def test_a_zone_that_is_missing_a_record_for_a_moment_loses_nothing(
    database: Database, server: NameServer
) -> None:
    """The third record goes while it is looked at and is back at the next look: SUCCESS all the while."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add_verified(NAME)
        records = lookout.records(identity)[Facet.DKIM]
        missing = {record.name for record in records}

        def remove(asked: Asked) -> None:
            missing.discard(asked.name)
            if len(missing) == 1:
                server.remove(next(iter(missing)))

        server.on_question = remove
        await lookout.settled()
        server.on_question = None
        once = lookout.state(NAME)
        lookout.publish(identity)
        await lookout.advance(PACE.largest)

        assert (once.status, once.absent_since is not None) == (Status.SUCCESS, True)
        assert once.error is ErrorType.HOST_NOT_FOUND
        assert lookout.state(NAME).absent_since is None
        assert lookout.status(NAME) is Status.SUCCESS
        assert [each.finding for each in lookout.trail(identity)] == [Finding.OK.value, Finding.MISSING.value]

    run(database, story, server)
