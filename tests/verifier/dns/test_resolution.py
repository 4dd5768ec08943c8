"""What follows from what arrives: whom a question goes to next, and what it ends in, without any network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from indicia.domain.records.observation import Question, RecordType, Reply
from indicia.verifier.dns.answer import MAX_CHAIN
from indicia.verifier.dns.codec import encode, form
from indicia.verifier.dns.resolution import (
    Ask,
    Doubt,
    KeepListening,
    Resolution,
    ResolutionOutcome,
    Step,
    Still,
    Terms,
)
from indicia.verifier.dns.resolver import Resolver

NAME: Final = "selector.example.com"
QUESTION: Final = Question(NAME, RecordType.TXT)
TERMS: Final = Terms(tries=3, exchange=2.0, budget=10.0)
ELSEWHERE: Final = ("203.0.113.9", 53)


# ---- what servers say


def response(
    *texts: str, rcode: int = 0, flags: int = 0, extended: int | None = None, soa: bool = False
) -> dns.message.Message:
    """A response to the question of these tests."""
    message = dns.message.make_response(dns.message.make_query(NAME, "TXT", use_edns=0))
    message.flags |= dns.flags.RA | flags
    if texts:
        message.answer.append(dns.rrset.from_text(f"{NAME}.", 60, "IN", "TXT", *texts))
    if soa:
        message.authority.append(
            dns.rrset.from_text(
                "example.com.", 300, "IN", "SOA", "ns1.example.com. h.example.com. 1 2 3 4 90"
            )
        )
    options = () if extended is None else (dns.edns.EDEOption(extended),)
    message.use_edns(0, options=options)
    message.set_rcode(dns.rcode.Rcode(rcode))
    return message


def chain(length: int) -> dns.message.Message:
    """So many aliases, and a text at the end."""
    message = response()
    names = [NAME, *(f"hop{number}.example.net" for number in range(length))]
    for alias, target in pairwise(names):
        message.answer.append(dns.rrset.from_text(f"{alias}.", 60, "IN", "CNAME", f"{target}."))
    message.answer.append(dns.rrset.from_text(f"{names[-1]}.", 60, "IN", "TXT", '"end"'))
    return message


def referral() -> dns.message.Message:
    """Name servers and nothing else: what a server says that is not responsible."""
    message = response()
    message.authority.append(dns.rrset.from_text("example.com.", 60, "IN", "NS", "ns9.example.com."))
    return message


WIRES: Final[dict[str, bytes]] = {
    name: message.to_wire()
    for name, message in {
        "answer": response('"hello"'),
        "authoritative": response('"hello"', flags=dns.flags.AA),
        "nxdomain": response(rcode=3, soa=True),
        "nodata": response(soa=True),
        "truncated": response(flags=dns.flags.TC),
        "servfail": response(rcode=2),
        "bogus": response(rcode=2, extended=6),
        "no authority": response(rcode=2, extended=22),
        "stale nxdomain": response(rcode=3, extended=19, soa=True),
        "filtered": response(rcode=3, extended=17, soa=True),
        "formerr": response(rcode=1),
        "notimp": response(rcode=4),
        "refused": response(rcode=5),
        "badvers": response(rcode=16),
        "badcookie": response(rcode=23),
        "referral": referral(),
        "chain": chain(MAX_CHAIN),
        "long chain": chain(MAX_CHAIN + 1),
    }.items()
} | {"garbage": response('"hello"').to_wire()[:-9]}
# What each of them is, as the last word on a question.
STATEMENTS: Final = {
    "answer": Reply.ANSWER,
    "authoritative": Reply.ANSWER,
    "chain": Reply.ANSWER,
    "nxdomain": Reply.NXDOMAIN,
    "nodata": Reply.NODATA,
}


def resolvers(count: int) -> list[Resolver]:
    """Resolvers that nothing is known of yet: they are named a, b, c in what is asked."""
    return [Resolver((f"192.0.2.{number + 1}", 53), trusted=False) for number in range(count)]


@dataclass
class Carried:
    """A resolution, and what was asked for it. The case and the id of each attempt differ."""

    order: list[Resolver]
    terms: Terms = TERMS
    now: float = 100.0
    asks: list[Ask] = field(default_factory=list)
    sent: dict[int, tuple[Ask, int, bytes]] = field(default_factory=dict)
    step: Step = Still.WAITING  # the last one that said something
    last: Step = Still.WAITING

    def __post_init__(self) -> None:
        """Ask."""
        self.form = form(QUESTION)
        self.resolution = Resolution(self.terms, self.form)
        self.heard(self.resolution.start(self.order, self.now))

    def heard(self, step: Step) -> Step:
        """Do what is next."""
        self.last = step
        if not isinstance(step, Still):
            self.step = step
        if isinstance(step, Ask):
            self.asks.append(step)
            ident = 0x1000 + len(self.asks)
            case = 0x20202020 << 8 * (4 + len(self.asks)) if step.cased else 0
            octets = encode(self.form, ident, case=case)[12 : 12 + self.form.length]
            self.resolution.sent(ident, octets)
            self.sent[-1 if step.tcp else step.attempt] = (step, ident, octets)
        return step

    @property
    def transcript(self) -> list[str]:
        """What was asked of whom."""
        return [
            f"{'tcp' if ask.tcp else 'udp'} {'abc'[self.order.index(ask.resolver)]}"
            + ("" if ask.edns else " without EDNS")
            for ask in self.asks
        ]

    def wire(self, kind: str, attempt: int, *, ident: int = 0, case: bool = True) -> bytes:
        """What a server says to an attempt, -1 for the one over TCP; with another id or case if wanted."""
        _, given, octets = self.sent[attempt]
        said = WIRES[kind]
        question = octets if case else octets.lower()
        return (ident or given).to_bytes(2) + said[2:12] + question + said[12 + len(octets) :]

    def datagram(self, kind: str, attempt: int = 0, *, ident: int = 0, case: bool = True) -> Step:
        """Let that arrive for an attempt, by default the last."""
        attempt = attempt or max(self.sent)
        wire = self.wire(kind, attempt, ident=ident, case=case)
        return self.raw(wire, attempt)

    def raw(self, wire: bytes, attempt: int = 0, source: tuple[str, int] | None = None) -> Step:
        """Let these octets arrive for an attempt, by default from where it went."""
        attempt = attempt or max(self.sent)
        came = self.sent[attempt][0].resolver.address if source is None else source
        return self.heard(self.resolution.datagram(attempt, came, wire, self.now))

    def tcp(self, kind: str | None, *, ident: int = 0) -> Step:
        """Let that be the answer over TCP, None for nothing."""
        wire = None if kind is None else self.wire(kind, -1, ident=ident)
        return self.heard(self.resolution.tcp_answer(wire, self.now))

    def time_out(self, attempt: int = 0) -> Step:
        """Let the deadline pass."""
        number = attempt or max(self.sent)
        if isinstance(self.step, Ask | KeepListening):
            self.now = max(self.now, self.step.deadline)
        return self.heard(self.resolution.timed_out(number, self.now))

    def refuse(self) -> Step:
        """Let nobody be there."""
        return self.heard(self.resolution.refused(max(self.sent), self.now))

    def control(self, *failed: Resolver) -> Step:
        """Let these fail the control question."""
        return self.heard(self.resolution.controlled(failed))

    @property
    def outcome(self) -> tuple[Reply, tuple[str, ...], str]:
        """The end."""
        assert isinstance(self.step, ResolutionOutcome), self.step
        answer, resolver = self.step
        return answer.reply, answer.values, "abc"[self.order.index(resolver)]


# ---- faults, one by one

Story = Callable[[Carried], object]


def each(*steps: Story) -> Story:
    """One after the other."""

    def told(carried: Carried) -> None:
        for step in steps:
            step(carried)

    return told


def says(kind: str, *, case: bool = True) -> Story:
    """The server that was asked answers so."""
    return lambda carried: carried.datagram(kind, case=case)


def over_tcp(kind: str | None) -> Story:
    """So it does over TCP."""
    return lambda carried: carried.tcp(kind)


def silence(carried: Carried) -> None:
    """It says nothing in time."""
    carried.time_out()


def nobody(carried: Carried) -> None:
    """It is not there."""
    carried.refuse()


def well(carried: Carried) -> None:
    """Whoever is in doubt answers control questions."""
    assert isinstance(carried.step, Doubt)
    carried.control()


def ill(carried: Carried) -> None:
    """Nobody in doubt answers control questions."""
    assert isinstance(carried.step, Doubt)
    carried.control(*carried.step.resolvers)


HELLO = (Reply.ANSWER, ("hello",))
FAULTS: dict[str, tuple[Story, tuple[Reply, tuple[str, ...], str], tuple[str, ...]]] = {
    "an answer": (says("answer"), (*HELLO, "a"), ("udp a",)),
    "no such name": (says("nxdomain"), (Reply.NXDOMAIN, (), "a"), ("udp a",)),
    "no such record": (says("nodata"), (Reply.NODATA, (), "a"), ("udp a",)),
    "a chain": (says("chain"), (Reply.ANSWER, ("end",), "a"), ("udp a",)),
    "a chain too long": (
        each(says("long chain"), says("answer")),
        (*HELLO, "b"),
        ("udp a", "udp b"),
    ),
    "truncated: over TCP": (
        each(says("truncated"), over_tcp("answer")),
        (*HELLO, "a"),
        ("udp a", "tcp a"),
    ),
    "truncated, over TCP too: the next": (
        each(says("truncated"), over_tcp("truncated"), says("answer")),
        (*HELLO, "b"),
        ("udp a", "tcp a", "udp b"),
    ),
    "truncated by all, and no TCP": (
        each(says("truncated"), over_tcp(None), says("truncated"), over_tcp(None)),
        (Reply.TRUNCATED, (), "a"),
        ("udp a", "tcp a", "udp b", "tcp b"),
    ),
    "FORMERR: without EDNS": (
        each(says("formerr"), says("answer")),
        (*HELLO, "a"),
        ("udp a", "udp a without EDNS"),
    ),
    "NOTIMP: without EDNS": (
        each(says("notimp"), says("nodata")),
        (Reply.NODATA, (), "a"),
        ("udp a", "udp a without EDNS"),
    ),
    "BADVERS, which only the OPT record says: without EDNS": (
        each(says("badvers"), says("answer")),
        (*HELLO, "a"),
        ("udp a", "udp a without EDNS"),
    ),
    "FORMERR without EDNS as well: the next, with EDNS": (
        each(says("formerr"), says("formerr"), says("answer")),
        (*HELLO, "b"),
        ("udp a", "udp a without EDNS", "udp b"),
    ),
    "an extended rcode is no absence: the next": (
        each(says("badcookie"), says("answer")),
        (*HELLO, "b"),
        ("udp a", "udp b"),
    ),
    "an extended rcode from all": (
        each(says("badcookie"), says("badcookie"), well),
        (Reply.SERVFAIL, (), "a"),
        ("udp a", "udp b"),
    ),
    "SERVFAIL: the next": (each(says("servfail"), says("answer")), (*HELLO, "b"), ("udp a", "udp b")),
    "SERVFAIL from all who are well": (
        each(says("servfail"), says("servfail"), well),
        (Reply.SERVFAIL, (), "a"),
        ("udp a", "udp b"),
    ),
    "SERVFAIL from all who fail at everything": (
        each(says("servfail"), says("servfail"), ill),
        (Reply.OUR_RESOLVER, (), "b"),
        ("udp a", "udp b"),
    ),
    "who says most is shown": (
        each(says("refused"), says("no authority"), well),
        (Reply.NO_AUTHORITY, (), "b"),
        ("udp a", "udp b"),
    ),
    "what is served stale is no absence": (
        each(says("stale nxdomain"), says("stale nxdomain"), well),
        (Reply.NO_AUTHORITY, (), "a"),
        ("udp a", "udp b"),
    ),
    "what a policy made up is no absence": (
        each(says("filtered"), says("answer")),
        (*HELLO, "b"),
        ("udp a", "udp b"),
    ),
    "bogus: nobody else is asked": (says("bogus"), (Reply.BOGUS, (), "a"), ("udp a",)),
    "lame: the next": (each(says("referral"), says("answer")), (*HELLO, "b"), ("udp a", "udp b")),
    "garbage: the next": (each(says("garbage"), says("answer")), (*HELLO, "b"), ("udp a", "udp b")),
    "silence: the next": (each(silence, says("answer")), (*HELLO, "b"), ("udp a", "udp b")),
    "silence from all: once more": (
        each(silence, silence, says("answer")),
        (*HELLO, "a"),
        ("udp a", "udp b", "udp a"),
    ),
    "silence, for good": (
        each(silence, silence, silence, well),
        (Reply.TIMEOUT, (), "a"),
        ("udp a", "udp b", "udp a"),
    ),
    "nobody there: the next at once": (each(nobody, says("answer")), (*HELLO, "b"), ("udp a", "udp b")),
    "nobody there, anywhere": (
        each(nobody, nobody, nobody, ill),
        (Reply.OUR_RESOLVER, (), "a"),
        ("udp a", "udp b", "udp a"),
    ),
    "in the wrong case: over TCP, which counts": (
        each(says("nxdomain", case=False), over_tcp("answer")),
        (*HELLO, "a"),
        ("udp a", "tcp a"),
    ),
    "in the wrong case, and no TCP: as silence": (
        each(says("nxdomain", case=False), over_tcp(None), says("answer")),
        (*HELLO, "b"),
        ("udp a", "tcp a", "udp b"),
    ),
    "in the wrong case, and no TCP, for good": (
        each(*[says("nxdomain", case=False), over_tcp(None)] * 3, well),
        (Reply.TIMEOUT, (), "a"),
        ("udp a", "tcp a", "udp b", "tcp b", "udp a", "tcp a"),
    ),
    "over TCP with another id: the next": (
        each(says("truncated"), lambda carried: carried.tcp("answer", ident=77), says("nodata")),
        (Reply.NODATA, (), "b"),
        ("udp a", "tcp a", "udp b"),
    ),
    "FORMERR over TCP: over UDP without EDNS": (
        each(says("truncated"), over_tcp("formerr"), says("answer")),
        (*HELLO, "a"),
        ("udp a", "tcp a", "udp a without EDNS"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_course(fault: str) -> None:
    """Who is asked then, how, and what it ends in."""
    story, outcome, asked = FAULTS[fault]
    carried = Carried(resolvers(2))

    story(carried)

    assert carried.outcome == outcome
    assert tuple(carried.transcript) == asked
    assert carried.resolution.over


STRAYS: dict[str, Callable[[Carried], Step]] = {
    "another id": lambda carried: carried.datagram("answer", ident=0x7777),
    "from elsewhere": lambda carried: carried.raw(carried.wire("answer", 1), 1, ELSEWHERE),
    "another question": lambda carried: carried.raw(
        carried.wire("answer", 1).replace(b"\x08", b"\x07", 1).replace(b"elector", b"lector", 1)
    ),
    "a query": lambda carried: carried.raw(
        carried.wire("answer", 1)[:2] + b"\1" + carried.wire("answer", 1)[3:]
    ),
    "no question and no refusal": lambda carried: carried.raw(
        carried.wire("answer", 1)[:2] + b"\x80\0" + b"\0" * 8
    ),
    "a few octets": lambda carried: carried.raw(b"\0" * 11),
    "for an attempt that was never made": lambda carried: carried.heard(
        carried.resolution.datagram(9, carried.order[0].address, carried.wire("answer", 1), carried.now)
    ),
}


@pytest.mark.parametrize("stray", STRAYS)
def test_what_answers_something_else_changes_nothing(stray: str) -> None:
    """It is a stray, and the answer that comes after it counts."""
    carried = Carried(resolvers(1))

    assert STRAYS[stray](carried) is Still.STRAY
    carried.datagram("nodata")

    assert carried.outcome == (Reply.NODATA, (), "a")
    assert carried.transcript == ["udp a"]


def test_a_refusal_without_the_question_goes_over_tcp() -> None:
    """Nobody teaches by it that a server knows no EDNS; what TCP says counts."""
    carried = Carried(resolvers(1))

    carried.raw(carried.wire("answer", 1)[:2] + b"\x80\1" + b"\0" * 8)
    carried.tcp("answer")

    assert carried.outcome == (*HELLO, "a")
    assert carried.transcript == ["udp a", "tcp a"]
    assert carried.order[0].edns_from < carried.now


def test_an_attempt_on_whose_socket_is_guessed_goes_over_tcp() -> None:
    """What arrives there afterwards is a stray, however right it is."""
    carried = Carried(resolvers(1))

    carried.heard(carried.resolution.flooded(1, carried.now))

    assert carried.datagram("nxdomain", 1) is Still.STRAY
    carried.tcp("answer")
    assert carried.outcome == (*HELLO, "a")


def test_deadlines_are_those_of_the_terms() -> None:
    """An attempt has its exchange, the last what is left of everything, TCP too."""
    carried = Carried(resolvers(3), Terms(tries=3, exchange=4.0, budget=9.0))
    carried.time_out()
    carried.time_out()
    carried.datagram("truncated")

    assert [ask.deadline - 100.0 for ask in carried.asks] == [4.0, 8.0, 9.0, 9.0]


def test_nobody_is_asked_once_the_time_is_up() -> None:
    """However many tries are left."""
    carried = Carried(resolvers(3), Terms(tries=9, exchange=4.0, budget=7.0))
    carried.time_out()
    carried.time_out()

    assert isinstance(carried.step, Doubt)
    assert carried.step.since == 100.0
    assert carried.transcript == ["udp a", "udp b"]


def test_without_control_questions_every_reply_is_the_zones() -> None:
    """Nobody is in doubt."""
    carried = Carried(resolvers(1), TERMS._replace(controls=False))
    carried.datagram("servfail")

    assert carried.outcome == (Reply.SERVFAIL, (), "a")


def test_a_zones_own_server_has_to_be_authoritative() -> None:
    """What it says without AA is lame, also that there is nothing."""
    own = TERMS._replace(recursive=False, controls=False)
    lame, sound = Carried(resolvers(2), own), Carried(resolvers(2), own)
    lame.datagram("nodata")
    lame.datagram("answer")
    sound.datagram("nodata")
    sound.datagram("authoritative")

    assert lame.outcome[0] is Reply.REFUSED
    assert sound.outcome == (*HELLO, "b")


# ---- slower than one exchange


def test_what_answers_an_earlier_attempt_counts() -> None:
    """It has to have the id and the case of that attempt, and to come from there."""
    carried = Carried(resolvers(2))
    carried.time_out()

    assert carried.raw(carried.wire("answer", 2), 1) is Still.STRAY
    assert carried.datagram("answer", 1, ident=0x7777) is Still.STRAY
    assert carried.datagram("answer", 1, case=False) is Still.STRAY
    assert carried.raw(carried.wire("answer", 1), 1, carried.order[1].address) is Still.STRAY
    carried.datagram("answer", 1)

    assert carried.outcome == (*HELLO, "a")
    assert carried.order[0].slow_until > carried.now


def test_a_late_failure_says_nothing() -> None:
    """Others are being asked; nor does it say anything twice."""
    carried = Carried(resolvers(2))
    carried.time_out()

    assert carried.datagram("servfail", 1) is Still.WAITING
    assert carried.datagram("nxdomain", 1) is Still.STRAY
    carried.datagram("answer", 2)

    assert carried.outcome == (*HELLO, "b")


def slow_and_alone() -> Carried:
    """One resolver that is known to be slow, whose only attempt has had its exchange."""
    known = resolvers(1)
    known[0].slow_until = 1_000.0
    carried = Carried(known, Terms(tries=1, exchange=2.0, budget=10.0))
    carried.time_out()
    assert carried.step == KeepListening(1, 110.0)
    return carried


def test_a_slow_resolver_is_given_all_the_time_there_is() -> None:
    """And answers in it."""
    carried = slow_and_alone()

    carried.now = 109.0
    carried.datagram("answer")

    assert carried.outcome == (*HELLO, "a")


@pytest.mark.parametrize(
    "end",
    [
        Carried.time_out,
        Carried.refuse,
        lambda carried: carried.datagram("servfail"),
        lambda carried: carried.heard(carried.resolution.flooded(1, carried.now)),
    ],
    ids=["silence", "nobody there", "a failure", "a flood"],
)
def test_a_question_ends_when_its_slow_resolver_says_nothing(end: Callable[[Carried], Step]) -> None:
    """Whatever becomes of the last attempt that is listened to, nothing else would end it."""
    carried = slow_and_alone()

    assert isinstance(end(carried), Doubt)
    carried.control()

    assert carried.outcome == (Reply.TIMEOUT, (), "a")


def test_of_two_slow_attempts_the_last_is_waited_for() -> None:
    """And while it is, the other one may be lost; with it nothing is left to wait for."""
    known = resolvers(2)
    for each_known in known:
        each_known.slow_until = 1_000.0
    carried = Carried(known, Terms(tries=2, exchange=2.0, budget=10.0))
    carried.time_out()
    carried.time_out()
    assert carried.step == KeepListening(2, 110.0)

    assert carried.heard(carried.resolution.refused(1, carried.now)) is Still.WAITING
    assert isinstance(carried.heard(carried.resolution.refused(2, carried.now)), Doubt)


def test_when_the_last_slow_attempt_is_lost_the_one_before_is_waited_for() -> None:
    """For as long as there is time."""
    known = resolvers(2)
    for each_known in known:
        each_known.slow_until = 1_000.0
    carried = Carried(known, Terms(tries=2, exchange=2.0, budget=10.0))
    carried.time_out()
    carried.time_out()

    assert carried.heard(carried.resolution.refused(2, carried.now)) == KeepListening(1, 110.0)
    carried.datagram("answer", 1)

    assert carried.outcome == (*HELLO, "a")


# ---- what is learned


def test_who_was_silent_is_known_to_be_unwell() -> None:
    """Until it says anything again."""
    carried = Carried(resolvers(2))
    carried.time_out()
    assert [each.well_from > carried.now for each in carried.order] == [True, False]

    carried.datagram("servfail", 2)
    assert [each.well_from > carried.now for each in carried.order] == [True, False]

    carried.datagram("servfail", 3)
    assert carried.transcript == ["udp a", "udp b", "udp a"]
    assert [each.well_from > carried.now for each in carried.order] == [False, False]


def test_edns_is_left_out_of_the_next_question_too() -> None:
    """Where the answer came without it; a server that fails either way teaches nothing."""
    teaching, other = Carried(resolvers(1)), Carried(resolvers(1))
    teaching.datagram("formerr")
    teaching.datagram("answer")
    other.datagram("formerr")
    other.datagram("formerr")

    again = Carried(teaching.order)
    again.datagram("answer")
    assert again.transcript == ["udp a without EDNS"]
    assert Carried(other.order).transcript == ["udp a"]


def test_a_resolver_that_folds_the_case_is_believed_without_it_after_a_while() -> None:
    """After eight answers running that TCP said as well; one that TCP contradicts begins the count anew."""
    known = resolvers(1)

    def ask(told: str) -> Ask:
        carried = Carried(known)
        carried.datagram("answer", case=False)
        carried.tcp(told)
        return carried.asks[0]

    for told in (*["answer"] * 7, "nodata", *["answer"] * 7):
        assert ask(told).cased
    assert ask("answer").cased
    assert not Carried(known).asks[0].cased
    assert (known[0].tally.unproved, known[0].tally.forged) == (16, 1)


# ---- whatever happens


@dataclass(frozen=True)
class Event:
    """Something that may happen at any time: what, to which attempt, and how right it is."""

    what: str
    attempt: int
    kind: str
    right: bool


KINDS = st.one_of(st.sampled_from(sorted(STATEMENTS)), st.sampled_from(sorted(WIRES)))
EVENTS = st.builds(
    Event,
    what=st.sampled_from(
        ["datagram", "datagram", "tcp", "no tcp", "time out", "refused", "flooded", "controlled", "later"]
    ),
    attempt=st.integers(0, 2),
    kind=KINDS,
    right=st.sampled_from([True, True, False]),
)


def happen(carried: Carried, event: Event) -> Step:
    """Let it happen."""
    attempt = max(1, max(carried.sent) - event.attempt)  # the last, or one before
    resolution, now = carried.resolution, carried.now
    match event.what:
        case "datagram":
            return carried.datagram(event.kind, attempt, case=event.right)
        case "tcp" if -1 in carried.sent:
            return carried.tcp(event.kind, ident=0 if event.right else 77)
        case "tcp" | "no tcp":
            return carried.heard(resolution.tcp_answer(None, now))
        case "time out":
            return carried.heard(resolution.timed_out(attempt, now))
        case "refused":
            return carried.heard(resolution.refused(attempt, now))
        case "flooded":
            return carried.heard(resolution.flooded(attempt, now))
        case "controlled":
            return carried.control(*(carried.order if event.right else ()))
    carried.now += 0.7
    return Still.WAITING


def concerns(waited: Step, event: Event) -> bool:
    """Whether that can be what was waited for; a datagram may be for an earlier attempt as well."""
    match waited:
        case Ask(tcp=True):
            return event.what in {"tcp", "no tcp", "datagram"}
        case Doubt():
            return event.what in {"controlled", "datagram"}
        case Ask() | KeepListening():
            return event.what in {"datagram", "time out", "refused", "flooded"}
    return False


def to_the_end(carried: Carried) -> Iterator[Step]:
    """Let what is waited for never come."""
    while not carried.resolution.over:
        step = carried.step
        if isinstance(step, Ask) and step.tcp:
            yield carried.tcp(None)
        elif isinstance(step, Ask | KeepListening):
            yield carried.time_out(step.attempt)
        else:
            assert isinstance(step, Doubt)
            yield carried.control()


@given(
    count=st.integers(1, 3),
    slow=st.booleans(),
    tries=st.integers(1, 4),
    recursive=st.booleans(),
    events=st.lists(EVENTS, min_size=1, max_size=30),
)
def test_whatever_happens_it_ends(
    count: int, *, slow: bool, tries: int, recursive: bool, events: list[Event]
) -> None:
    """It asks no more than it may, and says of a zone only what one of its servers said, with every proof.

    Nothing that failed is ever an absence; once it is over nothing changes any more.
    """
    known = resolvers(count)
    if slow:
        known[0].slow_until = 1_000.0
    carried = Carried(known, Terms(tries, 2.0, 10.0, recursive=recursive))
    for each_event in events:
        waited = carried.step
        step = happen(carried, each_event)
        assert isinstance(step, Still) or concerns(waited, each_event)
        if isinstance(step, ResolutionOutcome) and step.answer.reply.authoritative:
            assert each_event.what in {"datagram", "tcp"}
            assert step.answer.reply is STATEMENTS[each_event.kind]
            assert recursive or each_event.kind == "authoritative"
            assert each_event.right or (each_event.what == "datagram" and not carried.asks[-1].cased)
            event(f"a statement over {each_event.what}")
    left = list(to_the_end(carried))

    asked = [ask.tcp for ask in carried.asks]
    assert asked.count(False) <= 2 * tries  # each try, and once more without EDNS
    assert asked.count(True) <= 2 * tries  # each of them cut, or unproved
    assert len(left) <= 5 * tries
    assert isinstance(carried.step, ResolutionOutcome)
    if left:
        assert not carried.step.answer.reply.authoritative
    assert all(ask.deadline <= 110.0 for ask in carried.asks)
