"""Nobody's trouble delays anybody else: rates of zones, shares of the slow, how much our resolvers bear."""

from __future__ import annotations

import heapq
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicia.domain.fairness import (
    SLOW_PARTS,
    Lane,
    Party,
    Pressure,
    Shares,
    ZoneAccounts,
    ZonePart,
    ZoneRates,
    is_top,
    lane_after,
    places,
)
from indicia.domain.identities.identity import Status
from indicia.domain.time import DAY, MINUTE, SECOND
from indicia.domain.verification.schedule import Pace

PACE = Pace(first=10 * SECOND, largest=15 * MINUTE, verified=DAY)

visits = st.lists(st.tuples(st.floats(0, 3), st.integers(1, 14)), min_size=1, max_size=80)


@given(visits, st.sampled_from([0.5, 3, 20, 400]))
def test_a_zone_is_asked_its_rate_and_twice_that_after_a_rest(
    arrivals: list[tuple[float, int]], rate: float
) -> None:
    """In any stretch of time: no more questions than the rate gives, two seconds' worth, and one check."""
    rates = ZoneRates(rate)
    now = 0.0
    asked: list[tuple[float, int]] = []
    for pause, questions in arrivals:
        now += pause
        if rates.wait("example.com", questions, now) == 0:
            asked.append((now, questions))

    for first in range(len(asked)):
        total = 0
        for at, questions in asked[first:]:
            total += questions
            oversize = max(0, questions - 2 * rate)  # a check that is more than the burst is made whole
            assert total <= rate * (at - asked[first][0]) + 2 * rate + max(oversize, 14 - 2 * rate, 0) + 1e-6


@given(st.integers(1, 300), st.integers(1, 7), st.sampled_from([2, 20, 100]))
def test_who_is_told_to_come_back_is_let_in_then(crowd: int, questions: int, rate: int) -> None:
    """A crowd that is due at once goes through at the rate: nobody comes back in vain."""
    rates = ZoneRates(rate)
    later = sorted(wait for _ in range(crowd) if (wait := rates.wait("example.com", questions, 0.0)))

    # Each a little later than the one before was: what is late holds up the next by as much.
    back = [at + 1e-6 * place for place, at in enumerate(later, 1)]
    assert [rates.wait("example.com", questions, at) for at in back] == [0.0] * len(back)
    assert crowd == 1 or later == [] or later[-1] <= crowd * questions / rate


@given(visits)
def test_zones_do_not_hold_up_each_other(arrivals: list[tuple[float, int]]) -> None:
    """What one zone is asked changes nothing for another."""
    alone, beside = ZoneRates(20), ZoneRates(20)
    now = 0.0
    for pause, questions in arrivals:
        now += pause
        beside.wait("busy.example", 14, now)
        assert alone.wait("example.com", questions, now) == beside.wait("example.com", questions, now)


def test_zones_that_have_rested_are_forgotten() -> None:
    """A million zones a day do not fill the memory."""
    rates = ZoneRates(20)
    for number in range(10_000):
        rates.wait(f"d{number}.example", 4, float(number))

    assert len(rates) <= 1025


parties = st.builds(
    Party, st.sampled_from("ab"), st.sampled_from(["", "ns1", "ns2"]), st.sampled_from(["x", "y", "z"])
)


@given(st.lists(st.tuples(st.booleans(), parties), max_size=400), st.integers(1, 64))
def test_nobody_has_more_than_a_share_of_the_slow_ones(moves: list[tuple[bool, Party]], room: int) -> None:
    """However they come and go: the room holds, and so does each zone's, servers' and account's share."""
    shares = Shares(room, SLOW_PARTS)
    inside: list[Party] = []
    for enters, party in moves:
        if enters and shares.take(party.names):
            inside.append(party)
        elif not enters and inside:
            shares.give(inside.pop().names)
        assert shares.taken == len(inside) <= room
        for name, part, of in (("zone", 16, "xyz"), ("servers", 8, ["ns1", "ns2"]), ("account", 4, "ab")):
            for each in of:
                assert sum(getattr(one, name) == each for one in inside) <= max(1, room // part)


def test_who_has_its_share_is_not_trusted_and_others_are() -> None:
    """A zone, or a set of servers, that is slow now is slow for the next one too; an account is not."""
    shares = Shares(64, SLOW_PARTS)
    for _ in range(4):
        assert shares.take(Party("a", "ns1", "x").names)

    assert not shares.trusts(Party("b", "ns9", "x").asked)
    assert shares.trusts(Party("a", "ns1", "y").asked)
    for _ in range(4):
        assert shares.take(Party("a", "ns1", "y").names)
    assert not shares.trusts(Party("b", "ns1", "z").asked)
    assert shares.trusts(Party("a", "ns2", "z").asked)
    assert shares.trusts(Party("a", "", "new").asked)


@given(st.integers(2, 6), st.integers(64, 256))
def test_who_has_nothing_finds_room_whoever_takes_all_they_can(greedy: int, room: int) -> None:
    """However many accounts hold all they may, the next one is let in; and none has more than its part."""
    shares = Shares(room, (4,))
    for account in range(greedy):
        while shares.take((str(account),)):
            pass
        assert shares.of(0, str(account)) <= room // 4

    assert shares.take(("new",))


@given(st.lists(st.sampled_from("abcdef"), min_size=500, max_size=500), st.randoms(use_true_random=False))
def test_what_is_given_back_goes_to_who_has_less(arrivals: list[str], chance: Random) -> None:
    """Once the first hold a room and give back one by one, no account keeps twice what another can have."""
    shares = Shares(64, (1,))
    inside: list[str] = []
    while shares.take(("a",)):
        inside.append("a")
    for account in arrivals:
        shares.give((inside.pop(chance.randrange(len(inside))),))
        inside += [each for each in (account, "a") if shares.take((each,))]
        assert shares.take(("newcomer",)), "one has nothing, and there is room"
        shares.give(("newcomer",))


@given(st.lists(st.tuples(st.floats(0, 2), st.booleans()), max_size=300))
def test_pressure_stays_between_its_bounds(ends: list[tuple[float, bool]]) -> None:
    """Never nothing, never more than there is."""
    pressure, now = Pressure(512), 0.0
    for pause, trouble in ends:
        now += pause
        pressure.ended(now, our_trouble=trouble)
        assert 16 <= pressure.slots <= 512


def test_trouble_halves_and_success_restores() -> None:
    """A crowd that fails together counts once; when it is over there is soon as much as before."""
    pressure = Pressure(512)
    for _ in range(100):
        pressure.ended(0.0, our_trouble=True)
    assert pressure.slots == 256
    for second in range(1, 20):
        pressure.ended(float(second), our_trouble=True)
    assert pressure.slots == 16
    for _ in range(600):
        pressure.ended(20.0, our_trouble=False)
    assert pressure.slots == 512


@pytest.mark.parametrize(
    ("statuses", "interval", "slow", "lane"),
    [
        ([Status.PENDING], 10 * SECOND, False, Lane.FRESH),
        ([Status.SUCCESS, Status.PENDING], MINUTE, False, Lane.FRESH),
        ([Status.PENDING], PACE.largest, False, Lane.ROUTINE),
        ([Status.SUCCESS], 10 * SECOND, False, Lane.ROUTINE),
        ([Status.PENDING], 10 * SECOND, True, Lane.SLOW),
    ],
)
def test_where_an_identity_queues(statuses: list[Status], interval: int, slow: bool, lane: Lane) -> None:
    """Before others while somebody waits for it, apart when it was slow."""
    assert lane_after(statuses, interval, PACE, slow=slow) is lane


arrivals = st.lists(
    st.one_of(st.tuples(st.just("come"), st.sampled_from("abcd")), st.tuples(st.just("serve"), st.just(""))),
    max_size=200,
)


@given(arrivals)
def test_accounts_that_wait_take_turns(events: list[tuple[str, str]]) -> None:
    """While two accounts wait, neither is served three times before the other is once; each in its order."""
    queue: list[tuple[int, int, str]] = []
    served_past: dict[tuple[str, str], int] = {}  # how often one was served while another waited
    for number, (what, account) in enumerate(events):
        if what == "come":
            last = {who: place for place, _, who in sorted(queue)}
            turn = min(queue)[0] if queue else 0
            queue.append((places([account], last, turn)[0], number, account))
        elif queue:
            head = min(queue)
            queue.remove(head)
            waiting = {who for _, _, who in queue} - {head[2]}
            assert head[1] == min([came for _, came, who in [*queue, head] if who == head[2]])
            for other in waiting:
                served_past[head[2], other] = served_past.get((head[2], other), 0) + 1
                assert served_past[head[2], other] <= 2
            served_past = {
                (one, other): times
                for (one, other), times in served_past.items()
                if other != head[2] and other in waiting
            }


def test_one_that_comes_late_is_not_behind_a_crowd() -> None:
    """Ten thousand of one account wait; one of another is next but one."""
    crowd = places(["a"] * 10_000, {}, 0)
    (late,) = places(["b"], {"a": crowd[-1]}, crowd[37])

    assert crowd == list(range(10_000))
    assert late == crowd[37]


def test_those_who_come_together_are_lined_up_together() -> None:
    """Of several at once each account has a place of its own, behind what it has in the queue."""
    assert places(["a", "b", "a", "c", "a"], {"a": 9}, 5) == [10, 5, 11, 5, 12]


@given(visits, st.sampled_from([0.1, 0.5]))
def test_a_part_takes_no_more_than_its_part(arrivals: list[tuple[float, int]], part: float) -> None:
    """Whoever asks through a part asks as if that were the rate; the whole waits for nobody but itself."""
    whole, alone = ZoneRates(20), ZoneRates(20 * part)
    shared, now = ZonePart(whole, part), 0.0
    for pause, questions in arrivals:
        now += pause
        assert shared.lack("example.com", questions, now) == alone.lack("example.com", questions, now)
        assert shared.wait("example.com", questions, now) == alone.wait("example.com", questions, now)


def test_a_part_leaves_what_is_taken() -> None:
    """What others have asked is asked: a part of nothing is nothing, and what it asks counts for them."""
    whole = ZoneRates(20)
    part = ZonePart(whole, 0.5)
    whole.count("example.com", 40, 0.0)

    assert part.wait("example.com", 4, 0.0) > 0
    assert part.wait("example.com", 4, 1.0) == 0.0
    part.count("example.com", 400, 1.0)
    assert whole.lack("example.com", 4, 1.0) > 15
    whole.share(2)
    assert (whole.rate, part.lack("elsewhere.example", 4, 1.0)) == (10.0, 0.0)


def crowd(rates: ZoneAccounts, visitors: dict[str, list[float]]) -> dict[str, list[float]]:
    """How long each visit had to wait, when everybody comes back when told; four questions each."""
    queue = [(at, at, account) for account, arrivals in visitors.items() for at in arrivals]
    heapq.heapify(queue)
    waited: dict[str, list[float]] = {account: [] for account in visitors}
    while queue:
        now, came, account = heapq.heappop(queue)
        wait = rates.wait("example.com", account, 4, now)
        if wait:
            heapq.heappush(queue, (now + wait + 1e-6, came, account))
        else:
            waited[account].append(now - came)
    return waited


def test_one_account_has_all_of_a_zone_while_nobody_else_asks_it() -> None:
    """A hundred visits of a moment take as long as their questions take at the whole rate."""
    waited = crowd(ZoneAccounts(ZoneRates(20)), {"owner": [0.0] * 100})

    assert max(waited["owner"]) == pytest.approx(400 / 20 - 2, abs=0.5)


def test_an_account_that_fills_a_zone_delays_no_other() -> None:
    """Two thousand identities with names in somebody's zone: what its owner has looked at comes soon."""
    visitors = {"stranger": [0.0] * 2000, "owner": [float(at) for at in range(10, 300, 10)]}
    waited = crowd(ZoneAccounts(ZoneRates(20)), visitors)

    assert max(waited["owner"]) < 5
    assert len(waited["stranger"]) == 2000


@given(st.lists(st.tuples(st.floats(0, 3), st.sampled_from("abc"), st.integers(1, 14)), max_size=80))
def test_accounts_together_keep_to_the_rate(arrivals: list[tuple[float, str, int]]) -> None:
    """However many share a zone, it hears no more than its rate, two seconds' worth, and one check."""
    rates, now, asked = ZoneAccounts(ZoneRates(20)), 0.0, 0
    for pause, account, questions in arrivals:
        now += pause
        if not rates.wait("example.com", account, questions, now):
            asked += questions

    assert asked <= 20 * now + 40 + 14


def test_accounts_of_long_ago_are_forgotten() -> None:
    """Ten minutes after a stranger's last question the owner has all of it again."""
    rates = ZoneAccounts(ZoneRates(20))
    rates.wait("example.com", "stranger", 4, 0.0)
    rates.wait("example.com", "owner", 400, 10.0)
    shared = rates.lack("example.com", "owner", 4, 10.0)
    rates.wait("example.com", "owner", 400, 1000.0)

    assert shared > rates.lack("example.com", "owner", 4, 1000.0)


def test_a_zone_that_is_nobodys_is_asked_by_each_account_at_its_own_rate() -> None:
    """Made-up domains of three accounts fill what each of them may ask of `com`, and delay nobody else there.

    An account that has filled its own waits, as in any zone.
    """
    rates = ZoneAccounts(ZoneRates(20))
    for _ in range(200):
        for account in ("first", "second", "third"):
            rates.wait("com", account, 4, 0.0)

    assert rates.lack("com", "first", 4, 0.0) > 0
    assert (rates.lack("com", "owner", 4, 0.0), rates.wait("com", "owner", 4, 0.0)) == (0.0, 0.0)
    rates.count("com", "owner", 400, 0.0)
    assert rates.lack("com", "owner", 4, 0.0) > 15
    assert [is_top(zone) for zone in (".", "", "com", "example.com")] == [True, True, True, False]
