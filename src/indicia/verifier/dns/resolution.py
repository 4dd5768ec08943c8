"""The decisions of one question: whom to ask, what to make of a reply, when to ask again, when to stop.

An inquiry performs no input or output itself. It is told what arrived and decides what comes next; the client
(`Means`) sends.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from indicia.domain.records.observation import Observation, Question, Reply
from indicia.domain.time import Instant
from indicia.verifier.dns.answer import Answer
from indicia.verifier.dns.codec import Form, decode
from indicia.verifier.dns.resolver import Resolver
from indicia.verifier.dns.sockets import Port

# What one resolver's word weighs when no resolver gave an answer: the reply that says most is shown.
_WEIGHT = {
    reply: weight
    for weight, reply in enumerate(
        (
            Reply.TIMEOUT,
            Reply.OUR_RESOLVER,
            Reply.REFUSED,
            Reply.NOTIMP,
            Reply.FORMERR,
            Reply.GARBAGE,
            Reply.TRUNCATED,
            Reply.SERVFAIL,
            Reply.NO_AUTHORITY,
            Reply.BOGUS,
        )
    )
}
_EDNS_REFUSED = (Reply.FORMERR, Reply.NOTIMP)

# A tuple: looked through by identity, which is quicker than hashing an enum member.
_AUTHORITATIVE = tuple(reply for reply in Reply if reply.authoritative)
_STATEMENTS = frozenset(_AUTHORITATIVE)

# Replies that a resolver in trouble of its own gives to everything: cut off, misconfigured, or gone.
_DOUBTFUL = frozenset({Reply.TIMEOUT, Reply.REFUSED, Reply.SERVFAIL, Reply.NO_AUTHORITY})


Sink: TypeAlias = Callable[[int, Observation], None]
"""Takes the observation of a question, with the number that the asker gave it."""


class Means(Protocol):
    """What an inquiry needs done. `now` is in monotonic seconds; `clock` dates an observation."""

    perspective: str
    control_question: Question | None
    recursive: bool
    tries: int
    exchange: float
    budget: float
    now: Callable[[], float]
    clock: Callable[[], Instant]

    def send(self, inquiry: "Inquiry", now: float) -> None:
        """Send the question to `inquiry.resolver` over UDP."""

    def send_over_tcp(self, inquiry: "Inquiry") -> None:
        """Send the question to `inquiry.resolver` over TCP, and call `inquiry.arrived_over_tcp`."""

    def control(self, resolver: Resolver, since: float, told: Callable[[bool], None]) -> None:
        """Tell whether the resolver answers anything at all since then."""

    def done(self, inquiry: "Inquiry", observation: Observation) -> None:
        """Hand the observation over."""


class Inquiry:
    """One question on its way to an observation."""

    __slots__ = (
        "_asked",
        "_control_left",
        "_doubted",
        "_earlier",
        "_heard",
        "_left",
        "_means",
        "_order",
        "_otherwise",
        "cased",
        "deadline",
        "edns",
        "ends",
        "form",
        "ident",
        "number",
        "octets",
        "over",
        "port",
        "question",
        "resolver",
        "sink",
        "started",
    )

    resolver: Resolver

    def __init__(self, means: Means, question: Question, form: Form, sink: Sink, number: int = 0) -> None:
        self._means = means
        self._heard: list[tuple[Resolver, Answer]] = []
        self._order: Sequence[Resolver] = ()
        self._asked = 0
        self._left = means.tries
        self._control_left = 0
        self._doubted: Answer | None = None
        self._earlier: list[_Earlier] = []
        self._otherwise = Reply.TRUNCATED
        self.question = question
        self.form = form
        self.sink = sink
        self.number = number
        self.edns = self.cased = True
        self.octets = b""  # the question as it was sent, which is how it has to come back
        self.ident = 0
        self.port: Port | None = None
        self.deadline = self.started = self.ends = 0.0
        self.over = False

    # -- asking ------------------------------------------------------------------------------------------

    def begin(self, order: Sequence[Resolver]) -> None:
        """Ask the first of these resolvers."""
        now = self._means.now()
        self.started, self.ends = now, now + self._means.budget
        self._order = order
        self._next(now)

    def _next(self, now: float) -> None:
        """Ask the next resolver: one that was not asked yet, else one that was silent (RFC 1034 §5.3.3)."""
        if self._left == 0 or now >= self.ends:
            if not self._waits_on(now):
                self._doubt()
            return
        if self._asked < len(self._order):
            resolver = self._order[self._asked]
        else:
            silent = [each for each, answer in self._heard if answer.reply is Reply.TIMEOUT]
            if not silent:
                self._doubt()
                return
            resolver = silent[self._asked % len(silent)]
        self.resolver = resolver
        self._asked += 1
        self._left -= 1
        self.edns = now >= resolver.edns_from
        self.cased = now >= resolver.cased_from
        self._send(now)

    def _waits_on(self, now: float) -> bool:
        """Say whether a resolver that is known to be slow is given the time that is left."""
        slow = [each for each in self._earlier if now < each.resolver.slow_until]
        if slow and now < self.ends:
            slow[-1].deadline = self.ends
            return True
        return False

    def waited_on(self) -> None:
        """Hear that the time is up that a slow resolver was given."""
        if not self.over:
            self._doubt()

    def _send(self, now: float) -> None:
        self.deadline = min(now + self._means.exchange, self.ends)
        self._means.send(self, now)

    # -- what arrives ------------------------------------------------------------------------------------

    def arrived(self, wire: bytes) -> bool:
        """Take a datagram with our id. False when it answers something else: the wait goes on."""
        octets = self.octets
        if not wire[2] & 0x80:
            return False
        if not wire.startswith(octets, 12) or wire[4:6] != b"\0\1":
            return self._unproved(wire)
        answer = decode(wire, self.form, recursive=self._means.recursive)
        if self.cased and self.resolver.folded:
            self.resolver.kept_case(self.form.letters.bit_count())
        port = self.port
        if port is not None:
            port.settle(self.ident)
            self.port = None
        self._answered(answer, over_tcp=False)
        return True

    def _unproved(self, wire: bytes) -> bool:
        """Ask over TCP when the datagram may answer us, or may be a guess: it has not the secret of the case.

        A resolver that folds the case answers so, and one that cannot read the question may leave it out.
        """
        octets = self.octets
        if wire[4:6] == b"\0\1" and wire[12 : 12 + len(octets)].lower() == octets.lower():
            self._doubted = decode(wire, self.form, recursive=self._means.recursive)
        elif wire[4:6] != b"\0\0" or wire[3] & 0x0F not in (1, 2, 4, 5):
            return False
        self.resolver.ports.tally.unproved += 1
        self.flooded()
        return True

    def flooded(self) -> None:
        """Ask over TCP: what comes over this socket is not believed any more."""
        self.release()
        self._ask_over_tcp(Reply.TIMEOUT)

    def _ask_over_tcp(self, otherwise: Reply) -> None:
        """Ask over TCP; where nothing comes that way either, the resolver's reply is the other."""
        self._otherwise = otherwise
        self._means.send_over_tcp(self)

    def arrived_over_tcp(self, wire: bytes | None) -> None:
        """Take the answer over TCP, None when it did not come whole."""
        if self.over:
            return
        octets = self.octets
        ours = wire is not None and wire[12 : 12 + len(octets)].lower() == octets.lower()
        if wire is None or not ours or len(wire) < 12 or int.from_bytes(wire[:2]) != self.ident:
            self._doubted = None
            self._unhelpful(Answer(self._otherwise))
            return
        answer = decode(wire, self.form, recursive=self._means.recursive)
        self._learn_from(answer)
        self._answered(answer, over_tcp=True)

    def _learn_from(self, answer: Answer) -> None:
        """Let the resolver's habit be learned from a datagram in the wrong case, by what TCP says."""
        doubted, self._doubted = self._doubted, None
        if doubted is None or not {doubted.reply, answer.reply} <= _STATEMENTS:
            return
        if (doubted.reply, doubted.values, doubted.chain) == (answer.reply, answer.values, answer.chain):
            self.resolver.lost_case(self._means.now())
        else:
            self.resolver.folded = 0
            self.resolver.ports.tally.forged += 1

    def unreachable(self) -> None:
        """Hear that nobody listens there: silence, only sooner."""
        self.port = None
        self.expired()

    def expired(self) -> None:
        """Hear that the resolver did not answer in time. It is listened to while others are asked."""
        port, self.port = self.port, None
        if self.over:
            return
        if port is not None:
            self._earlier.append(_Earlier(self, port))
        self.resolver.was_silent(self._means.now())
        self._unhelpful(Answer(Reply.TIMEOUT))

    def arrived_late(self, wire: bytes, resolver: Resolver) -> None:
        """Take what answers an earlier try: a resolver that is slower than one exchange is heard too.

        Only a statement counts, or that validation fails: whatever else it says, others are being asked.
        """
        answer = decode(wire, self.form, recursive=self._means.recursive)
        if self.over or not (answer.reply in _AUTHORITATIVE or answer.reply is Reply.BOGUS):
            return
        self.release()
        self.resolver, now = resolver, self._means.now()
        resolver.answered(now, useful=answer.reply in _AUTHORITATIVE)
        resolver.was_slow(now)
        self._finish(answer)

    def _answered(self, answer: Answer, *, over_tcp: bool) -> None:
        now = self._means.now()
        resolver = self.resolver
        reply = answer.reply
        authoritative = reply in _AUTHORITATIVE
        resolver.answered(now, useful=authoritative)
        if authoritative:
            if not self.edns and self._heard_edns_refused():
                resolver.refused_edns(now)
            self._finish(answer)
        elif reply is Reply.TRUNCATED and not over_tcp and now < self.ends:
            self._ask_over_tcp(Reply.TRUNCATED)
        elif reply in _EDNS_REFUSED and self.edns and now < self.ends:
            # RFC 6891 §7: a server that does not know EDNS answers FORMERR, or NOTIMP. Ask it without.
            self._heard.append((resolver, answer))
            self.edns = False
            self._send(now)
        elif reply is Reply.BOGUS:
            self._finish(answer)  # a resolver that does not validate would answer, and must not be asked
        else:
            self._unhelpful(answer)

    def _heard_edns_refused(self) -> bool:
        return any(each is self.resolver and answer.reply in _EDNS_REFUSED for each, answer in self._heard)

    def _unhelpful(self, answer: Answer) -> None:
        self._heard.append((self.resolver, answer))
        self._next(self._means.now())

    # -- the end -----------------------------------------------------------------------------------------

    def _doubt(self) -> None:
        """Ask the control question of every resolver whose reply may be trouble of its own."""
        if self.question == self._means.control_question:
            self._give_up(set())
            return
        doubtful = list({each for each, answer in self._heard if answer.reply in _DOUBTFUL})
        if not doubtful:
            self._give_up(set())
            return
        failed: set[Resolver] = set()
        self._control_left = len(doubtful)
        for resolver in doubtful:
            self._means.control(resolver, self.started, self._controlled(resolver, failed))

    def _controlled(self, resolver: Resolver, failed: set[Resolver]) -> Callable[[bool], None]:
        def told(passed: bool) -> None:
            if not passed:
                failed.add(resolver)
            self._control_left -= 1
            if self._control_left == 0:
                self._give_up(failed)

        return told

    def _give_up(self, failed: set[Resolver]) -> None:
        """End with the reply that says most about the zone; if nobody sound said anything, it is us."""
        if self.over:
            return
        sound = [(each, answer) for each, answer in self._heard if each not in failed]
        if not sound:
            resolver, answer = self._heard[-1] if self._heard else (None, Answer(Reply.TIMEOUT))
            if resolver is not None:
                self.resolver = resolver
            self._finish(Answer(Reply.OUR_RESOLVER, extended=answer.extended))
            return
        self.resolver, answer = max(sound, key=lambda each: _WEIGHT[each[1].reply])
        self._finish(answer)

    def _finish(self, answer: Answer) -> None:
        means, resolver = self._means, self.resolver
        self._end()
        means.done(
            self,
            Observation(
                self.question,
                means.perspective,
                answer.reply,
                means.clock(),
                answer.values,
                answer.chain,
                answer.ttl,
                answer.negative_ttl,
                answer.authentic and resolver.trusted,
                answer.extended,
                answer.soa,
                resolver.name,
                (means.now() - self.started) * 1000.0,
                answer.strings,
            ),
        )

    def release(self) -> None:
        """Let go of the id: what arrives for it from now on is a stray."""
        if self.port is not None:
            self.port.pending.pop(self.ident, None)
            self.port = None

    def abandon(self) -> None:
        """Stop: nobody waits for the observation any more."""
        self._end()
        self.release()

    def _end(self) -> None:
        self.over = True
        for earlier in self._earlier:
            earlier.release()


class _Earlier:
    """A try that was not answered in time, for as long as its question has not ended.

    Its id, its port and its case are still what an answer has to have. A forger has as many more to guess at
    as there were tries (RFC 5452 §9.1).
    """

    __slots__ = ("_ident", "_inquiry", "_octets", "_port", "deadline", "resolver")

    def __init__(self, inquiry: Inquiry, port: Port) -> None:
        self._inquiry = inquiry
        self._port = port
        self._ident = inquiry.ident
        self._octets = inquiry.octets
        self.resolver = inquiry.resolver
        self.deadline = float("inf")  # the question releases it, unless it waits for nothing else
        port.pending[self._ident] = self

    def arrived(self, wire: bytes) -> bool:
        """Take a datagram with the id of the try. False when it is not the answer to it."""
        if not wire[2] & 0x80 or not wire.startswith(self._octets, 12) or wire[4:6] != b"\0\1":
            return False
        self._port.settle(self._ident)
        self._inquiry.arrived_late(wire, self.resolver)
        return True

    def flooded(self) -> None:
        """Hear no more from a socket on which somebody guesses answers."""
        self.release()

    def unreachable(self) -> None:
        """Nothing follows: it was silent before."""

    def expired(self) -> None:
        """Hear that the time is up for which it was waited for alone."""
        self._inquiry.waited_on()

    def release(self) -> None:
        """Let go of the id."""
        if self._port.pending.get(self._ident) is self:
            del self._port.pending[self._ident]
