"""`indicia serve`: one process from its settings to its last signal."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog
import uvloop

from indicia import credentials, logs
from indicia import ready as ready_file
from indicia.app.service import Installation, Service, Variant
from indicia.clock import Clock
from indicia.installation import Origin
from indicia.ready import Ready
from indicia.settings import Role, Settings, refusals, warnings

log = structlog.get_logger("indicia")


def serve(
    settings: Settings, *, roles: frozenset[Role], workers: int = 1, ready_file: Path | None = None
) -> int:
    """Run the roles until SIGTERM or SIGINT; return the exit status."""
    logs.configure(settings.log_format, colors=sys.stderr.isatty())
    clock = Clock()
    installation = Installation(settings, clock)
    try:
        service = Service(installation, roles, Variant(clock))
        _say_what_is_unsafe(service)
        return uvloop.run(run(service, ready_file))
    finally:
        installation.close()


def _say_what_is_unsafe(service: Service) -> None:
    for refusal in refusals(service.settings, service.roles):
        log.warning("unsafe.waived", refusal=refusal.name, reason=refusal.reason)
        service.metrics.waived(refusal.name)
    for warning in warnings(service.settings, service.roles):
        log.warning("settings.warning", reason=warning)


async def run(service: Service, ready_to: Path | None) -> int:
    """Start, tell where, wait for a signal, stop."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    loop.add_signal_handler(signal.SIGHUP, service.reload)
    ready = await service.start()
    settings = service.settings
    if ready.url:
        credentials.write_config(settings.config_file, region=ready.region, url=ready.url)
    places = [settings.ready_file, *([ready_to] if ready_to else [])]
    for place in places:
        ready.write(place)
    _show_credentials(service)
    log.info("ready", **{name: value for name, value in _told(ready) if value})
    try:
        await ended.wait()
    finally:
        log.info("stopping")
        await service.stop()
        for place in places:
            ready_file.remove(place)
    return 0


def _told(ready: Ready) -> Sequence[tuple[str, object]]:
    return [("url", ready.url), ("admin", ready.admin), ("dns", ready.dns), ("playground", ready.playground)]


def _show_credentials(service: Service) -> None:
    """Show a key that was just made, on a terminal only: everything else is somebody's log."""
    root = service.installation.root
    if root is None or service.installation.root_origin is not Origin.MADE or not sys.stdout.isatty():
        return
    print(
        f"\nAccess key of the operator, shown once (also in {service.settings.credentials_file}):\n"
        f"  aws_access_key_id     = {root.id}\n"
        f"  aws_secret_access_key = {root.secret}\n"
        f"  account               = {root.account}\n",
        flush=True,
    )
