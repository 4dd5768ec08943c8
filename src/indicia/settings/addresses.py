"""Where to listen, whom to ask, whom to believe: the addresses among the settings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network
from typing import TypeAlias

from indicia.settings.parsers import not_empty, parse_list, parse_number, quoted

Network: TypeAlias = IPv4Network | IPv6Network

DNS_PORT = 53
TRUSTED_MARK = "+trusted"

_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*\Z"
)
_PERSPECTIVE_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?\Z")


@dataclass(frozen=True, slots=True)
class Address:
    """A host, as an IP address or a name, and a port. Port 0, where one listens, means any that is free."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine gets there. Of names, only `localhost` is known to (RFC 6761 §6.3)."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_wildcard(self) -> bool:
        """Whether to listen there is to listen on every address of the machine."""
        try:
            address = ip_address(self.host)
        except ValueError:
            return False
        return (getattr(address, "ipv4_mapped", None) or address).is_unspecified

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, *, default_port: int | None = None, least_port: int = 0) -> Address:
    """Return the address in `host:port` or `[v6]:port`."""
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        colon, port = rest[:1], rest[1:]
        well_formed = bool(closed) and colon in {"", ":"} and ":" in host and _is_ip(host)
    else:
        host, colon, port = text.partition(":")
        if ":" in port and _is_ip(text):
            raise ValueError(f"{quoted(text)} needs brackets around the IPv6 address: [{text}]:PORT")
        host = host.lower()
        # What is all digits and dots is meant as an IPv4 address, and has to be one.
        meant_as_ip = bool(re.fullmatch(r"[0-9.]+", host))
        well_formed = _is_ip(host) if meant_as_ip else bool(_HOST_NAME.match(host))
    if not well_formed:
        raise ValueError(f"{quoted(text)} is not host:port or [v6]:port")
    if not colon:
        if default_port is None:
            raise ValueError(f"{quoted(text)} has no port: host:port or [v6]:port")
        return Address(host, default_port)
    try:
        return Address(host, parse_number(port, least=least_port, most=65535))
    except ValueError:
        raise ValueError(f"{quoted(text)} has no port from {least_port} to 65535") from None


def parse_addresses(text: str) -> tuple[Address, ...]:
    """Return the addresses of a comma list, one at least."""
    return not_empty(parse_list(parse_address))(text)


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class ConfiguredResolver:
    """A recursive resolver, and whether its word on DNSSEC (the AD flag) counts."""

    address: Address
    trusted: bool

    def __str__(self) -> str:
        marked = self.trusted and not self.address.is_loopback
        return f"{self.address}{TRUSTED_MARK if marked else ''}"


@dataclass(frozen=True, slots=True)
class ConfiguredPerspective:
    """One point of view on the DNS: resolvers that stand in for one another."""

    name: str
    resolvers: tuple[ConfiguredResolver, ...]

    def __str__(self) -> str:
        return f"{self.name}={','.join(map(str, self.resolvers))}"


def parse_resolver(text: str) -> ConfiguredResolver:
    """Return a resolver: `host:port`, with `+trusted` behind it when the way to it is as safe as loopback.

    On loopback it is trusted as it is: nobody can stand in between (RFC 4035 §4.9.3).
    """
    address = parse_address(text.removesuffix(TRUSTED_MARK), default_port=DNS_PORT, least_port=1)
    return ConfiguredResolver(address, trusted=text.endswith(TRUSTED_MARK) or address.is_loopback)


def parse_resolvers(text: str) -> tuple[ConfiguredPerspective, ...]:
    """Return the perspectives of `local=127.0.0.1:53;fra=10.0.0.53:53,10.0.1.53:53`.

    A resolver belongs to one perspective only: two that share one share its cache and see the same thing.
    """
    perspectives: list[ConfiguredPerspective] = []
    asked_by: dict[Address, str] = {}
    for position, part in enumerate(text.split(";"), 1):
        name, named, rest = part.partition("=")
        name, rest = (name.strip(), rest) if named else (f"p{position}", part)
        if not _PERSPECTIVE_NAME.match(name):
            raise ValueError(f"{quoted(name)} is not a perspective's name: a-z, 0-9 and hyphens")
        if name in {perspective.name for perspective in perspectives}:
            raise ValueError(f"{quoted(name)} names two perspectives")
        if not rest.strip():
            raise ValueError(f"the perspective {quoted(name)} has no resolver")
        resolvers = tuple(parse_resolver(item.strip()) for item in rest.split(","))
        for resolver in resolvers:
            if resolver.address in asked_by:
                raise ValueError(
                    f"{resolver.address} is there twice, and each perspective needs resolvers of its own"
                )
            asked_by[resolver.address] = name
        perspectives.append(ConfiguredPerspective(name, resolvers))
    return tuple(perspectives)


def agreement_needed(perspectives: int) -> int:
    """Return how many perspectives must agree by default: all of one or two, all but one from three up."""
    return perspectives if perspectives <= 2 else perspectives - 1


def parse_network(text: str) -> Network:
    """Return an address or a CIDR block."""
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError(
            f"{quoted(text)} is neither an IP address nor a CIDR block such as 10.0.0.0/8"
        ) from None


def covers_all(networks: Iterable[Network]) -> bool:
    """Say whether the networks have every address of IPv4 or of IPv6 among them."""
    given = tuple(networks)
    v4 = collapse_addresses(each for each in given if isinstance(each, IPv4Network))
    v6 = collapse_addresses(each for each in given if isinstance(each, IPv6Network))
    return any(each.prefixlen == 0 for each in v4) or any(each.prefixlen == 0 for each in v6)


@dataclass(frozen=True, slots=True)
class PrivateAddresses:
    """The private places that what tenants name may lead to: all of them, or these."""

    allow_all: bool
    networks: tuple[Network, ...]

    def __str__(self) -> str:
        return "allow" if self.allow_all else ",".join(map(str, self.networks))


def parse_private_addresses(text: str) -> PrivateAddresses:
    """Return `allow`, or a comma list of CIDR blocks."""
    if text == "allow":
        return PrivateAddresses(allow_all=True, networks=())
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    if "allow" in parts:
        raise ValueError("`allow` stands alone, or name CIDR blocks")
    return PrivateAddresses(allow_all=False, networks=tuple(map(parse_network, parts)))
