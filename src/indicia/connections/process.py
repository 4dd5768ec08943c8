"""The connections of one process: the room of each listener, and what goes when there are no files left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import structlog

from indicia.connections.admission import ConnectionAdmission
from indicia.connections.limits import plan

log = structlog.get_logger(__name__)

# Connections of each listener that end when the process has run out of files: room for what it needs itself.
_SHED: Final = 4
# Below this the limit is worth a line in the log: an SDK keeps some ten connections.
_FEW: Final = 64


class ProcessConnections:
    """Who may connect to the listeners of a process that may open so many files.

    `exempt` says of an address that it stands for many clients. The admin listener's room is its own, so that
    whoever wants to know how the process is can always ask.
    """

    def __init__(self, files: int, exempt: Callable[[str], bool] = lambda _: False) -> None:
        rooms = plan(files)
        self.http = ConnectionAdmission(rooms.http, exempt)
        self.admin = ConnectionAdmission(rooms.admin)
        self.dns = ConnectionAdmission(rooms.dns)
        if rooms.http.most < _FEW:
            log.warning("connections.few", files=files, http=rooms.http.most, dns=rooms.dns.most)

    def exhausted(self) -> None:
        """Some connections end that nobody uses: there are no files for anything else."""
        for admission in (self.http, self.dns):
            admission.shed(_SHED)

    def by_listener(self) -> Mapping[str, ConnectionAdmission]:
        """Return who may connect, by the name of the listener."""
        return {"http": self.http, "admin": self.admin, "dns": self.dns}
