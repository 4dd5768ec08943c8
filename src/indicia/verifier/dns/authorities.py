"""Name servers asked directly, without recursion: of a zone, and of the one above it for the delegation."""

from __future__ import annotations

import asyncio
import errno
import struct
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype

from indicia.domain.installation.soundness import Referral, Served

_WITHIN: Final = 2.0  # seconds, for one question to one server
_NO_WAY: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


async def referral(zone: str, server: str, address: str, port: int) -> Referral:
    """Return what a server of the parent zone refers to (RFC 1034 §4.3.2 step 3b), and with which glue."""
    from dns import asyncquery  # an examination needs it, a start does not

    query = dns.message.make_query(zone, dns.rdatatype.NS, flags=0)
    try:
        answer, _ = await asyncquery.udp_with_fallback(query, address, timeout=_WITHIN, port=port)
    except (dns.exception.DNSException, OSError, ValueError) as error:
        return Referral(server, trouble=_trouble(error))
    if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return Referral(server, trouble=dns.rcode.to_text(answer.rcode()))
    glue: dict[str, frozenset[str]] = {}
    for rrset in answer.additional:
        if rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
            name = _text(rrset.name)
            glue[name] = glue.get(name, frozenset()) | {rdata.address for rdata in rrset}
    return Referral(server, _name_servers(answer, zone), glue)


async def serves(zone: str, server: str, address: str, port: int, transport: str) -> Served:
    """Return what a server says of the zone over one transport: its SOA, and its NS records."""
    from dns import asyncquery

    answers = []
    for rtype in (dns.rdatatype.SOA, dns.rdatatype.NS):
        query = dns.message.make_query(zone, rtype, flags=0)
        try:
            if transport == "tcp":
                answer = await _over_tcp(query, address, port)
            else:
                answer = await asyncquery.udp(query, address, timeout=_WITHIN, port=port)
        except (dns.exception.DNSException, OSError, ValueError, EOFError) as error:
            no_way = isinstance(error, OSError) and error.errno in _NO_WAY
            return Served(server, address, transport, trouble=_trouble(error), no_way=no_way)
        answers.append(answer)
    soa, names = answers
    primary = next(
        (
            _text(rdata.mname)
            for rrset in soa.answer
            if rrset.rdtype == dns.rdatatype.SOA and _text(rrset.name) == zone
            for rdata in rrset
        ),
        None,
    )
    return Served(
        server,
        address,
        transport,
        rcode=dns.rcode.to_text(soa.rcode()),
        authoritative=all(answer.flags & dns.flags.AA for answer in answers),
        primary=primary,
        names=_name_servers(names, zone),
    )


async def _over_tcp(query: dns.message.Message, address: str, port: int) -> dns.message.Message:
    """Return the answer to one question over a connection of its own (RFC 7766 §8).

    Not dnspython's: that leaves the socket of a connection open that is refused.
    """
    async with asyncio.timeout(_WITHIN):
        reader, writer = await asyncio.open_connection(address, port)
        try:
            wire = query.to_wire()
            writer.write(struct.pack("!H", len(wire)) + wire)
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            answer = dns.message.from_wire(await reader.readexactly(length))
        finally:
            writer.close()
    if not query.is_response(answer):
        raise dns.query.BadResponse
    return answer


def _name_servers(answer: dns.message.Message, zone: str) -> frozenset[str]:
    return frozenset(
        _text(rdata.target)
        for section in (answer.authority, answer.answer)
        for rrset in section
        if rrset.rdtype == dns.rdatatype.NS and _text(rrset.name) == zone
        for rdata in rrset
    )


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _trouble(error: Exception) -> str:
    if isinstance(error, (dns.exception.Timeout, asyncio.TimeoutError)):
        return f"silence for {_WITHIN:g} s"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "closed without an answer" if isinstance(error, EOFError) else type(error).__name__
