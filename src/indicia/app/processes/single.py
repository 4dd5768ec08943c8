"""`indicia serve`: from its settings to its last signal, in one process or with workers beside it."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Final

import structlog
import uvloop

from indicia.app.processes.lifecycle import ReadinessListeners, run, say_what_is_unsafe
from indicia.app.service import ServiceProcess, Variant
from indicia.installation import Installation
from indicia.runtime import logs
from indicia.runtime.clock import Clock
from indicia.runtime.ready import Ready
from indicia.settings import Role, Settings

log = structlog.get_logger("indicia")

# Objects made and not given up yet, before the collector looks at those made since last time. At Python's 700
# it looked in the middle of every few requests, at what they were about to give up anyway.
_YOUNG: Final = 20_000


def serve(
    settings: Settings, *, roles: frozenset[Role], workers: int = 1, ready_file: Path | None = None
) -> int:
    """Run the roles until SIGTERM or SIGINT; return the exit status.

    Raises: `InstallationError`, `CannotListenError`: nothing has been served then.
    """
    # Everything that is imported and made until then stays: there is no garbage to look for.
    gc.disable()
    logs.configure(settings.log_format, colors=sys.stderr.isatty())
    places = (settings.ready_file, *([ready_file] if ready_file else []))
    told = ReadinessListeners(settings, places)
    if workers > 1 and roles & {Role.API, Role.LINKS}:
        from indicia.app.processes import workers as working

        return working.serve(settings, roles, workers, told)
    installation = Installation(settings, Clock())
    try:
        service = ServiceProcess(installation, roles, Variant(Clock()))
        say_what_is_unsafe(service, roles)

        async def ready(at: Ready) -> None:
            told.ready(at, installation)

        return uvloop.run(run(service, ready))
    finally:
        installation.close()
        told.gone()
