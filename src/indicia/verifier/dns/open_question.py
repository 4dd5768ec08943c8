"""A question under way: what is listened to for it, and whose events its resolution hears."""

from collections.abc import Callable
from typing import Protocol, TypeAlias

from indicia.domain.records.observation import Observation, Question
from indicia.verifier.dns.codec import Form
from indicia.verifier.dns.resolution import KeepListening, Resolution, Step, Still, Terms
from indicia.verifier.dns.sockets import Port

Sink: TypeAlias = Callable[[int, Observation], None]
"""Takes the observation of a question, with the number that the asker gave it."""


_STRAY = Still.STRAY  # looked up for every datagram


class QuestionCarrier(Protocol):
    """Who sends for a question, and knows the time."""

    now: Callable[[], float]

    def act(self, asking: "OpenQuestion", step: Step, now: float) -> None:
        """Do what is next for it."""


class OpenQuestion:
    """A question under way: its resolution, and what is listened to for it."""

    __slots__ = (
        "_carrier",
        "_earlier",
        "attempt",
        "deadline",
        "form",
        "ident",
        "number",
        "over",
        "port",
        "question",
        "resolution",
        "sink",
    )

    # Set when it is sent.
    attempt: int
    ident: int
    deadline: float

    def __init__(
        self,
        carrier: QuestionCarrier,
        question: Question,
        form: Form,
        terms: Terms,
        *,
        sink: Sink,
        number: int = 0,
    ) -> None:
        self._carrier = carrier
        self._earlier: dict[int, _Earlier] = {}
        self.resolution = Resolution(terms, form)
        self.question = question
        self.form = form
        self.sink = sink
        self.number = number
        self.port: Port | None = None
        self.over = False

    def arrived(self, source: tuple[str, int], wire: bytes) -> bool:
        """See `sockets.Exchange`: a datagram for the attempt that is waited for."""
        now = self._carrier.now()
        step = self.resolution.datagram(self.attempt, source, wire, now)
        if step is _STRAY:
            return False
        self.release()
        self._carrier.act(self, step, now)
        return True

    def arrived_late(self, attempt: int, source: tuple[str, int], wire: bytes) -> bool:
        """Take a datagram for an earlier attempt. False when it is not the answer to it."""
        now = self._carrier.now()
        step = self.resolution.datagram(attempt, source, wire, now)
        if step is Still.STRAY:
            return False
        self._earlier.pop(attempt).release()
        self._carrier.act(self, step, now)
        return True

    def flooded(self) -> None:
        """See `sockets.Exchange`."""
        self.release()
        now = self._carrier.now()
        self._carrier.act(self, self.resolution.flooded(self.attempt, now), now)

    def unreachable(self) -> None:
        """See `sockets.Exchange`: or it could not be sent."""
        self.port = None
        now = self._carrier.now()
        self._carrier.act(self, self.resolution.refused(self.attempt, now), now)

    def expired(self) -> None:
        """See `sockets.Exchange`. It is listened to until the end."""
        port, self.port = self.port, None
        if self.over:
            return
        if port is not None:
            self._earlier[self.attempt] = _Earlier(self, self.attempt, port)
        now = self._carrier.now()
        self._carrier.act(self, self.resolution.timed_out(self.attempt, now), now)

    def lost(self, attempt: int, event: Callable[[int, float], Step]) -> None:
        """Hear that nothing more is heard of an earlier attempt."""
        earlier = self._earlier.pop(attempt, None)
        if earlier is not None and not self.over:
            earlier.release()
            now = self._carrier.now()
            self._carrier.act(self, event(attempt, now), now)

    def listen(self, step: KeepListening) -> None:
        """Listen to an earlier attempt until then."""
        self._earlier[step.attempt].deadline = step.deadline

    def release(self) -> None:
        """Let go of the id: what arrives for it from now on is a stray."""
        if self.port is not None:
            self.port.pending.pop(self.ident, None)
            self.port = None

    def end(self) -> None:
        """Listen to nothing any more."""
        self.over = True
        if self.port is not None:
            self.release()
        for earlier in self._earlier.values():
            earlier.release()

    def abandon(self) -> None:
        """Stop: nobody waits for the observation any more."""
        self.resolution.abandon()
        self.end()


class _Earlier:
    """The socket of an attempt that was not answered in time, for as long as its question has not ended."""

    __slots__ = ("_asking", "_attempt", "_ident", "_port", "deadline")

    def __init__(self, asking: OpenQuestion, attempt: int, port: Port) -> None:
        self._asking = asking
        self._attempt = attempt
        self._port = port
        self._ident = asking.ident
        self.deadline = float("inf")  # the question releases it, unless it waits for nothing else
        port.pending[self._ident] = self

    def arrived(self, source: tuple[str, int], wire: bytes) -> bool:
        """See `sockets.Exchange`."""
        return self._asking.arrived_late(self._attempt, source, wire)

    def flooded(self) -> None:
        """See `sockets.Exchange`."""
        self._asking.lost(self._attempt, self._asking.resolution.flooded)

    def unreachable(self) -> None:
        """See `sockets.Exchange`."""
        self._asking.lost(self._attempt, self._asking.resolution.refused)

    def expired(self) -> None:
        """See `sockets.Exchange`: the time is up for which it was waited for alone."""
        self._asking.lost(self._attempt, self._asking.resolution.timed_out)

    def release(self) -> None:
        """Let go of the id."""
        if self._port.pending.get(self._ident) is self:
            del self._port.pending[self._ident]
