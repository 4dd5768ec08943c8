"""The system's own resolvers, for when none are set."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from indicia.settings.addresses import DNS_PORT, Address, ConfiguredPerspective, ConfiguredResolver

RESOLV_CONF = Path("/etc/resolv.conf")
_MOST = 3  # resolv.conf(5): up to MAXNS name servers


def system_perspective(path: Path = RESOLV_CONF) -> ConfiguredPerspective:
    """Return the one perspective of a machine's resolver configuration; its resolvers in their order.

    Without a usable `nameserver` line it is the resolver on this machine, as for the C library
    (resolv.conf(5)). An address with a scope (`fe80::1%eth0`) is kept with it.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    found: list[ConfiguredResolver] = []
    for words in map(str.split, lines):
        if len(words) > 1 and words[0] == "nameserver" and _is_ip(words[1]):
            address = Address(words[1], DNS_PORT)
            found.append(ConfiguredResolver(address, trusted=address.is_loopback))
    local = ConfiguredResolver(Address("127.0.0.1", DNS_PORT), trusted=True)
    return ConfiguredPerspective("system", tuple(dict.fromkeys(found))[:_MOST] or (local,))


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
