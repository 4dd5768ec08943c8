"""The decoder for everything that is not a plain answer: slow, complete, by dnspython."""

import socket
import struct

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.NS import NS
from dns.rdtypes.ANY.SOA import SOA
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from indicia.domain.records.observation import Soa
from indicia.verifier.dns.answer import GARBAGE, Answer, Message, ResourceRecord, conclude

# What dnspython raises on hostile octets: its own, and these where it trusts a length or a text.
_MALFORMED = (dns.exception.DNSException, ValueError, IndexError, struct.error, NotImplementedError)


def decode(wire: bytes, name: str, rtype: int, *, recursive: bool = True) -> Answer:
    """Say what the octets answer to the question; garbage is an answer too.

    The header has been looked at: it is a whole answer within the limits.
    """
    try:
        message = _message(dns.message.from_wire(wire, one_rr_per_rrset=True))
    except _MALFORMED:
        return GARBAGE
    return conclude(name, rtype, message, recursive=recursive)


def _message(parsed: dns.message.Message) -> Message:
    soas = [each for each in parsed.authority if _is(each, dns.rdatatype.SOA)]
    servers = any(_is(each, dns.rdatatype.NS) for each in parsed.authority)
    return Message(
        rcode=int(parsed.rcode()),
        authoritative=bool(parsed.flags & dns.flags.AA),
        authentic=bool(parsed.flags & dns.flags.AD),
        answer=[_record(each) for each in parsed.answer if each.rdclass == dns.rdataclass.IN],
        soa=_soa(soas[0]) if soas else None,
        soa_ttl=soas[0].ttl if soas else 0,
        referral=servers and not soas,
        extended=tuple(
            (int(each.code), each.text or "")
            for each in parsed.options
            if isinstance(each, dns.edns.EDEOption)
        ),
    )


def _is(rrset: dns.rrset.RRset, rtype: dns.rdatatype.RdataType) -> bool:
    return rrset.rdtype == rtype and rrset.rdclass == dns.rdataclass.IN


def _record(rrset: dns.rrset.RRset) -> ResourceRecord:
    rdata = rrset[0]
    strings: tuple[str, ...] = ()
    if isinstance(rdata, TXT):
        strings = tuple(each.decode("latin-1") for each in rdata.strings)
    return ResourceRecord(_text(rrset.name), int(rrset.rdtype), rrset.ttl, _value(rdata, strings), strings)


def _value(rdata: dns.rdata.Rdata, strings: tuple[str, ...]) -> str:
    """The value as `Observation.values` spells it; of types nobody asks for, nothing."""
    match rdata:
        case TXT():
            return "".join(strings)
        case A() | AAAA():
            family = socket.AF_INET if isinstance(rdata, A) else socket.AF_INET6
            return socket.inet_ntop(family, rdata.to_wire() or b"")
        case CNAME() | NS():
            return _text(rdata.target)
        case MX():
            return f"{rdata.preference} {_text(rdata.exchange)}"
        case SOA():
            numbers = f"{rdata.serial} {rdata.refresh} {rdata.retry} {rdata.expire} {rdata.minimum}"
            return f"{_text(rdata.mname)} {_text(rdata.rname)} {numbers}"
    return ""


def _soa(rrset: dns.rrset.RRset) -> Soa | None:
    rdata = rrset[0]
    if not isinstance(rdata, SOA):
        return None
    return Soa(_text(rrset.name), _text(rdata.mname), _text(rdata.rname), rdata.serial, rdata.minimum)


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()
