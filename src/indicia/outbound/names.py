"""Names to addresses, for places that tenants named: as this machine resolves names, within a bound.

The machine's own resolver would be asked in a thread that a slow zone can hold for half a minute, and a
handful of such zones hold every thread; this one asks without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

import dns.exception

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

_WITHIN: Final = 5.0
_LOOPBACK: Final = ("127.0.0.1", "::1")  # RFC 6761 §6.3: never asked for


class NotResolvedError(Exception):
    """A name has no address, or nobody could say."""


def machine_resolver() -> Resolver:
    """Return what asks the resolvers in `/etc/resolv.conf`; whom it names may change, so ask each time."""
    import dns.asyncresolver as asking  # when a name is first looked up

    return asking.Resolver()


class Names:
    """Resolves names.

    `resolver` makes what asks the DNS; `hosts` is the file that is looked at first, as everywhere.
    """

    def __init__(
        self,
        resolver: Callable[[], Resolver] = machine_resolver,
        hosts: Path = Path("/etc/hosts"),
    ) -> None:
        self._resolver = resolver
        self._hosts = hosts

    async def addresses(self, host: str) -> tuple[str, ...]:
        """Return every address of the host, which may be one itself, of both families.

        Raises: `NotResolvedError`.
        """
        if _is_address(host):
            return (host,)
        if host == "localhost" or host.endswith(".localhost"):
            return _LOOPBACK
        known = self._from_hosts(host)
        return known or await self._from_dns(host)

    def _from_hosts(self, host: str) -> tuple[str, ...]:
        try:
            lines = self._hosts.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ()
        entries = (line.partition("#")[0].split() for line in lines)
        return tuple(
            entry[0]
            for entry in entries
            if len(entry) > 1
            and host in {name.lower().rstrip(".") for name in entry[1:]}
            and _is_address(entry[0])
        )

    async def _from_dns(self, host: str) -> tuple[str, ...]:
        try:
            answers = await self._resolver().resolve_name(host, lifetime=_WITHIN)
            found = tuple(dict.fromkeys(answers.addresses()))
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise NotResolvedError(f"{host} cannot be resolved: {type(error).__name__}") from None
        if not found:
            raise NotResolvedError(f"{host} has no address")
        return found


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def permitted(addresses: Sequence[str], may_reach: Callable[[str], bool]) -> tuple[str, ...]:
    """Return the addresses that a place named by a tenant may lead to."""
    return tuple(address for address in addresses if may_reach(address))
