"""Who of the playground is asked: the resolver that reaches everything, or one of a zone's own servers.

Every zone of the playground is delegated to `ns1` and `ns2`. `ns3` is a server that its zone may name and the
delegation does not. Each answers at a loopback address of its own, on the port of the playground, so that a
diagnosis can ask them one by one as it asks those of a real zone.
"""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import Final


class Face(Enum):
    """One of those who answer. The value is the word for it in the calls, and the first label of its name."""

    RESOLVER = "resolver"
    NS1 = "ns1"
    NS2 = "ns2"
    NS3 = "ns3"


DELEGATED: Final = (Face.NS1, Face.NS2)
EVERYBODY: Final = frozenset(Face)

# All of 127/8 is this machine. Linux answers there; other systems may have to be told to.
ADDRESSES: Final = MappingProxyType(
    {
        Face.RESOLVER: "127.0.0.1",
        Face.NS1: "127.0.0.2",
        Face.NS2: "127.0.0.3",
        Face.NS3: "127.0.0.4",
    }
)
NOBODY: Final = "127.0.0.9"  # an address at which no server of the playground answers
