"""Which addresses are public: places on the Internet that belong to nobody's own network.

The table is ours, since what a language's library calls global changes with its version and leaves out what
is deprecated, and yet routed: networks still use it. Its rows are those of the IANA registries of special
addresses for IPv4 and IPv6 (RFC 6890), and of the blocks that RFCs give to no host.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Block:
    """Addresses that are not public, and where that is said."""

    network: IPv4Network | IPv6Network
    purpose: str
    reference: str


def _v4(network: str, purpose: str, reference: str) -> Block:
    return Block(IPv4Network(network), purpose, reference)


def _v6(network: str, purpose: str, reference: str) -> Block:
    return Block(IPv6Network(network), purpose, reference)


NOT_PUBLIC: Final = (
    _v4("0.0.0.0/8", "this network", "RFC 791 §3.2"),
    _v4("10.0.0.0/8", "private use", "RFC 1918 §3"),
    _v4("100.64.0.0/10", "behind the NAT of a provider", "RFC 6598 §7"),
    _v4("127.0.0.0/8", "loopback", "RFC 1122 §3.2.1.3"),
    _v4("169.254.0.0/16", "link-local; metadata of cloud machines", "RFC 3927 §2.1"),
    _v4("172.16.0.0/12", "private use", "RFC 1918 §3"),
    # The anycast addresses in it that count as global (PCP, TURN) lead to the nearest NAT.
    _v4("192.0.0.0/24", "protocol assignments", "RFC 6890 §2.2.2"),
    _v4("192.0.2.0/24", "documentation", "RFC 5737 §3"),
    _v4("192.88.99.0/24", "the nearest 6to4 relay, deprecated", "RFC 7526 §5"),
    _v4("192.168.0.0/16", "private use", "RFC 1918 §3"),
    _v4("198.18.0.0/15", "benchmarks", "RFC 2544 Appendix C"),
    _v4("198.51.100.0/24", "documentation", "RFC 5737 §3"),
    _v4("203.0.113.0/24", "documentation", "RFC 5737 §3"),
    _v4("224.0.0.0/4", "multicast", "RFC 5771 §3"),
    _v4("240.0.0.0/4", "reserved, and the limited broadcast", "RFC 1112 §4"),
    _v6("::/96", "unspecified, loopback, IPv4-compatible", "RFC 4291 §2.5"),
    _v6("::ffff:0:0:0/96", "IPv4-translated", "RFC 2765 §2.1"),
    _v6("64:ff9b:1::/48", "NAT64 of a network's own", "RFC 8215 §5"),
    _v6("100::/64", "discarded", "RFC 6666 §4"),
    _v6("100:0:0:1::/64", "a dummy prefix", "RFC 9780 §7"),
    # Teredo, benchmarks, ORCHID and their like: what of it counts as global is no place, or the nearest one.
    _v6("2001::/23", "protocol assignments", "RFC 2928 §2"),
    _v6("2001:db8::/32", "documentation", "RFC 3849 §2"),
    _v6("3ffe::/16", "the former 6bone", "RFC 3701 §2"),
    _v6("3fff::/20", "documentation", "RFC 9637 §3"),
    _v6("5f00::/16", "segment identifiers (SRv6)", "RFC 9602 §6"),
    _v6("fc00::/7", "unique local", "RFC 4193 §3.1"),
    _v6("fe80::/10", "link-local", "RFC 4291 §2.5.6"),
    _v6("fec0::/10", "site-local, deprecated", "RFC 3879 §4"),
    _v6("ff00::/8", "multicast", "RFC 4291 §2.7"),
)

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")  # RFC 4291 §2.4; the rest is given to nobody
_MAPPED: Final = IPv6Network("::ffff:0:0/96")  # RFC 4291 §2.5.5.2
_NAT64: Final = IPv6Network("64:ff9b::/96")  # the well-known prefix, RFC 6052 §2.1
_TRANSLATING: Final = (_MAPPED, _NAT64)
_ISATAP: Final = frozenset(
    {0x0000_5EFE, 0x0200_5EFE}
)  # first half of the interface identifier, RFC 5214 §6.1
_LOW: Final = 0xFFFF_FFFF


def is_public(address: Address) -> bool:
    """Say whether an address is a place on the Internet.

    One with another inside, to which a gateway or a tunnel takes what is sent, is public where both are.
    """
    inside = embedded(address)
    if isinstance(address, IPv6Address):
        # A zone (RFC 4007 §11) names an interface of this machine.
        if address.scope_id is not None:
            return False
        unicast = address in _GLOBAL_UNICAST or any(address in network for network in _TRANSLATING)
    else:
        unicast = True
    special = any(address in block.network for block in NOT_PUBLIC)
    return unicast and not special and all(map(is_public, inside))


def embedded(address: Address) -> tuple[IPv4Address, ...]:
    """Return the IPv4 addresses in an address, to which something on its way may take what is sent to it."""
    if isinstance(address, IPv4Address):
        return ()
    number = int(address)
    if any(address in network for network in _TRANSLATING):
        return (IPv4Address(number & _LOW),)
    if number >> 32 & _LOW in _ISATAP:
        return (IPv4Address(number & _LOW),)
    return () if address.sixtofour is None else (address.sixtofour,)  # RFC 3056 §2


def unmapped(text: str) -> Address:
    """Return the address that a text is, of IPv4 where it is one mapped into IPv6.

    Raises: `ValueError`.
    """
    address = ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address
