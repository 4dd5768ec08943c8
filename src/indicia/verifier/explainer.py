"""Looks further at what a check found wrong for the first time, or otherwise than before.

Checks ask for the required records and no more. Why one is not there is looked at here: apart from the
checks, a few identities at once, and only where something changed: the trail of verdicts got a new line, or
the zone a new serial since somebody looked (verification.md, Findings). What is well costs nothing, and what
is wrong as it was one read. What is found goes into the trail and moves no state. What waits here is lost
with its process, and what does not fit is let go: the next check of the identity brings it again.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from indicia.domain.findings import Finding
from indicia.domain.names import IdentityName
from indicia.domain.probing import can_be_explained
from indicia.rounds import Rounds
from indicia.store import evidence as trail
from indicia.store import identities
from indicia.verifier import evidence

if TYPE_CHECKING:
    from indicia.clock import Clock
    from indicia.domain.check import Conclusion, FacetVerdict, RecordVerdict
    from indicia.domain.fairness import ZonePart
    from indicia.domain.probing import Refined
    from indicia.domain.time import Instant
    from indicia.store.database import Database
    from indicia.store.session import Session
    from indicia.verifier.investigation import Investigator

log = structlog.get_logger(__name__)

_AT_ONCE: Final = 16
_MOST_WAITING: Final = 4096
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
        self._part = part
        self._waiting: list[tuple[float, int, Conclusion]] = []
        self._numbers = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def in_hand(self) -> int:
        """How many identities are looked at further at this moment."""
        return len(self._tasks)

    @property
    def waiting(self) -> int:
        """How many wait for their turn, or for that of their zone."""
        return len(self._waiting)

    def offer(self, conclusion: Conclusion) -> None:
        """Look further at what was concluded and stored, if need be. Call it on the loop of `run`."""
        if len(self._waiting) < _MOST_WAITING and any(map(_puzzling, conclusion.facets)):
            heapq.heappush(self._waiting, (0.0, next(self._numbers), conclusion))
            self.wake()

    async def run(self) -> None:
        """Work until `stop`; what is in hand then is let go."""
        try:
            await super().run()
        finally:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _round(self) -> Instant | None:
        while self._waiting and len(self._tasks) < _AT_ONCE:
            rest = self._waiting[0][0] - time.monotonic()
            if rest > 0:
                asyncio.get_running_loop().call_later(rest, self.wake)
                break
            _, _, conclusion = heapq.heappop(self._waiting)
            task = asyncio.create_task(self._explain(conclusion))
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        return None

    async def _idle(self) -> bool:
        return not self._waiting and not self._tasks

    def _put_off(self, trouble: Exception) -> None:
        log.warning("explanation.put_off", trouble=type(trouble).__name__)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
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
        if self._part is None:
            return False
        zone = conclusion.soa.zone if conclusion.soa is not None else case.domain
        questions = _QUESTIONS * sum(len(question.verdict.records) for question in case.questions)
        now = time.monotonic()
        wait = self._part.wait(zone, questions, now)
        if wait:
            heapq.heappush(self._waiting, (now + wait, next(self._numbers), conclusion))
        return wait > 0


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
            told = evidence.of(conclusion, verdict, "schedule")
            trail.append(s, replace(told, digest=line.digest, finding=finding, body=body))
