"""The loop that looks: claim what is due, ask, judge, commit, look for the next.

Truth is in the store: what is due, who holds a lease, which generation an expectation has. The engine holds
nothing that it could lose. Two loops run side by side: one claims and starts checks up to a bound, the other
commits what they found, in batches. A database that is away stops both and ends neither.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from indicia.domain.dkim.replication import ParentSeen
from indicia.domain.fairness import Lane, ZoneRates
from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identities.identity import TokenSet
from indicia.domain.time import HOUR, SECOND, Instant, Span
from indicia.domain.verification.check import Conclusion, Rules
from indicia.domain.verification.findings import Finding
from indicia.domain.verification.key_sight import LiveKey
from indicia.runtime.clock import Clock, real_now
from indicia.store.dkim import rotation
from indicia.store.engine.database import Database
from indicia.store.engine.session import Session
from indicia.store.engine.sharding import ALL_SHARDS
from indicia.store.verification import checks
from indicia.store.verification.checks import Claim
from indicia.verifier.dns.observer import DnsObserver
from indicia.verifier.engine.admission import Admission, Later
from indicia.verifier.engine.checker import Checker, Found
from indicia.verifier.engine.commit import CheckCommit, falls

log = structlog.get_logger(__name__)

# While most slots are taken by slow checks, the few that are free are filled this often (seconds): a claim
# costs nearly the same for one identity as for a hundred.
_CLAIM_PAUSE: Final = 0.02
# How far apart looks for due work are (seconds), however often somebody says that there is some: each costs
# half a millisecond, and what was created together is claimed together.
_LOOK_PAUSE: Final = 0.005
# How long results wait for company while checks are running (seconds), and how many need no more of it.
_COMMIT_PAUSE: Final = 0.004
_COMPANY: Final = 64
# How often it is looked which checks are slow, while one is becoming so.
_TURNS: Final = 4
# After a look at work that another engine was taking at that moment (seconds).
_BREATH: Final = 0.01


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """How much the engine takes on.

    `at_once`: identities in hand, being checked or waiting for their commit, but for those whose check takes
    longer than `patience`: of these there are at most `slow`, beside the others. `batch`: how many are
    claimed or committed in one transaction. `budget`: how long one identity may take, with all that one look
    at it does; a lease is twice that (verification.md, Schedule). `poll`: how often to look for work that
    another process made due. `grace`: how long checks that run may go on when the engine is stopped. All
    spans are of real time.
    """

    at_once: int = 512
    slow: int = 256
    patience: Span = SECOND
    batch: int = 256
    budget: Span = 30 * SECOND
    poll: Span = SECOND
    grace: Span = 2 * SECOND


@dataclass(frozen=True, slots=True)
class _Held:
    """An identity in hand, and the name of the lease it is held under."""

    claim: Claim
    lease: str


@dataclass(frozen=True, slots=True)
class _Back:
    """An identity that is given back without a result, and when it is to come again."""

    held: _Held
    later: Later


class Engine:
    """Checks what is due, for as long as it runs.

    `random` returns numbers in [0, 1); the names of this engine's leases begin with `owner`; `observe` hears
    of every conclusion and how many seconds it took, `landed` of those that were stored, as they were stored.
    `landing` stores what was found and tells of it; `news` is called when something waits to be delivered
    because of it. `replicate` says how a claimed replica stands to its parent; `unbelieved` which
    perspectives, asked for a domain, fail a control question. `zone_rates` are how fast zones are asked
    through each perspective, None for as fast as it goes.
    """

    def __init__(
        self,
        database: Database,
        observer: DnsObserver,
        rules: Rules,
        clock: Clock,
        *,
        owner: str,
        random: Callable[[], float],
        limits: EngineLimits | None = None,
        zone_rates: ZoneRates | None = None,
        observe: Callable[[Conclusion, float], None] | None = None,
        landed: Callable[[Conclusion], None] = lambda _: None,
        landing: CheckCommit | None = None,
        news: Callable[[], None] = lambda: None,
        replicate: Callable[[Claim], Awaitable[ParentSeen]] | None = None,
        unbelieved: Callable[[str, float], Awaitable[Collection[str]]] | None = None,
    ) -> None:
        self._landing = landing or CheckCommit(
            now=clock.now,
            patience=2 * rules.pace.verified,
            window=rules.windows.records,
            again=rules.pace.largest,
        )
        self._news = news
        self._database = database
        self._clock = clock
        self._owner = owner
        self._limits = limits or EngineLimits()
        self._checker = Checker(
            observer,
            rules,
            clock,
            keys_of=self._keys_of,
            random=random,
            budget=self._limits.budget,
            patience=self._limits.patience,
            replicate=replicate,
            unbelieved=unbelieved,
        )
        self._admission = Admission(
            slots=self._limits.at_once,
            slow=self._limits.slow,
            zone_rates=zone_rates,
            pace=rules.pace,
            random=random,
            now=time.monotonic,
        )
        self._retry_after = rules.pace.first
        self._shards: Sequence[int] = ALL_SHARDS
        self._observe = observe
        self._landed = landed
        self._leases = 0
        self._checking: dict[asyncio.Task[None], _Held] = {}
        self._found: deque[Found] = deque()
        self._backs: list[_Back] = []
        self._turn = 0
        self._young: deque[tuple[int, asyncio.Task[None]]] = deque()  # those that may turn out to be slow
        self._slow: set[asyncio.Task[None]] = set()
        self._ended_early: dict[asyncio.Task[None], Later] = {}
        self._worthwhile = max(1, min(self._limits.batch, self._limits.at_once // 4))
        self._claiming = self._committing = False
        self._looked = float("-inf")  # when the store was asked what is due, in the event loop's time
        self._more = False  # the last claim took all it could: the store was not asked for more
        self._stirred = asyncio.Event()  # there may be something to claim
        self._roomy = asyncio.Event()  # there is room for a batch worth a transaction
        self._full = asyncio.Event()  # there is something to commit
        self._pressing = asyncio.Event()  # and nothing to wait for
        self._quiet = asyncio.Condition()
        self._leaving = asyncio.Event()  # nothing more is claimed
        self._closing = asyncio.Event()  # no check runs any more, and none will
        self._ended = asyncio.Event()
        self._away = False
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def in_hand(self) -> int:
        """How many identities are being checked at this moment."""
        return len(self._checking)

    @property
    def slots(self) -> int:
        """How many identities may be in hand at this moment; fewer while our own resolvers fail."""
        return self._admission.slots

    def share(self, shards: Sequence[int]) -> None:
        """Look at these shards only from now on; at all of them, until told."""
        self._shards = shards
        self._stirred.set()

    def wake(self) -> None:
        """Make the engine look for due work now. May be called from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stirred.set)

    async def run(self) -> None:
        """Check what is due until `stop`. Trouble with the database is waited out."""
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as loops:
                watching = [loops.create_task(self._watch_clock()), loops.create_task(self._watch_slow())]
                loops.create_task(self._commit_what_is_found())
                await self._claim_what_is_due()
                await self._drain()
                for task in watching:
                    task.cancel()
        finally:
            for task in self._checking:
                task.cancel()
            self._ended.set()

    async def stop(self) -> None:
        """End `run`, and return once what was begun is committed or given back."""
        self._leaving.set()
        self._stirred.set()
        self._roomy.set()
        if self._loop is not None:
            await self._ended.wait()

    async def settled(self) -> None:
        """Return when nothing that is due at this moment is unchecked or uncommitted.

        Returns too when the engine has been stopped: then nobody will check anything.
        """
        while not self._leaving.is_set():
            self._stirred.set()
            # In this order: what was not due in the store may have been taken from it a moment before.
            if not self._busy and not await self._anything_due() and not self._busy:
                return
            async with self._quiet:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._quiet.wait(), 0.05)

    @property
    def away(self) -> bool:
        """Whether the database failed when it was last needed."""
        return self._away

    @property
    def _busy(self) -> bool:
        return bool(self._claiming or self._checking or self._found or self._backs or self._committing)

    async def _anything_due(self) -> bool:
        due = await self._next_due(slow=True)
        return due is not None and due <= self._clock.now()

    async def _next_due(self, *, slow: bool) -> Instant | None:
        # Leases keep real time: a moved clock takes nobody's work away.
        lease_now = real_now()
        shards = self._shards
        return await self._database.reading(lambda s: checks.earliest_due(s, lease_now, shards, slow=slow))

    async def _be_quiet(self) -> None:
        async with self._quiet:
            self._quiet.notify_all()

    async def _claim_what_is_due(self) -> None:
        while not self._leaving.is_set():
            self._stirred.clear()
            try:
                rest = await self._claim()
            except Exception as error:  # noqa: BLE001 - whatever the database has, the engine outlives it
                self._database_is_away(error)
                await _wait(self._leaving, self._limits.poll / SECOND)
                continue
            if rest > 0:
                await self._be_quiet()
                await _wait(self._stirred, rest)

    async def _claim(self) -> float:
        """Start checks for what is due, and return for how many seconds there is nothing more."""
        room = await self._room()
        if room == 0 or self._leaving.is_set():
            return 0.0
        if not self._more:
            await self._await_turn()
            due = await self._next_due(slow=self._admission.room_for_slow > 0)
            now = self._clock.now()
            if due is None or due > now:
                return self._until(due, now)
        claims = await self._take(room)
        self._more = len(claims) == room
        # What was due and could not be had, another engine is taking at this moment.
        return 0.0 if claims else _BREATH

    async def _await_turn(self) -> None:
        """Wait until the last look is long enough ago."""
        loop = asyncio.get_running_loop()
        await _wait(self._leaving, self._looked + _LOOK_PAUSE - loop.time())
        self._looked = loop.time()

    async def _take(self, room: int) -> list[Claim]:
        now = self._clock.now()
        # Each claim has a lease of its own name: a result held up by a database that was away never lands
        # under a later lease, over what others found meanwhile.
        self._leases += 1
        lease = f"{self._owner}-{self._leases}"
        shards, slow = self._shards, self._admission.room_for_slow

        def take(s: Session) -> list[Claim]:
            # From when it is written: what waits for its turn to be written has not begun to be looked at.
            lease_now = real_now()
            return checks.claim(
                s,
                now=now,
                owner=lease,
                lease_until=lease_now + 2 * self._limits.budget,
                lease_now=lease_now,
                shards=shards,
                limit=room,
                slow=slow,
            )

        self._claiming = True
        try:
            claims = await self._database.writing(take)
            self._database_is_back()
            for claim in claims:
                self._admit(_Held(claim, lease))
            return claims
        finally:
            self._claiming = False

    def _admit(self, held: _Held) -> None:
        """Begin the check, or give the identity back until it is its turn."""
        later = self._admission.enter(held.claim, short=self._free < self._worthwhile)
        if later is not None:
            self._backs.append(_Back(held, later))
            self._full.set()
            return
        task = asyncio.create_task(self._check(held))
        self._checking[task] = held
        if held.claim.lane is Lane.SLOW:
            self._slow.add(task)
        else:
            self._young.append((self._turn, task))
        task.add_done_callback(self._checked)

    async def _room(self) -> int:
        """Return how many identities may be claimed, once there are enough to be worth a transaction."""
        if self._free < self._worthwhile:
            self._roomy.clear()
            await _wait(self._roomy, _CLAIM_PAUSE)
        return max(0, min(self._free, self._limits.batch))

    @property
    def _free(self) -> int:
        return self._admission.slots - len(self._checking) + len(self._slow) - len(self._found)

    def _made_room(self) -> None:
        if self._free >= self._worthwhile:
            self._roomy.set()

    def _until(self, due: Instant | None, now: Instant) -> float:
        poll = self._limits.poll
        return (poll if due is None else min(poll, due - now)) / SECOND

    async def _watch_clock(self) -> None:
        """Look again whenever the clock was moved: what was due tomorrow may be due now."""
        while True:
            await self._clock.wait_until(self._clock.now() + HOUR)
            self._stirred.set()

    async def _watch_slow(self) -> None:
        """Let checks that last too long for a slot of the quick go over to the slow ones, or end."""
        while True:
            # In turns, not in time: while this process itself does not come round, no check is slow.
            await asyncio.sleep(self._limits.patience / SECOND / _TURNS)
            self._turn += 1
            late: list[tuple[int, asyncio.Task[None]]] = []
            while self._young and (self._young[0][1].done() or self._young[0][0] < self._turn - _TURNS):
                late.append(self._young.popleft())
            staying = [each for each in late if not each[1].done() and not self._let_go(each[1])]
            self._young.extendleft(reversed(staying))
            self._made_room()

    def _let_go(self, task: asyncio.Task[None]) -> bool:
        """Say whether the check has left the slots of the quick, which it need not while there are enough."""
        later = self._admission.linger(self._checking[task].claim)
        if later is None:
            self._slow.add(task)
            return True
        if self._free + len(self._ended_early) >= self._worthwhile:
            return False
        self._ended_early[task] = later
        return task.cancel()

    def _checked(self, task: asyncio.Task[None]) -> None:
        held = self._checking.pop(task)
        later = self._ended_early.pop(task, None) or Later(self._retry_after, held.claim.lane)
        if task in self._slow:
            self._slow.remove(task)
            self._admission.left_slow_room(held.claim)
        if task.cancelled():
            # When the engine is stopped others go on at once.
            self._backs.append(_Back(held, Later(0, held.claim.lane) if self._leaving.is_set() else later))
        elif (error := task.exception()) is not None:
            # Evidence of nothing. The identity is given back and looked at again a little later.
            log.error("engine.check_failed", identity=held.claim.identity.name, exc_info=error)
            self._backs.append(_Back(held, later))
        self._full.set()
        if not self._checking or len(self._found) >= _COMPANY:
            self._pressing.set()
        self._made_room()

    async def _check(self, held: _Held) -> None:
        """Look at one identity and put what follows into the next commit."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        found = await self._checker.check(held.claim, held.lease)
        self._admission.ended(our_trouble=_is_our_trouble(found.conclusion))
        if self._observe is not None:
            self._observe(found.conclusion, loop.time() - began)
        self._found.append(found)

    async def _keys_of(self, token_set: TokenSet) -> tuple[LiveKey, ...]:
        return await self._database.reading(partial(rotation.live, token_set_id=token_set.id))

    async def _commit_what_is_found(self) -> None:
        """Commit until the engine is closing and all that was found is committed, or cannot be."""
        while True:
            await self._full.wait()
            self._full.clear()
            while self._found or self._backs:
                await self._await_company()
                if not await self._commit():
                    if self._closing.is_set():
                        return  # the leases run out, and the identities are looked at again
                    await _wait(self._closing, self._limits.poll / SECOND)
            await self._be_quiet()
            if self._closing.is_set():
                return

    async def _await_company(self) -> None:
        """Wait a moment for more results: many checks end within the same few milliseconds.

        One commit serves them all. The last of a burst waits for nobody.
        """
        if self._checking and len(self._found) < _COMPANY:
            self._pressing.clear()
            await _wait(self._pressing, _COMMIT_PAUSE)

    async def _commit(self) -> bool:
        """Commit a batch of what is there; say whether the database took it. What it did not take stays."""
        batch = [self._found.popleft() for _ in range(min(len(self._found), self._limits.batch))]
        backs, self._backs = self._backs, []
        self._committing = True
        try:
            if batch:
                await self._store(batch)
                batch = []
            if backs:
                await self._give_back(backs)
                backs = []
        except Exception as error:  # noqa: BLE001 - whatever the database has, the engine outlives it
            self._database_is_away(error)
            return False
        finally:
            # The results stay good: they land only under the leases that still stand.
            self._found.extendleft(reversed(batch))
            self._backs.extend(backs)
            self._committing = False
            self._made_room()
        self._database_is_back()
        return True

    async def _store(self, batch: list[Found]) -> None:
        try:
            if falls(batch):
                await self._database.reading(partial(self._landing.count, batch=batch))
            landed = await self._database.writing(partial(self._landing.land, batch=batch))
        except Fault as fault:
            if fault.kind is FaultKind.UNAVAILABLE:
                raise
            await self._store_each(batch, fault)
            return
        except Exception as error:  # noqa: BLE001 - a result that cannot be stored takes no other with it
            await self._store_each(batch, error)
            return
        for found in landed.found:
            self._landed(found.conclusion)
            _tell(found)
        if landed.news:
            self._news()

    async def _store_each(self, batch: list[Found], error: Exception) -> None:
        if len(batch) > 1:
            for found in batch:
                await self._store([found])
            return
        # A mistake of ours. The lease runs out and the identity is looked at again.
        log.error("engine.result_not_stored", identity=batch[0].claim.identity.name, exc_info=error)

    async def _give_back(self, backs: list[_Back]) -> None:
        now = self._clock.now()
        given = [
            checks.PutOff(back.held.claim, back.held.lease, now + back.later.wait, back.later.lane)
            for back in backs
        ]
        await self._database.writing(partial(checks.put_off, given_back=given))

    async def _drain(self) -> None:
        """Let running checks end, within the grace, and give the others back: the other loop commits both."""
        if self._checking:
            await asyncio.wait(self._checking, timeout=self._limits.grace / SECOND)
        for task in list(self._checking):
            task.cancel()
        while self._checking:
            await asyncio.wait(self._checking)
        self._closing.set()
        self._full.set()

    def _database_is_away(self, error: Exception) -> None:
        """Say so once: it is tried again every `poll`, and said again only after it was back."""
        if not self._away:
            known = isinstance(error, Fault)
            log.error("engine.database_away", reason=str(error), exc_info=None if known else error)
        self._away = True

    def _database_is_back(self) -> None:
        if self._away:
            log.info("engine.database_back")
        self._away = False


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Return when the event is set, or after so many seconds."""
    if seconds > 0 and not event.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()


def _is_our_trouble(conclusion: Conclusion) -> bool:
    return any(verdict.finding is Finding.OUR_RESOLVER for verdict in conclusion.facets)


def _tell(found: Found) -> None:
    for verdict in found.conclusion.facets:
        if verdict.cause is not None:
            log.info(
                "verification.transition",
                identity=found.claim.identity.name,
                facet=verdict.facet.value,
                before=verdict.before.status.value,
                after=verdict.after.status.value,
                cause=verdict.cause.value,
                finding=verdict.finding.value,
            )
