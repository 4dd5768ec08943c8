"""Replicas in the engine: waiting for a parent, sharing its tokens, giving up, and being told apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from lookout import ACCOUNT, NEGATIVE_TTL, PACE, REGION, WINDOW, Lookout, easy_dkim, run
from nameserver import NameServer

from indicia.domain.identities.identity import ErrorType, Facet, Identity, Status
from indicia.domain.time import DAY, HOUR, SECOND
from indicia.store.dkim import replications
from indicia.store.dkim.replications import Replication
from indicia.store.engine.database import Database
from indicia.store.engine.sharding import shard_of
from indicia.store.events import events
from indicia.store.identities import identities
from indicia.store.verification import checks

NAME = "example.com"
BOTH = (Facet.DKIM, Facet.REPLICATION)


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server with one zone."""
    with NameServer() as running:
        running.zone(NAME, minimum=NEGATIVE_TTL // SECOND)
        yield running


def waiting(lookout: Lookout) -> Identity:
    """A replica in our region, without tokens, of a parent in us-east-1."""
    replica = lookout.add(NAME, starts=BOTH, due=False, origin="AWS_SES_US_EAST_1", bare=True)
    wish = Replication(replica.id, ACCOUNT, NAME, REGION, "us-east-1", "arn:aws:iam::1:root", "AKIANOBODY")
    lookout.database.write(lambda s: replications.put(s, wish))
    make_due(lookout, replica)
    return replica


def make_due(lookout: Lookout, identity: Identity) -> None:
    """Let it be looked at now."""
    now = lookout.clock.now()
    lookout.database.write(
        lambda s: checks.schedule(s, identity.id, shard_of(NAME), now, interval=PACE.first)
    )


def told(lookout: Lookout) -> list[str]:
    """The types of the replica's events, the oldest first."""
    identity_id = lookout.view(NAME).identity.id
    stored = lookout.database.read(lambda s: events.of_identity(s, identity_id, limit=9))
    return [each.type for each in reversed(stored)]


def parent(lookout: Lookout) -> Identity:
    """The parent, with its tokens."""
    return lookout.add(NAME, dkim=easy_dkim(lookout.clock.now()), region="us-east-1")


def test_a_replica_waits_for_its_parent_and_then_for_its_records(
    database: Database, server: NameServer
) -> None:
    """PENDING with the reason; the parent appears, its tokens are shared, the records prove both."""

    async def story(lookout: Lookout) -> None:
        waiting(lookout)
        await lookout.settled()
        assert lookout.error(NAME) is ErrorType.REPLICATION_PRIMARY_NOT_FOUND
        assert (lookout.status(NAME), lookout.status(NAME, Facet.REPLICATION)) == (
            Status.PENDING,
            Status.PENDING,
        )
        assert lookout.view(NAME).last_checked_at is not None
        due = lookout.due_in(NAME)
        assert due is not None
        assert due <= PACE.largest

        owner = parent(lookout)
        await lookout.advance(PACE.largest)
        assert lookout.view(NAME).token_set is not None
        assert lookout.view(NAME).identity.token_set_id == owner.token_set_id
        assert lookout.status(NAME, Facet.REPLICATION) is Status.SUCCESS
        assert (lookout.status(NAME), lookout.error(NAME)) == (Status.PENDING, ErrorType.HOST_NOT_FOUND)

        lookout.publish(owner)
        await lookout.advance(PACE.largest)
        assert (lookout.status(NAME), lookout.error(NAME)) == (Status.SUCCESS, None)
        assert told(lookout) == ["replication.verified", "dkim.verified", "identity.verified"]

    run(database, story, server)


def test_a_replica_gives_up_when_its_window_has_ended(database: Database, server: NameServer) -> None:
    """Looked for until the end, then FAILED with the reason; a parent that comes later changes nothing."""

    async def story(lookout: Lookout) -> None:
        replica = waiting(lookout)
        await lookout.settled()
        await lookout.advance(WINDOW - HOUR)
        assert lookout.status(NAME) is Status.PENDING
        await lookout.advance(2 * HOUR)

        assert (lookout.status(NAME), lookout.status(NAME, Facet.REPLICATION)) == (
            Status.FAILED,
            Status.FAILED,
        )
        assert lookout.error(NAME) is ErrorType.REPLICATION_PRIMARY_NOT_FOUND
        assert lookout.view(NAME).due_at is None
        assert {verdict.facet for verdict in lookout.trail(replica)} == set(BOTH)
        parent(lookout)
        await lookout.advance(DAY)
        assert lookout.view(NAME).token_set is None

    run(database, story, server)


def test_downtime_fails_no_replica(database: Database, server: NameServer) -> None:
    """Nobody looked for longer than the window: the first look fails nothing, a later one does."""

    async def story(lookout: Lookout) -> None:
        replica = waiting(lookout)
        lookout.clock.advance(WINDOW + HOUR)
        make_due(lookout, replica)
        await lookout.settled()
        assert lookout.status(NAME, Facet.REPLICATION) is Status.PENDING
        await lookout.advance(2 * PACE.largest)
        assert lookout.status(NAME, Facet.REPLICATION) is Status.FAILED

    run(database, story, server)


def test_a_replica_keeps_what_it_shares(database: Database, server: NameServer) -> None:
    """Its parent is a replica itself from now on: that is told, and takes nothing away; nor does it hurry."""

    async def story(lookout: Lookout) -> None:
        replica = waiting(lookout)
        owner = parent(lookout)
        lookout.publish(owner)
        for _ in range(3):
            await lookout.advance(PACE.largest)
        assert lookout.status(NAME) is Status.SUCCESS

        def turn(s):
            found = identities.by_id(s, owner.id)
            identities.update(s, replace(found, origin="AWS_SES_EU_WEST_1"), found.version)

        lookout.database.write(turn)
        await lookout.advance(DAY)
        assert lookout.error(NAME) is ErrorType.REPLICATION_REPLICA_AS_PRIMARY_NOT_SUPPORTED
        assert (lookout.status(NAME), lookout.status(NAME, Facet.REPLICATION)) == (
            Status.SUCCESS,
            Status.SUCCESS,
        )
        due = lookout.due_in(NAME)
        assert due is not None
        assert due > HOUR
        assert lookout.view(NAME).identity.id == replica.id

    run(database, story, server)
