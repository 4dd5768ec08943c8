"""What callers wish for keeps to the rate of a zone, like a check, and takes nothing from the checks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import pytest
from nameserver import NameServer

from indicia.domain.fairness import ZonePart, ZoneRates
from indicia.domain.records.observation import Question, RecordType, Reply, Soa
from indicia.publicsuffix import PublicSuffixes
from indicia.verifier.diagnosis import spf
from indicia.verifier.diagnosis.asking import AskedEnoughError, Asking
from indicia.verifier.dns.perspectives import Perspective, Perspectives

T = TypeVar("T")
NAME = "example.com"
ACCOUNT = "111122223333"
RATE = 20.0


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A resolver with two zones, of which one is somebody else's."""
    with NameServer() as running:
        running.zone(NAME)
        running.zone("victim.org")
        yield running


class Hand:
    """A monotonic clock that stands until it is moved."""

    seconds = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.seconds


def asking(
    work: Callable[[Asking, ZoneRates, Hand], Awaitable[T]], *servers: NameServer, part: float = 0.5
) -> T:
    """Run with one perspective a server, and half of twenty questions a second to ask."""

    async def run() -> T:
        eyes = [Perspective(f"p{at}", (server.address,)) for at, server in enumerate(servers)]
        async with Perspectives(eyes, clock=lambda: 7) as perspectives:
            rates, hand = ZoneRates(RATE), Hand()
            wishes, aside = ZonePart(rates, part), ZonePart(rates, part)
            made = Asking(
                perspectives,
                wishes,
                aside,
                ours="mail.example.org",
                registrable=PublicSuffixes().registrable,
                now=hand,
            )
            return await asyncio.wait_for(work(made, rates, hand), 20)

    return asyncio.run(run())


def texts(*names: str) -> list[Question]:
    """Questions for the TXT at each name."""
    return [Question(name, RecordType.TXT) for name in names]


def below(zone: str, count: int) -> list[Question]:
    """So many questions in the zone."""
    return texts(*(f"n{number}.{zone}" for number in range(count)))


def test_a_look_is_whole_and_its_zone_rests_after_it(server: NameServer) -> None:
    """Sixty questions are asked at once; the next look waits until they are worth what the part allows."""

    async def work(made: Asking, _: ZoneRates, hand: Hand) -> list[float]:
        look = await made.begin(ACCOUNT, NAME, None)
        await look.observe(below(NAME, 60))
        waits = []
        for pause in (0.0, 3.0, 3.0):
            hand.seconds += pause
            try:
                await made.begin(ACCOUNT, NAME, None)
            except AskedEnoughError as enough:
                waits.append(enough.seconds)
        return waits

    waits = asking(work, server)

    assert server.asked() == 60
    assert waits == pytest.approx([6.0, 3.0])  # sixty at ten a second


def test_looks_that_begin_together_do_not_all_begin(server: NameServer) -> None:
    """A hundred wishes of a moment for one zone are one look: it is counted before it has asked anything."""

    async def work(made: Asking, _: ZoneRates, __: Hand) -> int:
        begun = await asyncio.gather(
            *(made.begin(ACCOUNT, f"n{number}.{NAME}", None) for number in range(100)), return_exceptions=True
        )
        return sum(not isinstance(each, BaseException) for each in begun)

    assert asking(work, server) == 1


def test_wishes_leave_the_checks_what_they_need(server: NameServer) -> None:
    """However much is wished for, a check of that zone waits no longer than its own part takes."""

    async def work(made: Asking, rates: ZoneRates, hand: Hand) -> list[float]:
        waits = []
        for _ in range(100):
            hand.seconds += 0.5
            with contextlib.suppress(AskedEnoughError):
                await (await made.begin(ACCOUNT, NAME, None)).observe(below(NAME, 20))
            waits.append(rates.lack(NAME, 4, hand.seconds))
        return waits

    assert max(asking(work, server)) == 0.0
    # Fifty seconds at ten a second, and the burst.
    assert server.asked() <= 50 * 10 + 40


def test_who_wishes_without_end_leaves_others_their_wishes(server: NameServer) -> None:
    """A stranger with identities in somebody's zone has it looked at again and again; its owner may too."""

    async def work(made: Asking, _: ZoneRates, hand: Hand) -> int:
        looks = 0
        for moment in range(1200):
            hand.seconds += 0.1
            for account in ("stranger", ACCOUNT) if moment % 5 == 0 else ("stranger",):
                with contextlib.suppress(AskedEnoughError):
                    await made.begin(account, f"{account}.{NAME}", None)
                    looks += account == ACCOUNT
        return looks

    assert asking(work, server) > 10  # in two minutes, in which there is room for sixty


def test_what_checks_ask_counts_for_wishes_too(server: NameServer) -> None:
    """A zone that its checks keep busy has nothing left for anybody's wish."""

    async def work(made: Asking, rates: ZoneRates, hand: Hand) -> float:
        rates.count(NAME, 200, hand.seconds)
        with pytest.raises(AskedEnoughError) as enough:
            await made.begin(ACCOUNT, NAME, None)
        return enough.value.seconds

    assert asking(work, server) > 5


def test_somebody_elses_zone_is_asked_while_it_has_rested(server: NameServer) -> None:
    """Of fifty names in another zone as many are asked for as its burst has; of the others nobody knows."""

    async def work(made: Asking, _: ZoneRates, hand: Hand) -> tuple[list[Reply], list[Reply]]:
        look = await made.begin(ACCOUNT, NAME, None)
        first = await look.observe(below("victim.org", 50))
        hand.seconds += 1.0
        other = await made.begin(ACCOUNT, "example.net", None)
        second = await other.observe(texts(*(f"m{number}.victim.org" for number in range(50))))
        return [seen[0].reply for seen in first.values()], [seen[0].reply for seen in second.values()]

    first, second = asking(work, server)

    assert first.count(Reply.NXDOMAIN) == 20
    assert first.count(Reply.OUR_RESOLVER) == 30
    assert second.count(Reply.NXDOMAIN) == 10
    assert server.asked() == 30


def test_an_answer_within_its_ttl_is_not_asked_for_again(server: NameServer) -> None:
    """What everybody includes is asked for once; what the look is at is asked for each time."""
    server.put("spf.victim.org", "TXT", "v=spf1 -all", ttl=60)
    server.put(NAME, "TXT", "mine", ttl=60)

    async def work(made: Asking, _: ZoneRates, hand: Hand) -> None:
        for pause in (0, 59, 2):
            hand.seconds += pause
            look = await made.begin(ACCOUNT, NAME, None)
            seen = await look.observe(texts("spf.victim.org", NAME))
            assert [each[0].values for each in seen.values()] == [("v=spf1 -all",), ("mine",)]
            hand.seconds += 5

    asking(work, server)

    assert server.asked("spf.victim.org") == 2
    assert server.asked(NAME) == 3


def test_a_record_that_leads_into_a_zone_costs_that_zone_little(server: NameServer) -> None:
    """SPF records of a hundred domains, each with ten includes of its own in one victim's zone."""
    for number in range(100):
        includes = " ".join(f"include:d{number}-{each}.victim.org" for each in range(10))
        server.put(f"d{number}.test", "TXT", f"v=spf1 {includes}")

    async def work(made: Asking, _: ZoneRates, __: Hand) -> None:
        for number in range(100):
            look = await made.begin(ACCOUNT, f"d{number}.test", None)
            (seen,) = (await look.observe(texts(f"d{number}.test"))).values()
            await spf.judge(look, seen[0].values, "mail.example")

    asking(work, server)

    asked = [each for each in server.questions if each.name.endswith("victim.org")]
    assert len(asked) == 20


def test_a_zone_cut_is_learned_from_answers(server: NameServer) -> None:
    """A delegated child has a rate of its own once an answer has shown that it is a zone."""
    server.zone(f"child.{NAME}")

    async def work(made: Asking, _: ZoneRates, __: Hand) -> tuple[str, str]:
        before = made.zone_of(f"a.child.{NAME}")
        look = await made.begin(ACCOUNT, "example.net", None)
        await look.observe(below(f"child.{NAME}", 1))
        return before, made.zone_of(f"a.child.{NAME}")

    assert asking(work, server) == (NAME, f"child.{NAME}")


def test_servers_of_the_zone_are_asked_once_whatever_the_perspectives(server: NameServer) -> None:
    """What goes past the resolvers counts as the part of a question through all of them that it is."""
    with NameServer(server.data) as other:

        async def work(made: Asking, _: ZoneRates, __: Hand) -> float:
            look = await made.begin(ACCOUNT, NAME, None)
            await look.observe(below(NAME, 20))
            look.count_servers(40)
            with pytest.raises(AskedEnoughError) as enough:
                await made.begin(ACCOUNT, NAME, None)
            return enough.value.seconds

        assert asking(work, server, other) == pytest.approx(4.0)


def test_a_playground_is_asked_as_fast_as_it_goes(server: NameServer) -> None:
    """Without a rate nothing waits, nothing is kept, nothing is left out."""

    async def run() -> None:
        async with Perspectives([Perspective("p", (server.address,))], clock=lambda: 7) as eyes:
            made = Asking(eyes, None, None, ours="mail.example.org", registrable=str)
            for _ in range(3):
                look = await made.begin(ACCOUNT, NAME, None)
                seen = await look.observe(below("victim.org", 50))
                look.count_servers(1000)
                assert {each[0].reply for each in seen.values()} == {Reply.NXDOMAIN}

    asyncio.run(run())
    assert server.asked() == 150


@pytest.mark.parametrize("suffix", ["com", "co.uk"])
def test_domains_that_are_not_there_take_no_other_account_its_looks(server: NameServer, suffix: str) -> None:
    """Accounts that make up domains under a suffix have its rate each for itself, however many they are."""
    soa = Soa(suffix, f"ns.{suffix}", f"who.{suffix}", 1, 5)

    async def work(made: Asking, _: ZoneRates, hand: Hand) -> tuple[int, int]:
        hostile = honest = 0
        for moment in range(100):
            hand.seconds += 0.1
            for account in ("first", "second", "third"):
                with contextlib.suppress(AskedEnoughError):
                    await made.begin(account, f"{account}{moment}.{suffix}", soa)
                    hostile += 1
        for number in range(2):
            await made.begin(ACCOUNT, f"new{number}.{suffix}", None if number else soa)
            honest += 1
            hand.seconds += 2.0
        return hostile, honest

    hostile, honest = asking(work, server)

    assert honest == 2
    # Ten seconds at ten a second and the burst, twenty a look: each of the three has no more than its own.
    assert hostile <= 3 * (10 * 10 + 20) / 20 + 3


def test_whom_a_suffix_holds_is_somebody_else(server: NameServer) -> None:
    """From a domain that is not there records do not lead as into its own zone to whatever is under `com`.

    Nor does an answer from the suffix let one domain stand for another.
    """
    server.zone("com")
    server.zone("victim.com")

    async def work(made: Asking, _: ZoneRates, __: Hand) -> list[Reply]:
        soa = Soa("com", "ns.com", "who.com", 1, 5)
        look = await made.begin(ACCOUNT, "gone.com", soa)
        await look.observe(texts("gone.com", "other.com"))
        assert made.zone_of("n.gone.com") == "gone.com"
        assert made.zone_of("n.other.com") == "other.com"
        seen = await look.observe(below("victim.com", 50))
        return [each[0].reply for each in seen.values()]

    replies = asking(work, server)

    assert replies.count(Reply.NXDOMAIN) == 20
    assert replies.count(Reply.OUR_RESOLVER) == 30
