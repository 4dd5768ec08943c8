"""The life of a serving process: who is told where it is, what it warns of, and how it ends by a signal."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from indicia import credentials
from indicia.app.processes.preflight import open_secrets
from indicia.app.service import ServiceProcess
from indicia.installation import CredentialOrigin, Installation
from indicia.runtime import logs
from indicia.runtime import ready as ready_file
from indicia.runtime.ready import Ready
from indicia.settings import Role, Settings, refusals, warnings
from indicia.settings.exposure_checks import only_for_trying

log = structlog.get_logger("indicia")

# Objects made and not given up yet, before the collector looks at those made since last time. At Python's 700
# it looked in the middle of every few requests, at what they were about to give up anyway.
_YOUNG: Final = 20_000


class ReadinessListeners:
    """Who is told that a server is ready, and that it is not any more."""

    def __init__(self, settings: Settings, places: Sequence[Path]) -> None:
        self._settings = settings
        self._places = places

    def ready(self, ready: Ready, installation: Installation) -> None:
        """Files and the log say where to reach it; a terminal, and nothing else, shows a key just made."""
        settings = self._settings
        if ready.url:
            credentials.write_config(settings.config_file, region=ready.region, url=ready.url)
        for place in self._places:
            ready.write(place)
        _show_credentials(installation)
        told = {"url": ready.url, "admin": ready.admin, "dns": ready.dns, "playground": ready.playground}
        log.info("ready", **{name: value for name, value in told.items() if value})

    def gone(self) -> None:
        """The files are removed, unless they are another server's by now."""
        for place in self._places:
            ready_file.remove(place)


def say_what_is_unsafe(service: ServiceProcess, roles: frozenset[Role]) -> None:
    """Log what was waived for these roles and what deserves a warning; show the waivers in the metrics."""
    for refusal in refusals(service.settings, roles):
        if refusal.waived:
            log.warning("unsafe.waived", refusal=refusal.name, reason=refusal.reason)
            service.metrics.waived(refusal.name)
    trying = only_for_trying(service.settings)
    told = (
        *warnings(service.settings, roles),
        *open_secrets(service.settings),
        *([trying] if trying else []),
    )
    for warning in told:
        log.warning("settings.warning", reason=warning)


async def run(service: ServiceProcess, told: Callable[[Ready], Awaitable[None]]) -> int:
    """Start, tell where, wait for a signal, stop; return the exit status."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    loop.add_signal_handler(signal.SIGHUP, service.reload)
    ready = await service.start()
    gc.freeze()
    gc.set_threshold(_YOUNG)
    gc.enable()
    try:
        await told(ready)
        await ended.wait()
        # Who asks a second time does not want to wait for answers that are on their way.
        loop.remove_signal_handler(signal.SIGINT)
    finally:
        log.info("stopping")
        await service.stop()
        logs.flush()  # a worker leaves without what Python does at its exit
    return 0


def _show_credentials(installation: Installation) -> None:
    """Show a key that was just made, on a terminal only: everything else is somebody's log."""
    root = installation.root
    if root is None or installation.root_origin is not CredentialOrigin.MADE or not sys.stdout.isatty():
        return
    sys.stdout.write(
        f"\nAccess key of the operator, shown once (also in {installation.settings.credentials_file}):\n"
        f"  aws_access_key_id     = {root.id}\n"
        f"  aws_secret_access_key = {root.secret}\n"
        f"  account               = {root.account}\n\n"
    )
    sys.stdout.flush()
