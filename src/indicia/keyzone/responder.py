"""From a question's octets to the answer's octets. Opens no socket and reads no clock.

Everything that is asked for often takes one path: find the end of the name, look its octets up among the hot
names, put header, question, record and OPT side by side. What is not hot is asked of the store; what is not
plain goes through `odd`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Final, TypeAlias

import structlog

from indicia.domain.dkim.key_record import TOKEN_LENGTH, is_token
from indicia.keyzone import slow_path
from indicia.keyzone.answer_cache import HotNames
from indicia.keyzone.lookup import Found, Lookup
from indicia.keyzone.message import (
    EDNS_UDP,
    HEADER,
    ONE_QUESTION,
    ONE_QUESTION_AND_OPT,
    OVER_TCP,
    PLAIN_UDP,
    Rcode,
    Type,
    bare,
    edns,
    fit,
    head,
    opt,
    well_formed,
    wire_name,
)
from indicia.keyzone.zone import KEY, KEY_TTL, MINIMAL_ANY, Answer, Zone, key_body
from indicia.store.dkim.keys import NoKeyYet

# How long an answer is taken from memory. In this process `forget` makes a new key visible at once; what
# another process published is seen after these many seconds, far less than the negative TTL of 60.
POSITIVE_AGE: Final = 5.0
NEGATIVE_AGE: Final = 1.0
# While the store does not answer, what it said last is better than SERVFAIL (RFC 8767, on our own side).
STALE_AGE: Final = 3600.0
_LOG_EVERY: Final = 10.0

_IN: Final = b"\0\1"
_TXT: Final = int(Type.TXT).to_bytes(2)
_LABEL: Final = TOKEN_LENGTH + 1  # a token's label with its length octet
_OPCODE: Final = 0x78

_REFUSED: Final[Answer] = (head(Rcode.REFUSED, authoritative=False), b"")
_SERVFAIL: Final[Answer] = (head(Rcode.SERVFAIL, authoritative=False), b"")
_BADVERS: Final[Answer] = (head(Rcode.BADVERS, authoritative=False), b"")
_CUT: Final[Answer] = (head(Rcode.NOERROR, authoritative=False), b"")
# RFC 6895 §3.1: types that are no data. Transfers are not offered; secondaries get the zone file.
_META: Final[dict[int, Answer]] = {
    Type.AXFR: _REFUSED,
    Type.IXFR: _REFUSED,
    Type.OPT: (head(Rcode.FORMERR, authoritative=False), b""),
    **dict.fromkeys(
        (Type.TKEY, Type.TSIG, Type.MAILA, Type.MAILB), (head(Rcode.NOTIMP, authoritative=False), b"")
    ),
}

# What the store said of a token: its TXT record (empty while it has no key), or that there is no such name,
# or that the store could not say.
_State: TypeAlias = bytes | Rcode

log = structlog.get_logger(__name__)


class Responder:
    """Answers questions about the zones it was last told to serve."""

    def __init__(
        self,
        lookup: Lookup,
        nameservers: Sequence[str],
        serial: Callable[[], int],
        *,
        key_ttl: int = KEY_TTL,
        hot_octets: int = 64 << 20,
    ) -> None:
        if not nameservers:
            raise ValueError("a zone needs at least one name server")
        self._lookup = lookup
        self._nameservers = tuple(nameservers)
        self._serial = serial
        self._key_ttl = key_ttl
        self._hot = HotNames(hot_octets)
        self._zones: dict[bytes, Zone] = {}
        self._between: dict[bytes, Zone] = {}
        self._asked: dict[bytes, asyncio.Task[_State]] = {}
        self._forgotten = 0
        self._lookups = 0
        self._logged = -_LOG_EVERY

    @property
    def hot(self) -> HotNames:
        """The names answered from memory."""
        return self._hot

    @property
    def lookups(self) -> int:
        """How often the store was asked for a name that was not in memory."""
        return self._lookups

    def serve(self, zones: Iterable[str]) -> None:
        """Be authoritative for exactly these zones.

        Raises ValueError for what is not a domain name, and for a zone that holds its own name servers, whose
        addresses nobody could find.
        """
        made: dict[bytes, Zone] = {}
        for name in zones:
            folded = name.rstrip(".").lower()
            for server in self._nameservers:
                if f".{server.rstrip('.').lower()}".endswith(f".{folded}"):
                    raise ValueError(
                        f"the name server {server} lies inside the key zone {folded}; name it outside"
                    )
            apex = wire_name(folded)
            made[apex] = self._zones.get(apex) or Zone(folded, self._nameservers, self._serial)
        self._zones = made
        self._between = _between(made)

    def forget(self, zone: str, token: str) -> None:
        """Answer from the store the next time this token is asked for: its key was published or withdrawn."""
        name = wire_name(f"{token}.{zone}")
        self._forgotten += 1
        self._hot.drop(name)
        self._asked.pop(name, None)

    async def close(self) -> None:
        """Give up what the store is being asked."""
        asked = list(self._asked.values())
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)

    def respond(
        self, query: bytes, now: float, *, datagram: bool
    ) -> bytes | Coroutine[None, None, bytes] | None:
        """Return the answer, the promise of one when the store is asked asynchronously, or None for silence.

        Never raises, whatever the octets are, and never answers an answer. `now` only grows.
        """
        if len(query) < HEADER or query[2] & 0x80:
            return None
        if query[2] & _OPCODE:
            return bare(query, Rcode.NOTIMP, _opt_for(query))
        counts = query[4:12]
        end = query.find(0, HEADER) + 5
        if HEADER + 5 <= end <= len(query):
            if counts == ONE_QUESTION_AND_OPT:
                client = edns(query, end)
                if client is not None:
                    room, with_opt = client
                    return self._answer(
                        query, query[HEADER:end], room if datagram else OVER_TCP, with_opt, now
                    )
            elif counts == ONE_QUESTION and end == len(query):
                return self._answer(query, query[HEADER:end], PLAIN_UDP if datagram else OVER_TCP, b"", now)
        return self._odd(query, now, datagram=datagram)

    def truncated(self, query: bytes) -> bytes | None:
        """Return an answer that says no more than to come back over TCP, for a client past its rate."""
        end = query.find(0, HEADER) + 5
        plain = HEADER + 5 <= end <= len(query) and not query[2] & (0x80 | _OPCODE)
        if not plain or not well_formed(query[HEADER : end - 4]):
            return None
        return fit(query, query[HEADER:end], _CUT, 0, _opt_for(query))

    def _odd(self, query: bytes, now: float, *, datagram: bool) -> bytes | Coroutine[None, None, bytes]:
        read = slow_path.read(query)
        if isinstance(read, Rcode):
            return bare(query, read)
        room = read.room if datagram else OVER_TCP
        if read.newer_edns:
            extended = opt(dnssec_ok=read.dnssec_ok, extended=Rcode.BADVERS >> 4)
            return fit(query, read.question, _BADVERS, room, extended)
        return self._answer(query, read.question, room, read.opt, now)

    def _answer(
        self, query: bytes, question: bytes, room: int, with_opt: bytes, now: float
    ) -> bytes | Coroutine[None, None, bytes]:
        name = question[:-4].lower()
        if question[-2:] == _IN:
            records = self._hot.get(name, now)
            if records and question[-4:-2] == _TXT:
                return fit(query, question, (KEY, records), room, with_opt)
            if records is None and not well_formed(name):
                # Only a plain-looking question gets here: odd ones were parsed.
                return self._odd(query, now, datagram=room <= EDNS_UDP)
        elif not well_formed(name):
            return bare(query, Rcode.FORMERR)
        made = self._find(name, question, now)
        if isinstance(made, asyncio.Task):
            return self._later(made, query, question, room, with_opt)
        return fit(query, question, made, room, with_opt)

    def _find(self, name: bytes, question: bytes, now: float) -> Answer | asyncio.Task[_State]:
        """Return the answer to a question, or the task that asks the store for it."""
        rtype = question[-4] << 8 | question[-3]
        zone = self._zone_of(name)
        if question[-2:] != _IN or zone is None:
            return _REFUSED
        if rtype in _META:
            return _META[rtype]
        if len(name) == len(zone.apex):
            return zone.at_apex(rtype)
        if name in self._between:
            return MINIMAL_ANY if rtype == Type.ANY else zone.no_data(len(name))
        token = name[1:_LABEL].decode("latin-1")
        if len(name) != _LABEL + len(zone.apex) or name[0] != TOKEN_LENGTH or not is_token(token):
            return zone.at_control(name, rtype) or zone.no_name(len(name))
        state = self._state(name, zone, token, now)
        return state if isinstance(state, asyncio.Task) else _answer(zone, name, rtype, state)

    def _zone_of(self, name: bytes) -> Zone | None:
        """Return the zone that a name is in: the deepest, where one lies within another."""
        zone = self._zones.get(name[_LABEL:])
        at = 0
        while zone is None and name[at]:
            zone = self._zones.get(name[at:])
            at += name[at] + 1
        return zone

    def _state(self, name: bytes, zone: Zone, token: str, now: float) -> _State | asyncio.Task[_State]:
        records = self._hot.get(name, now)
        if records is not None:
            return records
        asked = self._asked.get(name)
        if asked is not None:
            return asked  # one question to the store serves all who ask meanwhile
        self._lookups += 1
        try:
            found = self._lookup(zone.name, token)
        except Exception as error:  # noqa: BLE001 - whatever the store fails with, resolvers get SERVFAIL
            return self._failed(name, now, error)
        if found is None or isinstance(found, str | NoKeyYet):
            return self._learn(name, found, now)
        asked = asyncio.ensure_future(self._ask(name, found, now, self._forgotten))
        self._asked[name] = asked
        return asked

    async def _ask(self, name: bytes, asked: Awaitable[Found], now: float, forgotten: int) -> _State:
        try:
            found = await asked
        except Exception as error:  # noqa: BLE001 - as above
            return self._failed(name, now, error)
        finally:
            if self._asked.get(name) is asyncio.current_task():
                del self._asked[name]
        # What was read before a `forget` may be older than it: it answers who asked, and is not held.
        return self._learn(name, found, now, hold=forgotten == self._forgotten)

    def _learn(self, name: bytes, found: Found, now: float, *, hold: bool = True) -> _State:
        """Return what the store said in its encoded form, held for a while.

        A name that does not exist is not held: there is no end of them, and they would push out the others.
        """
        if found is None:
            self._hot.drop(name)
            return Rcode.NXDOMAIN
        records = key_body(found, self._key_ttl) if isinstance(found, str) else b""
        if hold:
            self._hot.put(name, records, now + (POSITIVE_AGE if records else NEGATIVE_AGE))
        return records

    def _failed(self, name: bytes, now: float, error: Exception) -> _State:
        if now - self._logged >= _LOG_EVERY:
            self._logged = now
            log.warning("keyzone.lookup_failed", error=type(error).__name__)
        stale = self._hot.get_stale(name, now - STALE_AGE)
        return Rcode.SERVFAIL if stale is None else stale

    async def _later(
        self, asked: asyncio.Task[_State], query: bytes, question: bytes, room: int, with_opt: bytes
    ) -> bytes:
        # Shielded: who stops waiting does not take the answer from the others.
        state = await asyncio.shield(asked)
        name = question[:-4].lower()
        zone = self._zone_of(name)
        rtype = question[-4] << 8 | question[-3]
        made = _REFUSED if zone is None else _answer(zone, name, rtype, state)
        return fit(query, question, made, room, with_opt)


def _opt_for(query: bytes) -> bytes:
    """Return the OPT that belongs to the answer of a plain question, whatever the answer says."""
    if query[4:12] != ONE_QUESTION_AND_OPT:
        return b""
    client = edns(query, query.find(0, HEADER) + 5)
    return client[1] if client else b""


def _answer(zone: Zone, name: bytes, rtype: int, state: _State) -> Answer:
    """Return the answer for a token, given what the store says of it."""
    if isinstance(state, Rcode):
        return zone.no_name(len(name)) if state is Rcode.NXDOMAIN else _SERVFAIL
    if rtype == Type.TXT and state:
        return KEY, state
    return MINIMAL_ANY if rtype == Type.ANY else zone.no_data(len(name))


def _between(zones: dict[bytes, Zone]) -> dict[bytes, Zone]:
    """Return the names that exist only because a zone below them does (RFC 8020: they are no NXDOMAIN)."""
    found: dict[bytes, Zone] = {}
    for apex in zones:
        above = apex[apex[0] + 1 :]
        passed = []
        while above != b"\0" and above not in zones:
            passed.append(above)
            above = above[above[0] + 1 :]
        if above in zones:
            found.update(dict.fromkeys(passed, zones[above]))
    return found
