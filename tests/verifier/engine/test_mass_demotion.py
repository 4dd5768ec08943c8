"""The brake on mass demotion: what falls at once, what waits and for how long, and who is told."""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from aging import forget
from lookout import ACCOUNT, NEGATIVE_TTL, PACE, PATIENT, REGION, WINDOW, Lookout, _plain, _store, easy_dkim
from nameserver import NameServer

from indicia.announcements.event_recorder import EventRecorder, NoticeMails
from indicia.domain.events.identity_events import About
from indicia.domain.identities.identity import ErrorType, Facet, FacetState, Identity, Status
from indicia.domain.time import DAY, HOUR, SECOND
from indicia.domain.verification.brake import AT_LEAST, EACH
from indicia.mail.notices.notice import Notice, letter
from indicia.runtime.clock import real_now
from indicia.runtime.metrics import Metrics
from indicia.store.accounts import access
from indicia.store.accounts.access import Account
from indicia.store.engine.database import Database
from indicia.store.engine.queue import Lease
from indicia.store.engine.session import Session
from indicia.store.engine.sharding import shard_of
from indicia.store.events import events
from indicia.store.proofs import facets
from indicia.store.verification import brakes, checks
from indicia.store.verification_mail import outbox
from indicia.vault.keyring import Keyring
from indicia.verifier.engine.commit import CheckCommit

OPERATOR = "000000000001"
ANOTHER = "222233334444"
MANY = AT_LEAST + 10
LOST = Status.TEMPORARY_FAILURE
KEYRING = Keyring((bytes(range(32)),))
MAILS = NoticeMails(
    sender="no-reply@mail.example.org",
    service="mail.example.org",
    keyring=KEYRING,
    random=secrets.token_bytes,
)


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server with a zone that has nothing in it."""
    with NameServer() as running:
        running.zone("example.com", minimum=NEGATIVE_TTL // SECOND)
        yield running


class Watch:
    """An engine's parts, used by hand: what is due is looked at, and lands in one batch."""

    def __init__(self, database: Database, server: NameServer) -> None:
        self.lookout = Lookout(database, server, budget=PATIENT)
        self.database, self.server, self.clock = database, server, self.lookout.clock
        self.metrics = Metrics("0")
        self.landing = CheckCommit(
            now=self.clock.now,
            patience=2 * PACE.verified,
            window=WINDOW,
            again=PACE.largest,
            announce=EventRecorder(MAILS).announce,
            operator=About(OPERATOR, REGION),
            observe=self.metrics.held_back,
        )
        self._leases = 0
        self._numbers = itertools.count()

    def verified(
        self,
        count: int,
        account: str = ACCOUNT,
        *,
        due: bool = True,
        zone: str | None = None,
        facet: Facet = Facet.DKIM,
    ) -> list[Identity]:
        """Store verified domains, each in a zone of its own or all in one, whose absence was seen before.

        Nothing is published for them. Those that are not `due` are not looked at.
        """
        now, made = self.clock.now(), []
        for _ in range(count):
            number = next(self._numbers)
            apex = zone or f"z{number}.example"
            self.server.zone(apex, minimum=NEGATIVE_TTL // SECOND)
            name = f"d{number}.{apex}"
            bounce = f"bounce.{name}" if facet is Facet.MAIL_FROM else ""
            made.append(replace(_plain(name, now), account=account, mail_from_domain=bounce))

        def store(s: Session) -> None:
            for at, identity in enumerate(made):
                token_set = easy_dkim(now) if facet is Facet.DKIM else None
                made[at] = replace(identity, token_set_id=token_set.id if token_set else None)
                _store(s, made[at], token_set, now)
                state = FacetState(facet, Status.SUCCESS, 1, now - HOUR, absent_since=now - HOUR)
                facets.put(s, identity.id, state)
                shard = shard_of(identity.name)
                checks.schedule(s, identity.id, shard, now if due else None, interval=PACE.first)

        self.database.write(store)
        return made

    async def look(self) -> None:
        """Look at everything that is due now, and store what was found in one transaction."""
        self._leases += 1
        now, lease = self.clock.now(), f"watch-{self._leases}"
        real = real_now()
        claims = self.database.write(
            lambda s: checks.claim(
                s, now=now, owner=lease, lease_until=real + HOUR, lease_now=real, limit=10_000
            )
        )
        checker = self.lookout.engine._checker
        found = [await checker.check(claim, lease) for claim in claims]
        self.database.read(lambda s: self.landing.count(s, found))
        self.database.write(lambda s: self.landing.land(s, found))

    async def pass_by(self, span: int) -> None:
        """Time passes, and what became due is looked at."""
        self.clock.advance(span)
        await self.look()

    def states(self, made: Sequence[Identity], facet: Facet = Facet.DKIM) -> list[FacetState]:
        """How they stand."""
        return [self.database.read(lambda s, i=each.id: facets.get_all(s, i)[facet]) for each in made]

    def statuses(self, made: Sequence[Identity], facet: Facet = Facet.DKIM) -> set[Status]:
        """The statuses there are."""
        return {state.status for state in self.states(made, facet)}

    def told(self, event_type: str) -> list[dict[str, Any]]:
        """What was told under a type, the oldest first."""
        stored = self.database.read(lambda s: events.of_type(s, event_type))
        return [json.loads(each.body)["data"] for each in stored]

    @property
    def paused(self) -> bool:
        """Whether nothing is demoted."""
        return self.database.read(brakes.read).paused_at is not None


def watch(database: Database, server: NameServer, story: Callable[[Watch], Awaitable[None]]) -> None:
    """Tell a story to its end."""

    async def told() -> None:
        watching = Watch(database, server)
        try:
            await asyncio.wait_for(story(watching), 120)
        finally:
            await watching.lookout.eyes.close()

    asyncio.run(told())


def test_an_account_that_loses_much_at_once_waits_a_window_alone(
    database: Database, server: NameServer
) -> None:
    """More than fifty and one in ten of its zones stand for a window; another account's fall meanwhile.

    What is still absent then falls, and is not held again at its next step.
    """

    async def story(watching: Watch) -> None:
        made = watching.verified(MANY)
        others = watching.verified(3, ANOTHER)
        await watching.look()
        held, now = watching.states(made), watching.clock.now()
        assert {state.status for state in held} == {Status.SUCCESS}
        assert all(abs((state.held_until or 0) - now - WINDOW) < HOUR for state in held)
        assert {state.error for state in held} == {ErrorType.HOST_NOT_FOUND}
        assert watching.statuses(others) == {LOST}
        assert not watching.paused

        for _ in range(3):
            await watching.pass_by(WINDOW // 4)
            assert watching.statuses(made) == {Status.SUCCESS}
        await watching.pass_by(WINDOW // 4 + HOUR)
        assert watching.statuses(made) == {LOST}
        await watching.pass_by(WINDOW + HOUR)
        assert watching.statuses(made) == {Status.FAILED}

    watch(database, server, story)


def test_the_account_and_the_operator_are_told_once(database: Database, server: NameServer) -> None:
    """How much of how much, and until when, by mail too, however often it is held; and it is shown."""

    async def story(watching: Watch) -> None:
        for account in (ACCOUNT, OPERATOR):
            row = Account(account, f"team@{account}.example", watching.clock.now(), True, True)
            database.write(lambda s, row=row: access.create_account(s, row))
        watching.verified(MANY)
        await watching.look()
        await watching.pass_by(HOUR)
        now = watching.clock.now()

        first, second = watching.told("demotions.delayed")
        assert {first["account"], second["account"]} == {ACCOUNT, OPERATOR}
        assert first["seen"] == f"{MANY} of {MANY} verified zones would have been demoted within an hour."
        assert second["seen"] == f"Of account {ACCOUNT}: {first['seen']}"
        assert "for one more window" in first["effect"]
        lease = Lease("t", now, now, now + 1)
        parcels = [
            parcel
            for account in (ACCOUNT, OPERATOR)
            for parcel in database.write(lambda s, a=account: outbox.take(s, a, lease, limit=99))
        ]
        letters = [letter(Notice.opened(KEYRING, parcel.payload)) for parcel in parcels]
        assert {each.recipient for each in letters} == {f"team@{a}.example" for a in (ACCOUNT, OPERATOR)}
        assert all(b"Subject: Demotions DELAYED" in each.message for each in letters)
        (waiting,) = database.read(lambda s: brakes.waiting(s, now))
        assert (waiting.account, waiting.until - waiting.since) == (ACCOUNT, WINDOW)
        assert database.read(lambda s: brakes.count_waiting(s, now + WINDOW)) == 0
        held = watching.metrics.registry.get_sample_value("indicia_demotions_held_back_total")
        assert held == 2 * MANY

    watch(database, server, story)


def test_records_that_come_back_meanwhile_take_nothing_along(database: Database, server: NameServer) -> None:
    """What is seen again stands as before, and the brake may hold it once in its next run of absences."""

    async def story(watching: Watch) -> None:
        made = watching.verified(MANY)
        await watching.look()
        watching.lookout.publish(made[0])
        await watching.pass_by(PACE.largest)
        await watching.pass_by(WINDOW + HOUR)

        back, *gone = watching.states(made)
        assert (back.status, back.absent_since, back.held_until) == (Status.SUCCESS, None, None)
        assert {state.status for state in gone} == {LOST}

    watch(database, server, story)


@pytest.mark.parametrize(("lost", "standing"), [(AT_LEAST, 0), (MANY, 10 * MANY)])
def test_as_much_of_an_account_falls_at_once(
    database: Database, server: NameServer, lost: int, standing: int
) -> None:
    """Fifty, however few are verified; and one in ten."""

    async def story(watching: Watch) -> None:
        watching.verified(standing, due=False)
        made = watching.verified(lost)
        await watching.look()

        assert watching.statuses(made) == {LOST}
        assert watching.told("demotions.delayed") == []

    watch(database, server, story)


def test_what_is_counted_is_zones(database: Database, server: NameServer) -> None:
    """However many identities one zone has: where its owner takes it away, one zone is lost."""

    async def story(watching: Watch) -> None:
        made = watching.verified(MANY, zone="example.com")
        await watching.look()

        assert watching.statuses(made) == {LOST}
        assert database.read(lambda s: brakes.verified(s, ACCOUNT)) == 1

    watch(database, server, story)


def test_mail_from_does_not_count(database: Database, server: NameServer) -> None:
    """It proves nothing of an identity: it falls at once, and pulls no brake for what does."""

    async def story(watching: Watch) -> None:
        bounces = watching.verified(MANY, facet=Facet.MAIL_FROM)
        made = watching.verified(1)
        await watching.look()

        assert watching.statuses(bounces, Facet.MAIL_FROM) == {LOST}
        assert watching.statuses(made) == {LOST}

    watch(database, server, story)


def test_many_accounts_that_lose_at_once_wait_for_a_person(database: Database, server: NameServer) -> None:
    """Nothing falls, MAIL FROM neither, until the operator says so. What is let through is not held later.

    Of each account ten zones count at most; together they are more than fifty, and one in a hundred.
    """

    async def story(watching: Watch) -> None:
        made = [
            each
            for number in range(AT_LEAST // EACH + 1)
            for each in watching.verified(EACH + 3, f"22220000000{number}")
        ]
        bounces = watching.verified(1, facet=Facet.MAIL_FROM)
        await watching.look()
        states = watching.states(made)
        assert watching.paused
        assert {state.status for state in states} == {Status.SUCCESS}
        assert {(state.error, state.held_until) for state in states} == {(ErrorType.SERVICE_ERROR, None)}
        assert watching.statuses(bounces, Facet.MAIL_FROM) == {Status.SUCCESS}
        (event,) = watching.told("demotions.paused")
        verified = len(made)
        assert event["account"] == OPERATOR
        assert event["seen"].startswith(f"{AT_LEAST + EACH} of {verified} verified zones would have been")

        await watching.pass_by(2 * WINDOW)
        assert watching.statuses(made) == {Status.SUCCESS}
        database.write(lambda s: brakes.resume(s, watching.clock.now() + DAY))
        await watching.pass_by(PACE.largest)
        assert watching.statuses(made) == {LOST}
        await watching.pass_by(WINDOW + HOUR)
        assert watching.statuses(made) == {Status.FAILED}
        assert not watching.paused

    watch(database, server, story)


def test_what_one_account_does_holds_back_no_other(database: Database, server: NameServer) -> None:
    """One that loses a hundred and twenty zones counts for ten: forty of others' beside them just fall."""

    async def story(watching: Watch) -> None:
        hostile = watching.verified(2 * MANY)
        others = [each for number in range(4) for each in watching.verified(EACH, f"22220000000{number}")]
        await watching.look()

        assert watching.statuses(hostile) == {Status.SUCCESS}
        assert watching.statuses(others) == {LOST}
        assert not watching.paused

    watch(database, server, story)


def test_what_is_verified_is_counted_by_account_and_zone(database: Database, server: NameServer) -> None:
    """Domains whose own proof stands, each zone once an account; MAIL FROM makes nothing verified."""

    async def story(watching: Watch) -> None:
        watching.verified(3, due=False)
        watching.verified(2, due=False, zone="example.com")
        watching.verified(2, ANOTHER, due=False, zone="example.com")
        watching.verified(1, ANOTHER, due=False, facet=Facet.MAIL_FROM)
        counted = [database.read(lambda s, of=of: brakes.verified(s, of)) for of in (ACCOUNT, ANOTHER, None)]

        # Where no check has seen the zone yet, each name is taken for one.
        assert counted == [5, 2, 7]

    watch(database, server, story)


def test_what_was_counted_is_counted_for_an_hour(database: Database, server: NameServer) -> None:
    """Forty now and forty in half an hour are eighty within the hour; in two hours they are not."""

    async def story(watching: Watch) -> None:
        for wait, expected in ((2 * HOUR, LOST), (HOUR // 2, Status.SUCCESS)):
            await watching.pass_by(DAY)
            first = watching.verified(40)
            await watching.look()
            await watching.pass_by(wait)
            second = watching.verified(40)
            await watching.look()

            assert watching.statuses(first) == {LOST}
            assert watching.statuses(second) == {expected}

    watch(database, server, story)


def test_nothing_falls_before_it_is_known_how_much_is_verified(
    database: Database, server: NameServer
) -> None:
    """A batch that lands without having been counted keeps its statuses, and marks nothing."""

    async def story(watching: Watch) -> None:
        made = watching.verified(MANY)
        watching.landing.count = lambda _s, _batch: None  # type: ignore[method-assign]
        await watching.look()

        assert {(state.status, state.held_until) for state in watching.states(made)} == {
            (Status.SUCCESS, None)
        }
        assert watching.told("demotions.delayed") == []

    watch(database, server, story)


def test_the_engine_counts_before_it_lands(database: Database, server: NameServer) -> None:
    """The same with an engine that runs: but for the first fifty, all of them wait."""

    async def story() -> None:
        watching = Watch(database, server)
        made = watching.verified(MANY)
        async with watching.lookout as lookout:
            await asyncio.wait_for(lookout.settled(), 60)
        held = [state for state in watching.states(made) if state.held_until is not None]

        assert len(held) >= MANY - AT_LEAST
        assert {state.status for state in held} == {Status.SUCCESS}

    asyncio.run(story())


def test_what_is_not_needed_any_more_is_forgotten(database: Database, server: NameServer) -> None:
    """Zones that were counted more than an hour ago, and accounts that have waited."""

    async def story(watching: Watch) -> None:
        watching.verified(MANY)
        await watching.look()
        now = watching.clock.now()

        assert database.write(lambda s: forget(s, "demotions", kept=HOUR, now=now, limit=100)) == 0
        assert database.write(lambda s: forget(s, "demotions", kept=0, now=now + HOUR, limit=50)) == 50
        assert database.write(lambda s: forget(s, "demotions", kept=0, now=now + HOUR, limit=50)) == MANY - 50
        assert database.write(lambda s: forget(s, "demotions", kept=0, now=now + 2 * WINDOW, limit=50)) == 1

    watch(database, server, story)
