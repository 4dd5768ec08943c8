"""Questions that are not plain: read by dnspython, which knows all of the standard.

A plain question has one question, no other record than an OPT of version 0, and nothing behind it. Whatever
else arrives comes here: compressed names, signatures, several sections, newer EDNS, garbage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import dns.exception
import dns.flags
import dns.message

from indicia.keyzone.message import EDNS_UDP, OPT, OPT_DNSSEC_OK, PLAIN_UDP, Rcode


@dataclass(frozen=True, slots=True)
class OddQuestion:
    """A question that turned out to be understandable, in the form of a plain one."""

    question: bytes
    room: int
    opt: bytes
    dnssec_ok: bool
    newer_edns: bool  # RFC 6891 §6.1.3: answered with BADVERS


_FORMERR: Final = Rcode.FORMERR


def read(query: bytes) -> OddQuestion | Rcode:
    """Return the question, or the code to refuse the message with."""
    try:
        message = dns.message.from_wire(query)
    except dns.message.UnknownTSIGKey:
        return Rcode.NOTAUTH  # RFC 8945 §5.2.1: we share no key with anybody
    except dns.exception.DNSException:
        return _FORMERR
    except Exception:  # noqa: BLE001 - a stranger's octets; whatever they upset in the parser is their form
        return _FORMERR
    if len(message.question) != 1:  # RFC 9619: more than one question is malformed
        return _FORMERR
    asked = message.question[0]
    wire = asked.name.to_wire()
    assert wire is not None
    question = wire + int(asked.rdtype).to_bytes(2) + int(asked.rdclass).to_bytes(2)
    if message.edns < 0:
        return OddQuestion(question, PLAIN_UDP, b"", dnssec_ok=False, newer_edns=False)
    dnssec_ok = bool(message.ednsflags & dns.flags.DO)
    return OddQuestion(
        question,
        min(max(message.payload, PLAIN_UDP), EDNS_UDP),
        OPT_DNSSEC_OK if dnssec_ok else OPT,
        dnssec_ok=dnssec_ok,
        newer_edns=message.edns > 0,
    )
