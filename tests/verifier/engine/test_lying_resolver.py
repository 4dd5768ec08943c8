"""A resolver that lies fails nobody: every lie is found out by a control question before anything is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import pytest
from lookout import NEGATIVE_TTL, PACE, WINDOW, ZONE, Lookout, easy_dkim, run
from nameserver import Asked, NameServer, Trick, Zone

from indicia.domain.identities.identity import ErrorType, Facet, FacetState, Identity, KeyLength, Status
from indicia.domain.time import DAY, HOUR, SECOND
from indicia.domain.verification.controls import CONTROL_TEXT, Control, control_zone
from indicia.publicsuffix import PublicSuffixes
from indicia.store.dkim import keys, rotation
from indicia.store.engine.database import Database
from indicia.store.engine.sharding import shard_of
from indicia.store.proofs import facets
from indicia.store.verification import checks
from indicia.vault import rsa
from indicia.verifier.dns.client import Budget
from indicia.verifier.dns.perspectives import Perspective, Perspectives
from indicia.verifier.engine.controls import Controls, Passed

NAME = "example.com"
KEY = rsa.generate(1024).public_key
KNOWN: list[Passed] = [("p1", Control.KEY_ZONE), ("p1", Control.KEY_NAME)]


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A resolver with the zone of a tenant, and our key zone with the names by which it is controlled."""
    with NameServer() as running:
        running.zone(NAME, minimum=NEGATIVE_TTL // SECOND)
        serve_key_zone(running)
        yield running


def serve_key_zone(server: NameServer) -> None:
    """Let the server have our key zone, as everybody sees it."""
    server.zone(ZONE, minimum=NEGATIVE_TTL // SECOND)
    server.put(f"*.{control_zone(ZONE)}", "TXT", CONTROL_TEXT)


@dataclass(frozen=True)
class Lie:
    """What is answered, and to which questions."""

    trick: Trick
    to: Callable[[Asked], bool] = lambda _: True


LIES = {
    "NXDOMAIN to everything": Lie(Trick.DENIED),
    "NXDOMAIN to everything but the root": Lie(Trick.DENIED, lambda asked: asked.name != "."),
    "NXDOMAIN with somebody's SOA": Lie(Trick.WRONG_SOA, lambda asked: asked.name != "."),
    "nothing to everything": Lie(Trick.EMPTY),
    "a page to search with": Lie(Trick.ANYTHING),
    "an address for whatever has none": Lie(Trick.EMPTY, lambda asked: asked.rtype not in ("A", "NS")),
    "no underscores": Lie(Trick.DENIED, lambda asked: "_" in asked.name),
    "no top-level domain": Lie(Trick.DENIED, lambda asked: asked.name.endswith("com")),
}


def tell(lie: Lie, *servers: NameServer) -> None:
    """Let the servers lie from now on."""
    for server in servers:
        if lie is LIES["an address for whatever has none"]:
            server.misbehave(Trick.ANYTHING, rtype="A")
        server.misbehave(lie.trick, when=lie.to)


def verify(lookout: Lookout) -> Identity:
    """A domain of which everything is proved, looked at once."""
    identity = lookout.add(NAME, due=False, legacy_requested=True, mail_from_domain=f"bounce.{NAME}")
    for facet in (Facet.DKIM, Facet.OWNERSHIP, Facet.MAIL_FROM):
        state = FacetState(facet, Status.SUCCESS, identity.generation, lookout.clock.now())
        lookout.database.write(partial(facets.put, identity_id=identity.id, state=state))
        lookout.publish(identity, facet)
    make_due(lookout)
    return identity


def make_due(lookout: Lookout) -> None:
    """Let the identity be looked at now."""
    identity, now = lookout.view(NAME).identity, lookout.clock.now()
    lookout.database.write(
        lambda s: checks.schedule(s, identity.id, shard_of(NAME), now, interval=PACE.first)
    )


def standing(lookout: Lookout) -> set[Status]:
    """The statuses of all facets of the domain."""
    return {state.status for state in lookout.view(NAME).facets.values()}


async def weeks(lookout: Lookout) -> None:
    """Let far more than a window pass, looking as often as the engine does, and oftener."""
    for step in (HOUR, DAY, WINDOW, WINDOW, HOUR, DAY, WINDOW):
        make_due(lookout)
        await lookout.advance(step)


@pytest.mark.parametrize("lie", LIES)
def test_no_lie_takes_anything_away(database: Database, server: NameServer, lie: str) -> None:
    """DKIM, legacy TXT and MAIL FROM stand through weeks of it, and it is told to be our trouble.

    When the records are gone and the resolver says the truth again, all of it falls.
    """

    async def story(lookout: Lookout) -> None:
        identity = verify(lookout)
        await lookout.settled()
        tell(LIES[lie], server)
        await weeks(lookout)
        during, error = standing(lookout), lookout.error(NAME)
        findings = {each.finding for each in lookout.trail(identity)}
        server.behave()
        for facet in (Facet.DKIM, Facet.OWNERSHIP, Facet.MAIL_FROM):
            lookout.withdraw(identity, facet)
        await weeks(lookout)

        assert during == {Status.SUCCESS}
        if lie == "NXDOMAIN with somebody's SOA":  # seen through without a control question
            assert (error, findings) == (ErrorType.DNS_SERVER_ERROR, {"SERVER_FAILURE"})
        else:
            assert (error, findings) == (ErrorType.SERVICE_ERROR, {"OUR_RESOLVER"})
        assert standing(lookout) == {Status.FAILED}

    run(database, story, server, known=KNOWN)


def test_a_window_that_ends_in_a_lie_ends_with_the_truth(database: Database, server: NameServer) -> None:
    """PENDING and TEMPORARY_FAILURE go on past their end while the resolver lies, and fail after it."""

    async def story(lookout: Lookout) -> None:
        pending = lookout.add(NAME)
        graced = lookout.add_verified(f"graced.{NAME}")
        await lookout.settled()
        lookout.withdraw(graced)
        await lookout.advance(DAY)
        await lookout.advance(PACE.largest)
        assert lookout.status(graced.name) is Status.TEMPORARY_FAILURE
        server.misbehave(Trick.DENIED)
        for _ in range(6):
            await lookout.advance(WINDOW // 2)
        during = lookout.status(pending.name), lookout.status(graced.name)
        server.behave()
        await lookout.advance(DAY)

        assert during == (Status.PENDING, Status.TEMPORARY_FAILURE)
        assert lookout.status(pending.name) is Status.FAILED
        assert lookout.status(graced.name) is Status.FAILED

    run(database, story, server)


def test_what_proves_is_believed_without_a_control(database: Database, server: NameServer) -> None:
    """A PENDING domain whose records are not there yet, and one whose records are, cost no question more."""

    async def story(lookout: Lookout) -> None:
        lookout.add(f"waits.{NAME}")
        lookout.publish(lookout.add(NAME, due=False))
        make_due(lookout)
        for _ in range(4):
            await lookout.advance(HOUR)

        assert lookout.status(NAME) is Status.SUCCESS
        assert server.asked(".", "NS") == 0

    run(database, story, server)


def test_of_three_perspectives_one_that_lies_takes_nothing_and_keeps_nothing(database: Database) -> None:
    """Two that say the truth decide: what is there stands, and what is gone falls."""
    data = Zone()
    with NameServer(data) as one, NameServer(data) as two, NameServer(data) as liar:
        one.zone(NAME, minimum=NEGATIVE_TTL // SECOND)

        async def story(lookout: Lookout) -> None:
            identity = lookout.add_verified(NAME)
            await lookout.settled()
            liar.misbehave(Trick.DENIED)
            await lookout.advance(DAY)
            standing = lookout.status(NAME)
            lookout.withdraw(identity)
            for _ in range(8):
                await lookout.advance(DAY)

            assert standing is Status.SUCCESS
            assert lookout.status(NAME) is Status.FAILED

        run(database, story, one, two, liar)


def test_a_key_is_not_lost_by_a_lie(database: Database, server: NameServer) -> None:
    """In a grace period keys are looked at; a resolver that denies our key zone takes none from signing."""

    async def story(lookout: Lookout) -> None:
        now = lookout.clock.now()
        dkim = easy_dkim(now, has_key=False, wanted_length=KeyLength.RSA_2048_BIT)
        identity = lookout.add(NAME, dkim=dkim, due=False)
        key = keys.PooledKey(now, 2048, KEY, b"sealed", 0)
        database.write(lambda s: keys.publish(s, dkim.id, dkim.zone, dkim.tokens[0], key, now))
        server.put(f"{dkim.tokens[0]}.{ZONE}", "TXT", f"p={KEY}")
        lookout.publish(identity)
        make_due(lookout)
        await lookout.settled()
        last = lookout.records(identity)[Facet.DKIM][2]
        server.remove(last.name, "CNAME")
        for _ in range(2):
            await lookout.advance(DAY)
        assert lookout.status(NAME) is Status.TEMPORARY_FAILURE
        server.misbehave(Trick.DENIED, when=lambda asked: asked.name.endswith(ZONE))
        server.misbehave(Trick.DENIED, when=lambda asked: asked.rtype == "TXT")
        for _ in range(3):
            await lookout.advance(PACE.largest)

        (life,) = database.read(partial(rotation.live, token_set_id=dkim.id))
        assert life.life.seen_at is not None
        assert (life.life.absent_since, life.life.lost_at) == (None, None)

    run(database, story, server, known=KNOWN)


def test_a_tenant_makes_no_control_fail(database: Database, server: NameServer) -> None:
    """However the zones of a tenant answer, his own identity falls, and others are looked at as ever."""

    async def story(lookout: Lookout) -> None:
        server.zone("evil.com", minimum=NEGATIVE_TTL // SECOND)
        hostile, other = lookout.add_verified("mail.evil.com"), lookout.add_verified(NAME)
        await lookout.settled()
        lookout.withdraw(hostile)
        lookout.withdraw(other)
        server.misbehave(Trick.SERVFAIL, "evil.com")
        server.misbehave(Trick.DENIED, "evil.com", "SOA")
        server.misbehave(Trick.ANYTHING, rtype="SOA", when=lambda asked: asked.name.endswith(".evil.com"))
        for _ in range(8):
            await lookout.advance(DAY)

        assert (lookout.status(hostile.name), lookout.status(other.name)) == (Status.FAILED, Status.FAILED)

    run(database, story, server)


@pytest.mark.parametrize("name", ["shop.nowhere-at-all", "shop.onion", "shop.internal"])
def test_a_domain_under_no_top_level_domain_fails_in_the_end(
    database: Database, server: NameServer, name: str
) -> None:
    """A name that the root of the DNS does not know is no trouble of ours: its window ends, and it fails."""

    async def story(lookout: Lookout) -> None:
        lookout.add(name)
        for _ in range(3):
            await lookout.advance(WINDOW)

        assert lookout.status(name) is Status.FAILED

    run(database, story, server)


def test_a_key_zone_that_is_not_delegated_yet_is_no_lie(database: Database) -> None:
    """What was never seen may be not there: an installation that is being set up takes away as any other."""
    with NameServer() as server:
        server.zone(NAME, minimum=NEGATIVE_TTL // SECOND)

        async def story(lookout: Lookout) -> None:
            lookout.withdraw(lookout.add_verified(NAME))
            for _ in range(8):
                await lookout.advance(DAY)

            assert lookout.status(NAME) is Status.FAILED

        run(database, story, server)


def test_a_key_zone_that_was_seen_and_is_gone_is_our_trouble(database: Database, server: NameServer) -> None:
    """It passes once, and from then on whoever denies it is not believed: here, or after a restart."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add_verified(NAME)
        await lookout.settled()
        assert await lookout.controls.look() == {"p1": ""}
        for name in (ZONE, f"*.{control_zone(ZONE)}"):
            server.remove(name)
        lookout.withdraw(identity)
        for _ in range(8):
            await lookout.advance(DAY)

        assert lookout.status(NAME) is Status.SUCCESS
        assert lookout.error(NAME) is ErrorType.SERVICE_ERROR

    run(database, story, server)


def controlled(
    work: Callable[[Controls], object], *servers: NameServer, budget: Budget | None = None, **given: object
) -> object:
    """Run with controls over one perspective a server."""

    async def limited() -> object:
        eyes = [Perspective(f"p{number}", (each.address,)) for number, each in enumerate(servers, 1)]
        async with Perspectives(eyes, clock=lambda: 7, budget=budget) as perspectives:
            controls = Controls(perspectives, key_zone=ZONE, top_of=PublicSuffixes().top, apart=0.0, **given)
            try:
                return await asyncio.wait_for(work(controls), 20)
            finally:
                await controls.close()

    return asyncio.run(limited())


def test_many_share_a_round(server: NameServer) -> None:
    """A hundred absences of a moment cost a round or two, and not one each."""

    async def work(controls: Controls) -> list[frozenset[str]]:
        return await asyncio.gather(*(controls.unbelieved(f"n{n}.{NAME}", 10) for n in range(100)))

    assert set(controlled(work, server)) == {frozenset()}
    assert 1 <= server.asked(".", "NS") <= 3
    assert server.asked() < 40


def test_a_round_that_has_begun_serves_nobody_who_comes_later(server: NameServer) -> None:
    """It passed before that absence was seen: the resolver may have begun to lie since."""
    asked = asyncio.Event()
    server.misbehave(Trick.SLOW, ".", delay=0.2)

    async def work(controls: Controls) -> tuple[frozenset[str], frozenset[str]]:
        loop = asyncio.get_running_loop()
        server.on_question = lambda _: loop.call_soon_threadsafe(asked.set)
        before = asyncio.create_task(controls.unbelieved(NAME, 10))
        await asked.wait()
        server.misbehave(Trick.DENIED)
        return await controls.unbelieved(NAME, 10), await before

    later, _ = controlled(work, server)

    assert later == {"p1"}
    assert server.asked(".", "NS") == 2


def test_what_is_not_known_in_time_is_not_believed(server: NameServer) -> None:
    """A silent resolver, and no time left: nobody's absence counts."""
    server.misbehave(Trick.SILENT)

    async def work(controls: Controls) -> tuple[frozenset[str], frozenset[str]]:
        return await controls.unbelieved(NAME, 0.05), await controls.unbelieved(NAME, 0)

    budget = Budget(exchange=5.0, tries=1, question=10.0)
    assert controlled(work, server, server, budget=budget) == ({"p1", "p2"}, {"p1", "p2"})


def test_what_passed_is_remembered_once_and_tried_again_until_it_is(server: NameServer) -> None:
    """A database that is away is no reason to forget what was seen of our own zone."""
    saved: list[set[Passed]] = []

    async def remember(passed: set[Passed]) -> None:
        saved.append(set(passed))
        if len(saved) == 1:
            raise ConnectionError

    async def work(controls: Controls) -> None:
        for _ in range(4):
            await controls.look()

    controlled(work, server, remember=remember)

    assert saved == [set(KNOWN), set(KNOWN)]


def test_each_perspective_is_told_of_by_what_it_said(server: NameServer) -> None:
    """In words that name the question and the answer, for those who have to mend it."""
    heard: list[tuple[str, str]] = []
    with (
        NameServer(server.data) as denies,
        NameServer(server.data) as makes_up,
        NameServer(server.data) as gone,
    ):
        denies.misbehave(Trick.DENIED)
        makes_up.misbehave(Trick.ANYTHING, rtype="TXT")
        gone.misbehave(Trick.REFUSED)

        async def work(controls: Controls) -> dict[str, str]:
            return await controls.look()

        seen = controlled(work, server, denies, makes_up, gone, told=lambda *each: heard.append(each))

    assert seen["p1"] == ""
    assert seen["p2"] == "it denies the name servers of the root (. NS: nxdomain)"
    assert seen["p3"].startswith("it answers for a name that nobody has (")
    assert seen["p3"].endswith(" TXT: made up)")
    assert seen["p4"] == "it cannot say the name servers of the root (. NS: refused)"
    assert heard == list(seen.items())


def test_a_fault_in_a_round_lets_nobody_wait(server: NameServer) -> None:
    """Who waits for it, or for the next one, believes nobody, at once; a round that works is believed."""
    broken = True

    def told(_name: str, _wrong: str) -> None:
        if broken:
            raise RuntimeError("no room on the disk")

    async def work(controls: Controls) -> tuple[list[frozenset[str]], dict[str, str], frozenset[str]]:
        nonlocal broken
        first = [asyncio.ensure_future(controls.unbelieved(f"n{n}.{NAME}", 600.0)) for n in range(50)]
        await asyncio.sleep(0)
        second = [asyncio.ensure_future(controls.unbelieved(f"m{n}.{NAME}", 600.0)) for n in range(50)]
        seen = await asyncio.gather(*first, *second)
        wrong = await controls.look()
        broken = False
        return seen, wrong, await controls.unbelieved(NAME, 10.0)

    seen, wrong, after = controlled(work, server, told=told)

    assert set(seen) == {frozenset({"p1"})}
    assert wrong == {"p1": "the control questions could not be asked"}
    assert after == frozenset()
