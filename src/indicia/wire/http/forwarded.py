"""Where a request comes from, as trusted proxies say: the client's address and the scheme it used.

`X-Forwarded-For` and `X-Forwarded-Proto` have no standard; the forms here are those that proxies write. Each
puts the address that it was reached from behind those it was told. So the list is read from its end: an
address counts as long as a trusted proxy has written it.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from indicia.domain.call import UNKNOWN_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from ipaddress import IPv4Network, IPv6Network
    from typing import TypeAlias

    Network: TypeAlias = IPv4Network | IPv6Network

# A chain of proxies is short, and whoever comes through one can lengthen the list at will.
MOST_HOPS = 16

_HOP = re.compile(
    rb"(?:(?P<v4>[0-9.]{7,15})(?::[0-9]{1,5})?|\[(?P<v6>[0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5})?"
    rb"|(?P<bare>[0-9A-Fa-f:.]{2,45}))"
)


class Origin(NamedTuple):
    """The client's address, `UNKNOWN_ADDRESS` where it is not to be known, and `http` or `https`."""

    address: str
    scheme: str


def origin(peer: Origin, headers: Mapping[bytes, bytes], trusted: Collection[Network]) -> Origin:
    """Return where a request comes from that `peer` has sent, which is believed if it is a trusted proxy.

    A list with something that is no address, where a trusted proxy has written one, says nothing of the
    client: it is not the proxy. A proxy that says nothing at all is the client itself. Of several schemes the
    client used the worse, and what is none is plain HTTP.
    """
    if not is_within(peer.address, trusted):
        return peer
    address, scheme = peer
    told = headers.get(b"x-forwarded-for")
    if told is not None:
        address = _client(told, trusted)
    told = headers.get(b"x-forwarded-proto")
    if told is not None:
        scheme = "https" if all(each == b"https" for each in _elements(told.lower())) else "http"
    return Origin(address, scheme)


def _client(told: bytes, trusted: Collection[Network]) -> str:
    """Return the last address that no trusted proxy has; where all of them are trusted, the first."""
    hops = _elements(told)
    if len(hops) > MOST_HOPS:
        hops = [b"", *hops[-MOST_HOPS:]]  # what stands before is nobody's address
    address = UNKNOWN_ADDRESS
    for hop in reversed(hops):
        address = _address(hop)
        if not is_within(address, trusted):  # as what is no address never is
            break
    return address


def _elements(told: bytes) -> list[bytes]:
    """Return the elements of a list, without the empty ones (RFC 9110 §5.6.1.2); one empty one of none."""
    return [each for each in map(bytes.strip, told.split(b",")) if each] or [b""]


def _address(hop: bytes) -> str:
    """Return the address in an element, alone or with a port, in its usual spelling."""
    found = _HOP.fullmatch(hop)
    if found is None:
        return UNKNOWN_ADDRESS
    try:
        address = ip_address((found["v4"] or found["v6"] or found["bare"]).decode("ascii"))
    except ValueError:
        return UNKNOWN_ADDRESS
    return str(getattr(address, "ipv4_mapped", None) or address)


def is_address(text: str) -> bool:
    """Whether `text` is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def is_loopback(address: str) -> bool:
    """Whether `address` is this machine's own (127.0.0.0/8, ::1, and the former mapped into IPv6)."""
    if not is_address(address):
        return False
    parsed = ip_address(address)
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


def is_within(address: str, networks: Collection[Network]) -> bool:
    """Whether `address` is one, and in one of `networks`."""
    if not networks or not is_address(address):
        return False
    parsed = ip_address(address)
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any((mapped or parsed) in network for network in networks)
