"""One zone's answers, encoded: what is at its apex, and what says that something is not there."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from indicia.domain.dkim import rotation
from indicia.domain.dkim.key_record import key_record, split_text
from indicia.domain.time import SECOND
from indicia.domain.verification.controls import CONTROL_TEXT, control_zone
from indicia.keyzone.message import HEADER, Head, Rcode, Type, head, wire_name

Answer: TypeAlias = tuple[Head, bytes]
"""A header and the records that follow the question."""

# A key never changes in place: rotation goes through another token, and one that was withdrawn is not used
# again for days. So the TTL decides two things only: how long a resolver carries receivers over an outage of
# ours, and how fast a key withdrawn in an emergency is gone. Half an hour is also what SES publishes.
KEY_TTL: Final = rotation.KEY_TTL // SECOND
APEX_TTL: Final = 3600
NEGATIVE_TTL: Final = rotation.NEGATIVE_TTL // SECOND

# RFC 1035 §3.3.13, for secondaries: ask hourly, again after ten minutes, give up after two weeks.
REFRESH, RETRY, EXPIRE = 3600, 600, 1209600

_ASKED_NAME: Final = b"\xc0\x0c"  # RFC 1035 §4.1.4: the name in the question
_IN: Final = 1
# RFC 8482 §4.2: a synthesised HINFO instead of everything there is.
_MINIMAL_ANY: Final = b"\x07RFC8482\x00"


def record(owner: bytes, rtype: Type, ttl: int, rdata: bytes) -> bytes:
    """Return one resource record (RFC 1035 §4.1.3)."""
    return owner + struct.pack("!HHIH", rtype, _IN, ttl, len(rdata)) + rdata


def key_body(public_key: str, ttl: int) -> bytes:
    """Return the TXT record of a key, owned by the asked name."""
    return _text_body(key_record(public_key), ttl)


def _text_body(text: str, ttl: int) -> bytes:
    strings = [string.encode("ascii") for string in split_text(text)]
    rdata = b"".join(bytes((len(string),)) + string for string in strings)
    return record(_ASKED_NAME, Type.TXT, ttl, rdata)


KEY: Final = head(Rcode.NOERROR, authoritative=True, answers=1)
NO_DATA: Final = head(Rcode.NOERROR, authoritative=True, authority=1)
NO_NAME: Final = head(Rcode.NXDOMAIN, authoritative=True, authority=1)
MINIMAL_ANY: Final[Answer] = (
    head(Rcode.NOERROR, authoritative=True, answers=1),
    record(_ASKED_NAME, Type.HINFO, APEX_TTL, _MINIMAL_ANY),
)


def administrator(zone: str) -> str:
    """Return the mailbox of the zone's SOA in its domain form: `hostmaster` at the service domain."""
    return f"hostmaster.{zone.partition('.')[2] or zone}"


# Names below it are made up to be asked once, so that nobody need keep an answer for long.
_CONTROL: Final[Answer] = (KEY, _text_body(CONTROL_TEXT, NEGATIVE_TTL))


class Zone:
    """A zone that this service is authoritative for."""

    def __init__(self, name: str, nameservers: Sequence[str], serial: Callable[[], int]) -> None:
        self.name = name
        self.apex = wire_name(name)
        self._control = wire_name(control_zone(name))
        self._serial = serial
        self._made_for = -1
        self._soa_tail = b""
        self._mname_rname = wire_name(nameservers[0]) + wire_name(administrator(name))
        self._ns: Answer = (
            head(Rcode.NOERROR, authoritative=True, answers=len(nameservers)),
            b"".join(record(_ASKED_NAME, Type.NS, APEX_TTL, wire_name(server)) for server in nameservers),
        )

    def at_apex(self, rtype: int) -> Answer:
        """Return what is at the zone's own name."""
        if rtype == Type.SOA:
            return KEY, _ASKED_NAME + self._soa()
        if rtype == Type.NS:
            return self._ns
        return MINIMAL_ANY if rtype == Type.ANY else self.no_data(len(self.apex))

    def at_control(self, name: bytes, rtype: int) -> Answer | None:
        """Return what is at a name by which resolvers are controlled, or above one; None for any other.

        As a wildcard has it: there is a TXT at whatever is below (RFC 4592), and the names above are there.
        """
        control = self._control
        if control.endswith(name):
            return self.no_data(len(name))
        at, last = 0, len(name) - len(control)
        while at < last:
            at += name[at] + 1
        if at != last or last < 0 or name[at:] != control:
            return None
        if rtype == Type.TXT:
            return _CONTROL
        return MINIMAL_ANY if rtype == Type.ANY else self.no_data(len(name))

    def no_data(self, name_length: int) -> Answer:
        """Return that the name is there and the type is not (RFC 2308 §2.2)."""
        return NO_DATA, self._owner(name_length) + self._soa()

    def no_name(self, name_length: int) -> Answer:
        """Return that there is no such name (RFC 2308 §2.1)."""
        return NO_NAME, self._owner(name_length) + self._soa()

    def _owner(self, name_length: int) -> bytes:
        """Return a pointer to the apex within the asked name, which ends with it."""
        return (0xC000 | HEADER + name_length - len(self.apex)).to_bytes(2)

    def _soa(self) -> bytes:
        """Return the SOA without its owner. Its TTL is the negative TTL too (RFC 2308 §3)."""
        serial = self._serial() & 0xFFFFFFFF
        if serial != self._made_for:
            numbers = struct.pack("!IIIII", serial, REFRESH, RETRY, EXPIRE, NEGATIVE_TTL)
            self._soa_tail = record(b"", Type.SOA, NEGATIVE_TTL, self._mname_rname + numbers)
            self._made_for = serial
        return self._soa_tail
