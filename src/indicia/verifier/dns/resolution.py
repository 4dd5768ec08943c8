"""The decisions of one question: whom to ask, what to make of a reply, when to ask again, when to stop.

A resolution is a state machine without sockets, clock or chance. It hears what happened (`start`, `datagram`,
`tcp_answer`, `timed_out`, `refused`, `flooded`, `controlled`) and when, in seconds of any one clock. It
returns what comes next: a question to send, an earlier attempt to listen to, resolvers in doubt, or the
outcome. Whoever carries it chooses order, ids, case and sockets, and says what was sent (`sent`). Every
attempt has a number, under which its socket is listened to until the outcome.
"""

from collections.abc import Collection, Sequence
from enum import Enum
from typing import Final, NamedTuple, TypeAlias

from indicia.domain.records.observation import Reply
from indicia.verifier.dns.answer import Answer
from indicia.verifier.dns.codec import Form, decode
from indicia.verifier.dns.resolver import Resolver

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

_ONE_QUESTION: Final = b"\0\1"
_NO_QUESTION: Final = b"\0\0"


class Terms(NamedTuple):
    """How a question may be asked, in seconds.

    `tries`: resolvers that are asked, one after the other. `exchange`: one attempt. `budget`: everything.
    `recursive`: with RD, and any answer counts; else only an authoritative one. `controls`: a resolver that
    may be in trouble of its own is asked a control question before its word is taken for the zone's.
    """

    tries: int
    exchange: float
    budget: float
    recursive: bool = True
    controls: bool = True


class Ask(NamedTuple):
    """Send the question to this resolver over UDP, or over TCP, and hear what comes until the deadline."""

    resolver: Resolver
    attempt: int
    edns: bool
    cased: bool
    deadline: float
    tcp: bool = False


class KeepListening(NamedTuple):
    """Send nothing: a slow resolver is given until the deadline to answer this earlier attempt."""

    attempt: int
    deadline: float


class Doubt(NamedTuple):
    """Find out which of these resolvers answer nothing at all, and tell it by `controlled`.

    Whoever has answered anything since `since` is well.
    """

    resolvers: tuple[Resolver, ...]
    since: float


class ResolutionOutcome(NamedTuple):
    """The end: the answer, and the resolver that it is of."""

    answer: Answer
    resolver: Resolver


class Still(Enum):
    """Nothing changes."""

    WAITING = "what is waited for is waited for"
    STRAY = "what arrived answers something else"


Step: TypeAlias = Ask | KeepListening | Doubt | ResolutionOutcome | Still


class _State(Enum):
    """What is waited for."""

    NOTHING = "it has not begun, or is over"
    UDP = "a datagram, for the last attempt"
    TCP = "the answer over TCP"
    SLOW = "a datagram, for an earlier attempt with a slow resolver"
    CONTROL = "what is known of resolvers in doubt"


_NOTHING, _UDP, _TCP = _State.NOTHING, _State.UDP, _State.TCP  # looked up for every question


class _Sent(NamedTuple):
    """An attempt that was not answered in time.

    Its id, its socket and its case are still what an answer has to have. A forger has as many more to guess
    at as there were attempts (RFC 5452 §9.1).
    """

    resolver: Resolver
    ident: int
    octets: bytes


class Resolution:
    """One question on its way to its outcome. What it learns of a resolver it notes at the resolver."""

    __slots__ = (
        "_asked",
        "_attempt",
        "_cased",
        "_doubted",
        "_earlier",
        "_edns",
        "_ends",
        "_form",
        "_heard",
        "_ident",
        "_left",
        "_listened",
        "_octets",
        "_order",
        "_otherwise",
        "_resolver",
        "_state",
        "_terms",
        "over",
        "started",
    )

    # There are very many: what is set before it is read is not set twice.
    _order: Sequence[Resolver]
    _resolver: Resolver
    _edns: bool
    _cased: bool
    _ident: int
    _octets: bytes
    _otherwise: Reply
    _listened: int
    _ends: float
    started: float

    def __init__(self, terms: Terms, form: Form) -> None:
        self._terms = terms
        self._form = form
        self._heard: list[tuple[Resolver, Answer]] = []
        self._earlier: dict[int, _Sent] = {}
        self._asked = self._attempt = 0
        self._left = terms.tries
        self._doubted: Answer | None = None
        self._state = _NOTHING
        self.over = False

    def start(self, order: Sequence[Resolver], now: float) -> Step:
        """Ask the first of these resolvers, of which there is at least one."""
        self.started, self._ends = now, now + self._terms.budget
        self._order = order
        self._resolver = order[0]
        return self._next(now)

    def sent(self, ident: int, octets: bytes) -> None:
        """Hear under which id, and with the question in which case, what was to be sent is sent."""
        self._ident, self._octets = ident, octets

    def _next(self, now: float) -> Step:
        """Ask the next resolver: one that was not asked yet, else one that was silent (RFC 1034 §5.3.3)."""
        if self._left == 0 or now >= self._ends:
            return self._wait_on(now)
        if self._asked < len(self._order):
            resolver = self._order[self._asked]
        else:
            silent = [each for each, answer in self._heard if answer.reply is Reply.TIMEOUT]
            if not silent:
                return self._doubt()
            resolver = silent[self._asked % len(silent)]
        self._resolver = resolver
        self._asked += 1
        self._left -= 1
        self._edns = now >= resolver.edns_from
        self._cased = now >= resolver.cased_from
        return self._ask(now)

    def _wait_on(self, now: float) -> Step:
        """Give a resolver that is known to be slow the time that is left, if there is one."""
        slow = [number for number, each in self._earlier.items() if now < each.resolver.slow_until]
        if not slow or now >= self._ends:
            return self._doubt()
        self._state, self._listened = _State.SLOW, slow[-1]
        return KeepListening(self._listened, self._ends)

    def _ask(self, now: float) -> Ask:
        self._attempt += 1
        self._state = _UDP
        deadline = now + self._terms.exchange
        ends = self._ends
        return Ask(self._resolver, self._attempt, self._edns, self._cased, min(ends, deadline))

    def _ask_over_tcp(self, otherwise: Reply) -> Ask:
        """Ask over TCP; where nothing comes that way either, the resolver's reply is the other.

        The case needs no secret there: the connection is one.
        """
        self._otherwise = otherwise
        self._state = _TCP
        return Ask(self._resolver, self._attempt, self._edns, cased=False, deadline=self._ends, tcp=True)

    def datagram(self, attempt: int, source: tuple[str, int], wire: bytes, now: float) -> Step:
        """Take a datagram that came from there to the socket of an attempt, over which it is listened to."""
        if self.over or len(wire) < 12:
            return Still.STRAY
        if self._state is not _UDP or attempt != self._attempt:
            return self._late(attempt, source, wire, now)
        resolver, octets = self._resolver, self._octets
        if source != resolver.address or wire[0] << 8 | wire[1] != self._ident or not wire[2] & 0x80:
            return Still.STRAY
        if not wire.startswith(octets, 12) or wire[4:6] != _ONE_QUESTION:
            return self._unproved(wire, now)
        answer = decode(wire, self._form, recursive=self._terms.recursive)
        if self._cased and resolver.folded:
            resolver.kept_case(self._form.letters.bit_count())
        resolver.tally.answered += 1
        return self._answered(answer, now, over_tcp=False)

    def _unproved(self, wire: bytes, now: float) -> Step:
        """Ask over TCP when the datagram may answer us, or may be a guess: it has not the secret of the case.

        A resolver that folds the case answers so, and one that cannot read the question may leave it out.
        """
        octets = self._octets
        if wire[4:6] == _ONE_QUESTION and wire[12 : 12 + len(octets)].lower() == octets.lower():
            self._doubted = decode(wire, self._form, recursive=self._terms.recursive)
        elif wire[4:6] != _NO_QUESTION or wire[3] & 0x0F not in (1, 2, 4, 5):
            return Still.STRAY
        self._resolver.tally.unproved += 1
        return self.flooded(self._attempt, now)

    def flooded(self, attempt: int, now: float) -> Step:
        """Hear that somebody guesses answers to an attempt: what comes to its socket is believed no more.

        Where it is the one that is waited for, the question goes over TCP.
        """
        if self._waits_for(attempt):
            return self._ask_over_tcp(Reply.TIMEOUT)
        return self._lost(attempt, now)

    def tcp_answer(self, wire: bytes | None, now: float) -> Step:
        """Take the answer over TCP, None when it did not come whole."""
        if self.over or self._state is not _TCP:
            return Still.WAITING
        octets = self._octets
        ours = wire is not None and wire[12 : 12 + len(octets)].lower() == octets.lower()
        if wire is None or not ours or len(wire) < 12 or wire[0] << 8 | wire[1] != self._ident:
            self._doubted = None
            return self._unhelpful(Answer(self._otherwise), now)
        answer = decode(wire, self._form, recursive=self._terms.recursive)
        self._learn_from(answer, now)
        return self._answered(answer, now, over_tcp=True)

    def _learn_from(self, answer: Answer, now: float) -> None:
        """Let the resolver's habit be learned from a datagram in the wrong case, by what TCP says."""
        doubted, self._doubted = self._doubted, None
        if doubted is None or not {doubted.reply, answer.reply} <= _STATEMENTS:
            return
        if (doubted.reply, doubted.values, doubted.chain) == (answer.reply, answer.values, answer.chain):
            self._resolver.lost_case(now)
        else:
            self._resolver.folded = 0
            self._resolver.tally.forged += 1

    def refused(self, attempt: int, now: float) -> Step:
        """Hear that an attempt reaches nobody, or could not be sent: silence, only sooner."""
        return self._silent(now) if self._waits_for(attempt) else self._lost(attempt, now)

    def timed_out(self, attempt: int, now: float) -> Step:
        """Hear that the deadline of an attempt has passed. It is listened to while others are asked.

        For a slow resolver, which was given all the time there is, that was the last of it.
        """
        if self._waits_for(attempt):
            self._earlier[attempt] = _Sent(self._resolver, self._ident, self._octets)
            return self._silent(now)
        return self._lost(attempt, now)

    def _waits_for(self, attempt: int) -> bool:
        return self._state is _UDP and attempt == self._attempt and not self.over

    def _lost(self, attempt: int, now: float) -> Step:
        """Listen to an earlier attempt no more; if nothing else was waited for, go on."""
        known = self._earlier.pop(attempt, None) is not None
        if known and self._state is _State.SLOW and attempt == self._listened and not self.over:
            return self._wait_on(now)
        return Still.WAITING

    def _silent(self, now: float) -> Step:
        self._resolver.was_silent(now)
        return self._unhelpful(Answer(Reply.TIMEOUT), now)

    def _late(self, attempt: int, source: tuple[str, int], wire: bytes, now: float) -> Step:
        """Take what answers an earlier attempt: a resolver that is slower than one exchange is heard too.

        Only a statement counts, or that validation fails: whatever else it says, others are being asked.
        """
        sent = self._earlier.get(attempt)
        if sent is None or source != sent.resolver.address or wire[0] << 8 | wire[1] != sent.ident:
            return Still.STRAY
        if not wire[2] & 0x80 or not wire.startswith(sent.octets, 12) or wire[4:6] != _ONE_QUESTION:
            return Still.STRAY
        resolver = sent.resolver
        resolver.tally.answered += 1
        answer = decode(wire, self._form, recursive=self._terms.recursive)
        useful = answer.reply in _AUTHORITATIVE
        if not (useful or answer.reply is Reply.BOGUS):
            return self._lost(attempt, now)
        resolver.answered(now, useful=useful)
        resolver.was_slow(now)
        return self._finish(answer, resolver)

    def _answered(self, answer: Answer, now: float, *, over_tcp: bool) -> Step:
        resolver, reply = self._resolver, answer.reply
        authoritative = reply in _AUTHORITATIVE
        resolver.answered(now, useful=authoritative)
        if authoritative:
            if not self._edns and self._heard_edns_refused():
                resolver.refused_edns(now)
            return self._finish(answer, resolver)
        if reply is Reply.TRUNCATED and not over_tcp and now < self._ends:
            return self._ask_over_tcp(Reply.TRUNCATED)
        if reply in _EDNS_REFUSED and self._edns and now < self._ends:
            # RFC 6891 §7: a server that does not know EDNS answers FORMERR, or NOTIMP. Ask it without.
            self._heard.append((resolver, answer))
            self._edns = False
            return self._ask(now)
        if reply is Reply.BOGUS:
            # A resolver that does not validate would answer, and must not be asked.
            return self._finish(answer, resolver)
        return self._unhelpful(answer, now)

    def _heard_edns_refused(self) -> bool:
        return any(each is self._resolver and answer.reply in _EDNS_REFUSED for each, answer in self._heard)

    def _unhelpful(self, answer: Answer, now: float) -> Step:
        self._heard.append((self._resolver, answer))
        return self._next(now)

    def _doubt(self) -> Step:
        """Have the control question asked of every resolver whose reply may be trouble of its own."""
        doubtful = {each for each, answer in self._heard if answer.reply in _DOUBTFUL}
        if not doubtful or not self._terms.controls:
            return self._give_up(())
        self._state = _State.CONTROL
        return Doubt(tuple(doubtful), self.started)

    def controlled(self, failed: Collection[Resolver]) -> Step:
        """Hear which of the resolvers in doubt answer nothing at all."""
        return Still.WAITING if self.over or self._state is not _State.CONTROL else self._give_up(failed)

    def _give_up(self, failed: Collection[Resolver]) -> ResolutionOutcome:
        """End with the reply that says most about the zone; if nobody sound said anything, it is us."""
        sound = [(each, answer) for each, answer in self._heard if each not in failed]
        if sound:
            resolver, answer = max(sound, key=lambda each: _WEIGHT[each[1].reply])
            return self._finish(answer, resolver)
        resolver, answer = self._heard[-1] if self._heard else (self._resolver, Answer(Reply.TIMEOUT))
        return self._finish(Answer(Reply.OUR_RESOLVER, extended=answer.extended), resolver)

    def _finish(self, answer: Answer, resolver: Resolver) -> ResolutionOutcome:
        self.over = True
        return ResolutionOutcome(answer, resolver)

    def abandon(self) -> None:
        """End without an outcome: nobody waits for it any more."""
        self.over = True
