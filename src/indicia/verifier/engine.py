"""The loop that looks: claim what is due, ask, judge, commit, look for the next.

Truth is in the store: what is due, who holds a lease, which generation an expectation has. The engine holds
nothing that it could lose. Checks run side by side up to a bound; their results are committed in batches.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from indicia.clock import Clock, real_now
from indicia.domain.check import (
    Conclusion,
    FacetVerdict,
    Observations,
    Rules,
    conclude,
    questions_of,
    records_to_check,
    sees_whole_key_path,
)
from indicia.domain.faults import Fault
from indicia.domain.identity import Facet, TokenSet, TokenSetKind
from indicia.domain.observation import Question
from indicia.domain.time import SECOND, Instant, Span
from indicia.store import checks
from indicia.store.checks import CheckResult, Claim
from indicia.store.database import Database
from indicia.verifier import evidence

log = structlog.get_logger(__name__)


class Eyes(Protocol):
    """Something that asks the DNS through every perspective."""

    async def observe(self, questions: Sequence[Question]) -> Observations:
        """Return one observation a perspective for each question. Trouble is an observation, no error."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the engine takes on.

    `at_once`: identities being checked at the same time. `batch`: how many are claimed or committed in one
    transaction. `budget`: how long one identity may take; a lease is twice that (verification.md, Schedule).
    `poll`: how often to look for work that another process made due, in real time.
    """

    at_once: int = 512
    batch: int = 256
    budget: Span = 30 * SECOND
    poll: Span = SECOND


class Engine:
    """Checks what is due, for as long as it runs.

    `give_key` publishes a key for a token set that has none and returns the set with it, None when there is
    none to be had yet; `random` returns numbers in [0, 1); `owner` names this engine in its leases.
    """

    def __init__(
        self,
        database: Database,
        eyes: Eyes,
        rules: Rules,
        clock: Clock,
        *,
        owner: str,
        give_key: Callable[[TokenSet], Awaitable[TokenSet | None]],
        random: Callable[[], float],
        limits: Limits | None = None,
        observe: Callable[[Conclusion, float], None] | None = None,
    ) -> None:
        self._database = database
        self._eyes = eyes
        self._rules = rules
        self._clock = clock
        self._owner = owner
        self._give_key = give_key
        self._random = random
        self._limits = limits or Limits()
        self._observe = observe
        self._checking: set[asyncio.Task[None]] = set()
        self._results: list[CheckResult] = []
        self._transitions: list[tuple[str, FacetVerdict]] = []
        self._stirred = asyncio.Event()
        self._quiet = asyncio.Condition()
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def wake(self) -> None:
        """Make the engine look for due work now. May be called from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stirred.set)

    async def run(self) -> None:
        """Check what is due until `stop`. A failing database is waited for, never fatal."""
        self._loop = asyncio.get_running_loop()
        while not self._stopping:
            self._stirred.clear()
            try:
                claimed = await self._claim()
                await self._commit()
            except Fault:
                log.exception("engine.database_trouble")
                await self._rest(None)
                continue
            if not claimed:
                await self._rest(await self._next_due())
        await self._drain()

    async def stop(self) -> None:
        """End `run` after what was begun is committed."""
        self._stopping = True
        self.wake()

    async def settled(self) -> None:
        """Return when nothing that is due at this moment is unchecked or uncommitted."""
        while True:
            self._stirred.set()
            if not self._checking and not self._results and not await self._anything_due():
                return
            async with self._quiet:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._quiet.wait(), 0.05)

    async def _next_due(self) -> Instant | None:
        lease_now = real_now()
        return await self._database.reading(lambda s: checks.earliest_due(s, lease_now))

    async def _anything_due(self) -> bool:
        due = await self._next_due()
        return due is not None and due <= self._clock.now()

    async def _claim(self) -> bool:
        """Start a check for each identity that could be claimed; say whether there was one."""
        room = min(self._limits.at_once - len(self._checking), self._limits.batch)
        if room <= 0:
            await self._rest(None)
            return True
        if not await self._anything_due():
            return False
        now, lease_now = self._clock.now(), real_now()
        claims = await self._database.writing(
            lambda s: checks.claim(
                s,
                now=now,
                owner=self._owner,
                # Leases keep real time: a moved clock takes nobody's work away.
                lease_until=lease_now + 2 * self._limits.budget,
                lease_now=lease_now,
                limit=room,
            )
        )
        for claim in claims:
            task = asyncio.create_task(self._check(claim))
            self._checking.add(task)
            task.add_done_callback(self._checked)
        return bool(claims)

    def _checked(self, task: asyncio.Task[None]) -> None:
        self._checking.discard(task)
        self._stirred.set()
        if not task.cancelled() and task.exception() is not None:
            # Not evidence of anything: the lease runs out and the identity is looked at again.
            log.error("engine.check_failed", exc_info=task.exception())

    async def _check(self, claim: Claim) -> None:
        """Look at one identity and put what follows into the next commit."""
        began = asyncio.get_running_loop().time()
        checked_at = self._clock.now()
        rules = self._rules
        records = records_to_check(claim.identity, claim.token_set, claim.facets, rules.service_domain)
        questions = questions_of(records, claim.identity.name)
        observations = await self._eyes.observe(questions) if questions else {}
        token_set = claim.token_set
        keyless = _keyless(token_set) if Facet.DKIM in records else None
        if keyless is not None and sees_whole_key_path(records[Facet.DKIM], observations, rules):
            # A token set gets its key at the latest when its records are first seen (verification.md, Keys).
            token_set = await self._give_key(keyless) or keyless
        conclusion = conclude(
            claim.identity,
            token_set,
            claim.facets,
            observations,
            rules=rules,
            now=checked_at,
            interval=claim.interval,
            jitter=self._random(),
        )
        if self._observe is not None:
            self._observe(conclusion, asyncio.get_running_loop().time() - began)
        self._results.append(self._write_back(claim, conclusion))
        self._transitions.extend(
            (claim.identity.name, verdict) for verdict in conclusion.facets if verdict.cause
        )

    def _write_back(self, claim: Claim, conclusion: Conclusion) -> CheckResult:
        asked_by = "person" if claim.asked else "schedule"
        return CheckResult(
            identity_id=conclusion.identity_id,
            generation=conclusion.generation,
            owner=self._owner,
            facets=tuple(verdict.after for verdict in conclusion.facets if verdict.after != verdict.before),
            due_at=conclusion.due_at,
            interval=conclusion.interval,
            checked_at=conclusion.checked_at,
            # SES stamps "checked" at the start of a look and "success" at its end (spec 5).
            succeeded_at=self._clock.now() if conclusion.succeeded else None,
            error=conclusion.error,
            soa=conclusion.soa or claim.soa,
            zone_cut=conclusion.soa.zone if conclusion.soa else claim.zone_cut,
            evidence=tuple(
                evidence.of(conclusion, verdict, asked_by) for verdict in evidence.worth_keeping(conclusion)
            ),
        )

    async def _commit(self) -> None:
        """Commit the results that are there, in batches, and say what moved."""
        while self._results:
            batch, self._results = self._results[: self._limits.batch], self._results[self._limits.batch :]
            try:
                await self._database.writing(partial(checks.write_back, results=batch))
            except Fault:
                # The leases run out and the identities are looked at again: nothing is lost but the work.
                log.exception("engine.commit_failed", identities=len(batch))
        moved, self._transitions = self._transitions, []
        for name, verdict in moved:
            _tell(name, verdict)
        async with self._quiet:
            self._quiet.notify_all()

    async def _drain(self) -> None:
        if self._checking:
            await asyncio.wait(self._checking, timeout=self._limits.budget / 1000)
        for task in self._checking:
            task.cancel()
        await self._commit()

    async def _rest(self, until: Instant | None) -> None:
        """Wait until something is due, something was said to be, a check ended, or a moment has passed."""
        now = self._clock.now()
        span = self._limits.poll if until is None else max(0, min(self._limits.poll, until - now))
        moved = asyncio.ensure_future(self._clock.wait_until(now + span))
        stirred = asyncio.ensure_future(self._stirred.wait())
        try:
            await asyncio.wait({moved, stirred}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            moved.cancel()
            stirred.cancel()


def _keyless(token_set: TokenSet | None) -> TokenSet | None:
    """Return the token set when it is ours to make a key for and has none."""
    if token_set is None or token_set.kind is not TokenSetKind.EASY or token_set.has_key:
        return None
    return token_set


def _tell(name: str, verdict: FacetVerdict) -> None:
    log.info(
        "verification.transition",
        identity=name,
        facet=verdict.facet.value,
        before=verdict.before.status.value,
        after=verdict.after.status.value,
        cause=verdict.cause.value if verdict.cause else None,
        finding=verdict.finding.value,
    )
