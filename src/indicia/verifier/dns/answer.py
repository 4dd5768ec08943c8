"""What an answer says about the question: the one place that reads records into a reply.

Both decoders (`codec`, plain answers by hand; `unusual`, everything by dnspython) end here, so that the two
differ in how they read octets and in nothing else.
"""

from collections.abc import Sequence
from typing import NamedTuple

from indicia.domain.records.observation import RecordType, Reply, Soa

MAX_CHAIN = 8
"""CNAMEs that are followed; one more is not an answer."""

MAX_RECORDS = 64
"""Records of an answer, all sections together."""


class ResourceRecord(NamedTuple):
    """One record of the answer section: names in lower case without a trailing dot."""

    owner: str
    rtype: int
    ttl: int
    value: str
    strings: tuple[str, ...] = ()


class Message(NamedTuple):
    """The parts of an answer that matter, whoever decoded them."""

    rcode: int
    authoritative: bool
    authentic: bool
    answer: Sequence[ResourceRecord]
    soa: Soa | None = None
    soa_ttl: int = 0
    referral: bool = False
    extended: tuple[tuple[int, str], ...] = ()


class Answer(NamedTuple):
    """The members of an `Observation` that the answer itself decides. `authentic` is the AD flag as sent."""

    reply: Reply
    values: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    ttl: int | None = None
    negative_ttl: int | None = None
    authentic: bool = False
    extended: tuple[tuple[int, str], ...] = ()
    soa: Soa | None = None
    strings: tuple[tuple[str, ...], ...] = ()


GARBAGE = Answer(Reply.GARBAGE)
TRUNCATED = Answer(Reply.TRUNCATED)

_CNAME, _SOA, _TXT = RecordType.CNAME.value, RecordType.SOA.value, RecordType.TXT.value
_NOERROR, _SERVFAIL, _NXDOMAIN = 0, 2, 3
_REPLIES = {
    1: Reply.FORMERR,
    2: Reply.SERVFAIL,
    4: Reply.NOTIMP,
    5: Reply.REFUSED,
    9: Reply.REFUSED,  # NOTAUTH
    16: Reply.FORMERR,  # BADVERS (RFC 6891 §6.1.3): the question was too new for the server
}

# RFC 8914 §4. The codes that name DNSSEC; with NOERROR 1 and 2 only mean that nothing was validated.
_DNSSEC = frozenset({1, 2, *range(5, 13), 27})
_NO_AUTHORITY = frozenset({22, 23})
# Served from what the resolver once knew, because nobody answers for the zone now: no statement of the zone.
_STALE = frozenset({3, 19})
# Made up, or held back, by the resolver's own policy (forged, blocked, censored, filtered).
_POLICY = frozenset({4, 15, 16, 17})


def conclude(name: str, rtype: int, message: Message, *, recursive: bool = True) -> Answer:
    """Say what the message answers to the question for `name`, lower case without a trailing dot.

    `recursive` is whether the question asked for recursion; if not, only an authoritative answer counts.
    """
    if message.rcode or message.extended or not recursive or message.referral:
        reply = _refusal(message, recursive=recursive)
        if reply is not None:
            return Answer(reply, extended=message.extended)
    asked, chain = name, list[str]()
    ttls: list[int] = []
    if rtype != _CNAME and message.answer:
        end = _follow(name, rtype, message.answer, chain, ttls)
        if end is None:
            return Answer(Reply.GARBAGE, extended=message.extended)
        name = end
    records = [each for each in message.answer if each.rtype == rtype and each.owner == name]
    soa, authentic, extended = message.soa, message.authentic, message.extended
    if records:
        # RFC 2308 §2.1: with a chain the rcode is about its end. A CNAME that was asked for is there all the
        # same: some forwarders follow it and report the state of its target.
        if message.rcode == _NXDOMAIN and rtype != _CNAME:
            return Answer(Reply.GARBAGE, extended=extended)
        ttls += [each.ttl for each in records]
        if len(records) > 1:  # the order of a set means nothing (RFC 2181 §5): always the same one
            records = sorted(dict.fromkeys(each._replace(ttl=0) for each in records))
        if rtype == _SOA:
            soa = _soa(name, records[0].value)
        values = tuple([each.value for each in records])
        texts = tuple([each.strings for each in records]) if rtype == _TXT else ()
        return Answer(Reply.ANSWER, values, tuple(chain), min(ttls), None, authentic, extended, soa, texts)
    if recursive and soa is not None and not any(_holds(soa.zone, each) for each in (asked, *chain)):
        # RFC 2308 §2.1, §2.2: it is that of the zone in which the name is not. This answer was made up.
        return Answer(Reply.GARBAGE, extended=extended)
    reply = Reply.NXDOMAIN if message.rcode == _NXDOMAIN else Reply.NODATA
    # RFC 2308 §5: a negative answer is kept for the smaller of the SOA's TTL and its MINIMUM field.
    negative = None if soa is None else min(message.soa_ttl, soa.minimum)
    return Answer(reply, (), tuple(chain), min(ttls, default=None), negative, authentic, extended, soa)


def _refusal(message: Message, *, recursive: bool) -> Reply | None:
    """The reply of a message that says nothing about what is published, else None."""
    if message.rcode not in (_NOERROR, _NXDOMAIN):
        if message.rcode == _SERVFAIL and message.extended:
            codes = {code for code, _ in message.extended}
            if codes & _DNSSEC:
                return Reply.BOGUS
            if codes & _NO_AUTHORITY:
                return Reply.NO_AUTHORITY
        return _REPLIES.get(message.rcode, Reply.SERVFAIL)
    if message.extended:
        codes = {code for code, _ in message.extended}
        if codes & _STALE:
            return Reply.NO_AUTHORITY
        if codes & _POLICY:
            return Reply.OUR_RESOLVER
    # RFC 2308 §2.2: an empty answer with name servers and no SOA is a referral. A resolver that refers does
    # not resolve; a zone's own server that is not authoritative is lame.
    if (message.referral and not message.answer) or not (recursive or message.authoritative):
        return Reply.REFUSED
    return None


def _follow(
    name: str, rtype: int, answer: Sequence[ResourceRecord], chain: list[str], ttls: list[int]
) -> str | None:
    """The end of the CNAME chain from `name`, or None when it is too long, loops, or forks.

    It forks, too, at a name that has records of the type beside its alias: what is read there depends on
    who reads.
    """
    targets: dict[str, ResourceRecord] = {}
    for each in answer:
        if each.rtype == _CNAME and targets.setdefault(each.owner, each).value != each.value:
            return None  # RFC 2181 §10.1: one CNAME at a name
    if not targets:
        return name
    ends = {each.owner for each in answer if each.rtype == rtype}
    while name in targets:
        if len(chain) == MAX_CHAIN or name in ends:  # RFC 1034 §3.6.2: no other data beside a CNAME
            return None
        ttls.append(targets[name].ttl)
        name = targets[name].value
        chain.append(name)
    return name


def _holds(zone: str, name: str) -> bool:
    return zone in (".", name) or name.endswith(f".{zone}")


def _soa(zone: str, value: str) -> Soa:
    """The SOA in its presentation form, as a value."""
    primary, admin, serial, _refresh, _retry, _expire, minimum = value.split(" ")
    return Soa(zone, primary, admin, int(serial), int(minimum))
