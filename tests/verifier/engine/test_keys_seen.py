"""Looking at keys themselves: when it is asked, what it changes, and what it costs those who need it not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
from lookout import NEGATIVE_TTL, PACE, Lookout, easy_dkim, own_dkim, run
from nameserver import NameServer, Trick, Zone

from indicia.domain.identities.identity import Facet, Identity, KeyLength, Status, TokenSet
from indicia.domain.proofs.transitions import start
from indicia.domain.time import DAY, MINUTE, SECOND
from indicia.operations.proofs.carrying import carry_on
from indicia.store.dkim import keys
from indicia.store.dkim import rotation as rotations
from indicia.store.dkim.keys import PublishedKey
from indicia.store.engine.database import Database
from indicia.store.engine.session import Session
from indicia.store.engine.sharding import shard_of
from indicia.store.identities import identities
from indicia.store.proofs import facets
from indicia.store.verification import checks
from indicia.vault import rsa

NAME = "example.com"
KEYS = [rsa.generate(1024).public_key for _ in range(2)]


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server with one zone."""
    with NameServer() as running:
        running.zone(NAME, minimum=NEGATIVE_TTL // SECOND, serial=2026112201)
        yield running


def add(lookout: Lookout) -> tuple[Identity, TokenSet]:
    """An identity with a published key that nobody has seen, its records not published yet."""
    token_set = easy_dkim(lookout.clock.now(), has_key=False, wanted_length=KeyLength.RSA_2048_BIT)
    identity = lookout.add(NAME, dkim=token_set, due=False)
    publish(lookout, token_set, 0, KEYS[0])
    make_due(lookout, identity)
    return identity, token_set


def publish(lookout: Lookout, token_set: TokenSet, position: int, public_key: str) -> None:
    """Put a key into the store's key zone under a token."""
    key = keys.PooledKey(lookout.clock.now(), 2048, public_key, b"sealed", 0)
    token, now = token_set.tokens[position], lookout.clock.now()
    lookout.database.write(lambda s: keys.publish(s, token_set.id, token_set.zone, token, key, now))


def make_due(lookout: Lookout, identity: Identity) -> None:
    """Let the identity be looked at now."""
    now = lookout.clock.now()
    lookout.database.write(
        lambda s: checks.schedule(s, identity.id, shard_of(identity.name), now, interval=PACE.first)
    )


def in_key_zone(lookout: Lookout, token_set: TokenSet, position: int, text: str) -> None:
    """Let every server show this at a token of the key zone."""
    for server in lookout.servers:
        server.put(f"{token_set.tokens[position]}.{token_set.zone}", "TXT", text)


def stored(lookout: Lookout, token_set: TokenSet) -> list[PublishedKey]:
    """The live keys."""
    return lookout.database.read(partial(keys.published, token_set_id=token_set.id))


def awaited(lookout: Lookout) -> bool:
    """Whether a look at a key is awaited."""
    token_set = lookout.view(NAME).token_set
    return token_set is not None and token_set.awaited


def texts(server: NameServer) -> int:
    """How many TXT questions were asked."""
    return server.asked(rtype="TXT")


def test_the_key_is_seen_with_the_records_that_lead_to_it(database: Database, server: NameServer) -> None:
    """One check sees three CNAMEs, then the key: SUCCESS, and the key has a step to take."""

    async def story(lookout: Lookout) -> None:
        identity, token_set = add(lookout)
        lookout.publish(identity)
        in_key_zone(lookout, token_set, 0, f"p={KEYS[0]}")
        await lookout.settled()

        (key,) = stored(lookout, token_set)
        assert lookout.status(NAME) is Status.SUCCESS
        assert key.seen_at is not None
        assert not awaited(lookout)
        assert database.read(rotations.earliest_due) is not None
        assert (server.asked(rtype="CNAME"), texts(server)) == (3, 1)
        (verdict, *_) = lookout.trail(identity)
        assert KEYS[0] in verdict.body

    run(database, story, server)


def test_nobody_looks_for_a_key_before_its_record_is_there(database: Database, server: NameServer) -> None:
    """A question before its time would only be remembered: no TXT is asked for."""

    async def story(lookout: Lookout) -> None:
        add(lookout)
        await lookout.settled()
        await lookout.advance(PACE.largest)

        assert lookout.status(NAME) is Status.PENDING
        assert texts(server) == 0

    run(database, story, server)


def test_a_verified_identity_costs_no_question_more(database: Database, server: NameServer) -> None:
    """Once its keys were seen it is three CNAMEs and the SOA."""

    async def story(lookout: Lookout) -> None:
        identity, token_set = add(lookout)
        lookout.publish(identity)
        in_key_zone(lookout, token_set, 0, f"p={KEYS[0]}")
        await lookout.settled()
        before = len(server.questions)
        await lookout.advance(DAY)

        assert sorted(each.rtype for each in server.questions[before:]) == ["CNAME", "CNAME", "CNAME", "SOA"]

    run(database, story, server)


@pytest.mark.parametrize(
    "shown",
    [
        None,
        f"p={KEYS[1]}",
        "p=",
        f'p="{KEYS[0]}"',
        "p=MIIB",
        [f"p={KEYS[0]}", f"p={KEYS[1]}"],
    ],
)
def test_what_is_not_the_key_is_not_seen(database: Database, server: NameServer, shown: object) -> None:
    """SUCCESS rests on the records; the key is awaited, and looked for again before long."""

    async def story(lookout: Lookout) -> None:
        identity, token_set = add(lookout)
        lookout.publish(identity)
        if shown is not None:
            in_key_zone(lookout, token_set, 0, shown)  # type: ignore[arg-type]
        await lookout.settled()

        (key,) = stored(lookout, token_set)
        assert lookout.status(NAME) is Status.SUCCESS
        assert (key.seen_at, awaited(lookout)) == (None, True)
        due = lookout.due_in(NAME)
        assert due is not None
        assert due <= PACE.largest
        in_key_zone(lookout, token_set, 0, f"v=DKIM1; k=rsa; p={KEYS[0]}")
        await lookout.advance(PACE.largest)
        assert stored(lookout, token_set)[0].seen_at is not None

    run(database, story, server)


def test_a_new_key_is_looked_for_again_and_again(database: Database, server: NameServer) -> None:
    """During a rotation the new key is looked at until it is seen, while the old one is as it was."""

    async def story(lookout: Lookout) -> None:
        identity, token_set = add(lookout)
        lookout.publish(identity)
        in_key_zone(lookout, token_set, 0, f"p={KEYS[0]}")
        await lookout.settled()
        first = stored(lookout, token_set)[0].seen_at
        lookout.clock.advance(MINUTE)
        publish(lookout, token_set, 1, KEYS[1])
        make_due(lookout, identity)
        await lookout.settled()
        assert awaited(lookout)
        before = texts(server)
        await lookout.advance(PACE.first)
        assert texts(server) == before + 1
        assert stored(lookout, token_set)[1].seen_at is None
        in_key_zone(lookout, token_set, 1, f"p={KEYS[1]}")
        await lookout.advance(MINUTE)

        one, two = stored(lookout, token_set)
        assert two.seen_at == lookout.view(NAME).last_checked_at
        assert (one.seen_at, one.absent_since) == (first, None)
        assert not awaited(lookout)

    run(database, story, server)


def test_a_new_key_is_not_asked_about_at_once(database: Database, server: NameServer) -> None:
    """Its token had no key a moment ago: a resolver would hold that answer for its whole TTL."""

    async def story(lookout: Lookout) -> None:
        identity, token_set = add(lookout)
        lookout.publish(identity)
        in_key_zone(lookout, token_set, 0, f"p={KEYS[0]}")
        await lookout.settled()
        publish(lookout, token_set, 1, KEYS[1])
        make_due(lookout, identity)
        before = texts(server)
        await lookout.settled()

        assert texts(server) == before
        due = lookout.due_in(NAME)
        assert due is not None
        assert due <= 2 * SECOND

    run(database, story, server)


def test_a_key_is_lost_with_its_record_and_found_with_it(database: Database, server: NameServer) -> None:
    """Two absences far enough apart lose it, together with the status; one sight restores both."""

    async def story(lookout: Lookout) -> None:
        identity, token_set = add(lookout)
        lookout.publish(identity)
        in_key_zone(lookout, token_set, 0, f"p={KEYS[0]}")
        await lookout.settled()
        record = lookout.records(identity)[Facet.DKIM][0]
        server.remove(record.name, "CNAME")
        await lookout.advance(DAY)
        (key,) = stored(lookout, token_set)
        assert (lookout.status(NAME), key.lost_at) == (Status.SUCCESS, None)
        assert key.absent_since is not None
        await lookout.advance(PACE.first)
        (key,) = stored(lookout, token_set)
        assert lookout.status(NAME) is Status.TEMPORARY_FAILURE
        assert key.lost_at is not None

        server.put(record.name, "CNAME", record.value)
        await lookout.advance(PACE.largest)
        (key,) = stored(lookout, token_set)
        assert lookout.status(NAME) is Status.SUCCESS
        assert (key.absent_since, key.lost_at, awaited(lookout)) == (None, None, False)

    run(database, story, server)


def test_a_key_is_lost_while_its_proof_is_carried(database: Database, server: NameServer) -> None:
    """After a change of the length the key of before signs on, and no longer than it is to be seen."""

    async def story(lookout: Lookout) -> None:
        identity, token_set = add(lookout)
        lookout.publish(identity)
        in_key_zone(lookout, token_set, 0, f"p={KEYS[0]}")
        await lookout.settled()
        lookout.withdraw(identity)
        now = lookout.clock.now()

        def change(s: Session) -> None:
            identities.update(s, replace(identity, generation=2), identity.version)
            carry_on(s, identity)
            facets.put(s, identity.id, start(Facet.DKIM, 2, now, DAY))
            checks.begin_anew(s, identity.id, now, interval=PACE.first)

        lookout.database.write(change)
        await lookout.settled()
        for _ in range(3):
            await lookout.advance(PACE.largest)

        (key,) = stored(lookout, token_set)
        assert (lookout.status(NAME), key.lost_at is not None) == (Status.PENDING, True)
        assert lookout.status(NAME, Facet.CARRIED_DKIM) is Status.TEMPORARY_FAILURE

    run(database, story, server)


def test_a_flattened_record_keeps_its_key(database: Database, server: NameServer) -> None:
    """The CNAME became the TXT it leads to: the status goes, the key stays visible."""

    async def story(lookout: Lookout) -> None:
        identity, token_set = add(lookout)
        lookout.publish(identity)
        in_key_zone(lookout, token_set, 0, f"p={KEYS[0]}")
        await lookout.settled()
        record = lookout.records(identity)[Facet.DKIM][0]
        server.remove(record.name, "CNAME")
        server.put(record.name, "TXT", f"p={KEYS[0]}")
        await lookout.advance(DAY)
        await lookout.advance(PACE.first)

        (key,) = stored(lookout, token_set)
        assert lookout.status(NAME) is Status.TEMPORARY_FAILURE
        assert (key.absent_since, key.lost_at) == (None, None)

    run(database, story, server)


def test_trouble_takes_no_key_away(database: Database, server: NameServer) -> None:
    """Unknown changes nothing: neither the CNAMEs' servers that fail, nor the key's, however long."""

    async def story(lookout: Lookout) -> None:
        identity, token_set = add(lookout)
        lookout.publish(identity)
        in_key_zone(lookout, token_set, 0, f"p={KEYS[0]}")
        await lookout.settled()
        server.misbehave(Trick.SERVFAIL, when=lambda asked: NAME in asked.name)
        for _ in range(3):
            await lookout.advance(DAY)

        (key,) = stored(lookout, token_set)
        assert lookout.status(NAME) is Status.SUCCESS
        assert (key.absent_since, key.lost_at) == (None, None)

    run(database, story, server)


def test_one_resolver_alone_neither_sees_nor_loses_a_key(database: Database) -> None:
    """With two perspectives a key counts as seen when both see it, and as lost when both miss it."""
    data = Zone()
    data.zone(NAME, minimum=NEGATIVE_TTL // SECOND)
    with NameServer(data) as one, NameServer(data) as other:

        async def story(lookout: Lookout) -> None:
            identity, token_set = add(lookout)
            lookout.publish(identity)
            in_key_zone(lookout, token_set, 0, f"p={KEYS[0]}")
            name = lookout.records(identity)[Facet.DKIM][0].name
            zone_name = f"{token_set.tokens[0]}.{token_set.zone}"
            other.lie(zone_name, "TXT", None)
            await lookout.settled()
            assert lookout.status(NAME) is Status.SUCCESS
            assert stored(lookout, token_set)[0].seen_at is None

            other.behave()
            await lookout.advance(PACE.largest)
            assert stored(lookout, token_set)[0].seen_at is not None
            other.lie(name, "CNAME", None)
            for _ in range(3):
                await lookout.advance(DAY)
            (key,) = stored(lookout, token_set)
            assert (key.absent_since, lookout.status(NAME)) == (None, Status.SUCCESS)

        run(database, story, one, other)


def test_an_uploaded_key_is_seen_by_its_record(database: Database, server: NameServer) -> None:
    """BYODKIM asks one question, and its answer is both the status and the sight of the key."""

    async def story(lookout: Lookout) -> None:
        token_set = own_dkim("sel", KEYS[0])
        identity = lookout.add(NAME, dkim=token_set, due=False)
        key = keys.PooledKey(1, 1024, KEYS[0], b"sealed", 0)
        now = lookout.clock.now()
        lookout.database.write(lambda s: keys.store_uploaded(s, token_set.id, "sel", key, now))
        make_due(lookout, identity)
        await lookout.settled()
        assert stored(lookout, token_set)[0].seen_at is None
        lookout.publish(identity)
        await lookout.advance(PACE.largest)

        assert lookout.status(NAME) is Status.SUCCESS
        assert stored(lookout, token_set)[0].seen_at is not None
        before = len(server.questions)
        await lookout.advance(DAY)
        assert sorted(each.rtype for each in server.questions[before:]) == ["SOA", "TXT"]
        server.remove("sel._domainkey.example.com", "TXT")
        await lookout.advance(DAY)
        await lookout.advance(PACE.first)
        assert lookout.status(NAME) is Status.TEMPORARY_FAILURE
        assert stored(lookout, token_set)[0].lost_at is not None

    run(database, story, server)
