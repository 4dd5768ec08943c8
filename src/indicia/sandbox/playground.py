"""The playground: every domain there is, as a zone anybody here may edit. No I/O.

It answers as a recursive resolver would that reaches the whole DNS: it follows CNAMEs and DNAMEs from one
domain into another and into the key zone, answers from wildcards what nothing else covers, and proves absence
with the SOA of the zone.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
import msgspec

from indicia.domain.dkim.key_record import split_text
from indicia.domain.faults import FaultKind, refuse
from indicia.domain.names import under
from indicia.sandbox.faces import ADDRESSES, DELEGATED, EVERYBODY, Face
from indicia.sandbox.misbehaviour import Rule, rule

TTL = 60  # seconds
NEGATIVE_TTL = 5  # seconds; what is not there may be there in a moment
_CHAIN = 8  # aliases followed, as the verifier does

# What the playground knows of the key zone: the text of the key, "" for an issued token without one, None.
KeyText = Callable[[str], str | None]


class _Kept(msgspec.Struct, array_like=True):
    """A record set as `dump` writes it. `shown_by` is empty when everybody has it."""

    name: str
    rtype: str
    ttl: int
    values: list[str]
    shown_by: list[str] = []


@dataclass(slots=True)
class Playground:
    """The records of all domains, edited by name and type. Safe to use from several threads.

    `zone_of` returns the zone a name belongs to, which is where a negative answer's SOA stands; `key_text`
    answers for names in the key zone. Once `served` is true the zones name servers of their own (`faces`).
    """

    zone_of: Callable[[str], str]
    key_text: KeyText
    _records: dict[str, dict[str, dns.rdataset.Rdataset]] = field(default_factory=dict)
    served: bool = False
    _shown_by: dict[tuple[str, str], frozenset[Face]] = field(default_factory=dict)  # not here: by everybody
    _rules: dict[str, Rule] = field(default_factory=dict)
    _above: Counter[str] = field(default_factory=Counter)  # how many names with records lie below a name
    _serial: int = 1
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def put(
        self, name: str, rtype: str, values: list[str], ttl: int = TTL, shown_by: Sequence[str] = ()
    ) -> None:
        """Publish these values, over what the name had of this type; a name that failed does so no more.

        TXT values are taken as they are, in one piece and without zone-file quotes. `shown_by` names those
        who have the record set, when not everybody has: `resolver`, `ns1`, `ns2`, `ns3`.

        Raises: `Fault` INVALID_PARAMETER for a name, type or value that DNS cannot hold.
        """
        key = _key(name)
        faces = _faces(shown_by)
        if key.split(".")[0] == "*" and rtype.upper() in _NOT_WILD:
            refuse(
                FaultKind.INVALID_PARAMETER,
                f"{rtype.upper()} at {key[:100]} has no meaning that servers agree on (RFC 4592 §4.2, §4.4).",
            )
        rdatas = [_rdata(rtype, value) for value in values]
        if not rdatas:
            refuse(FaultKind.INVALID_PARAMETER, "values is empty; give at least one, or DELETE the records.")
        with self._lock:
            if key not in self._records:
                self._records[key] = {}
                self._above.update(_ancestors(key))
            # RFC 1034 §3.6.2: nothing else stands beside a CNAME, so the later of the two counts.
            for kind in [kind for kind in self._records[key] if "CNAME" in {kind, rtype.upper()}]:
                del self._records[key][kind]
                self._shown_by.pop((key, kind), None)
            self._records[key][rtype.upper()] = dns.rdataset.from_rdata_list(ttl, rdatas)
            self._shown_by.pop((key, rtype.upper()), None)
            if faces != EVERYBODY:
                self._shown_by[key, rtype.upper()] = faces
            self._rules.pop(key, None)
            self._serial += 1

    def misbehave(self, name: str, rcode: str) -> None:
        """Let every question for the name fail like this (`misbehaviour.rule`)."""
        key, found = _key(name), rule(rcode)
        with self._lock:
            self._rules[key] = found

    def remove(self, name: str, rtype: str | None = None) -> int:
        """Withdraw what the name has of this type, or all of it; return how many sets there were."""
        key = _key(name)
        with self._lock:
            held = self._records.get(key, {})
            gone = [rtype.upper()] if rtype else list(held)
            removed = sum(held.pop(kind, None) is not None for kind in gone)
            for kind in gone:
                self._shown_by.pop((key, kind), None)
            if not held:
                self._forget(key)
            if rtype is None:
                self._rules.pop(key, None)
            self._serial += 1
            return removed

    def remove_under(self, domain: str) -> int:
        """Withdraw everything at and below a domain; return how many names had something."""
        apex = _key(domain)
        with self._lock:
            names = [name for name in self._records if name == apex or name.endswith("." + apex)]
            for name in names:
                self._forget(name)
            for name in [name for name in self._rules if name == apex or name.endswith("." + apex)]:
                del self._rules[name]
            self._serial += 1
            return len(names)

    def clear(self) -> None:
        """Withdraw everything."""
        with self._lock:
            self._records.clear()
            self._shown_by.clear()
            self._rules.clear()
            self._above.clear()
            self._serial += 1

    def reached_from(self, changed: Sequence[str], *, below: bool) -> dict[str, bool]:
        """Return the names that show a change at these names, and whether those below them do so too.

        A wildcard and a DNAME show below the name they are at; an alias shows what becomes of its target.
        """
        reached: dict[str, bool] = {}
        with self._lock:
            aliases = [
                (name, kind == "DNAME", _key(sets[kind][0].target.to_text()))
                for name, sets in self._records.items()
                for kind in ("CNAME", "DNAME")
                if kind in sets
            ]
        waiting = [(_key(name), below) for name in changed]
        while waiting:
            name, wide = waiting.pop()
            if name.startswith("*."):
                name, wide = name[2:], True
            if reached.get(name) or (name in reached and not wide):
                continue
            reached[name] = wide
            for owner, redirects, target in aliases:
                seen_through = under(name, target) if redirects else target == name
                if seen_through or (wide and under(target, name)):
                    waiting.append((owner, redirects))
        return reached

    def records(self) -> Iterator[tuple[str, str, int, list[str]]]:
        """Yield what is published, as (name, type, TTL, values)."""
        with self._lock:
            held = [(name, dict(sets)) for name, sets in sorted(self._records.items())]
        for name, sets in held:
            for kind, rdataset in sorted(sets.items()):
                yield name, kind, rdataset.ttl, [_text(rdata) for rdata in rdataset]

    def dump(self) -> bytes:
        """Return what is published as JSON, for `load`."""
        kept = [
            _Kept(
                name, kind, ttl, values, sorted(face.value for face in self._shown_by.get((name, kind), ()))
            )
            for name, kind, ttl, values in self.records()
        ]
        return msgspec.json.encode(kept)

    def load(self, dumped: bytes) -> None:
        """Publish what was dumped. Raises ValueError when it is no dump."""
        for kept in msgspec.json.decode(dumped, type=list[_Kept]):
            self.put(kept.name, kept.rtype, kept.values, kept.ttl, kept.shown_by)

    def answer(self, query: dns.message.Message, face: Face = Face.RESOLVER) -> dns.message.Message:
        """Return the answer to a query, as a recursive resolver that reaches everything would give it.

        With another `face`, as that one of the zone's own servers would.
        """
        response = dns.message.make_response(query, recursion_available=face is Face.RESOLVER)
        if face is not Face.RESOLVER:
            response.flags |= dns.flags.AA
        if len(query.question) != 1:
            response.set_rcode(dns.rcode.FORMERR)
            return response
        question = query.question[0]
        with self._lock:
            self._fill(response, question.name, question.rdtype, face)
        return response

    def _fill(
        self,
        response: dns.message.Message,
        name: dns.name.Name,
        rdtype: dns.rdatatype.RdataType,
        face: Face,
    ) -> None:
        for _ in range(_CHAIN + 1):
            text = _key(name.to_text(omit_final_dot=True))
            failing = self._rules.get(text)
            if failing is not None and (failing.everybody or face is Face.RESOLVER):
                _fail(response, failing)
                return
            redirect = self._redirect(text, face)
            if redirect is not None:
                target = _redirected(response, name, *redirect)
                if target is None:
                    response.set_rcode(dns.rcode.YXDOMAIN)  # RFC 6672 §2.2
                    return
                if rdtype == dns.rdatatype.CNAME and face is not Face.RESOLVER:
                    return  # as NSD has it; a resolver follows, as unbound does
                name = target
                continue
            source = self._source(text, face)
            held = self._at(source, face)
            kind = dns.rdatatype.to_text(rdtype)
            alias = held.get("CNAME") if kind != "CNAME" else None
            found = held.get(kind) or alias
            if found is None:
                if kind == "SOA" and text == self.zone_of(text):
                    response.answer.append(self._soa(text))
                    return
                self._deny(response, text, exists=bool(held) or self._exists(source))
                return
            response.answer.append(dns.rrset.from_rdata_list(name, found.ttl, list(found)))
            if found is not alias:
                return
            name = alias[0].target
        response.set_rcode(dns.rcode.SERVFAIL)

    def _source(self, text: str, face: Face) -> str:
        """Return the name whose records answer for this one: itself, or the wildcard that covers it.

        Where nothing is at the name, not even an empty non-terminal, that is the asterisk below the closest
        encloser, the longest ancestor that exists (RFC 4592 §3.3.1); it need not exist itself.
        """
        encloser = text
        while not (self._exists(encloser) or self._at(encloser, face)):
            encloser = encloser.partition(".")[2]
        return text if encloser == text else f"*.{encloser}"

    def _redirect(self, text: str, face: Face) -> tuple[str, dns.rdataset.Rdataset] | None:
        """Return the DNAME above a name that redirects it, and its owner: the one nearest to the apex.

        What stands below a DNAME is hidden by it (RFC 6672 §3.2); but every zone has its name servers.
        """
        zone = self.zone_of(text)
        label, _, parent = text.partition(".")
        if self.served and label in _SERVERS and parent == zone:
            return None
        for owner in reversed([each for each in _ancestors(text) if under(each, zone)]):
            held = self._records.get(owner, {}).get("DNAME")
            if held and face in self._shown_by.get((owner, "DNAME"), EVERYBODY):
                return owner, held
        return None

    def _at(self, text: str, face: Face) -> dict[str, dns.rdataset.Rdataset]:
        held = {
            kind: rdataset
            for kind, rdataset in self._records.get(text, {}).items()
            if face in self._shown_by.get((text, kind), EVERYBODY)
        }
        if self.served:
            held = self._of_servers(text, held, face)
        if text == ".":  # every resolver knows them, and the verifier controls by them
            held.setdefault("NS", _set("NS", ["ns1."]))
        if held:
            return held
        key = self.key_text(text)
        return {"TXT": _set("TXT", [key])} if key else {}

    def _of_servers(
        self, text: str, held: dict[str, dns.rdataset.Rdataset], face: Face
    ) -> dict[str, dns.rdataset.Rdataset]:
        """Return what is at the name with what every zone has: its name servers, and their addresses.

        What somebody published there instead counts; but the delegation is the parent zone's, and stays as
        it is whatever the zone says of itself.
        """
        found = dict(held)
        if text != "." and text == self.zone_of(text) and (face is not Face.RESOLVER or "NS" not in held):
            found["NS"] = _set("NS", [f"{server.value}.{text}." for server in DELEGATED])
        label, _, parent = text.partition(".")
        if label in _SERVERS and not held.keys() & {"A", "CNAME"} and parent == self.zone_of(parent):
            found["A"] = _set("A", [_SERVERS[label]])
        return found

    def _exists(self, text: str) -> bool:
        """Say whether the name is there without records: an apex, an empty non-terminal, a bare token."""
        if text == self.zone_of(text) or self.key_text(text) is not None:
            return True
        return self._above[text] > 0

    def _forget(self, key: str) -> None:
        if self._records.pop(key, None) is not None:
            self._above.subtract(_ancestors(key))
            for place in [place for place in self._shown_by if place[0] == key]:
                del self._shown_by[place]

    def _deny(self, response: dns.message.Message, text: str, *, exists: bool) -> None:
        if not exists:
            response.set_rcode(dns.rcode.NXDOMAIN)
        response.authority.append(self._soa(self.zone_of(text)))

    def _soa(self, zone: str) -> dns.rrset.RRset:
        apex = zone.rstrip(".") + "."
        below = apex if apex != "." else ""
        return dns.rrset.from_text(
            apex,
            TTL,
            dns.rdataclass.IN,
            dns.rdatatype.SOA,
            f"ns1.{below} hostmaster.{below} {self._serial} 3600 600 86400 {NEGATIVE_TTL}",
        )


_NOT_WILD = frozenset({"NS", "DNAME"})
_SERVERS = {face.value: address for face, address in ADDRESSES.items() if face is not Face.RESOLVER}


def _set(rtype: str, values: Sequence[str]) -> dns.rdataset.Rdataset:
    return dns.rdataset.from_rdata_list(TTL, [_rdata(rtype, value) for value in values])


def _redirected(
    response: dns.message.Message, name: dns.name.Name, owner: str, dname: dns.rdataset.Rdataset
) -> dns.name.Name | None:
    """Add a DNAME and the CNAME that it makes for the name (RFC 6672 §3.1); return its target, if it fits."""
    apex = dns.name.from_text(owner)
    response.answer.append(dns.rrset.from_rdata_list(apex, dname.ttl, list(dname)))
    try:
        target = name.relativize(apex).concatenate(dname[0].target)
    except dns.name.NameTooLong:
        return None
    alias = dns.rrset.from_text(name, dname.ttl, dns.rdataclass.IN, dns.rdatatype.CNAME, target.to_text())
    response.answer.append(alias)
    return target


def _fail(response: dns.message.Message, failing: Rule) -> None:
    response.set_rcode(failing.rcode)
    if failing.extended is not None and response.edns >= 0:
        error = dns.edns.EDEOption(dns.edns.EDECode(failing.extended))
        response.use_edns(0, 0, response.payload, options=[error])


def _faces(words: Sequence[str]) -> frozenset[Face]:
    """Return the faces that are named, everybody where none is."""
    try:
        return frozenset(map(Face, words)) or EVERYBODY
    except ValueError:
        known = ", ".join(face.value for face in Face)
        refuse(FaultKind.INVALID_PARAMETER, f"shown_by has a word that is none of {known}.")


def _ancestors(name: str) -> list[str]:
    labels = name.split(".")
    return [".".join(labels[depth:]) for depth in range(1, len(labels))]


def _key(name: str) -> str:
    """Return the name as it is looked up; refuse what is no name."""
    try:
        return dns.name.from_text(name).to_text(omit_final_dot=True).lower()
    except (dns.exception.DNSException, UnicodeError):
        refuse(FaultKind.INVALID_PARAMETER, f"name {name[:100]!r} is not a domain name.")


def _rdata(rtype: str, value: str) -> dns.rdata.Rdata:
    try:
        kind = dns.rdatatype.from_text(rtype)
        if kind == dns.rdatatype.TXT:
            strings = " ".join('"' + _escaped(part) + '"' for part in split_text(value))
            return dns.rdata.from_text(dns.rdataclass.IN, kind, strings)
        return dns.rdata.from_text(dns.rdataclass.IN, kind, value, origin=dns.name.root, relativize=False)
    except (dns.exception.DNSException, UnicodeError, ValueError) as error:
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"{rtype[:20]} {value[:100]!r} is not a record the DNS can hold: {type(error).__name__}.",
        )


def _escaped(text: str) -> str:
    """Return a string as zone files write it inside quotes (RFC 1035 §5.1)."""
    return "".join(
        f"\\{character}"
        if character in '"\\'
        else character
        if " " <= character < "\x7f"
        else f"\\{ord(character):03d}"
        for character in text
    )


def _text(rdata: dns.rdata.Rdata) -> str:
    if rdata.rdtype == dns.rdatatype.TXT:
        return b"".join(rdata.strings).decode("latin-1")  # type: ignore[attr-defined]
    return rdata.to_text().rstrip(".")
