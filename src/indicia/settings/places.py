"""The places that tenants may lead us to: name servers of their zones, webhooks, topics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network

from indicia.domain.address_space import is_public, unmapped


def public_only(allowed: Iterable[IPv4Network | IPv6Network], *, everything: bool) -> Callable[[str], bool]:
    """Return what says of an address whether a place that a tenant named may lead there.

    Public addresses, and the networks that the operator allows (contract, INDICIA_PRIVATE_ADDRESSES). An
    address inside another is judged by what it leads to: `::ffff:10.0.0.1` is 10.0.0.1.
    """
    networks = tuple(allowed)

    def may_reach(text: str) -> bool:
        try:
            address = unmapped(text)
        except ValueError:
            return False
        return everything or is_public(address) or any(address in network for network in networks)

    return may_reach
