"""What an orchestrator puts into the environment beside a service of our name, and is no setting.

A Kubernetes Service named `indicia`, or `indicia-console`, makes `INDICIA_SERVICE_HOST`, `INDICIA_PORT`,
`INDICIA_CONSOLE_PORT_8465_TCP_ADDR` and their like in every pod of its namespace (Kubernetes, "Accessing the
Service": the variables that Docker's links had). Form and value both have to be those of a link, so that a
misspelt setting is a mistake as ever.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final

_URL: Final = re.compile(r"(?:tcp|udp|sctp)://(?:\[([^\]/]+)\]|([^:/\[\]]+)):[0-9]{1,5}\Z", re.ASCII)


def _is_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


def _is_port(value: str) -> bool:
    return value.isascii() and value.isdecimal()


def _is_protocol(value: str) -> bool:
    return value in {"tcp", "udp", "sctp"}


def _is_url(value: str) -> bool:
    found = _URL.match(value)
    return found is not None and _is_address(found[1] or found[2])


_PORT: Final = r"PORT_[0-9]{1,5}_(?:TCP|UDP|SCTP)"
# What stands behind the name of the service, and what is said there. A name may end as another begins: of
# `indicia-service`, INDICIA_SERVICE_PORT is the URL; of `indicia`, the port.
_LINKS: Final = tuple(
    (re.compile(rf"INDICIA_(?:[A-Z0-9_]+_)?{ending}\Z", re.ASCII), says)
    for ending, says in (
        ("SERVICE_HOST", _is_address),
        ("SERVICE_PORT(?:_[A-Z0-9_]+)?", _is_port),
        ("PORT", _is_url),
        (_PORT, _is_url),
        (f"{_PORT}_PROTO", _is_protocol),
        (f"{_PORT}_PORT", _is_port),
        (f"{_PORT}_ADDR", _is_address),
    )
)


def is_service_link(variable: str, value: str) -> bool:
    """Say whether a variable of the environment tells of a service, and sets nothing."""
    return any(form.match(variable) is not None and says(value) for form, says in _LINKS)
