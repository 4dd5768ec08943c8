"""A real name server on loopback that can be edited while it runs and misbehaves on request.

It plays a recursive resolver and the authority of everything behind it: it follows CNAMEs and DNAMEs within
its data, answers from wildcards what nothing else covers, and the rest with NXDOMAIN or NODATA and the SOA of
the closest zone. The root is a zone from the start, so that control questions are answered.

    with NameServer() as server:
        server.zone("example.com")
        server.put("a.example.com", "CNAME", "b.example.net", ttl=60)
        server.misbehave(Trick.SERVFAIL, "a.example.com")
        ... ask server.address ...
        assert server.asked("a.example.com", "CNAME") == 1

Servers that share a `Zone` see the same data; `server.lie(...)` overrides it for one of them. Private
addresses need no trick: put them.
"""

import asyncio
import itertools
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Self

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

_LONGEST_CHAIN = 32
_SLOW = 0.3


class Trick(Enum):
    """A way to misbehave. The comment says what a client sees."""

    SERVFAIL = "servfail"
    REFUSED = "refused"
    FORMERR = "formerr"
    NOTIMP = "notimp"
    BOGUS = "bogus"  # SERVFAIL with EDE 6 (RFC 8914 §4.7)
    NO_AUTHORITY = "no_authority"  # SERVFAIL with EDE 22 (RFC 8914 §4.23)
    STALE = "stale"  # the right answer with EDE 3 (RFC 8914 §4.4)
    SILENT = "silent"  # no answer, over UDP and TCP
    UDP_SILENT = "udp_silent"  # no answer over UDP only
    SLOW = "slow"  # the right answer after `delay` seconds
    TRUNCATED = "truncated"  # TC over UDP, whole over TCP
    TRUNCATED_ALWAYS = "truncated_always"  # TC over TCP as well
    TCP_CLOSED = "tcp_closed"  # TC over UDP, and TCP closes without an answer
    TCP_CUT = "tcp_cut"  # TC over UDP, and TCP closes in the middle of the answer
    WRONG_ID = "wrong_id"  # only an answer with another id
    WRONG_QUESTION = "wrong_question"  # only an answer to another question
    FORGED_FIRST = "forged_first"  # forgeries with wrong ids and questions, then the right answer
    FORGED_CASE = "forged_case"  # a forgery in lower case with our id, then the right answer
    FORGED_REFUSAL = "forged_refusal"  # FORMERR with our id and no question, then the right answer
    GUESSED = "guessed"  # two hundred answers with ids that were never asked, then the right answer
    GARBAGE = "garbage"  # our id and question, then noise
    LOOP = "loop"  # a CNAME chain that comes back to its start
    LONG_CHAIN = "long_chain"  # twelve CNAMEs, then an address
    HUGE = "huge"  # five hundred records
    NO_EDNS = "no_edns"  # FORMERR to every question with an OPT record
    LOWER_CASE = "lower_case"  # the question comes back in lower case
    DUPLICATE = "duplicate"  # the right answer three times
    DENIED = "denied"  # NXDOMAIN with the SOA of the root, whatever is published
    EMPTY = "empty"  # NOERROR and nothing else, whatever is published
    ANYTHING = "anything"  # a record of the type that was asked for, whatever the name
    WRONG_SOA = "wrong_soa"  # NXDOMAIN with the SOA of a zone that does not hold the name
    NOT_AUTHORITATIVE = "not_authoritative"  # the right answer without the AA flag
    COMPACT_DENIAL = "compact_denial"  # NODATA in place of NXDOMAIN (RFC 9824 §3.1)
    REFERRAL = "referral"  # NS of the root instead of an answer: the server does not recurse


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it arrived: `raw_name` keeps the case it was asked in."""

    name: str
    rtype: str
    transport: str
    raw_name: str
    edns: bool
    recursion: bool
    wire: bytes


@dataclass(slots=True)
class _Rule:
    trick: Trick
    name: str | None
    rtype: str | None
    when: Callable[[Asked], bool] | None
    times: int | None
    delay: float

    def applies(self, asked: Asked) -> bool:
        if self.name not in (None, asked.name) or self.rtype not in (None, asked.rtype) or self.times == 0:
            return False
        if self.when is not None and not self.when(asked):
            return False
        if self.times is not None:
            self.times -= 1
        return True


def plain(name: str) -> str:
    """Spell a name the way the tests do: lower case, no trailing dot, the root as "."."""
    return name.lower().rstrip(".") or "."


class Zone:
    """All data behind one or more servers: record sets by name and type. Safe to edit from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._sets: dict[str, dict[str, dns.rrset.RRset]] = {}
        self._below: Counter[str] = Counter()  # how many names with data each name is, or is above
        self.zone(".")

    def zone(self, apex: str, *, minimum: int = 5, ttl: int = 3600, serial: int = 1) -> None:
        """Make `apex` a zone of its own, with an SOA and a name server."""
        under = "" if plain(apex) == "." else f".{plain(apex)}"
        soa = f"ns1{under}. hostmaster{under}. {serial} 3600 600 86400 {minimum}"
        self.put(apex, "SOA", soa, ttl)
        self.put(apex, "NS", f"ns1{under}.", ttl)

    def put(self, name: str, rtype: str, values: str | Sequence[str], ttl: int = 60) -> None:
        """Publish exactly these values at the name; earlier ones of this type are gone.

        Values are in presentation form; names in them are absolute with or without a dot. A TXT value that
        does not start with a quote is taken as it is and split into strings of 255.
        """
        texts = [values] if isinstance(values, str) else list(values)
        if rtype == "TXT":
            texts = [text if text.startswith('"') else _quoted(text) for text in texts]
        owner = dns.name.from_text(plain(name))
        rrset = dns.rrset.from_text_list(
            owner, ttl, "IN", rtype, texts, origin=dns.name.root, relativize=False
        )
        with self._lock:
            if plain(name) not in self._sets:
                self._below.update(_upwards(plain(name)))
            self._sets.setdefault(plain(name), {})[rtype] = rrset

    def remove(self, name: str, rtype: str | None = None) -> None:
        """Withdraw one type at the name, or all of them."""
        with self._lock:
            at = self._sets.get(plain(name), {})
            for gone in [rtype] if rtype else list(at):
                at.pop(gone, None)
            if not at and self._sets.pop(plain(name), None) is not None:
                self._below.subtract(_upwards(plain(name)))

    def find(self, name: str, rtype: str) -> dns.rrset.RRset | None:
        """The record set at the name, or of the wildcard that covers it (RFC 4592 §3.3)."""
        with self._lock:
            found = self._sets.get(self._source(name), {}).get(rtype)
            return None if found is None else _renamed(found, name)

    def exists(self, name: str) -> bool:
        """Whether the name is there, be it as an empty non-terminal (RFC 8020)."""
        with self._lock:
            return name == "." or self._below[name] > 0

    def covered(self, name: str) -> bool:
        """Whether the name is there, or a wildcard answers for it, if only that it has no such type."""
        with self._lock:
            return self.exists(self._source(name))

    def _source(self, name: str) -> str:
        """The name whose records answer for this one: itself, or the source of synthesis (RFC 4592 §3.3.1).

        That is the asterisk below the closest encloser, which is the longest existing ancestor. It need not
        exist, and where it does as an empty non-terminal it has no records.
        """
        if self.exists(name):
            return name
        encloser = _parent(name)
        while not self.exists(encloser):
            encloser = _parent(encloser)
        return f"*.{encloser}" if encloser != "." else "*"

    def redirect(self, name: str) -> dns.rrset.RRset | None:
        """The DNAME that redirects the name: the first that is met on the way down to it (RFC 6672 §3.2)."""
        with self._lock:
            apex = plain(self.soa(name).name.to_text())
            above = [each for each in _upwards(name)[1:] if each == apex or each.endswith(f".{apex}")]
            sets = (self._sets.get(each, {}).get("DNAME") for each in reversed(above))
            return next((each for each in sets if each is not None), None)

    def soa(self, name: str) -> dns.rrset.RRset:
        """The SOA of the closest zone around the name."""
        with self._lock:
            while "SOA" not in self._sets.get(name, {}):
                name = _parent(name)
            return self._sets[name]["SOA"]


class NameServer:
    """One address, UDP and TCP on the same port of 127.0.0.1, answered by a thread of its own."""

    def __init__(self, data: Zone | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.data = data if data is not None else Zone()
        self.secure = False  # answer with the AD flag
        self.on_question: Callable[[Asked], None] | None = None  # runs before the answer is made
        self.questions: list[Asked] = []
        self._lies: dict[tuple[str, str], dns.rrset.RRset | None] = {}
        self._rules: list[_Rule] = []
        self._open: set[asyncio.StreamWriter] = set()
        self._udp, self._tcp = _same_port(host, port)
        self.host, self.port = self._udp.getsockname()[:2]
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"nameserver-{self.port}", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """Where to ask."""
        return self.host, self.port

    def zone(self, apex: str, *, minimum: int = 5, ttl: int = 3600, serial: int = 1) -> None:
        """Make `apex` a zone of its own; see `Zone.zone`."""
        self.data.zone(apex, minimum=minimum, ttl=ttl, serial=serial)

    def put(self, name: str, rtype: str, values: str | Sequence[str], ttl: int = 60) -> None:
        """Publish at the name, on all servers of the zone; see `Zone.put`."""
        self.data.put(name, rtype, values, ttl)

    def remove(self, name: str, rtype: str | None = None) -> None:
        """Withdraw at the name, on all servers of the zone."""
        self.data.remove(name, rtype)

    def lie(self, name: str, rtype: str, values: str | Sequence[str] | None, ttl: int = 60) -> None:
        """Answer this in place of the zone's data, on this server only; None denies that there is any."""
        if values is None:
            self._lies[plain(name), rtype] = None
            return
        own = Zone()
        own.put(name, rtype, values, ttl)
        self._lies[plain(name), rtype] = own.find(plain(name), rtype)

    def misbehave(
        self,
        trick: Trick,
        name: str | None = None,
        rtype: str | None = None,
        *,
        when: Callable[[Asked], bool] | None = None,
        times: int | None = None,
        delay: float = _SLOW,
    ) -> None:
        """Play the trick on questions for this name, type and predicate (None: all), `times` times or always.

        The newest rule that applies wins.
        """
        self._rules.insert(0, _Rule(trick, name and plain(name), rtype, when, times, delay))

    def behave(self) -> None:
        """Play no more tricks and tell no more lies."""
        self._rules.clear()
        self._lies.clear()

    def asked(self, name: str | None = None, rtype: str | None = None, transport: str | None = None) -> int:
        """How many questions arrived for this name, type and transport ("udp", "tcp"); None counts all."""
        return sum(
            name in (None, each.name) and rtype in (None, each.rtype) and transport in (None, each.transport)
            for each in list(self.questions)
        )

    def start(self) -> Self:
        """Answer from now on."""
        self._thread.start()
        self._started.wait()
        return self

    def close(self) -> None:
        """Stop, and leave the port: whoever asks now gets an ICMP refusal."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._udp.close()
        self._tcp.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.add_reader(self._udp, self._on_datagrams)
        server = self._loop.run_until_complete(asyncio.start_server(self._on_stream, sock=self._tcp))
        self._loop.call_soon(self._started.set)  # within run_forever, so that stopping ends it
        self._loop.run_forever()
        self._loop.remove_reader(self._udp)
        server.close()
        rest = asyncio.all_tasks(self._loop)
        for task in rest:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _on_datagrams(self) -> None:
        for _ in range(64):
            try:
                wire, peer = self._udp.recvfrom(65535)
            except BlockingIOError:
                return
            delay, replies = self._replies(wire, "udp")
            if delay:
                self._loop.call_later(delay, self._send, replies, peer)
            else:
                self._send(replies, peer)

    def _send(self, replies: list[bytes], peer: tuple[str, int]) -> None:
        for reply in replies:
            self._udp.sendto(reply, peer)

    async def _on_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                delay, replies = self._replies(await reader.readexactly(length), "tcp")
                if delay:
                    await asyncio.sleep(delay)
                for reply in replies:
                    if reply == b"":  # close here
                        return
                    writer.write(reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    def _replies(self, wire: bytes, transport: str) -> tuple[float, list[bytes]]:
        """What to send, and after how many seconds. Over TCP an empty reply closes the connection."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return 0, []
        asked = _asked(query, transport, wire)
        self.questions.append(asked)
        if self.on_question is not None:
            self.on_question(asked)
        rule = next((each for each in self._rules if each.applies(asked)), None)
        trick = rule.trick if rule else None
        framed = [
            struct.pack("!H", len(reply)) + reply if transport == "tcp" else reply
            for reply in self._tricked(trick, query, asked)
        ]
        if transport == "tcp" and trick is Trick.TCP_CLOSED:
            framed = [b""]
        if transport == "tcp" and trick is Trick.TCP_CUT:
            framed = [framed[0][:-3], b""]
        return (rule.delay if rule and trick is Trick.SLOW else 0), framed

    def _tricked(self, trick: Trick | None, query: dns.message.Message, asked: Asked) -> list[bytes]:
        """The datagrams or messages that answer the query under this trick."""
        udp = asked.transport == "udp"
        limit = max(query.payload, 512) if udp else 65535
        if trick is Trick.SILENT or (trick is Trick.UDP_SILENT and udp):
            return []
        if trick in _RCODES or (trick is Trick.NO_EDNS and asked.edns):
            rcode, extended = _RCODES.get(trick, (dns.rcode.FORMERR, None))
            return [_refusal(query, rcode, extended).to_wire(max_size=65535)]
        if trick is Trick.TRUNCATED_ALWAYS or (trick in _TRUNCATING and udp):
            return [_truncated(query)]
        if trick is Trick.GARBAGE:
            return [_header(query) + query.to_wire()[12:][: -11 if asked.edns else None] + b"\xff" * 40]
        response = self._lied(trick, query) or self._crafted(trick, query) or self._resolved(query)
        if trick is Trick.STALE:
            response.use_edns(0, options=[dns.edns.EDEOption(dns.edns.EDECode.STALE_ANSWER, "served stale")])
        if trick is Trick.COMPACT_DENIAL and response.rcode() == dns.rcode.NXDOMAIN:
            response.set_rcode(dns.rcode.NOERROR)
        if trick is Trick.NOT_AUTHORITATIVE:
            response.flags &= ~dns.flags.AA
        right = _fitted(response, query, limit)
        if trick is Trick.WRONG_ID:
            return [_other_id(right)]
        if trick in (Trick.WRONG_QUESTION, Trick.FORGED_FIRST):
            other = dns.message.make_query("elsewhere.example.", query.question[0].rdtype, id=query.id)
            wrong = self._resolved(other).to_wire()
            return [wrong] if trick is Trick.WRONG_QUESTION else [_other_id(right), wrong, b"", b"?", right]
        if trick is Trick.LOWER_CASE:
            return [_recased(right, bytes.lower)]
        if udp and trick is Trick.FORGED_CASE:
            return [_recased(self._forged(query).to_wire(), bytes.lower), right]
        if udp and trick is Trick.FORGED_REFUSAL:
            return [struct.pack("!HH", query.id, 0x8181) + bytes(8), right]
        if udp and trick is Trick.GUESSED:
            return [_other_id(right, by) for by in range(1, 201)] + [right]
        return [right] * (3 if trick is Trick.DUPLICATE else 1)

    def _resolved(self, query: dns.message.Message) -> dns.message.Message:
        """The honest answer: the chain of aliases, then the records, NODATA or NXDOMAIN with the SOA."""
        response = dns.message.make_response(query, recursion_available=True, our_payload=1232)
        response.flags |= dns.flags.AA | (dns.flags.AD if self.secure else 0)
        name, rtype = plain(query.question[0].name.to_text()), query.question[0].rdtype.name
        for _ in range(_LONGEST_CHAIN):
            found = self._find(name, rtype)
            redirect = None if (name, rtype) in self._lies else self.data.redirect(name)
            if redirect is not None:
                alias = _synthesised(redirect, name)
                response.answer.append(redirect)
                if alias is None:
                    response.set_rcode(dns.rcode.YXDOMAIN)
                    return response
                response.answer.append(alias)
                if rtype == "CNAME" and not query.flags & dns.flags.RD:
                    return response  # as NSD has it; a resolver follows, as unbound does
                name = plain(alias[0].target.to_text())
                continue
            if found is not None:
                response.answer.append(_renamed(found, name))
                return response
            alias = self._find(name, "CNAME")
            if alias is None:
                break
            response.answer.append(_renamed(alias, name))
            name = plain(alias[0].target.to_text())
        if not self.data.covered(name) and not any(key[0] == name for key in self._lies):
            response.set_rcode(dns.rcode.NXDOMAIN)
        response.authority.append(self.data.soa(name))
        return response

    def _lied(self, trick: Trick | None, query: dns.message.Message) -> dns.message.Message | None:
        """An answer that says what is not so, in good form."""
        response = dns.message.make_response(query, recursion_available=True)
        name, rtype = query.question[0].name, query.question[0].rdtype.name
        if trick in (Trick.DENIED, Trick.WRONG_SOA):
            zone = "." if trick is Trick.DENIED else "elsewhere.example."
            soa = f"ns1.{zone.lstrip('.')} hostmaster.{zone.lstrip('.')} 1 3600 600 86400 5"
            response.set_rcode(dns.rcode.NXDOMAIN)
            response.authority.append(dns.rrset.from_text(zone, 60, "IN", "SOA", soa))
        elif trick is Trick.ANYTHING:
            response.answer.append(dns.rrset.from_text(name, 60, "IN", rtype, _MADE_UP[rtype]))
        elif trick is not Trick.EMPTY:
            return None
        return response

    def _forged(self, query: dns.message.Message) -> dns.message.Message:
        """An answer that was made up: nothing is there, and the TXT says so."""
        response = dns.message.make_response(query, recursion_available=True)
        name, rtype = query.question[0].name, query.question[0].rdtype.name
        if rtype == "TXT":
            response.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", "forged"))
        else:
            response.set_rcode(dns.rcode.NXDOMAIN)
            response.authority.append(self.data.soa("."))
        return response

    def _find(self, name: str, rtype: str) -> dns.rrset.RRset | None:
        if (name, rtype) in self._lies:
            return self._lies[name, rtype]
        return self.data.find(name, rtype)

    def _crafted(self, trick: Trick | None, query: dns.message.Message) -> dns.message.Message | None:
        """An answer whose content is the trick."""
        name = query.question[0].name
        response = dns.message.make_response(query, recursion_available=True)
        hops = [dns.name.from_text(f"hop{count}.example.") for count in range(12)]
        if trick is Trick.LOOP:
            chain = [name, hops[0], hops[1], name]
        elif trick is Trick.LONG_CHAIN:
            chain = [name, *hops]
            response.answer = [dns.rrset.from_text(hops[-1], 60, "IN", "A", "192.0.2.1")]
        elif trick is Trick.HUGE:
            texts = [f"192.0.{count // 250}.{count % 250 + 1}" for count in range(500)]
            response.answer = [dns.rrset.from_text(name, 60, "IN", "A", *texts)]
            return response
        elif trick is Trick.REFERRAL:
            response.flags &= ~dns.flags.RA
            response.authority = [dns.rrset.from_text(".", 60, "IN", "NS", "a.root-servers.net.")]
            return response
        else:
            return None
        links = [
            dns.rrset.from_text(owner, 60, "IN", "CNAME", target.to_text())
            for owner, target in itertools.pairwise(chain)
        ]
        response.answer = links + response.answer
        return response


_MADE_UP = {
    "A": "192.0.2.80",
    "AAAA": "2001:db8::80",
    "CNAME": "search.example.",
    "MX": "10 search.example.",
    "NS": "ns.search.example.",
    "SOA": "ns.search.example. hostmaster.search.example. 1 3600 600 86400 5",
    "TXT": '"made up"',
}
_RCODES: dict[Trick | None, tuple[dns.rcode.Rcode, dns.edns.EDECode | None]] = {
    Trick.SERVFAIL: (dns.rcode.SERVFAIL, None),
    Trick.REFUSED: (dns.rcode.REFUSED, None),
    Trick.FORMERR: (dns.rcode.FORMERR, None),
    Trick.NOTIMP: (dns.rcode.NOTIMP, None),
    Trick.BOGUS: (dns.rcode.SERVFAIL, dns.edns.EDECode.DNSSEC_BOGUS),
    Trick.NO_AUTHORITY: (dns.rcode.SERVFAIL, dns.edns.EDECode.NO_REACHABLE_AUTHORITY),
}
_TRUNCATING = (Trick.TRUNCATED, Trick.TCP_CLOSED, Trick.TCP_CUT)


def _asked(query: dns.message.Message, transport: str, wire: bytes) -> Asked:
    question = query.question[0]
    raw = question.name.to_text()
    recursion = bool(query.flags & dns.flags.RD)
    return Asked(plain(raw), question.rdtype.name, transport, raw, query.edns >= 0, recursion, wire)


def _refusal(
    query: dns.message.Message, rcode: dns.rcode.Rcode, extended: dns.edns.EDECode | None
) -> dns.message.Message:
    response = dns.message.make_response(query, recursion_available=True)
    response.set_rcode(rcode)
    if extended is not None:
        response.use_edns(0, options=[dns.edns.EDEOption(extended, "as asked")])
    elif rcode in (dns.rcode.FORMERR, dns.rcode.NOTIMP):
        response.use_edns(False)
    return response


def _header(query: dns.message.Message) -> bytes:
    """The header of an answer with one question and nothing else, claiming two answers."""
    return struct.pack("!HHHHHH", query.id, 0x8180, 1, 2, 0, 0)


def _truncated(query: dns.message.Message) -> bytes:
    response = dns.message.make_response(query, recursion_available=True)
    response.flags |= dns.flags.TC
    return response.to_wire()


def _fitted(response: dns.message.Message, query: dns.message.Message, limit: int) -> bytes:
    """The response in wire form, or a truncated one when it does not fit (RFC 2181 §9)."""
    wire = response.to_wire(max_size=65535)
    return wire if len(wire) <= limit else _truncated(query)


def _other_id(wire: bytes, by: int = 0x5500) -> bytes:
    return struct.pack("!H", struct.unpack("!H", wire[:2])[0] ^ by) + wire[2:]


def _recased(wire: bytes, fold: Callable[[bytes], bytes]) -> bytes:
    """The message with the case of its question changed."""
    end = wire.index(0, 12)  # of the name: the labels of a test hold no zero octet
    return wire[:12] + fold(wire[12:end]) + wire[end:]


def _renamed(rrset: dns.rrset.RRset, name: str) -> dns.rrset.RRset:
    return dns.rrset.from_rdata_list(dns.name.from_text(name), rrset.ttl, list(rrset))


def _synthesised(redirect: dns.rrset.RRset, name: str) -> dns.rrset.RRset | None:
    """The CNAME that a DNAME makes for the name (RFC 6672 §3.1), None where that would be too long (§2.2)."""
    owner = dns.name.from_text(name)
    try:
        target = owner.relativize(redirect.name).concatenate(redirect[0].target)
    except dns.name.NameTooLong:
        return None
    return dns.rrset.from_text(owner, redirect.ttl, "IN", "CNAME", target.to_text())


def _parent(name: str) -> str:
    return name.partition(".")[2] or "."


def _upwards(name: str) -> list[str]:
    """The name and every name above it, but for the root."""
    labels = name.split(".")
    return [".".join(labels[at:]) for at in range(len(labels))] if name != "." else []


def _quoted(text: str) -> str:
    escaped = [
        text[at : at + 255].replace("\\", "\\\\").replace('"', '\\"') for at in range(0, len(text), 255)
    ]
    return " ".join(f'"{each}"' for each in escaped or [""])


def _same_port(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """A UDP and a listening TCP socket on one port, a free one where it is 0."""
    while True:
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        tcp.bind((host, port))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            tcp.close()
            udp.close()
            if port:
                raise
            continue
        tcp.listen(64)
        tcp.setblocking(False)
        udp.setblocking(False)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        return udp, tcp
