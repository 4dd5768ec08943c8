"""One recursive resolver as we know it: its address, its habits, and whether it is well."""

import ipaddress
from dataclasses import dataclass

from indicia.domain.records.observation import Question, RecordType

CONTROL = Question(".", RecordType.NS)
"""The default control question: every resolver knows the name servers of the root."""

_HABIT = 600.0
"""Seconds for which a habit is believed: no EDNS, no case. Servers are replaced, middleboxes too."""

_SEVERAL = 8
"""Answers in the wrong case, one after the other and each the same over TCP, that make it a habit.

A forger who wants a resolver to be asked without the secret of the case would have to guess id and port of as
many questions in a row, and say the truth in each.
"""

_TELLING = 8
"""Letters of a question from which on an answer in the right case is no chance."""

_UNWELL = 5.0
"""Seconds for which a resolver that was silent is asked last."""

_SLOW = 60.0
"""Seconds for which a resolver is known to be slow, after an answer that came later than one exchange."""


@dataclass(slots=True)
class Tally:
    """What went over the sockets of one resolver: counters, for health and metrics."""

    sent: int = 0
    answered: int = 0
    expired: int = 0
    unreachable: int = 0
    strays: int = 0  # late, twice, with a wrong id, to another question
    unproved: int = 0  # with our id and without the question as it was sent: asked again over TCP
    forged: int = 0  # unproved, and TCP said otherwise
    floods: int = 0  # sockets that were given up because somebody guesses answers on them
    tcp: int = 0


class Resolver:
    """A resolver at an address, with what was learned about it. Times are those of the event loop.

    From `edns_from` on questions carry an OPT record, from `cased_from` on their case is a secret (0x20), and
    from `well_from` on it is asked in its turn again. Until `slow_until` it is given all the time there is.
    """

    __slots__ = (
        "address",
        "cased_from",
        "control_at",
        "control_passed",
        "edns_from",
        "folded",
        "last_answer",
        "name",
        "slow_until",
        "tally",
        "trusted",
        "well_from",
    )

    def __init__(self, address: tuple[str, int], *, trusted: bool) -> None:
        host = ipaddress.ip_address(address[0])  # a resolver is named by its address: who would resolve it?
        self.address = address
        self.name = f"[{host}]:{address[1]}" if host.version == 6 else f"{host}:{address[1]}"
        self.trusted = trusted or host.is_loopback
        self.tally = Tally()
        self.last_answer = float("-inf")
        self.control_at = float("-inf")
        self.control_passed = False
        self.edns_from = float("-inf")
        self.cased_from = float("-inf")
        self.folded = 0  # answers of late that came back in the wrong case, and were right
        self.well_from = float("-inf")
        self.slow_until = float("-inf")

    def refused_edns(self, now: float) -> None:
        """Remember that it answers without EDNS only (RFC 6891 §7)."""
        self.edns_from = now + _HABIT

    def lost_case(self, now: float) -> None:
        """Remember that it said the truth in the wrong case; after several times that it folds the case."""
        self.folded += 1
        if self.folded >= _SEVERAL:
            self.folded = 0
            self.cased_from = now + _HABIT

    def kept_case(self, letters: int) -> None:
        """Remember that a question with so many letters came back as it was sent."""
        if letters >= _TELLING:
            self.folded = 0

    def was_silent(self, now: float) -> None:
        """Remember that it did not answer."""
        self.well_from = now + _UNWELL

    def was_slow(self, now: float) -> None:
        """Remember that it answered, and later than one exchange."""
        self.slow_until = now + _SLOW

    def answered(self, now: float, *, useful: bool) -> None:
        """Remember that it is there, and whether what it said was a statement about a zone."""
        if useful:
            self.last_answer = now
        self.well_from = float("-inf")
