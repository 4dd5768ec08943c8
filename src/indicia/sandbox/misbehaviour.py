"""The ways in which a name of the playground may fail in place of being answered."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import dns.rcode

from indicia.domain.faults import FaultKind, refuse


@dataclass(frozen=True, slots=True)
class Rule:
    """How a name fails: with a response code and, if any, an extended error of RFC 8914.

    `everybody` is whether the zone's own servers fail so too; otherwise it is the resolver's word alone.
    """

    rcode: dns.rcode.Rcode
    extended: int | None = None
    everybody: bool = True


# What resolvers say by extended errors (RFC 8914 §4), named as the verifier's observations are.
_OF_RESOLVERS: Final = MappingProxyType(
    {
        "BOGUS": Rule(dns.rcode.SERVFAIL, 6, everybody=False),  # DNSSEC Bogus
        "UNREACHABLE": Rule(dns.rcode.SERVFAIL, 22, everybody=False),  # No Reachable Authority
        "BLOCKED": Rule(dns.rcode.NXDOMAIN, 15, everybody=False),  # Blocked: by a policy of the resolver's
    }
)


def rule(word: str) -> Rule:
    """Return the rule that a word names: a response code, or one of `BOGUS`, `UNREACHABLE`, `BLOCKED`.

    Raises: `Fault` INVALID_PARAMETER for another word.
    """
    named = _OF_RESOLVERS.get(word.upper())
    if named is not None:
        return named
    try:
        return Rule(dns.rcode.from_text(word))
    except (dns.rcode.UnknownRcode, ValueError):
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"rcode {word[:40]!r} is no response code of the DNS, and none of {', '.join(_OF_RESOLVERS)}.",
        )
