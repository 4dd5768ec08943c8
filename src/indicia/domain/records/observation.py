"""What one perspective saw in the DNS, verbatim. No opinions here.

An observation is never good or bad: it says which question was asked through which perspective, and what
came back. `domain.diagnosis` says what that means. Absent, wrong and unknown are different replies and never
share a value.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from indicia.domain.time import Instant


class RecordType(Enum):
    """The record types the verifier asks for, by their RFC 1035 / 3596 mnemonic and number."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    MX = 15
    TXT = 16
    AAAA = 28

    # The hash of an Enum is a function in Python, and checks look up members thousands of times a second.
    __hash__ = object.__hash__


class Reply(Enum):
    """How a question ended, as seen from one perspective.

    The first three are authoritative statements about the zone (RFC 2308). All others say nothing about what
    is published: they are unknown, whoever caused them.
    """

    ANSWER = "answer"  # NOERROR with at least one record of the wanted type at the end of the chain
    NODATA = "nodata"  # NOERROR, the name is there, the wanted type is not (RFC 2308 §2.2)
    NXDOMAIN = "nxdomain"  # the name is not there (RFC 2308 §2.1)

    SERVFAIL = "servfail"
    REFUSED = "refused"
    FORMERR = "formerr"
    NOTIMP = "notimp"
    BOGUS = "bogus"  # SERVFAIL with an extended error of RFC 8914 that names DNSSEC (1, 2, 5-12, 27)
    NO_AUTHORITY = "no_authority"  # extended error 22 or 23: nobody answers for the zone
    TIMEOUT = "timeout"  # the resolver did not answer in time
    TRUNCATED = "truncated"  # still truncated over TCP
    GARBAGE = "garbage"  # an answer that does not parse, or breaks the limits of an answer
    OUR_RESOLVER = "our_resolver"  # a control question failed too: the fault is on our side

    __hash__ = object.__hash__  # as RecordType

    @property
    def authoritative(self) -> bool:
        """True when the reply says something about what is published."""
        return self in _AUTHORITATIVE


_AUTHORITATIVE = frozenset({Reply.ANSWER, Reply.NODATA, Reply.NXDOMAIN})


class Question(NamedTuple):
    """One question to the DNS: a name in lower case without a trailing dot, and a type.

    A tuple, as an observation is: they are made and looked up thousands of times a second, and a frozen
    dataclass takes five times as long to make and four times as long to hash.
    """

    name: str
    rtype: RecordType


@dataclass(frozen=True, slots=True)
class Soa:
    """The SOA of a zone (RFC 1035 §3.3.13), names without a trailing dot. `minimum` is in seconds."""

    zone: str
    primary: str
    admin: str
    serial: int
    minimum: int


class Observation(NamedTuple):
    """What one perspective saw when it asked one question.

    `values` are presentation values without trailing dots: the target of a CNAME or NS, `PREF HOST` of an MX,
    the strings of a TXT joined without separator (RFC 6376 §3.6.2.2) and decoded as Latin-1 so that every
    octet survives, an address in its usual text. `chain` holds the CNAME targets that were followed from the
    asked name, in order. `ttl` is the smallest of the answer, `negative_ttl` what RFC 2308 §5 allows a
    negative answer to be kept, both in seconds, None when the reply has none. `secure` is the AD flag, false
    unless the path to the resolver is trusted. `extended` are the (code, text) pairs of RFC 8914. `soa` is
    the SOA of the authority section, if any.
    """

    question: Question
    perspective: str
    reply: Reply
    at: Instant
    values: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    ttl: int | None = None
    negative_ttl: int | None = None
    secure: bool = False
    extended: tuple[tuple[int, str], ...] = ()
    soa: Soa | None = None
    server: str = ""
    latency_ms: float = 0.0
    strings: tuple[tuple[str, ...], ...] = ()


def soa_around(name: str, observation: Observation) -> Soa | None:
    """Return the SOA of the zone that holds the name, if this observation of any type at the name shows it.

    An empty answer carries it in its authority section (RFC 2308 §2.1, §2.2), so most names need no walk to
    their zone cut. At an alias it is that of the target's zone: that one does not count.
    """
    soa = observation.soa
    if soa is None or observation.chain or not observation.reply.authoritative:
        return None
    inside = soa.zone in (".", name) or name.endswith(f".{soa.zone}")
    return soa if inside else None
