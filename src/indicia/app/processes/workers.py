"""`indicia serve --workers N`: processes that answer HTTP, and one beside them for every other role.

The process that was started binds the addresses and watches (`wire.http.workers`). Of the others each is a
`ServiceProcess` with some of the roles, opens the installation for itself, and is asked how it is at an admin
address of its own. The one for the other roles speaks for all: it has the configured admin address.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import uvloop

from indicia.app.processes.lifecycle import ReadinessListeners, run, say_what_is_unsafe
from indicia.app.processes.worker_status import WorkerProcesses
from indicia.app.service import ServiceProcess, Variant
from indicia.domain.faults import Fault
from indicia.installation import Installation, InstallationError
from indicia.runtime.clock import Clock
from indicia.runtime.ready import Ready
from indicia.settings import Address, Role, Settings
from indicia.settings.client_url import client_url
from indicia.settings.table import BY_NAME
from indicia.wire.http.server import CannotListenError, addresses_of, listening_by
from indicia.wire.http.server import ListeningAddress as Bound
from indicia.wire.http.workers import UNABLE, Supervisor, shared_sockets

HTTP_ROLES: Final = frozenset({Role.API, Role.LINKS})
_LOOK: Final = 0.01  # seconds


def serve(settings: Settings, roles: frozenset[Role], workers: int, told: ReadinessListeners) -> int:
    """Run the roles in `workers` processes and one more until SIGTERM or SIGINT; return the exit status.

    Raises: `InstallationError`, `CannotListenError`.
    """
    # Made, or found to be unusable, once and here. The others open it for themselves.
    installation = Installation(settings, Clock())
    installation.close()
    with listening_by(BY_NAME["listen_http"].variable):
        sockets = shared_sockets([(each.host, each.port) for each in settings.listen.http], workers)
    names = tuple(f"worker-{number}" for number in range(1, workers + 1))
    with tempfile.TemporaryDirectory(prefix="indicia-workers-") as folder:
        context = _Workers(settings, roles, WorkerProcesses(Path(folder), names), addresses_of(sockets[0]))
        main = partial(context.main, lambda ready: told.ready(ready, installation))
        try:
            return Supervisor(
                [main, *(partial(context.worker, name) for name in names)], [[], *sockets]
            ).run()
        finally:
            told.gone()


@dataclass(frozen=True, slots=True)
class _Workers:
    """What the processes have in common. `main` and `worker` are what they do until they are told to end."""

    settings: Settings
    roles: frozenset[Role]
    worker_processes: WorkerProcesses
    http: list[Bound]

    def main(self, told: Callable[[Ready], None], _none: list[socket.socket]) -> int:
        """Be the process with the other roles, which says when all of them are ready."""
        variant = Variant(Clock(), sockets=(), worker_processes=self.worker_processes)

        async def ready(own: Ready) -> None:
            while not all(  # noqa: ASYNC110 - other processes write them
                self.worker_processes.file(name).exists() for name in self.worker_processes.names
            ):
                await asyncio.sleep(_LOOK)
            url = client_url(self.settings, *self.http[0])
            told(replace(own, pid=os.getppid(), url=url, http=tuple(map(str, self.http))))
            self.worker_processes.note_all_ready()

        return self._be(self.roles - HTTP_ROLES, variant, ready, speaks=True)

    def worker(self, name: str, sockets: list[socket.socket]) -> int:
        """Be one of those that answer HTTP."""
        variant = Variant(Clock(), sockets=sockets, admin=(Address("127.0.0.1", 0),))

        async def ready(own: Ready) -> None:
            own.write(self.worker_processes.file(name))

        return self._be(self.roles & HTTP_ROLES, variant, ready, speaks=False)

    def _be(
        self,
        roles: frozenset[Role],
        variant: Variant,
        ready: Callable[[Ready], Awaitable[None]],
        *,
        speaks: bool,
    ) -> int:
        try:
            installation = Installation(self.settings, variant.clock)
            try:
                service = ServiceProcess(installation, roles, variant)
                if speaks:
                    say_what_is_unsafe(service, self.roles)
                return uvloop.run(run(service, ready))
            finally:
                installation.close()
        except (InstallationError, CannotListenError, Fault) as error:
            sys.stderr.write(f"indicia: {error}\n")
            # What once was possible may be so again; what never was needs a person.
            return 1 if self.worker_processes.were_all_ready() else UNABLE
