"""What is asked of zones because somebody wishes it: a diagnosis, a forecast, advice.

Such a look keeps to the rate of its zone like a check, in a part of that rate which the checks can spare. It
is not split: it begins when its zone has rested, and what it asks is counted. Names in other zones, to which
records lead that anybody may publish (an SPF include, a name server), are asked for only where their zone has
rested too; an answer that is within its TTL is not asked for again.

A domain that is not there has the zone of a public suffix round it, whose servers are asked then. That zone
is no account's: each has its rate there for itself, and other names under the suffix are in other zones.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from indicia.domain.fairness import ZoneAccounts, is_top
from indicia.domain.names import under
from indicia.domain.records.observation import Observation, Question, Reply, soa_around

if TYPE_CHECKING:
    from indicia.domain.fairness import ZonePart
    from indicia.domain.records.observation import Soa
    from indicia.domain.verification.check import Observations
    from indicia.verifier.dns.perspectives import Perspectives

K = TypeVar("K")
V = TypeVar("V")

_LOOK: Final = 20  # questions that are counted when a look begins; what it asks beyond them as it comes
_WALK: Final = 2  # questions of a walk to a zone cut, as a rule
_MOST_KEPT: Final = 4096
_LONGEST: Final = 300  # seconds


class AskedEnoughError(Exception):
    """A zone was asked as much as it may be. It may be asked again in `seconds`."""

    def __init__(self, zone: str, seconds: float) -> None:
        super().__init__(f"{zone} was asked as much as it may be; again in {seconds:.0f} s")
        self.zone = zone
        self.seconds = seconds


class Asking:
    """Lets looks begin, and counts what they ask.

    `part` is how fast zones may be asked, None for as fast as it goes, as in a playground; `aside` how fast
    for names of another zone than the look is at. `ours` is the
    service domain, whose zones may be asked as fast as it goes too. `registrable` returns the domain of the
    organisation that a name is under: it stands for the zone of names of which no answer has shown it yet.
    """

    def __init__(
        self,
        observer: Perspectives,
        part: ZonePart | None,
        aside: ZonePart | None,
        *,
        ours: str,
        registrable: Callable[[str], str],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.observer = observer
        self.accounts = None if part is None else ZoneAccounts(part, self._is_suffix)
        self.aside = aside
        self.ours = ours
        self.now = now
        self._registrable = registrable
        self._zones: OrderedDict[str, None] = OrderedDict()  # those that answers have shown
        self._kept: OrderedDict[Question, tuple[float, tuple[Observation, ...]]] = OrderedDict()

    async def begin(self, account: str, name: str, soa: Soa | None, *, patience: float = 0.0) -> ZoneLook:
        """Return what a look of the account at the domain asks with, once its zone has rested.

        `soa` is as it is known.

        Raises: `AskedEnoughError` where that takes longer than `patience`, in seconds.
        """
        if self.accounts is None:
            return ZoneLook(self, account, "", name if soa is None else soa.zone)
        await asyncio.to_thread(self._registrable, name)  # reads a list when it is asked first
        zone = self.zone_of(name) if soa is None else soa.zone
        home = self._registrable(name) if self._is_suffix(zone) else zone
        until = self.now() + patience
        while lack := self.accounts.lack(zone, account, _LOOK, self.now()):
            if self.now() + lack > until:
                raise AskedEnoughError(zone, lack)
            await asyncio.sleep(lack)
        self.accounts.count(zone, account, _LOOK, self.now())
        return ZoneLook(self, account, zone, home)

    def _is_suffix(self, zone: str) -> bool:
        """Say whether others register domains directly below the zone, or whether it is the root's."""
        below = f"x.{zone}"
        return is_top(zone) or self._registrable(below) == below

    def zone_of(self, name: str) -> str:
        """Return the zone that a name is in as far as answers have shown it, else its registrable domain."""
        at = name
        while at:
            if at in self._zones:
                return at
            at = at.partition(".")[2]
        return self._registrable(name)

    def kept(self, question: Question) -> tuple[Observation, ...] | None:
        """Return the answers that every perspective had, while they may be kept."""
        until, seen = self._kept.get(question, (0.0, ()))
        return seen if until > self.now() else None

    def learn(self, question: Question, seen: Sequence[Observation], *, keep: bool) -> None:
        """Remember which zone the name is in, and the answers where they are to be kept."""
        for observation in seen:
            soa = soa_around(question.name, observation)
            if soa is not None and not self._is_suffix(soa.zone):
                _remember(self._zones, soa.zone, None)
        ttls = [each.ttl for each in seen if each.reply is Reply.ANSWER and each.ttl is not None]
        if keep and len(ttls) == len(seen):
            _remember(self._kept, question, (self.now() + min(*ttls, _LONGEST), tuple(seen)))


def _remember(memory: OrderedDict[K, V], key: K, value: V) -> None:
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > _MOST_KEPT:
        memory.popitem(last=False)


@dataclass(slots=True)
class ZoneLook:
    """One look at names under `home`, and at what they lead to. Asks as `Perspectives` do.

    `zone` is the one that they are in. It is `home`, but for a domain that is not there.
    """

    asking: Asking
    account: str
    zone: str
    home: str
    _counted: float = _LOOK  # questions to the zone that are counted and not asked yet

    async def observe(self, questions: Iterable[Question], within: float | None = None) -> Observations:
        """Return what every perspective sees; of names in zones that have not rested, that nobody asked.

        Raises: `TimeoutError` when it takes more than `within` seconds.
        """
        asking = self.asking
        if asking.accounts is None:
            return await asking.observer.observe(questions, within)
        asked = list(dict.fromkeys(questions))
        found = {each: kept for each in asked if (kept := self._known(each)) is not None}
        wanted = [each for each in asked if each not in found and self._may_ask(each.name, 1)]
        seen = await asking.observer.observe(wanted, within)
        for each, observations in seen.items():
            asking.learn(each, observations, keep=not under(each.name, self.home))
        return {each: seen.get(each) or found.get(each) or self._unasked(each) for each in asked}

    async def enclosing_zone(self, name: str) -> tuple[Soa | None, ...]:
        """Return the SOA of the zone that holds the name, as each perspective sees it."""
        asking = self.asking
        if asking.accounts is not None and not self._may_ask(name, _WALK):
            return (None,) * len(asking.observer.names)
        return await asking.observer.enclosing_zone(name)

    def count_servers(self, questions: int) -> None:
        """Count questions that the zone's own servers are asked: each is one, whatever the perspectives."""
        self._count(questions / len(self.asking.observer.names))

    def _count(self, questions: float) -> None:
        accounts, counted = self.asking.accounts, min(questions, self._counted)
        self._counted -= counted
        if accounts is not None and questions > counted:
            accounts.count(self.zone, self.account, questions - counted, self.asking.now())

    def _known(self, question: Question) -> tuple[Observation, ...] | None:
        """Return what need not be asked. In the zone that the look is at everything is asked."""
        return None if under(question.name, self.home) else self.asking.kept(question)

    def _may_ask(self, name: str, questions: int) -> bool:
        """Count the questions, where they may be asked."""
        if under(name, self.asking.ours):
            return True
        if under(name, self.home):
            self._count(questions)
            return True
        aside, zone, now = self.asking.aside, self.asking.zone_of(name), self.asking.now()
        if aside is None:
            return True
        if aside.lack(zone, questions, now):
            return False
        aside.count(zone, questions, now)
        return True

    def _unasked(self, question: Question) -> tuple[Observation, ...]:
        return tuple(client.unasked(question, Reply.OUR_RESOLVER) for client in self.asking.observer.clients)
