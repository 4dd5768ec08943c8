"""The places that tenants may lead us to: name servers of their zones, webhooks, topics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

_NAT64: Final = IPv6Network("64:ff9b::/96")  # the well-known prefix of NAT64


def public_only(allowed: Iterable[IPv4Network | IPv6Network], *, everything: bool) -> Callable[[str], bool]:
    """Return what says of an address whether a place that a tenant named may lead there.

    Public addresses, and the networks that the operator allows (contract, INDICIA_PRIVATE_ADDRESSES). An
    address inside another is judged by what it leads to: `::ffff:10.0.0.1` is 10.0.0.1.
    """
    networks = tuple(allowed)

    def may_reach(text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        if everything:
            return True
        mapped = getattr(address, "ipv4_mapped", None)
        address = address if mapped is None else mapped
        if any(address in network for network in networks):
            return True
        return all(each.is_global and not each.is_multicast for each in (address, *_inside(address)))

    return may_reach


def _inside(address: IPv4Address | IPv6Address) -> tuple[IPv4Address, ...]:
    """Return the IPv4 addresses to which a gateway would take what is sent to this one."""
    if isinstance(address, IPv4Address):
        return ()
    if address in _NAT64:
        return (IPv4Address(int(address) & 0xFFFF_FFFF),)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    return address.teredo or ()
