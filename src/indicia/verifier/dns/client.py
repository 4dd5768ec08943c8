"""The DNS client of one perspective: many questions side by side, each ending in an observation.

    async with Client([("127.0.0.1", 53)], "local", clock=clock.now) as client:
        observation = await client.ask(Question("example.com", RecordType.MX))

Trouble on the network is an observation too: nothing of it is raised. A client belongs to the event loop in
which it is first used.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Final, Self

from indicia.domain.records.observation import Observation, Question, Reply
from indicia.domain.time import Instant
from indicia.verifier.dns.codec import Chance, encode
from indicia.verifier.dns.codec import form as formed
from indicia.verifier.dns.open_question import OpenQuestion, Sink
from indicia.verifier.dns.resolution import Ask, Doubt, KeepListening, ResolutionOutcome, Step, Terms
from indicia.verifier.dns.resolver import CONTROL, Resolver
from indicia.verifier.dns.sockets import Port, Ports, over_tcp

_BURST = 128
"""Questions that leave together: fewer than what the socket of a resolver holds by default."""

_PAUSE = 0.001


@dataclass(frozen=True, slots=True)
class Budget:
    """How long and how often a client asks, in seconds (verification.md, Schedule).

    `exchange`: one try with one resolver. `tries`: exchanges a question. `question`: everything a question
    may take. `control`: how long the result of a control question is believed. `at_once`: questions in
    flight; more wait their turn, and their time begins when they are sent. `tcp`: connections at once.
    """

    exchange: float = 2.0
    tries: int = 3
    question: float = 10.0
    control: float = 5.0
    at_once: int = 8192
    tcp: int = 64


@dataclass(frozen=True, slots=True)
class Sockets:
    """How many sockets a resolver gets, and after how many questions or seconds one is replaced."""

    count: int = 16
    uses: int = 4096
    lifetime: float = 60.0


class Client:
    """Asks the resolvers of one perspective.

    `trusted` says that the path to them is, so that their AD flag counts; one on loopback always is.
    `recursive` is False for asking a zone's own servers: without RD, and only authoritative answers count.
    `control` is a question that has an answer, asked when a resolver refuses or is silent: that tells its
    trouble from the zone's. None takes every reply as the zone's.
    """

    def __init__(
        self,
        resolvers: Sequence[tuple[str, int]],
        perspective: str,
        *,
        clock: Callable[[], Instant],
        trusted: bool = False,
        recursive: bool = True,
        control: Question | None = CONTROL,
        budget: Budget | None = None,
        sockets: Sockets | None = None,
    ) -> None:
        if not resolvers:
            raise ValueError(f"perspective {perspective!r} has no resolvers")
        budget, sockets = budget or Budget(), sockets or Sockets()
        self.perspective = perspective
        self.recursive = recursive
        self.control_question = control
        self._terms = Terms(budget.tries, budget.exchange, budget.question, recursive, control is not None)
        self._control_terms = self._terms._replace(controls=False)
        self.clock = clock
        self._believed = budget.control
        self._at_once = budget.at_once
        self._tcp = asyncio.Semaphore(budget.tcp)
        self._chance = Chance()
        self.resolvers = tuple(Resolver(address, trusted=trusted) for address in resolvers)
        self.ports = {
            each: Ports(
                each.address, each.tally, count=sockets.count, uses=sockets.uses, lifetime=sockets.lifetime
            )
            for each in self.resolvers
        }
        self._turn = 0
        self._live: set[OpenQuestion] = set()
        self._waiting: deque[OpenQuestion] = deque()
        self._controls: dict[Resolver, list[Callable[[bool], None]]] = {}
        self._outbox: list[tuple[OpenQuestion, Port, bytes]] = []
        self._leaving = False
        self._tasks: dict[OpenQuestion, asyncio.Task[None]] = {}
        self.loop: asyncio.AbstractEventLoop
        self._used = False
        self.now = time.monotonic
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    async def ask(self, question: Question) -> Observation:
        """What this perspective sees now."""
        return (await gather([(self, question)]))[0]

    async def ask_many(self, questions: Sequence[Question]) -> list[Observation]:
        """What this perspective sees now, in the order of the questions, all asked side by side."""
        return await gather([(self, question) for question in questions])

    @property
    def in_flight(self) -> int:
        """Questions that have been sent and not been answered."""
        return len(self._live)

    async def close(self) -> None:
        """End: what is still in flight ends as our own trouble, and every socket is closed."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for asking in [*self._live, *self._waiting]:
            if not asking.over:
                asking.abandon()
                asking.sink(asking.number, self.unasked(asking.question, Reply.OUR_RESOLVER))
        self._live.clear()
        self._waiting.clear()
        self._outbox.clear()
        self._controls.clear()
        for ports in self.ports.values():
            ports.close()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def begin(self, question: Question, sink: Sink, number: int = 0) -> OpenQuestion | None:
        """Start a question whose observation goes to the sink; None when it has gone there already."""
        if self._closed:
            raise RuntimeError("the DNS client is closed")
        if not self._used:
            self._used = True
            self.loop = asyncio.get_running_loop()
            self.now = self.loop.time
        try:
            form = formed(question)
        except ValueError:
            # A name that the DNS cannot hold says nothing about any zone: no server could read the question.
            sink(number, self.unasked(question, Reply.FORMERR))
            return None
        terms = self._control_terms if question == self.control_question else self._terms
        asking = OpenQuestion(self, question, form, terms, sink=sink, number=number)
        if len(self._live) < self._at_once:
            self._start(asking)
        else:
            self._waiting.append(asking)
        return asking

    def abandon(self, asking: OpenQuestion) -> None:
        """Stop a question that nobody waits for any more."""
        if not asking.over:
            asking.abandon()
            if asking in self._tasks:
                self._tasks[asking].cancel()
            self._ended(asking)

    def unasked(self, question: Question, reply: Reply) -> Observation:
        """The observation of a question that was never sent, or never finished."""
        return Observation(question, self.perspective, reply, self.clock())

    def _start(self, asking: OpenQuestion) -> None:
        self._live.add(asking)
        if self._sweep is None:
            self._sweep = self.loop.call_later(self._pace, self._sweep_ports)
        now = self.now()
        order = self.resolvers if len(self.resolvers) == 1 else self._order(now)
        self.act(asking, asking.resolution.start(order, now), now)

    def _order(self, now: float) -> Sequence[Resolver]:
        """The resolvers, each first in turn; those that were silent lately come last."""
        resolvers = self.resolvers
        self._turn = (self._turn + 1) % len(resolvers)
        rotated = resolvers[self._turn :] + resolvers[: self._turn]
        return sorted(rotated, key=lambda each: now < each.well_from)

    def _ended(self, asking: OpenQuestion) -> None:
        self._live.discard(asking)
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting and len(self._live) < self._at_once:
            following = self._waiting.popleft()
            if not following.over:
                self._start(following)

    def act(self, asking: OpenQuestion, step: Step, now: float) -> None:
        """Do what is next for a question."""
        if isinstance(step, ResolutionOutcome):
            self._done(asking, step, now)
        elif isinstance(step, Ask):
            if step.tcp:
                self._send_over_tcp(asking, step)
            else:
                self._send(asking, step, now)
        elif isinstance(step, Doubt):
            self._control(asking, step)
        elif isinstance(step, KeepListening):
            asking.listen(step)

    def _send(self, asking: OpenQuestion, ask: Ask, now: float) -> None:
        """Send the question over UDP, from a socket and with an id and a case chosen by chance.

        It leaves at the end of this turn of the loop, with all others: a resolver that sleeps is woken once.
        """
        loop, form = self.loop, asking.form
        asking.attempt, asking.deadline = ask.attempt, ask.deadline
        lot = self._chance.take(form.length + 3)
        try:
            port = self.ports[ask.resolver].pick(lot & 0xFF, loop, now)
        except OSError:  # no socket to be had
            loop.call_soon(asking.unreachable)  # later: the question is asked again from there
            return
        ident = port.reserve(asking, lot >> 8 & 0xFFFF, self._chance)
        case = lot >> 24 if ask.cased else 0
        wire = encode(form, ident, case=case, edns=ask.edns, recursive=self.recursive)
        asking.port, asking.ident = port, ident
        asking.resolution.sent(ident, wire[12 : 12 + form.length])
        self._outbox.append((asking, port, wire))
        if not self._leaving:
            self._leaving = True
            loop.call_soon(self._leave)

    def _leave(self) -> None:
        """Send what is in the outbox; what does not go now goes a moment later."""
        outbox, self._outbox = self._outbox, []
        self._leaving = False
        for at, (asking, port, wire) in enumerate(outbox):
            if asking.port is not port:
                continue  # abandoned meanwhile
            try:
                sent = at < _BURST and port.send(wire)
            except OSError:
                asking.release()
                asking.unreachable()
                continue
            if not sent:
                self._outbox = outbox[at:] + self._outbox
                self._leaving = True
                self.loop.call_later(_PAUSE, self._leave)
                return

    def _send_over_tcp(self, asking: OpenQuestion, ask: Ask) -> None:
        ident, form = self._chance.take(2), asking.form
        wire = encode(form, ident, edns=ask.edns, recursive=self.recursive)
        asking.resolution.sent(ident, wire[12 : 12 + form.length])
        self._tasks[asking] = self.loop.create_task(self._over_tcp(asking, ask, wire))

    async def _over_tcp(self, asking: OpenQuestion, ask: Ask, wire: bytes) -> None:
        answer = None
        try:
            async with asyncio.timeout(ask.deadline - self.now()), self._tcp:
                ask.resolver.tally.tcp += 1
                answer = await over_tcp(ask.resolver.address, wire, self._terms.exchange)
        except TimeoutError:
            pass  # nothing came in time
        finally:
            del self._tasks[asking]
        now = self.now()
        self.act(asking, asking.resolution.tcp_answer(answer, now), now)

    def _control(self, asking: OpenQuestion, doubt: Doubt) -> None:
        """Find out which resolvers answer anything, and go on with the question when all of that is known."""
        left = set(doubt.resolvers)
        failed: set[Resolver] = set()

        def told(resolver: Resolver, passed: bool) -> None:
            left.remove(resolver)
            if not passed:
                failed.add(resolver)
            if not left:
                self.act(asking, asking.resolution.controlled(failed), self.now())

        for resolver in doubt.resolvers:
            self._is_well(resolver, doubt.since, partial(told, resolver))

    def _is_well(self, resolver: Resolver, since: float, told: Callable[[bool], None]) -> None:
        """Tell whether the resolver answers anything: somebody since then, or now the control question.

        Many questions fail together when a resolver fails: one control question serves them all, and its
        result is believed for a few seconds.
        """
        if self.control_question is None or resolver.last_answer >= since:
            told(True)
        elif self.now() - resolver.control_at < self._believed:
            told(resolver.control_passed)
        elif resolver in self._controls:
            self._controls[resolver].append(told)
        else:
            self._controls[resolver] = [told]
            self._ask_control(resolver, self.control_question)

    def _ask_control(self, resolver: Resolver, question: Question) -> None:
        def heard(_: int, observation: Observation) -> None:
            resolver.control_at = self.now()
            resolver.control_passed = observation.reply is Reply.ANSWER
            for told in self._controls.pop(resolver, []):
                told(resolver.control_passed)

        asking = OpenQuestion(self, question, formed(question), self._control_terms, sink=heard)
        now = self.now()
        self._live.add(asking)
        self.act(asking, asking.resolution.start([resolver], now), now)

    def _done(self, asking: OpenQuestion, outcome: ResolutionOutcome, now: float) -> None:
        """Hand the observation over, and let the next question in."""
        asking.end()
        answer, resolver = outcome
        observation = Observation(
            asking.question,
            self.perspective,
            answer.reply,
            self.clock(),
            answer.values,
            answer.chain,
            answer.ttl,
            answer.negative_ttl,
            answer.authentic and resolver.trusted,
            answer.extended,
            answer.soa,
            resolver.name,
            (now - asking.resolution.started) * 1000.0,
            answer.strings,
        )
        asking.sink(asking.number, observation)
        self._live.discard(asking)
        if self._waiting:
            self._let_in()

    @property
    def _pace(self) -> float:
        """How often deadlines are looked at: one timer for all questions, instead of one each."""
        return max(self._terms.exchange / 20, 0.002)

    def _sweep_ports(self) -> None:
        now = self.now()
        for ports in self.ports.values():
            ports.sweep(now)
        self._sweep = self.loop.call_later(self._pace, self._sweep_ports) if self._live else None


async def gather(asks: Sequence[tuple[Client, Question]], within: float | None = None) -> list[Observation]:
    """What each client sees, in the order of the asks, all side by side and without a task for each.

    When the caller is cancelled the questions are dropped; so they are after `within` seconds, which raises
    `TimeoutError`.
    """
    gathering = _Gathering(len(asks))
    take = gathering.take
    opened = [client.begin(question, take, number) for number, (client, question) in enumerate(asks)]
    if gathering.missing:
        try:
            await gathering.complete(within)
        except BaseException:
            for (client, _), asking in zip(asks, opened, strict=True):
                if asking is not None:
                    client.abandon(asking)
            raise
    return gathering.seen


class _Gathering:
    """Observations as they come in. `asyncio.timeout` would take as long as half a question."""

    __slots__ = ("_complete", "missing", "seen")

    def __init__(self, count: int) -> None:
        self.seen: list[Observation] = [_NOTHING_YET] * count
        self.missing = count
        self._complete: asyncio.Future[None] | None = None

    def take(self, number: int, observation: Observation) -> None:
        self.seen[number] = observation
        self.missing -= 1
        if not self.missing and self._complete is not None and not self._complete.done():
            self._complete.set_result(None)

    async def complete(self, within: float | None) -> None:
        """Return when the last has come. Raises `TimeoutError` when it has not in so many seconds."""
        loop = asyncio.get_running_loop()
        self._complete = loop.create_future()
        if within is None:
            await self._complete
            return
        timer = loop.call_later(within, self._give_up)
        try:
            await self._complete
        finally:
            timer.cancel()

    def _give_up(self) -> None:
        if self._complete is not None and not self._complete.done():
            self._complete.set_exception(TimeoutError())


_NOTHING_YET: Final = Observation(CONTROL, "", Reply.OUR_RESOLVER, 0)
