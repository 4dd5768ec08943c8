"""Due times, leases and write-backs: nothing is asked twice at once, nothing stale lands, nothing is lost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
from values import ACCOUNT, REGION, add, state

from indicia.domain.fairness import Lane
from indicia.domain.identities.identity import ErrorType, Facet, Status
from indicia.domain.records.observation import Soa
from indicia.domain.verification.asking import AskedBy
from indicia.store.engine.database import Database
from indicia.store.engine.opening import open_database
from indicia.store.engine.sharding import shard_of
from indicia.store.identities import identities
from indicia.store.installation import sandbox
from indicia.store.proofs import facets
from indicia.store.verification import checks, evidence

SOA = Soa("example.com", "ns1.example.com", "hostmaster.example.com", 2026010101, 300)


def claim(database: Database, owner: str = "one", *, now: int = 10_000, **given):
    """Claim as `one`, everything, for a second."""
    given = {"lease_until": now + 1_000, "limit": 100, **given}
    return database.write(lambda s: checks.claim(s, now=now, owner=owner, **given))


def result(claimed: checks.Claim, owner: str = "one", **given) -> checks.CheckResult:
    """A check that found DKIM right."""
    plain = checks.CheckResult(
        claimed.identity.id,
        claimed.identity.generation,
        owner,
        facets=(state(Facet.DKIM, Status.SUCCESS, since=10_500),),
        due_at=90_000,
        interval=60_000,
        checked_at=10_500,
        succeeded_at=10_500,
        error=None,
        soa=SOA,
        zone_cut="example.com",
    )
    return replace(plain, **given)


def verdict(identity_id: int, **given) -> evidence.StoredVerdict:
    """A verdict that DKIM records are missing."""
    plain = evidence.StoredVerdict(
        identity_id,
        Facet.DKIM,
        10_500,
        1,
        AskedBy.SCHEDULE,
        Status.PENDING,
        Status.PENDING,
        "MISSING",
        "d1",
        "{}",
    )
    return replace(plain, **given)


def write_back(database: Database, *results: checks.CheckResult) -> list[int]:
    """Write results back in one unit of work."""
    return [each.identity_id for each in database.write(lambda s: checks.write_back(s, results))]


def give_back(
    database: Database, claimed: checks.Claim, owner: str, due_at: int, lane: Lane = Lane.ROUTINE
) -> None:
    """Give back what was not looked at."""
    database.write(lambda s: checks.put_off(s, [checks.PutOff(claimed, owner, due_at, lane)]))


def queue(database: Database, lane: Lane, due: dict[str, int]) -> None:
    """Let new identities stand in a lane."""
    for name in due:
        database.write(lambda s, name=name: add(s, name, due_at=1))
    for claimed in claim(database, "queue", now=1, lease_until=2):
        give_back(database, claimed, "queue", due[claimed.identity.name], lane)


def names(claims: list[checks.Claim]) -> list[str]:
    """Whom they are of."""
    return [each.identity.name for each in claims]


def test_what_is_due_is_claimed_the_longest_waiting_first(database: Database):
    """The order of due times, across shards; what is not due or never due stays."""
    queue(database, Lane.ROUTINE, {f"d{number}.example": 9_000 - 7 * number for number in range(20)})
    database.write(lambda s: add(s, "later.example", due_at=10_001))
    database.write(lambda s: add(s, "never.example", due_at=None))
    first = claim(database, limit=5)
    assert [each.identity.name for each in first] == [f"d{number}.example" for number in range(19, 14, -1)]
    rest = claim(database, limit=100)
    assert [each.identity.name for each in rest] == [f"d{number}.example" for number in range(14, -1, -1)]
    assert claim(database) == []


def test_one_crowded_shard_fills_a_claim(database: Database):
    """The share of a shard is no limit when the others have nothing."""
    for number in range(12):

        def fill(s, number=number):
            made = add(s, f"d{number}.example")
            checks.schedule(s, made.id, 5, 100 + number)

        database.write(fill)
    assert len(claim(database, limit=10)) == 10


def test_a_claim_keeps_to_its_shards(database: Database):
    """A verifier gets what is in its range and nothing else, and together they get everything."""
    names = [f"d{number}.example" for number in range(40)]
    for name in names:
        database.write(lambda s, name=name: add(s, name, due_at=1))
    low = claim(database, shards=range(32))
    high = claim(database, shards=range(32, 64))
    assert all(each.shard < 32 and each.shard == shard_of(each.identity.name) for each in low)
    assert all(each.shard >= 32 for each in high)
    assert sorted(each.identity.name for each in (*low, *high)) == sorted(names)
    assert claim(database, shards=()) == []


def test_a_claim_brings_all_a_check_needs(database: Database):
    """Identity, token set, facets, interval and what the last check found."""
    made = database.write(lambda s: add(s, "example.com", due_at=1))
    (first,) = claim(database)
    assert first.identity == made
    assert first.token_set is not None
    assert first.token_set.id == made.token_set_id
    assert first.facets == {Facet.DKIM: state(Facet.DKIM, Status.PENDING)}
    assert (first.interval, first.asked, first.last_checked_at, first.soa, first.error) == (
        0,
        False,
        None,
        None,
        None,
    )
    assert write_back(database, result(first, error=ErrorType.HOST_NOT_FOUND)) == [made.id]
    assert claim(database, now=89_999) == []
    (second,) = claim(database, now=90_000)
    assert second.facets == {Facet.DKIM: state(Facet.DKIM, Status.SUCCESS, since=10_500)}
    assert (second.interval, second.last_checked_at, second.last_success_at) == (60_000, 10_500, 10_500)
    assert (second.soa, second.zone_cut, second.error) == (SOA, "example.com", ErrorType.HOST_NOT_FOUND)


def test_the_last_success_stays_through_a_check_without_one(database: Database):
    """`succeeded_at` of None keeps what was there; error and SOA are always those of the last check."""
    made = database.write(lambda s: add(s, "example.com", due_at=1))
    (claimed,) = claim(database)
    write_back(database, result(claimed))
    (claimed,) = claim(database, now=90_000)
    failed = result(claimed, checked_at=90_500, succeeded_at=None, error=ErrorType.SERVICE_ERROR, soa=None)
    write_back(database, failed)
    view = database.read(lambda s: identities.view_by_id(s, made.id))
    assert view is not None
    assert (view.last_checked_at, view.last_success_at) == (90_500, 10_500)
    assert (view.error, view.soa) == (ErrorType.SERVICE_ERROR, None)


def test_an_expired_lease_is_taken_over_and_the_late_result_dropped(database: Database):
    """Who lost the lease writes nothing; who took it over does."""
    made = database.write(lambda s: add(s, "example.com", due_at=1))
    (lost,) = claim(database, "dead", now=10_000)
    assert claim(database, "heir", now=10_999) == []
    (taken,) = claim(database, "heir", now=11_000)
    assert write_back(database, result(lost, "dead")) == []
    assert database.read(lambda s: facets.get_all(s, made.id))[Facet.DKIM].status is Status.PENDING
    assert write_back(database, result(taken, "heir")) == [made.id]
    assert database.read(lambda s: facets.get_all(s, made.id))[Facet.DKIM].status is Status.SUCCESS
    assert write_back(database, result(taken, "heir", due_at=1)) == []


def test_a_moved_clock_ends_no_lease(database: Database):
    """Leases keep real time: days pass on the movable clock and the claimed work is not claimed again."""
    database.write(lambda s: add(s, "example.com", due_at=1))
    (held,) = claim(database, now=10_000, lease_now=10_000, lease_until=11_000)
    days = 300_000_000
    assert claim(database, "two", now=days, lease_now=10_500, lease_until=11_500) == []
    assert database.read(lambda s: checks.earliest_due(s, 10_500)) is None
    assert write_back(database, result(held, due_at=days + 5)) == [held.identity.id]
    assert database.read(lambda s: checks.earliest_due(s, 10_500)) == days + 5


def test_a_verdict_on_an_older_expectation_is_dropped(database: Database):
    """The generation moved on while the check ran: no state, no evidence, due again at once."""
    made = database.write(lambda s: add(s, "example.com", due_at=1))
    (claimed,) = claim(database)
    database.write(lambda s: identities.update(s, replace(made, generation=2), 1))
    late = result(claimed, evidence=(verdict(made.id),))
    assert write_back(database, late) == []
    view = database.read(lambda s: identities.view_by_id(s, made.id))
    assert view is not None
    assert view.facets == {Facet.DKIM: state(Facet.DKIM, Status.PENDING)}
    assert (view.last_checked_at, view.due_at) == (None, 10_500)
    assert database.read(lambda s: evidence.history(s, made.id, limit=5)) == []
    assert len(claim(database, now=10_500)) == 1


def test_scheduling_anew_ends_the_check_that_runs(database: Database):
    """A new expectation is looked at without waiting for the lease on the old one."""
    made = database.write(lambda s: add(s, "example.com", due_at=1))
    (claimed,) = claim(database)
    database.write(lambda s: checks.schedule(s, made.id, claimed.shard, 10_100, interval=10))
    assert write_back(database, result(claimed)) == []
    (again,) = claim(database, "two", now=10_100)
    assert again.interval == 10


def test_scheduling_anew_keeps_what_was_found(database: Database):
    """Timestamps and SOA of the last check survive a new due time."""
    made = database.write(lambda s: add(s, "example.com", due_at=1))
    (claimed,) = claim(database)
    write_back(database, result(claimed))
    database.write(lambda s: checks.schedule(s, made.id, claimed.shard, None))
    view = database.read(lambda s: identities.view_by_id(s, made.id))
    assert view is not None
    assert (view.last_checked_at, view.soa, view.due_at) == (10_500, SOA, None)


def test_the_result_for_a_deleted_identity_is_dropped_alone(database: Database):
    """An identity deleted while it was looked at costs the others of the batch nothing."""
    gone = database.write(lambda s: add(s, "gone.example", due_at=1))
    stays = database.write(lambda s: add(s, "stays.example", due_at=2))
    claimed = claim(database)
    database.write(lambda s: identities.delete(s, gone))
    results = [
        result(each, evidence=(verdict(each.identity.id, status_after=Status.SUCCESS),)) for each in claimed
    ]
    assert write_back(database, *results) == [stays.id]
    assert database.read(lambda s: facets.get_all(s, gone.id)) == {}
    assert database.read(lambda s: evidence.history(s, gone.id, limit=5)) == []


def test_who_asks_is_served_at_once_and_after_a_running_check(database: Database):
    """Asking makes due; during a check it makes due behind it; where nothing is looked at it says so."""
    made = database.write(lambda s: add(s, "example.com", due_at=99_000))
    assert database.write(lambda s: checks.due_now(s, made.id, 10_000))
    (claimed,) = claim(database)
    assert claimed.asked
    assert database.write(lambda s: checks.due_now(s, made.id, 10_200))
    assert claim(database, "two", now=10_300) == []
    write_back(database, result(claimed))
    (again,) = claim(database, now=10_500)
    assert again.asked
    write_back(database, result(again, due_at=None))
    assert not database.write(lambda s: checks.due_now(s, made.id, 10_600))


def test_a_change_in_the_playground_during_a_check_is_looked_at_after_it(database: Database):
    """The check may have asked before the change: whoever is concerned is due again when it ends."""
    database.write(lambda s: add(s, "news.example.com", due_at=1))
    database.write(lambda s: add(s, "else.example", due_at=99_000))
    (claimed,) = claim(database)
    database.write(lambda s: sandbox.make_due(s, ["news.example.com"], [], 10_200))
    assert claim(database, "two", now=10_300) == []
    write_back(database, result(claimed, due_at=99_000))
    assert names(claim(database, now=10_500)) == ["news.example.com"]


def test_what_is_brought_forward_during_a_check_comes_after_it(database: Database):
    """Between claim and write-back: nobody else claims it, and the check's own date does not count."""
    made = database.write(lambda s: add(s, "example.com", due_at=1))
    (claimed,) = claim(database)
    database.write(lambda s: checks.bring_forward(s, [made.id], 10_100))
    assert claim(database, "two", now=10_300) == []
    assert write_back(database, result(claimed, due_at=99_000)) == [made.id]
    (again,) = claim(database, now=10_500)
    assert not again.asked


def test_what_is_brought_forward_never_comes_later(database: Database):
    """What is due before then stays so; what is due after it is due then."""
    soon = database.write(lambda s: add(s, "soon.example", due_at=2_000))
    late = database.write(lambda s: add(s, "late.example", due_at=99_000))
    database.write(lambda s: checks.bring_forward(s, [soon.id, late.id], 10_000))
    assert names(claim(database, now=9_999)) == ["soon.example"]
    assert names(claim(database, "two", now=10_000)) == ["late.example"]


def test_what_is_asked_for_outlasts_a_completion(database: Database):
    """A key that completes one facet puts off no look that was asked for because of another."""
    asked = database.write(lambda s: add(s, "asked.example", due_at=99_000))
    quiet = database.write(lambda s: add(s, "quiet.example", due_at=99_000))
    database.write(lambda s: checks.bring_forward(s, [asked.id], 10_000))
    done = [
        checks.Completion(
            identity_id=each.id,
            state=state(Facet.DKIM, Status.SUCCESS, since=10_000),
            error=None,
            due_at=50_000,
            interval=40_000,
            verdict=verdict(each.id),
        )
        for each in (asked, quiet)
    ]
    database.write(lambda s: checks.complete(s, done, 10_000))
    assert names(claim(database, now=10_000)) == ["asked.example"]


def test_a_start_voids_earlier_leases(database: Database):
    """What dead owners held is due at once; owners that do not begin so keep theirs."""
    queue(database, Lane.ROUTINE, {f"d{number}.example": number for number in range(4)})
    claim(database, "host-a:1", limit=2, lease_until=10**9)
    claim(database, "host-b:1", limit=2, lease_until=10**9)
    assert database.write(lambda s: checks.void_leases(s, 10_001, "host-a:")) == 2
    assert [each.identity.name for each in claim(database, now=10_001)] == ["d0.example", "d1.example"]
    assert database.write(lambda s: checks.void_leases(s, 10_002)) == 4
    assert len(claim(database, now=10_002)) == 4


def test_what_is_released_is_due_at_once(database: Database):
    """A verifier that stops gives back what it did not look at, and only its own."""
    database.write(lambda s: add(s, "example.com", due_at=1))
    (claimed,) = claim(database, "one")
    give_back(database, claimed, "two", 10_100)
    assert claim(database, "three", now=10_100) == []
    give_back(database, claimed, "one", 10_100)
    assert len(claim(database, "three", now=10_100)) == 1


def test_who_just_came_is_not_behind_a_crowd(database: Database):
    """Half of what is waited for is the newest; and a quarter of a claim stays for what nobody waits for."""
    for number in range(20):
        database.write(lambda s, n=number: add(s, f"new{n}.example", due_at=9_000 + n))
    queue(database, Lane.ROUTINE, {f"old{number}.example": 100 + number for number in range(20)})

    first = names(claim(database, "one", limit=8))
    assert sorted(first) == sorted(
        [
            *("new19.example", "new18.example", "new17.example"),
            *("new0.example", "new1.example", "new2.example"),
            *("old0.example", "old1.example"),
        ]
    )
    rest = names(claim(database, "two", limit=100))
    assert len(rest) == 32


def test_the_slow_are_claimed_only_as_many_as_there_is_room_for(database: Database):
    """However many are due: the others come, and whoever asks when something is due can leave them out."""
    queue(database, Lane.SLOW, {f"slow{number}.example": 100 + number for number in range(10)})
    assert names(claim(database, limit=4, slow=0)) == []
    assert database.read(lambda s: checks.earliest_due(s, 10_000, slow=False)) is None
    assert database.read(lambda s: checks.earliest_due(s, 10_000)) == 100
    queue(database, Lane.ROUTINE, {"quick.example": 500})
    assert names(claim(database, limit=4, slow=2)) == ["slow0.example", "slow1.example", "quick.example"]


def test_only_the_shards_asked_for_are_claimed_in_every_lane(database: Database):
    """A verifier leaves what stands in the shards of another alone."""
    for lane in Lane:
        queue(database, lane, {f"{lane.name.lower()}{number}.example": 100 for number in range(40)})
    low, high = tuple(range(32)), tuple(range(32, 64))
    claimed = claim(database, "one", limit=200, shards=low)
    others = claim(database, "two", limit=200, shards=high)
    assert {each.lane for each in claimed} == set(Lane)
    assert all(each.shard < 32 for each in claimed)
    assert all(each.shard >= 32 for each in others)
    assert len(claimed) + len(others) == 120


def test_a_look_decides_the_lane_of_the_next_unless_somebody_asked_meanwhile(database: Database):
    """What was slow stands among the slow; whoever asks stands first again, also after giving back."""
    database.write(lambda s: add(s, "example.com", due_at=1))
    (claimed,) = claim(database)
    write_back(database, result(claimed, lane=Lane.SLOW, due_at=11_000))
    (again,) = claim(database, now=11_000)
    assert (claimed.lane, again.lane) == (Lane.FRESH, Lane.SLOW)
    database.write(lambda s: checks.due_now(s, again.identity.id, 11_001))
    write_back(database, result(again, lane=Lane.SLOW, checked_at=11_002))
    (asked,) = claim(database, now=11_002)
    assert (asked.lane, asked.asked) == (Lane.FRESH, True)
    give_back(database, asked, "one", 11_003)
    assert claim(database, now=11_003)[0].asked


def test_the_earliest_due_is_known(database: Database):
    """The smallest due time over the shards asked for."""
    assert database.read(lambda s: checks.earliest_due(s, 0)) is None
    for name, at in {"a.example": 700, "b.example": 300, "c.example": None}.items():
        database.write(lambda s, name=name, at=at: add(s, name, due_at=at))
    assert database.read(lambda s: checks.earliest_due(s, 0)) == 300
    only = [shard_of("a.example")]
    assert database.read(lambda s: checks.earliest_due(s, 0, only)) == 700


def test_four_claimers_never_hold_the_same_identity(database: Database):
    """Four at once, in small bites, over the same shards: each identity is claimed once, none is missed."""

    def fill(s):
        for number in range(400):
            add(s, f"d{number}.example", due_at=number)

    database.write(fill)
    together = threading.Barrier(4)

    def work(owner: str) -> list[str]:
        mine: list[str] = []
        together.wait()
        dry = 0
        while dry < 3:  # another may hold the rows this claim would have taken
            claimed = claim(database, owner, limit=17)
            dry = 0 if claimed else dry + 1
            mine += [each.identity.name for each in claimed]
        return mine

    with ThreadPoolExecutor(4) as pool:
        shares = list(pool.map(work, ["a", "b", "c", "d"]))
    everything = [name for share in shares for name in share]
    assert len(everything) == len(set(everything)) == 400


def test_write_backs_in_any_order_do_not_lock_each_other_up(database: Database):
    """Batches over the same identities, written back at once in opposite orders, all end."""

    def fill(s):
        for number in range(60):
            add(s, f"d{number}.example", due_at=number)

    database.write(fill)
    claimed = claim(database)
    results = [result(each) for each in claimed]

    def work(number: int) -> int:
        ordered = results if number % 2 else results[::-1]
        return len(write_back(database, *ordered))

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(work, range(8))) == [0] * 7 + [60]


def test_what_is_expected_holds_still_under_a_write_back(postgres_url: str):
    """A change of the expectation waits until the verdict on the one before is committed."""
    database = open_database(postgres_url)
    made = database.write(lambda s: add(s, "example.com", due_at=1))
    (claimed,) = claim(database)
    written, release = threading.Event(), threading.Event()

    def verify(s):
        checks.write_back(s, [result(claimed)])
        written.set()
        release.wait()

    with ThreadPoolExecutor(2) as pool, psycopg.connect(postgres_url, autocommit=True) as observer:
        verifying = pool.submit(database.write, verify)
        written.wait()
        changed = replace(made, generation=2)
        changing = pool.submit(database.write, lambda s: identities.update(s, changed, 1))
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        try:
            while not changing.done() and observer.execute(waits).fetchone() == (0,):
                pass
            assert not changing.done()
        finally:
            release.set()
        verifying.result()
        assert changing.result().generation == 2
    database.close()


def test_our_own_checks_never_collide_with_a_caller(database: Database):
    """While checks are written back all the time, a caller's updates all succeed."""
    made = database.write(lambda s: add(s, "example.com", due_at=1))
    stop = threading.Event()

    def look() -> int:
        rounds = 0
        while not stop.is_set():
            for claimed in claim(
                database, now=10**6, lease_now=rounds * 10**4, lease_until=rounds * 10**4 + 1
            ):
                write_back(database, result(claimed, due_at=1))
                rounds += 1
        return rounds

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        try:
            for version in range(1, 60):
                changed = replace(made, feedback_forwarding=version % 2 == 0)
                database.write(
                    lambda s, changed=changed, version=version: identities.update(s, changed, version)
                )
        finally:
            stop.set()
        assert looking.result() > 0
    stored = database.read(lambda s: identities.get(s, ACCOUNT, REGION, "example.com"))
    assert stored is not None
    assert stored.version == 60


def test_evidence_is_stored_when_it_differs(database: Database):
    """The same verdict again is not stored; another finding, generation or a moved status is."""
    made = database.write(lambda s: add(s, "example.com"))

    def stored(*verdicts: evidence.StoredVerdict) -> int:
        return database.write(lambda s: evidence.add(s, verdicts))

    one = verdict(made.id)
    assert stored(one) == 1
    assert stored(replace(one, at=20_000)) == 0
    assert stored(replace(one, facet=Facet.OWNERSHIP)) == 1
    assert stored(replace(one, digest="d2")) == 1
    assert stored(one, one, replace(one, generation=2)) == 2
    moved = replace(one, generation=2, status_after=Status.SUCCESS, body='{"seen":[]}')
    assert stored(moved) == 1
    trail = database.read(lambda s: evidence.history(s, made.id, limit=50))
    assert len(trail) == 6
    assert trail[0] == moved
    assert [each.digest for each in trail if each.facet is Facet.DKIM] == ["d1", "d1", "d1", "d2", "d1"]


def test_the_last_twenty_verdicts_of_a_facet_are_kept(database: Database):
    """Older ones go, the newest stay, other facets and identities lose nothing."""
    made = database.write(lambda s: add(s, "example.com"))
    other = database.write(lambda s: add(s, "example.net"))
    database.write(lambda s: evidence.add(s, [verdict(made.id, facet=Facet.OWNERSHIP), verdict(other.id)]))
    for number in range(25):
        database.write(lambda s, number=number: evidence.add(s, [verdict(made.id, digest=f"n{number}")]))
    trail = database.read(lambda s: evidence.history(s, made.id, limit=99))
    assert [each.digest for each in trail if each.facet is Facet.DKIM] == [
        f"n{number}" for number in range(24, 4, -1)
    ]
    assert len([each for each in trail if each.facet is Facet.OWNERSHIP]) == 1
    assert len(database.read(lambda s: evidence.history(s, other.id, limit=99))) == 1
