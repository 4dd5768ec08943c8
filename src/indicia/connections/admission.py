"""Who may stay connected: so many in all, so many of one client, and whoever is idle makes room.

A connection that nobody uses costs its owner nothing and is opened again in a moment (RFC 9112 §9.5, RFC 7766
§6.2.3), so it goes before anybody is turned away. What is being answered never does.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

from indicia.connections.networks import network_of

if TYPE_CHECKING:
    from indicia.connections.limits import Room

# Of how many connections it is asked whether they can go: the longest there, each asked later than the others
# next time.
_ASKED: Final = 64
_LOOK: Final = socket.MSG_PEEK | socket.MSG_DONTWAIT


class Holder(Protocol):
    """What a place is used by."""

    def is_expendable(self) -> bool:
        """Whether nothing is being answered, and nothing is to be expected that has just begun."""

    def abort(self) -> None:
        """End the connection at once."""


class AdmittedConnection:
    """A connection that was let in. It counts until `leave`."""

    __slots__ = ("_admission", "connection", "holder", "network")

    def __init__(self, admission: ConnectionAdmission, network: str) -> None:
        self._admission = admission
        self.network = network
        self.holder: Holder | None = None
        self.connection: socket.socket | None = None

    def can_go(self) -> bool:
        """Whether nobody would miss it: not if its client has said something that nobody has read yet."""
        return self.holder is not None and self.holder.is_expendable() and not self._has_input()

    def _has_input(self) -> bool:
        try:
            return self.connection is not None and bool(self.connection.recv(1, _LOOK))
        except OSError:  # there is nothing, or nobody
            return False

    def leave(self) -> None:
        """Count no more."""
        self._admission.left(self)


class ConnectionAdmission:
    """The connections of one listener, or of several that share their room.

    `exempt` says of an address that it stands for many clients, as that of a trusted proxy does: then only
    the room for all counts. `evicted`, `refused_client`, `refused_process` and `without_files` are counters,
    for metrics.
    """

    def __init__(self, room: Room, exempt: Callable[[str], bool] = lambda _: False) -> None:
        self.room = room
        self._exempt = exempt
        # In the order in which they are asked whether they can go.
        self._all: dict[AdmittedConnection, None] = {}
        self._of: dict[str, dict[AdmittedConnection, None]] = {}
        self.evicted = 0
        self.refused_client = 0
        self.refused_process = 0
        self.without_files = 0

    def __len__(self) -> int:
        return len(self._all)

    def admit(self, address: str) -> AdmittedConnection | None:
        """Return a place for a connection from there, None when there is none to be had."""
        network = network_of(address)
        own = self._of.get(network, {})
        if len(own) >= self.room.of_one and not self._exempt(address) and not self._make_room(own):
            self.refused_client += 1
            return None
        if len(self._all) >= self.room.most and not self._make_room(self._all):
            self.refused_process += 1
            return None
        place = AdmittedConnection(self, network)
        self._all[place] = None
        self._of.setdefault(network, {})[place] = None
        return place

    def left(self, place: AdmittedConnection) -> None:
        """Count a connection no more. It may have been said before."""
        if place not in self._all:
            return
        del self._all[place]
        own = self._of[place.network]
        del own[place]
        if not own:
            del self._of[place.network]

    def shed(self, most: int) -> int:
        """End up to so many connections that can go; return how many that were."""
        return next((done for done in range(most) if not self._make_room(self._all)), most)

    def _make_room(self, places: dict[AdmittedConnection, None]) -> bool:
        """End the first that can go, and ask the others later next time."""
        for place in list(islice(places, _ASKED)):
            if place.holder is not None and place.can_go():
                self.left(place)
                self.evicted += 1
                place.holder.abort()
                return True
            del places[place]
            places[place] = None
        return False
