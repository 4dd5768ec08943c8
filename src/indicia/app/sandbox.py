"""`indicia sandbox`: the service with a DNS to play with, a clock that moves, and no limits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
import uvloop

from indicia import credentials, logs
from indicia import ready as ready_file
from indicia.app.service import Service, Variant
from indicia.clock import Clock
from indicia.credentials import AccessKey
from indicia.domain.dkim import key_record
from indicia.installation import Installation
from indicia.publicsuffix import PublicSuffixes
from indicia.ready import Ready
from indicia.sandbox.calls import SandboxCalls, SentMail
from indicia.sandbox.mailbox import Mailbox
from indicia.sandbox.playground import KeyText, Playground
from indicia.sandbox.server import PlaygroundServer
from indicia.sandbox.steering import CLOCK_OFFSET, Settles, Steering
from indicia.settings import ALL_ROLES, Settings
from indicia.store import keys, meta
from indicia.store.database import Database
from indicia.verifier.perspectives import Perspective

log = structlog.get_logger("indicia")

# Enough that a test which creates an identity finds a key, and few enough that a start costs no second of CPU.
POOL: Mapping[int, int] = {2048: 4, 1024: 2}
_HOST = "127.0.0.1"
_TERMINATE_WITHIN = 10.0


@dataclass(frozen=True, slots=True)
class Wish:
    """How a sandbox is wanted: `strict` checks access keys, `command` runs in it and ends it."""

    strict: bool = False
    command: tuple[str, ...] = ()
    ready_file: Path | None = None


class Sandbox:
    """A service on a playground, from `start` to `stop`."""

    def __init__(self, settings: Settings, *, strict: bool) -> None:
        self.settings = settings
        self._strict = strict
        self._clock = Clock()
        self._suffixes = PublicSuffixes()
        self._installation: Installation | None = None
        self._server: PlaygroundServer | None = None
        self.service: Service | None = None

    async def start(self) -> Ready:
        """Everything serves and the clock stands where it was left."""
        installation = self._installation = Installation(self.settings, self._clock)
        database = installation.database
        offset = database.read(lambda s: meta.get(s, CLOCK_OFFSET))
        self._clock.advance(int(offset or 0))
        playground = Playground(self._suffixes.registrable, self._key_text(database))
        self._server = PlaygroundServer(playground)
        host, port = await self._server.start(_HOST)
        steering = Steering(
            playground,
            database,
            self._clock,
            Mailbox(self.settings.outbox_dir),
            parts=self._parts,
            corroborate=self.settings.windows.check_max,
        )
        variant = Variant(
            self._clock,
            strict=self._strict,
            perspectives=(Perspective("playground", ((host, port),), trusted=True),),
            routes=SandboxCalls(steering).routes(),
            mounts=(("/_aws/ses", SentMail(steering, self.settings.default_region)),),
            playground=f"{host}:{port}",
            pool=POOL,
        )
        self.service = Service(installation, ALL_ROLES, variant)
        return await self.service.start()

    async def stop(self) -> None:
        """Everything is stopped; the data stay where they are."""
        if self.service is not None:
            await self.service.stop()
        if self._server is not None:
            await self._server.stop()
        if self._installation is not None:
            self._installation.close()

    def _parts(self) -> Sequence[Settles]:
        verifying = None if self.service is None else self.service.verifying
        return () if verifying is None else (verifying.engine, verifying.deliverer)

    def _key_text(self, database: Database) -> KeyText:
        zone = "." + self.settings.signing_zone

        def key_text(name: str) -> str | None:
            if not name.endswith(zone):
                return None
            found = database.read(lambda s: keys.lookup(s, zone[1:], name.removesuffix(zone)))
            if isinstance(found, keys.NoKeyYet):
                return ""
            return None if found is None else key_record(found)

        return key_text


def environment(settings: Settings, ready: Ready, key: AccessKey | None) -> dict[str, str]:
    """Return the environment in which programs use the sandbox: AWS endpoints, keys, and where its data are."""
    anyone = AccessKey("000000000000", "sandbox", "000000000000")
    return {
        **credentials.environment(key or anyone, region=ready.region, url=ready.url),
        "INDICIA_DATA_DIR": str(settings.data_dir),
    }


def play(settings: Settings, wish: Wish) -> int:
    """Run a sandbox until a signal, or until the command in it has ended; return the exit status."""
    # With a command the terminal is the command's: only what went wrong is said there.
    least = logging.WARNING if wish.command else logging.INFO
    logs.configure(settings.log_format, colors=sys.stderr.isatty(), least=least)
    return uvloop.run(_play(settings, wish))


async def _play(settings: Settings, wish: Wish) -> int:
    sandbox = Sandbox(settings, strict=wish.strict)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    try:
        ready = await sandbox.start()
        credentials.write_config(settings.config_file, region=ready.region, url=ready.url)
        for place in [settings.ready_file, *([wish.ready_file] if wish.ready_file else [])]:
            ready.write(place)
        key = credentials.read_credentials(settings.credentials_file) if wish.strict else None
        if wish.command:
            return await _run(wish.command, environment(settings, ready, key), ended)
        log.info("ready", url=ready.url, dns=ready.dns, playground=ready.playground, admin=ready.admin)
        await ended.wait()
        return 0
    finally:
        await sandbox.stop()
        for place in [settings.ready_file, *([wish.ready_file] if wish.ready_file else [])]:
            ready_file.remove(place)


async def _run(command: Sequence[str], environ: Mapping[str, str], ended: asyncio.Event) -> int:
    """Run the command to its end and return its exit status, as a shell would give it (128 + signal)."""
    inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    try:
        process = await asyncio.create_subprocess_exec(*command, env={**inherited, **environ})
    except OSError as error:
        print(f"indicia: {command[0]} cannot be run: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126
    told = asyncio.create_task(ended.wait())
    running = asyncio.create_task(process.wait())
    await asyncio.wait({told, running}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if not running.done():
        process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(running), _TERMINATE_WITHIN)
        if not running.done():
            process.kill()
    status = await running
    return status if status >= 0 else 128 - status


# Credentials of another place would be tried first, or sent along.
_NOT_INHERITED = frozenset({"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"})
