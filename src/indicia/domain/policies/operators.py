"""The operators of conditions: how one value of a request is held against the values of a policy (spec 8.4).

An operator is made for the values once and says of a request's value whether it fits one of them. `Not`
operators ask the same and turn the answer round: such a condition holds for what fits none of them.
"""

from __future__ import annotations

import operator
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache, partial
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from types import MappingProxyType
from typing import Final, TypeAlias

from indicia.domain import arns
from indicia.domain.policies import wildcards
from indicia.domain.policies.wildcards import Test

Comparison: TypeAlias = Callable[[Decimal, Decimal], bool]


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator. `compiled` takes the values of a policy; it raises `ValueError` for one it cannot use."""

    compiled: Callable[[tuple[str, ...]], Test]
    negated: bool = False


def _equals(values: tuple[str, ...]) -> Test:
    return frozenset(values).__contains__


def _equals_ignoring_case(values: tuple[str, ...]) -> Test:
    folded = frozenset(value.casefold() for value in values)
    return lambda text: text.casefold() in folded


def _like(values: tuple[str, ...]) -> Test:
    return wildcards.any_of(values)


_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?\Z", re.ASCII)
# ISO 8601 as the W3C profile has it, which is what IAM documents; the parts behind the year may be missing.
_MOMENT = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?)?)?\Z",
    re.ASCII,
)


def number(text: str) -> Decimal:
    """Return the number.

    Raises: `ValueError`.
    """
    if not _NUMBER.match(text):
        raise ValueError("not a number")
    return Decimal(text)


def moment(text: str) -> Decimal:
    """Return the seconds since the epoch: of an ISO 8601 date, UTC unless it says otherwise, or as given.

    Raises: `ValueError`.
    """
    found = _MOMENT.match(text)
    return number(text) if found is None else _date(found)


def _date(found: re.Match[str]) -> Decimal:
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    whole = datetime(
        int(year),
        int(month or 1),
        int(day or 1),
        int(hour or 0),
        int(minute or 0),
        int(second or 0),
        tzinfo=UTC,
    )
    seconds = Decimal(int(whole.timestamp())) + Decimal(fraction or 0)
    return seconds - _offset(zone)


def _offset(zone: str | None) -> int:
    if zone is None or zone == "Z":
        return 0
    seconds = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
    return -seconds if zone[0] == "-" else seconds


def _compares(read: Callable[[str], Decimal], comparison: Comparison, values: tuple[str, ...]) -> Test:
    wanted = tuple(map(read, values))

    def fits(text: str) -> bool:
        try:
            given = read(text)
        except ValueError:
            return False
        return any(comparison(given, each) for each in wanted)

    return fits


def boolean(text: str) -> bool:
    """Return what `true` or `false` says, in any case.

    Raises: `ValueError`.
    """
    word = text.lower()
    if word not in {"true", "false"}:
        raise ValueError("neither true nor false")
    return word == "true"


def _bool(values: tuple[str, ...]) -> Test:
    words = frozenset("true" if boolean(value) else "false" for value in values)
    return lambda text: text.lower() in words


def _binary(values: tuple[str, ...]) -> Test:
    wanted = frozenset(b64decode(value, validate=True) for value in values)

    def fits(text: str) -> bool:
        try:
            return b64decode(text, validate=True) in wanted
        except ValueError:
            return False

    return fits


def _within(values: tuple[str, ...]) -> Test:
    networks = [_unmapped(ip_network(value, strict=False)) for value in values]
    ranges = {
        version: tuple(
            (int(each.network_address), int(each.broadcast_address))
            for each in networks
            if each.version == version
        )
        for version in (4, 6)
    }

    def fits(text: str) -> bool:
        position = _position(text)
        return position is not None and any(
            first <= position[1] <= last for first, last in ranges[position[0]]
        )

    return fits


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """Return the network of IPv4 that a mapped one is, as the addresses in it are taken for IPv4 as well."""
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < 96:
        return network
    return IPv4Network((int(mapped), network.prefixlen - 96))


@lru_cache(maxsize=256)
def _position(text: str) -> tuple[int, int] | None:
    """Return the version of an address and its number; None where the text is none. IPv4 may be mapped."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    address = getattr(address, "ipv4_mapped", None) or address
    return address.version, int(address)


def _arn(values: tuple[str, ...]) -> Test:
    if any(value.count(":") < 5 or not value.startswith("arn:") for value in values):
        raise ValueError("not the pattern of an ARN")
    tests = tuple(map(arns.compiled, values))
    return lambda text: any(test(text) for test in tests)


_COMPARISONS: Final[Mapping[str, tuple[Comparison, bool]]] = {
    "Equals": (operator.eq, False),
    "NotEquals": (operator.eq, True),
    "LessThan": (operator.lt, False),
    "LessThanEquals": (operator.le, False),
    "GreaterThan": (operator.gt, False),
    "GreaterThanEquals": (operator.ge, False),
}

NULL: Final = "Null"
"""Asks whether a key is there at all; it is not in the table, since it looks at no value."""

OPERATORS: Final[Mapping[str, Operator]] = MappingProxyType(
    {
        "StringEquals": Operator(_equals),
        "StringNotEquals": Operator(_equals, negated=True),
        "StringEqualsIgnoreCase": Operator(_equals_ignoring_case),
        "StringNotEqualsIgnoreCase": Operator(_equals_ignoring_case, negated=True),
        "StringLike": Operator(_like),
        "StringNotLike": Operator(_like, negated=True),
        **{
            f"Numeric{name}": Operator(partial(_compares, number, comparison), negated)
            for name, (comparison, negated) in _COMPARISONS.items()
        },
        **{
            f"Date{name}": Operator(partial(_compares, moment, comparison), negated)
            for name, (comparison, negated) in _COMPARISONS.items()
        },
        "Bool": Operator(_bool),
        "BinaryEquals": Operator(_binary),
        "IpAddress": Operator(_within),
        "NotIpAddress": Operator(_within, negated=True),
        "ArnEquals": Operator(_arn),
        "ArnLike": Operator(_arn),
        "ArnNotEquals": Operator(_arn, negated=True),
        "ArnNotLike": Operator(_arn, negated=True),
    }
)
