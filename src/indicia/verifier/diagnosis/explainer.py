"""Looks further at what a check found wrong for the first time, or otherwise than before.

Checks ask for the required records and no more. Why one is not there is looked at here: apart from the
checks, a few identities at once, and only where something changed: the trail of verdicts got a new line, or
the zone a new serial since somebody looked (verification.md, Findings). What is well costs nothing, and what
is wrong as it was one read. What is found goes into the trail and moves no state. What waits here is lost
with its process, and what does not fit is let go: the next check of the identity brings it again. Of what is
in hand and of what waits no account has more than its share, so that name servers which take their time delay
nobody but who named them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from indicia.domain.delivery import Flow, admit
from indicia.domain.diagnosis.probing import can_be_explained
from indicia.domain.fairness import Shares, ZoneAccounts
from indicia.domain.names import IdentityName
from indicia.domain.verification.asking import AskedBy
from indicia.domain.verification.findings import Finding
from indicia.runtime.background_loop import Rounds
from indicia.store.identities import identities
from indicia.store.verification import evidence as trail
from indicia.verifier.diagnosis.waiting import Waiting
from indicia.verifier.engine import evidence

if TYPE_CHECKING:
    from indicia.domain.diagnosis.probing import Refined
    from indicia.domain.fairness import ZonePart
    from indicia.domain.time import Instant
    from indicia.domain.verification.check import Conclusion, FacetVerdict, RecordVerdict
    from indicia.runtime.clock import Clock
    from indicia.store.engine.database import Database
    from indicia.store.engine.session import Session
    from indicia.verifier.diagnosis.investigation import Investigator

log = structlog.get_logger(__name__)

_AT_ONCE: Final = 16
# One part in so many of these is an account's in one zone, and an account's.
_PARTS: Final = (8, 4)
_MOST_WAITING: Final = 4096
_PARTS_WAITING: Final = (4,)  # one part in so many is an account's
# Where so many of an account wait, the next wait so long (seconds) before it is their turn: of a crowd that
# is created and published at once most are right by then, and looking further would keep checks from it.
_CROWD: Final = 64
_PATIENCE: Final = 30.0
_WITHIN: Final = 20.0  # seconds for one identity: what is not found by then is not told
# Other names and types of each record that is wrong, what is beside it (asked once for all), the SOA, the
# delegation, and each server of the zone.
_QUESTIONS: Final = 10


class _SeenFinding(msgspec.Struct, frozen=True):
    """What is read of a record in stored evidence."""

    finding: str


class _Told(msgspec.Struct, frozen=True):
    """What is read of stored evidence."""

    records: tuple[_SeenFinding, ...] = ()
    looked: int | None = None


_decode: Final = msgspec.json.Decoder(_Told).decode


@dataclass(frozen=True, slots=True)
class _Question:
    """A verdict that is to be explained, and the newest line of its facet: its own, where it is `fresh`."""

    verdict: FacetVerdict
    line: trail.Line
    fresh: bool


@dataclass(frozen=True, slots=True)
class _Case:
    """The domain that is looked at, and what is to be explained of it."""

    domain: str
    questions: tuple[_Question, ...]


class Explainer(Rounds):
    """Explains what it is offered, for as long as it runs.

    `part` is how fast zones may be asked by it, None for as fast as it goes.
    """

    def __init__(
        self, database: Database, investigator: Investigator, clock: Clock, *, part: ZonePart | None
    ) -> None:
        super().__init__(clock)
        self._database = database
        self._investigator = investigator
        self._rates = None if part is None else ZoneAccounts(part)
        self._waiting: Waiting[Conclusion] = Waiting()
        self._room = Shares(_MOST_WAITING, _PARTS_WAITING)
        self._shares = Shares(_AT_ONCE, _PARTS)
        self._alarm: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def in_hand(self) -> int:
        """How many identities are looked at further at this moment."""
        return len(self._tasks)

    @property
    def waiting(self) -> int:
        """How many wait for their turn, or for that of their zone."""
        return self._room.taken

    def offer(self, conclusion: Conclusion) -> None:
        """Look further at what was concluded and stored, if need be. Call it on the loop of `run`."""
        if any(map(_puzzling, conclusion.facets)):
            crowded = self._room.of(0, conclusion.account) >= _CROWD
            self._wait(conclusion, time.monotonic() + _PATIENCE if crowded else 0.0)

    def _wait(self, conclusion: Conclusion, at: float) -> None:
        """Look at it from an instant on, if there is room for it."""
        if self._room.take((conclusion.account,)):
            zone = conclusion.soa.zone if conclusion.soa is not None else ""
            self._waiting.add(conclusion.account, zone, at, conclusion)
            self.wake()

    async def run(self) -> None:
        """Work until `stop`; what is in hand then is let go."""
        try:
            await super().run()
        finally:
            if self._alarm is not None:
                self._alarm.cancel()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _round(self) -> Instant | None:
        while self._begin():
            pass
        self._set_alarm()
        return None

    def _begin(self) -> bool:
        """Begin what may begin; say whether anything did."""
        room, now = self._shares.left, time.monotonic()
        if not room:
            return False
        flows = {
            _flow(account, zone): (account, zone)
            for account in self._waiting
            if self._shares.trusts(("", account))
            for zone in self._waiting.ready(account, now, room, partial(self._is_full, account))
        }
        portions = admit(list(flows), self._shares)
        for portion in portions:
            account, zone = flows[portion.flow]
            for _ in range(portion.items):
                conclusion = self._waiting.take(account, zone, now)
                if conclusion is None:
                    self._shares.give(portion.flow.names)
                    continue
                self._room.give((account,))
                task = asyncio.create_task(self._explain(conclusion))
                self._tasks.add(task)
                task.add_done_callback(partial(self._ended, names=portion.flow.names))
        return bool(portions)

    def _is_full(self, account: str, zone: str) -> bool:
        """Say whether the account has its whole share in hand in this zone."""
        return not self._shares.trusts(_flow(account, zone).names[:1])

    def _set_alarm(self) -> None:
        """Let the next round be when something that waits for its zone may be looked at."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        now = time.monotonic()
        later = self._waiting.next_after(now)
        if later is not None:
            self._alarm = asyncio.get_running_loop().call_later(later - now, self.wake)

    async def _idle(self) -> bool:
        return not self._waiting and not self._tasks

    def _put_off(self, trouble: Exception) -> None:
        log.warning("explanation.put_off", trouble=type(trouble).__name__)

    def _ended(self, task: asyncio.Task[None], names: Sequence[str]) -> None:
        self._tasks.discard(task)
        self._shares.give(names)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("explanation.failed", trouble=type(error).__name__)
        self._progressed()
        self.wake()

    async def _explain(self, conclusion: Conclusion) -> None:
        case = await self._database.reading(partial(_case, conclusion=conclusion))
        if case is None or self._must_wait(case, conclusion):
            return
        records = [record for question in case.questions for record in question.verdict.records]
        siblings = [record.record.value.lower() for record in records]
        refined: Mapping[RecordVerdict, Refined] = {}
        # What was looked for in vain is told as it is: it is not looked for again before the zone changes.
        with suppress(TimeoutError):
            async with asyncio.timeout(_WITHIN):
                refined = await self._investigator.investigate(
                    case.domain, [record for record in records if can_be_explained(record)], siblings
                )
        await self._database.writing(
            partial(_tell, conclusion=conclusion, questions=case.questions, refined=refined)
        )

    def _must_wait(self, case: _Case, conclusion: Conclusion) -> bool:
        """Put the case aside while its zone was asked enough; say whether it was."""
        if self._rates is None:
            return False
        zone = conclusion.soa.zone if conclusion.soa is not None else case.domain
        questions = _QUESTIONS * sum(len(question.verdict.records) for question in case.questions)
        now = time.monotonic()
        wait = self._rates.wait(zone, conclusion.account, questions, now)
        if wait:
            self._wait(conclusion, now + wait)
        return wait > 0


def _flow(account: str, zone: str) -> Flow:
    """Return what waits for an account in a zone; what is in no zone that is known shares none."""
    return Flow((f"{account} {zone}" if zone else "", account), (_AT_ONCE, _AT_ONCE))


def _puzzling(verdict: FacetVerdict) -> bool:
    """Say whether looking further can say more of the verdict."""
    return verdict.finding is not Finding.OK and any(map(can_be_explained, verdict.records))


def _case(s: Session, conclusion: Conclusion) -> _Case | None:
    """Return what there is to explain, None where nothing is: it was explained, or a later check has come."""
    newest = trail.newest(s, conclusion.identity_id)
    questions = tuple(
        question
        for verdict in conclusion.facets
        if verdict.facet in newest
        and _puzzling(verdict)
        and (question := _question(conclusion, verdict, newest[verdict.facet])) is not None
    )
    view = identities.view_by_id(s, conclusion.identity_id) if questions else None
    if view is None:
        return None
    return _Case(IdentityName(view.identity.kind, view.identity.name).domain, questions)


def _question(conclusion: Conclusion, verdict: FacetVerdict, line: trail.Line) -> _Question | None:
    if line.at > conclusion.checked_at:
        return None
    fresh, looked = line.at == conclusion.checked_at, _decode(line.body).looked
    edited = conclusion.soa is not None and looked != conclusion.soa.serial
    return _Question(verdict, line, fresh) if fresh or looked is None or edited else None


def _tell(
    s: Session,
    conclusion: Conclusion,
    questions: Sequence[_Question],
    refined: Mapping[RecordVerdict, Refined],
) -> None:
    """Put what was found into the line of its verdict, or into a new one where an older line is wrong."""
    serial = evidence.NO_SERIAL if conclusion.soa is None else conclusion.soa.serial
    for question in questions:
        verdict, line = question.verdict, question.line
        finding = evidence.finding(verdict, refined).value
        body = evidence.body(verdict, refined, serial)
        if question.fresh:
            trail.explain(s, line.id, finding=finding, body=body)
        elif _decode(body).records == _decode(line.body).records:
            kept = msgspec.json.decode(line.body) | {"looked": serial}
            trail.explain(s, line.id, finding=finding, body=msgspec.json.encode(kept).decode())
        else:
            told = evidence.of(conclusion, verdict, AskedBy.SCHEDULE)
            trail.append(s, replace(told, digest=line.digest, finding=finding, body=body))
