"""What stands for one client, who may have many addresses."""

from __future__ import annotations

import socket


def network_of(address: str) -> str:
    """Return what everything that one client can have of addresses has in common.

    An IPv4 address by itself; of IPv6 the /56, which is what a site gets at least (RFC 6177 §2). What is no
    address stands for itself.
    """
    if ":" not in address:
        return address
    try:
        octets = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    except OSError:
        return address
    if octets[:12] == b"\0" * 10 + b"\xff\xff":  # RFC 4291 §2.5.5.2: an IPv4 address, mapped
        return socket.inet_ntop(socket.AF_INET, octets[12:])
    return octets[:7].hex()
