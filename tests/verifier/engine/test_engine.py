"""What the engine finds out: real questions to a real name server, real transactions, a clock that moves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lookout import (
    LIMITS,
    NEGATIVE_TTL,
    PACE,
    PATIENT,
    SERVICE_DOMAIN,
    WINDOW,
    Lookout,
    change_tokens,
    delete,
    easy_dkim,
    own_dkim,
    run,
)
from nameserver import Asked, NameServer, Trick, Zone

from indicia.domain.identities.identity import ErrorType, Facet, Status
from indicia.domain.time import DAY, HOUR, MINUTE, SECOND
from indicia.domain.verification.asking import AskedBy
from indicia.store.dkim import keys
from indicia.store.engine.database import Database
from indicia.store.verification import checks
from indicia.vault import rsa
from indicia.verifier.engine.engine import EngineLimits

NAME = "example.com"


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server with one zone."""
    with NameServer() as running:
        running.zone(NAME, minimum=NEGATIVE_TTL // SECOND, serial=2026112201)
        yield running


def test_three_cnames_prove_easy_dkim_and_two_do_not(database: Database, server: NameServer) -> None:
    """PENDING until all three are right; then SUCCESS, and the next look is most of a day away."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add(NAME)
        lookout.publish(identity, only=2)
        await lookout.settled()
        pending = lookout.state(NAME)
        lookout.publish(identity)
        await lookout.advance(PACE.largest)

        assert (pending.status, pending.error) == (Status.PENDING, ErrorType.HOST_NOT_FOUND)
        assert pending.deadline is not None
        assert lookout.state(NAME).status is Status.SUCCESS
        assert lookout.state(NAME).deadline is None
        assert lookout.error(NAME) is None
        due = lookout.due_in(NAME)
        assert due is not None
        assert DAY / 2 <= due + MINUTE
        assert due <= DAY

    run(database, story, server)


@pytest.mark.parametrize("target", ["elsewhere.example.", "swapped"])
def test_a_cname_elsewhere_is_a_wrong_value(database: Database, server: NameServer, target: str) -> None:
    """A target that is not the token's, be it that of another token, proves nothing and is told as such."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add(NAME)
        lookout.publish(identity)
        first, second, _ = lookout.records(identity)[Facet.DKIM]
        server.put(first.name, "CNAME", second.value if target == "swapped" else target)
        await lookout.settled()

        assert lookout.status(NAME) is Status.PENDING
        assert lookout.error(NAME) is ErrorType.INVALID_VALUE

    run(database, story, server)


def test_byodkim_is_proved_by_the_public_half_of_the_key(database: Database, server: NameServer) -> None:
    """Another key at the selector is INVALID_VALUE; the right one, with more tags, in strings, is SUCCESS."""
    ours, other = rsa.generate(1024).public_key, rsa.generate(1024).public_key

    async def story(lookout: Lookout) -> None:
        lookout.add(NAME, dkim=own_dkim("Sel1", ours))
        server.put("sel1._domainkey.example.com", "TXT", f"v=DKIM1; k=rsa; p={other}")
        await lookout.settled()
        wrong = lookout.status(NAME), lookout.error(NAME)
        server.put("sel1._domainkey.example.com", "TXT", f'"v=DKIM1; k=rsa; p={ours[:100]}" "{ours[100:]}"')
        await lookout.advance(PACE.largest)

        assert wrong == (Status.PENDING, ErrorType.INVALID_VALUE)
        assert lookout.status(NAME) is Status.SUCCESS

    run(database, story, server)


@pytest.mark.parametrize("at", ["_amazonses.example.com", "example.com"])
def test_the_legacy_txt_proves_at_either_name(database: Database, server: NameServer, at: str) -> None:
    """One of several TXT records is the token, at the name with the prefix or at the bare domain."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add(NAME, starts=[Facet.OWNERSHIP], legacy_requested=True)
        await lookout.settled()
        absent = lookout.status(NAME, Facet.OWNERSHIP), lookout.error(NAME)
        server.put(at, "TXT", ["v=spf1 -all", identity.legacy_token])
        await lookout.advance(PACE.largest)

        assert absent[0] is Status.PENDING
        assert absent[1] in (ErrorType.HOST_NOT_FOUND, ErrorType.TYPE_NOT_FOUND)
        assert lookout.status(NAME, Facet.OWNERSHIP) is Status.SUCCESS

    run(database, story, server)


def test_the_legacy_txt_is_not_searched_unless_asked_for(database: Database, server: NameServer) -> None:
    """An identity made by v2 has a token that nobody looks for."""

    async def story(lookout: Lookout) -> None:
        lookout.add(NAME)
        await lookout.settled()

        assert server.asked("_amazonses.example.com") == 0
        assert server.asked(rtype="CNAME") == 3

    run(database, story, server, budget=PATIENT)


def test_mail_from_stands_and_falls_alone(database: Database, server: NameServer) -> None:
    """One MX proves MAIL FROM, two do not; what it is does not show in the identity's own status or error."""

    async def story(lookout: Lookout) -> None:
        both = [Facet.DKIM, Facet.MAIL_FROM]
        identity = lookout.add(NAME, starts=both, mail_from_domain="bounce.example.com")
        lookout.publish(identity)
        (mx,) = lookout.records(identity)[Facet.MAIL_FROM]
        server.put(mx.name, "MX", [mx.value, "20 backup.example.net"])
        await lookout.settled()
        two = lookout.status(NAME, Facet.MAIL_FROM), lookout.status(NAME), lookout.error(NAME)
        server.put(mx.name, "MX", mx.value)
        await lookout.advance(PACE.largest)

        assert two == (Status.PENDING, Status.SUCCESS, None)
        assert lookout.status(NAME, Facet.MAIL_FROM) is Status.SUCCESS

    run(database, story, server)


def test_mail_from_stands_at_a_host_of_a_served_region_only(database: Database, server: NameServer) -> None:
    """A region with a hyphen lost proves nothing and takes away; that of another served region is as good."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add(
            NAME, starts=[Facet.MAIL_FROM], mail_from_domain="bounce.example.com", bare=True
        )
        server.put("bounce.example.com", "MX", f"10 feedback-smtp.euwest-1.{SERVICE_DOMAIN}")
        await lookout.settled()
        lost = lookout.status(NAME, Facet.MAIL_FROM), lookout.state(NAME, Facet.MAIL_FROM).error
        server.put("bounce.example.com", "MX", f"10 feedback-smtp.us-east-1.{SERVICE_DOMAIN}")
        await lookout.advance(PACE.largest)

        assert identity.region == "eu-west-1"
        assert lost == (Status.PENDING, ErrorType.INVALID_VALUE)
        assert lookout.status(NAME, Facet.MAIL_FROM) is Status.SUCCESS

    run(database, story, server)


def test_the_mail_from_of_an_address_is_looked_at_and_nothing_else_of_it(
    database: Database, server: NameServer
) -> None:
    """No question is asked for a name with an @, and an address gets no SOA."""

    async def story(lookout: Lookout) -> None:
        name = "someone@example.com"
        identity = lookout.add(name, starts=[Facet.MAIL_FROM], mail_from_domain="bounce.example.com")
        lookout.publish(identity, Facet.MAIL_FROM)
        await lookout.settled()

        assert lookout.status(name, Facet.MAIL_FROM) is Status.SUCCESS
        assert {each.name for each in server.questions} == {"bounce.example.com"}
        assert lookout.view(name).soa is None

    run(database, story, server)


def test_a_link_that_is_not_used_expires_without_a_question(database: Database, server: NameServer) -> None:
    """An address is never looked at in the DNS: at the end of its window it is given up."""

    async def story(lookout: Lookout) -> None:
        lookout.add("someone@example.com", starts=[Facet.LINK])
        await lookout.settled()
        before = lookout.status("someone@example.com", Facet.LINK)
        await lookout.advance(WINDOW)

        assert (before, lookout.status("someone@example.com", Facet.LINK)) == (Status.PENDING, Status.FAILED)
        assert server.questions == []
        assert lookout.due_in("someone@example.com") is None

    run(database, story, server)


def test_what_never_appears_fails_at_the_end_of_its_window(database: Database, server: NameServer) -> None:
    """PENDING to the last moment, then FAILED; after that nobody looks, whatever is published."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add(NAME)
        await lookout.settled()
        await lookout.advance(WINDOW - HOUR)
        late = lookout.status(NAME)
        await lookout.advance(HOUR)
        failed, asked = lookout.status(NAME), len(server.questions)
        lookout.publish(identity)
        await lookout.advance(30 * DAY)

        assert (late, failed) == (Status.PENDING, Status.FAILED)
        assert lookout.status(NAME) is Status.FAILED
        assert lookout.due_in(NAME) is None
        assert len(server.questions) == asked

    run(database, story, server)


def test_what_is_lost_is_on_grace_and_comes_back_at_once(database: Database, server: NameServer) -> None:
    """One absence demotes nobody, a second one far enough apart does; one sight of the records restores."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add_verified(NAME)
        await lookout.settled()
        lookout.withdraw(identity)
        await lookout.advance(DAY)
        once = lookout.state(NAME)
        await lookout.advance(PACE.first + NEGATIVE_TTL)
        twice = lookout.state(NAME)
        lookout.publish(identity)
        await lookout.advance(PACE.largest)
        back = lookout.state(NAME)

        assert once.status is Status.SUCCESS
        assert once.absent_since is not None
        assert twice.status is Status.TEMPORARY_FAILURE
        assert twice.deadline is not None
        assert twice.deadline >= lookout.clock.now() + WINDOW - 2 * PACE.largest
        assert (back.status, back.absent_since, back.deadline) == (Status.SUCCESS, None, None)
        causes = [(each.status_before, each.status_after) for each in lookout.trail(identity)]
        assert (Status.SUCCESS, Status.TEMPORARY_FAILURE) in causes
        assert (Status.TEMPORARY_FAILURE, Status.SUCCESS) in causes

    run(database, story, server)


def test_what_is_lost_for_the_whole_window_fails(database: Database, server: NameServer) -> None:
    """TEMPORARY_FAILURE lasts as long as its window, and ends in FAILED."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add_verified(NAME)
        lookout.withdraw(identity)
        await lookout.settled()
        await lookout.advance(PACE.first + NEGATIVE_TTL)
        lost = lookout.status(NAME)
        await lookout.advance(WINDOW - MINUTE)
        still = lookout.status(NAME)
        await lookout.advance(MINUTE)

        assert (lost, still) == (Status.TEMPORARY_FAILURE, Status.TEMPORARY_FAILURE)
        assert lookout.status(NAME) is Status.FAILED

    run(database, story, server)


UNKNOWN = {
    Trick.SERVFAIL: ErrorType.DNS_SERVER_ERROR,
    Trick.REFUSED: ErrorType.DNS_SERVER_ERROR,
    Trick.FORMERR: ErrorType.DNS_SERVER_ERROR,
    Trick.NOTIMP: ErrorType.DNS_SERVER_ERROR,
    Trick.BOGUS: ErrorType.DNS_SERVER_ERROR,
    Trick.TRUNCATED_ALWAYS: ErrorType.DNS_SERVER_ERROR,
    Trick.TCP_CLOSED: ErrorType.DNS_SERVER_ERROR,
    Trick.TCP_CUT: ErrorType.DNS_SERVER_ERROR,
    Trick.GARBAGE: ErrorType.DNS_SERVER_ERROR,
    Trick.NO_AUTHORITY: ErrorType.HOST_NOT_FOUND,
    Trick.SILENT: ErrorType.SERVICE_ERROR,
    Trick.WRONG_ID: ErrorType.SERVICE_ERROR,
    Trick.WRONG_QUESTION: ErrorType.SERVICE_ERROR,
}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("trick", UNKNOWN, ids=lambda trick: trick.value)
def test_the_unknown_demotes_nobody(database: Database, server: NameServer, trick: Trick) -> None:
    """SUCCESS, PENDING and the grace last through weeks of trouble; ErrorType and LastChecked tell of it."""

    async def story(lookout: Lookout) -> None:
        lookout.add_verified(NAME)
        lookout.add("pending.example.com")
        lost = lookout.add_verified("lost.example.com")
        lookout.withdraw(lost)
        await lookout.settled()
        await lookout.advance(PACE.first + NEGATIVE_TTL)
        for rtype in ("CNAME", "TXT", "MX"):
            server.misbehave(trick, rtype=rtype)
        checked = lookout.view(NAME).last_checked_at
        for _ in range(2):
            await lookout.advance(2 * WINDOW)

        assert lookout.status(NAME) is Status.SUCCESS
        assert lookout.state(NAME).deadline is None
        assert lookout.error(NAME) is UNKNOWN[trick]
        assert lookout.status("pending.example.com") is Status.PENDING
        assert lookout.status("lost.example.com") is Status.TEMPORARY_FAILURE
        now_checked = lookout.view(NAME).last_checked_at
        assert checked is not None
        assert now_checked is not None
        assert now_checked > checked

    run(database, story, server)


def test_a_window_that_ended_in_trouble_ends_with_the_first_absence(
    database: Database, server: NameServer
) -> None:
    """Trouble fails nobody, however long; what is seen to be absent after the window has ended does."""

    async def story(lookout: Lookout) -> None:
        lookout.add(NAME)
        await lookout.settled()
        server.misbehave(Trick.SERVFAIL, rtype="CNAME")
        await lookout.advance(2 * WINDOW)
        in_trouble = lookout.status(NAME)
        server.behave()
        await lookout.advance(PACE.largest)

        assert in_trouble is Status.PENDING
        assert lookout.status(NAME) is Status.FAILED

    run(database, story, server)


def test_a_window_in_which_only_trouble_was_seen_is_extended(database: Database, server: NameServer) -> None:
    """An absence that was never seen before the end of the window has to be seen twice after it."""

    async def story(lookout: Lookout) -> None:
        server.misbehave(Trick.SERVFAIL, rtype="CNAME")
        identity = lookout.add(NAME)
        await lookout.settled()
        await lookout.advance(2 * WINDOW)
        server.behave()
        await lookout.advance(PACE.largest)
        once = lookout.status(NAME)
        lookout.publish(identity)
        await lookout.advance(PACE.largest)

        assert once is Status.PENDING
        assert lookout.status(NAME) is Status.SUCCESS

    run(database, story, server)


def test_a_resolver_of_ours_that_fails_at_everything_is_our_trouble(
    database: Database, server: NameServer
) -> None:
    """A control question tells it from the zone's: SERVICE_ERROR and OUR_RESOLVER."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add(NAME)
        server.misbehave(Trick.SERVFAIL)
        await lookout.settled()

        assert lookout.error(NAME) is ErrorType.SERVICE_ERROR
        assert [each.finding for each in lookout.trail(identity)] == ["OUR_RESOLVER"]
        assert lookout.status(NAME) is Status.PENDING

    run(database, story, server)


def test_one_of_two_perspectives_neither_verifies_nor_demotes(database: Database) -> None:
    """Where two disagree nothing is known: NOT_EVERYWHERE and SERVICE_ERROR, and no state moves."""
    zone = Zone()
    zone.zone(NAME, minimum=5)
    with NameServer(zone) as honest, NameServer(zone) as liar:

        async def story(lookout: Lookout) -> None:
            pending = lookout.add("pending.example.com")
            verified = lookout.add_verified("verified.example.com")
            for record in lookout.records(pending)[Facet.DKIM]:
                liar.lie(record.name, "CNAME", record.value)
            for record in lookout.records(verified)[Facet.DKIM]:
                liar.lie(record.name, "CNAME", None)
            await lookout.settled()
            for _ in range(3):
                await lookout.advance(DAY)

            assert lookout.status("pending.example.com") is Status.PENDING
            assert lookout.status("verified.example.com") is Status.SUCCESS
            assert lookout.error("verified.example.com") is ErrorType.SERVICE_ERROR
            assert {each.finding for each in lookout.trail(pending)} == {"NOT_EVERYWHERE"}
            body = lookout.trail(verified)[0].body
            assert all(f'"perspective":"{name}"' in body for name in ("p1", "p2"))

        run(database, story, honest, liar)


def test_one_of_three_perspectives_is_outvoted(database: Database) -> None:
    """All but one agree from three perspectives up: one that lies holds nothing up."""
    zone = Zone()
    zone.zone(NAME, minimum=5)
    with NameServer(zone) as first, NameServer(zone) as second, NameServer(zone) as liar:

        async def story(lookout: Lookout) -> None:
            identity = lookout.add(NAME)
            lookout.publish(identity)
            for record in lookout.records(identity)[Facet.DKIM]:
                liar.lie(record.name, "CNAME", "elsewhere.example.net")
            await lookout.settled()

            assert lookout.status(NAME) is Status.SUCCESS

        run(database, story, first, second, liar)


def test_the_error_that_says_most_is_told(database: Database, server: NameServer) -> None:
    """INVALID_VALUE before TYPE_NOT_FOUND, before HOST_NOT_FOUND, before DNS_SERVER_ERROR."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add(NAME)
        first, second, third = lookout.records(identity)[Facet.DKIM]
        seen = []
        server.misbehave(Trick.SERVFAIL, third.name)
        server.put(first.name, "CNAME", first.value)
        server.put(second.name, "CNAME", second.value)
        await lookout.settled()
        seen.append(lookout.error(NAME))
        server.remove(second.name)
        await lookout.advance(PACE.largest)
        seen.append(lookout.error(NAME))
        server.put(second.name, "A", "192.0.2.1")
        server.remove(first.name)
        await lookout.advance(PACE.largest)
        seen.append(lookout.error(NAME))
        server.put(first.name, "CNAME", "elsewhere.example.net")
        await lookout.advance(PACE.largest)
        seen.append(lookout.error(NAME))

        assert seen == [
            ErrorType.DNS_SERVER_ERROR,
            ErrorType.HOST_NOT_FOUND,
            ErrorType.TYPE_NOT_FOUND,
            ErrorType.INVALID_VALUE,
        ]

    run(database, story, server)


def test_both_timestamps_and_what_clears_the_error(database: Database, server: NameServer) -> None:
    """LastChecked moves with every look, LastSuccess at the end of a good one; success clears the error."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add(NAME)
        await lookout.settled()
        first = lookout.view(NAME)
        lookout.publish(identity)
        await lookout.advance(PACE.largest)
        second = lookout.view(NAME)
        lookout.withdraw(identity)
        await lookout.advance(DAY)
        third = lookout.view(NAME)

        assert first.last_checked_at is not None
        assert (first.last_success_at, first.error) == (None, ErrorType.HOST_NOT_FOUND)
        assert second.last_checked_at is not None
        assert second.last_success_at is not None
        assert second.last_checked_at >= first.last_checked_at + PACE.largest
        assert second.last_success_at >= second.last_checked_at
        assert second.error is None
        assert third.last_checked_at is not None
        assert third.last_checked_at > second.last_checked_at
        assert (third.last_success_at, third.error) == (second.last_success_at, ErrorType.HOST_NOT_FOUND)

    run(database, story, server)


@pytest.mark.parametrize(
    ("name", "cut", "alias"),
    [
        ("example.com", "example.com", False),
        ("a.b.c.example.com", "example.com", False),
        ("a.cut.example.com", "cut.example.com", False),
        ("alias.cut.example.com", "cut.example.com", True),
        ("a.alias.example.com", "example.com", False),
    ],
)
def test_the_soa_is_that_of_the_zone_around_the_domain(
    database: Database, server: NameServer, name: str, cut: str, alias: bool
) -> None:
    """Found through any depth; not that of a zone which an alias leads to."""
    server.zone("cut.example.com", serial=7)
    server.zone("other.example.net", serial=8)
    if alias:
        server.put(name, "CNAME", "other.example.net")

    async def story(lookout: Lookout) -> None:
        lookout.add(name)
        await lookout.settled()
        soa = lookout.view(name).soa

        assert soa is not None
        assert (soa.zone, soa.primary, soa.admin) == (cut, f"ns1.{cut}", f"hostmaster.{cut}")
        assert soa.serial == (7 if cut == "cut.example.com" else 2026112201)

    run(database, story, server)


def test_the_soa_stays_while_it_cannot_be_seen(database: Database, server: NameServer) -> None:
    """Trouble takes away nothing that was known."""

    async def story(lookout: Lookout) -> None:
        lookout.add(NAME)
        await lookout.settled()
        known = lookout.view(NAME).soa
        server.misbehave(Trick.SERVFAIL, rtype="SOA")
        await lookout.advance(PACE.largest)

        assert known is not None
        assert lookout.view(NAME).soa == known

    run(database, story, server)


def test_a_set_without_a_key_gets_one_when_its_records_are_seen(
    database: Database, server: NameServer
) -> None:
    """With an empty pool there is no SUCCESS, however right the records are; with a key there is at once."""

    async def story(lookout: Lookout) -> None:
        keyless = easy_dkim(has_key=False)
        identity = lookout.add(NAME, dkim=keyless)
        await lookout.settled()
        lookout.publish(identity)
        await lookout.advance(PACE.largest)
        waiting = lookout.status(NAME)
        public = lookout.stock()
        await lookout.advance(PACE.largest)
        given = lookout.view(NAME).token_set

        assert waiting is Status.PENDING
        assert lookout.status(NAME) is Status.SUCCESS
        assert given is not None
        assert (given.has_key, given.public_key) == (True, public)
        assert database.read(lambda s: keys.lookup(s, given.zone, given.tokens[0])) == public

    run(database, story, server)


def test_no_key_is_spent_on_records_that_are_not_there(database: Database, server: NameServer) -> None:
    """Two of three records right, and the key stays in the pool."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add(NAME, dkim=easy_dkim(has_key=False))
        lookout.stock()
        lookout.publish(identity, only=2)
        await lookout.settled()

        assert database.read(lambda s: keys.count_pooled(s, 2048)) == 1

    run(database, story, server)


def test_a_verdict_is_kept_once_and_again_when_it_differs(database: Database, server: NameServer) -> None:
    """Twenty looks that see the same leave one record; another sight leaves another."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add(NAME)
        await lookout.settled()
        for _ in range(5):
            await lookout.advance(PACE.largest)
        same = lookout.trail(identity)
        server.misbehave(Trick.SERVFAIL, rtype="CNAME")
        await lookout.advance(PACE.largest)
        server.behave()
        lookout.publish(identity)
        await lookout.advance(PACE.largest)
        found = [each.finding for each in lookout.trail(identity)]
        await lookout.advance(DAY)

        assert [each.finding for each in same] == ["MISSING"]
        assert found == ["OK", "SERVER_FAILURE", "MISSING"]
        assert [each.finding for each in lookout.trail(identity)] == found
        assert '"expected":' in same[0].body
        assert '"reply":"nxdomain"' in same[0].body

    run(database, story, server)


def test_a_relapse_is_kept_although_it_looks_as_before(database: Database, server: NameServer) -> None:
    """Trouble, success, the same trouble: three records, in that order."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add_verified(NAME)
        for trouble in (True, False, True):
            if trouble:
                server.misbehave(Trick.SERVFAIL, rtype="CNAME")
            else:
                server.behave()
            await lookout.advance(DAY)

        assert [each.finding for each in lookout.trail(identity)] == [
            "SERVER_FAILURE",
            "OK",
            "SERVER_FAILURE",
        ]

    run(database, story, server)


def test_who_asked_is_part_of_the_evidence(database: Database, server: NameServer) -> None:
    """A person who asks makes it due at once; evidence says so, and no state moves for the asking."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add(NAME)
        await lookout.settled()
        lookout.publish(identity, only=1)
        now = lookout.clock.now()
        asked = database.write(lambda s: checks.due_now(s, identity.id, now))
        await lookout.settled()

        assert asked
        assert [each.asked_by for each in lookout.trail(identity)] == [AskedBy.PERSON, AskedBy.SCHEDULE]
        assert lookout.status(NAME) is Status.PENDING

    run(database, story, server)


def test_what_the_house_brings_forward_is_no_person_asking(database: Database, server: NameServer) -> None:
    """Our own work on an identity makes it due sooner, and its evidence says that the schedule asked."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add(NAME)
        await lookout.settled()
        lookout.publish(identity, only=1)
        now = lookout.clock.now()
        database.write(lambda s: checks.bring_forward(s, [identity.id], now))
        await lookout.settled()

        assert [each.asked_by for each in lookout.trail(identity)] == [AskedBy.SCHEDULE, AskedBy.SCHEDULE]

    run(database, story, server)


@pytest.mark.parametrize("schedule", [True, False])
def test_a_verdict_on_an_older_expectation_is_dropped(
    database: Database, server: NameServer, schedule: bool
) -> None:
    """New tokens while the old ones are being looked at: what is seen of the old ones lands nowhere.

    Whether or not the change also asked for a look, there is one for the new tokens at once.
    """

    async def story(lookout: Lookout) -> None:
        identity = lookout.add(NAME)
        lookout.publish(identity)
        newer = easy_dkim(lookout.clock.now())
        changed: list[int] = []

        def change(_: Asked) -> None:
            if not changed:
                changed.append(1)
                change_tokens(database, identity, newer, lookout.clock.now(), schedule=schedule)

        server.on_question = change
        await lookout.settled()
        view = lookout.view(NAME)

        assert changed
        assert view.identity.generation == 2
        assert lookout.status(NAME) is Status.PENDING
        assert [(each.generation, each.finding) for each in lookout.trail(identity)] == [(2, "MISSING")]
        assert server.asked(f"{newer.tokens[0]}._domainkey.{NAME}") == 1

    run(database, story, server, budget=PATIENT)


def test_an_identity_that_is_deleted_during_its_check_stays_deleted(
    database: Database, server: NameServer
) -> None:
    """Nothing is stored for it, and nobody else's result is lost with it."""

    async def story(lookout: Lookout) -> None:
        gone, stays = lookout.add("gone.example.com"), lookout.add("stays.example.com")
        lookout.publish(gone)
        lookout.publish(stays)
        name = lookout.records(gone)[Facet.DKIM][0].name

        def take_away(asked: Asked) -> None:
            if asked.name == name:
                server.on_question = None
                delete(database, gone)

        server.on_question = take_away
        await lookout.settled()

        assert server.on_question is None
        assert lookout.trail(gone) == []
        assert lookout.status("stays.example.com") is Status.SUCCESS

    run(database, story, server)


def test_a_zone_that_changes_during_the_check_is_not_seen_whole(
    database: Database, server: NameServer
) -> None:
    """The third record is gone before it was asked for: two of three are seen, and that is not SUCCESS."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add(NAME)
        lookout.publish(identity)
        names = {record.name for record in lookout.records(identity)[Facet.DKIM]}

        def remove(asked: Asked) -> None:
            names.discard(asked.name)
            if len(names) == 1:
                server.remove(next(iter(names)))

        server.on_question = remove
        await lookout.settled()

        assert lookout.status(NAME) is Status.PENDING
        assert lookout.error(NAME) is ErrorType.HOST_NOT_FOUND
        assert [each.finding for each in lookout.trail(identity)] == ["MISSING"]

    run(database, story, server)


def test_what_takes_longer_than_the_budget_is_unknown(database: Database, server: NameServer) -> None:
    """A look that does not end in time is our trouble, and nothing of it proves or disproves."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add_verified(NAME)
        server.misbehave(Trick.SLOW, rtype="CNAME", delay=1.5)
        await lookout.settled()

        assert lookout.status(NAME) is Status.SUCCESS
        assert lookout.error(NAME) is ErrorType.SERVICE_ERROR
        assert [each.finding for each in lookout.trail(identity)] == ["OUR_RESOLVER"]

    run(database, story, server, limits=EngineLimits(budget=100, poll=LIMITS.poll))
