"""Whether perspectives can be believed: control questions, asked of all of them in rounds that many share.

A resolver may begin to lie at any moment, so that it passed a while ago says nothing: whoever has seen an
absence waits for a round that begins after it. Those who wait meanwhile share the next one, and rounds keep
a distance, so that a crowd of absences costs a few questions a second.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from indicia.domain.verification.controls import (
    LEARNED,
    Control,
    control_questions,
    fails,
    passes,
    what_is_wrong,
)

if TYPE_CHECKING:
    from indicia.domain.records.observation import Observation
    from indicia.domain.verification.controls import ControlQuestion
    from indicia.verifier.dns.perspectives import Perspectives

log = structlog.get_logger(__name__)

_APART: Final = 0.25  # seconds between the beginnings of two rounds
_EVERY: Final = 300.0  # seconds: what nobody asks for is learned, and shown, by then
_LABEL: Final = 20  # letters of a name that nobody ever asked for: its case is a secret too (0x20)
_NOT_ASKED: Final = "the control questions could not be asked"
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"

Passed = tuple[str, Control]
"""A perspective by its name, and a control of our own key zone that has passed there."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a round has shown.

    `wrong` says in words what is wrong with a perspective; `denied` are the perspectives that deny a
    top-level domain, and which.
    """

    wrong: dict[str, str]
    denied: frozenset[tuple[str, str]]

    def unbelieved(self, top: str | None) -> frozenset[str]:
        """Return the perspectives of which nothing is believed about a name under the top-level domain."""
        return frozenset(self.wrong) | {name for name, denied in self.denied if denied == top}


@dataclass(slots=True)
class _Round:
    done: asyncio.Future[Outcome]
    tops: set[str] = field(default_factory=set)


async def _forget(_: Collection[Passed]) -> None:
    """Remember nothing beyond this process."""


class Controls:
    """Asks the control questions. Belongs to the event loop in which it is first used.

    `key_zone` is the installation's own. `top_of` returns the top-level domain that a domain is under, None
    where the root of the DNS has no such. `known` are the controls that have passed before, in whatever
    process; `remember` is given those that pass for the first time. `told` hears in each round what is wrong
    with each perspective, empty where nothing is.
    """

    def __init__(
        self,
        observer: Perspectives,
        *,
        key_zone: str,
        top_of: Callable[[str], str | None],
        known: Iterable[Passed] = (),
        remember: Callable[[Collection[Passed]], Awaitable[None]] = _forget,
        told: Callable[[str, str], None] = lambda _name, _wrong: None,
        apart: float = _APART,
    ) -> None:
        self._observer = observer
        self._key_zone = key_zone
        self._top_of = top_of
        self._known = set(known)
        self._unsaved: set[Passed] = set()
        self._remember = remember
        self._told = told
        self._apart = apart
        self._next: _Round | None = None
        self._working: asyncio.Task[None] | None = None
        self._began = float("-inf")

    async def unbelieved(self, domain: str, within: float) -> frozenset[str]:
        """Return the perspectives whose absences of names under the domain are not believed.

        All of them where that is not known after so many seconds, or cannot be known.
        """
        top = await asyncio.to_thread(self._top_of, domain)  # reads a list when it is asked first
        try:
            async with asyncio.timeout(within):
                return (await self._ask(top)).unbelieved(top)
        except TimeoutError:
            return frozenset(self._observer.names)

    async def look(self) -> dict[str, str]:
        """Return in words what is wrong with each perspective, empty where nothing is."""
        wrong = (await self._ask(None)).wrong
        return {name: wrong.get(name, "") for name in self._observer.names}

    async def run(self) -> None:
        """Look from time to time, so that what has passed is known before it matters."""
        while True:
            await self.look()
            await asyncio.sleep(_EVERY)

    async def close(self) -> None:
        """End what is being asked."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)

    async def _ask(self, top: str | None) -> Outcome:
        """Return the outcome of a round that begins from now on."""
        if self._next is None:
            self._next = _Round(asyncio.get_running_loop().create_future())
        mine = self._next
        if top is not None:
            mine.tops.add(top)
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await asyncio.shield(mine.done)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._next is not None:
            await asyncio.sleep(self._began + self._apart - loop.time())
            now, self._next, self._began = self._next, None, loop.time()
            try:
                outcome = await self._round(now.tops)
            except asyncio.CancelledError:
                for waiting in filter(None, (now, self._next)):
                    waiting.done.cancel()
                raise
            except Exception as error:
                log.exception("controls.failed", reason=type(error).__name__)
                outcome = Outcome(dict.fromkeys(self._observer.names, _NOT_ASKED), frozenset())
            now.done.set_result(outcome)

    async def _round(self, tops: Iterable[str]) -> Outcome:
        label = "".join(secrets.choice(_LETTERS) for _ in range(_LABEL))
        asked = control_questions(self._key_zone, label, tops)
        seen = await self._observer.observe([each.question for each in asked])
        wrong: dict[str, str] = {}
        denied: set[tuple[str, str]] = set()
        first: set[Passed] = set()
        for each in asked:
            for name, observation in zip(self._observer.names, seen[each.question], strict=True):
                if self._failed(each, name, observation):
                    if each.control is Control.TOP:
                        denied.add((name, each.question.name))
                    else:
                        wrong.setdefault(name, what_is_wrong(each, observation))
                elif each.control in LEARNED and passes(each, observation):
                    first.add((name, each.control))
        for name in self._observer.names:
            self._told(name, wrong.get(name, ""))
        await self._learn(first - self._known)
        return Outcome(wrong, frozenset(denied))

    def _failed(self, asked: ControlQuestion, name: str, seen: Observation) -> bool:
        known = {control for perspective, control in self._known if perspective == name}
        return fails(asked, seen, known)

    async def _learn(self, first: set[Passed]) -> None:
        self._known |= first
        self._unsaved |= first
        if not self._unsaved:
            return
        try:
            await self._remember(self._unsaved)
        except Exception as error:  # noqa: BLE001 - whatever the database has: the next round saves it
            log.warning("controls.not_remembered", reason=type(error).__name__)
        else:
            self._unsaved = set()
