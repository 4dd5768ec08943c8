"""How many connections each listener of a process may have: a division of the files that it may open.

Whoever can open connections could otherwise use up all of them, and the process could open neither its
database nor a socket for whoever wants to know how it is.
"""

from __future__ import annotations

import resource
from typing import Final, NamedTuple

# A process with every role has some sixty files open before anybody connects: its database, resolvers'
# sockets, pipes to what makes keys. With more to do it takes more.
_OWN: Final = 64
_LEAST: Final = 24
_MOST_FILES: Final = 1 << 20
# Beyond these it is memory that counts: a connection with TLS and an unread request takes up to 400 KiB.
_MOST_HTTP: Final = 4096
_MOST_DNS: Final = 1024
_MOST_ADMIN: Final = 32


class Room(NamedTuple):
    """How many connections there may be, and how many of one client."""

    most: int
    of_one: int


class ConnectionPlan(NamedTuple):
    """The room of each listener. That of `admin` is nobody else's."""

    http: Room
    admin: Room
    dns: Room


def open_files() -> int:
    """Return how many files this process may have open (RLIMIT_NOFILE, as it is now)."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_FILES if soft == resource.RLIM_INFINITY else min(soft, _MOST_FILES)


def plan(files: int) -> ConnectionPlan:
    """Return how a process that may open so many files divides them.

    A quarter, and 64 at least, is what it opens itself. Where there are hardly more, each listener has a few
    all the same.
    """
    left = max(_LEAST, files - max(_OWN, files // 4))
    admin = _between(4, left // 16, _MOST_ADMIN)
    dns = _between(8, left // 4, _MOST_DNS)
    http = min(left - admin - dns, _MOST_HTTP)
    return ConnectionPlan(Room(http, http // 2), Room(admin, admin), Room(dns, _between(4, dns // 16, 64)))


def _between(least: int, wanted: int, most: int) -> int:
    return max(least, min(wanted, most))
