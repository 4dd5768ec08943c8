"""`indicia sandbox`: the service with a DNS to play with, a clock that moves, and no limits."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog
import uvloop

from indicia import credentials
from indicia.app.service import ServiceProcess, Variant
from indicia.credentials import AccountCredentials
from indicia.domain.accounts.account import SANDBOX_ACCOUNT
from indicia.domain.dkim.key_record import key_record
from indicia.domain.verification.controls import CONTROL_TEXT, control_zone
from indicia.installation import Installation, InstallationError
from indicia.private_files import write_file
from indicia.publicsuffix import PublicSuffixes
from indicia.runtime import logs
from indicia.runtime import ready as ready_file
from indicia.runtime.clock import Clock
from indicia.runtime.ready import Ready
from indicia.sandbox.calls import SandboxCalls, SentMail
from indicia.sandbox.mailbox import MaildirReader
from indicia.sandbox.playground import KeyText, Playground
from indicia.sandbox.server import PlaygroundServer
from indicia.sandbox.steering import CLOCK_OFFSET, Settles, Steering
from indicia.settings import ALL_ROLES, Settings
from indicia.store.dkim import keys
from indicia.store.engine import meta
from indicia.store.engine.database import Database
from indicia.verifier.dns.perspectives import Perspective
from indicia.wire.http.browsers import Guard, Guarded

log = structlog.get_logger("indicia")

# A test that creates an identity finds a key; a start costs no second of CPU.
POOL: Final[Mapping[int, int]] = {2048: 4, 1024: 2}
_HOST: Final = "127.0.0.1"
ANYONE: Final = AccountCredentials(SANDBOX_ACCOUNT, "sandbox", SANDBOX_ACCOUNT)
# Credentials of another place would be tried first, or sent along; and endpoints must not be ignored.
_NOT_INHERITED: Final = frozenset(
    {
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_ENDPOINT_URL",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    }
)


@dataclass(frozen=True, slots=True)
class Wish:
    """How a sandbox is wanted.

    `strict` checks access keys, `command` runs in it and ends it, `keep` keeps what is published for the next
    sandbox on the same data dir.
    """

    strict: bool = False
    command: tuple[str, ...] = ()
    ready_file: Path | None = None
    keep: bool = False


class SandboxService:
    """A service on a playground, from `start` to `stop`."""

    def __init__(self, settings: Settings, *, strict: bool, keep: bool) -> None:
        self.settings = settings
        self._strict = strict
        self._kept = settings.data_dir / "playground.json" if keep else None
        self._clock = Clock()
        self._suffixes = PublicSuffixes()
        self._installation: Installation | None = None
        self._server: PlaygroundServer | None = None
        self._service: ServiceProcess | None = None

    async def start(self) -> Ready:
        """Everything serves and the clock stands where it was left.

        Raises: `InstallationError`, `CannotListenError`; call `stop` then too.
        """
        installation = self._installation = Installation(self.settings, self._clock)
        database = installation.database
        offset = database.read(lambda s: meta.get(s, CLOCK_OFFSET))
        self._clock.advance(int(offset or 0))
        playground = self._playground(database)
        self._server = PlaygroundServer(playground)
        host, port = await self._server.start(_HOST)
        steering = Steering(
            playground,
            database,
            self._clock,
            MaildirReader(self.settings.outbox_dir),
            parts=self._parts,
            corroborate=self.settings.windows.check_max,
            keep=self._keeping(playground),
        )
        guard = _guard(self.settings)
        variant = Variant(
            self._clock,
            strict=self._strict,
            guard=guard,
            perspectives=(Perspective("playground", ((host, port),), trusted=True),),
            authority_port=port,
            routes=SandboxCalls(steering).routes(),
            mounts=(("/_aws/ses", Guarded(SentMail(steering, self.settings.default_region), guard)),),
            playground=f"{host}:{port}",
            pool=POOL,
        )
        self._service = ServiceProcess(installation, ALL_ROLES, variant)
        return await self._service.start()

    async def stop(self) -> None:
        """Everything is stopped; the data stay where they are."""
        if self._service is not None:
            await self._service.stop()
        if self._server is not None:
            await self._server.stop()
        if self._installation is not None:
            self._installation.close()

    def _playground(self, database: Database) -> Playground:
        """Return the playground, with what was left of it in the data dir."""
        playground = Playground(self._suffixes.registrable, self._key_text(database))
        if self._kept is not None and self._kept.exists():
            try:
                playground.load(self._kept.read_bytes())
            except ValueError as error:
                raise InstallationError(f"{self._kept} is not what a sandbox left: remove it") from error
        return playground

    def _keeping(self, playground: Playground) -> Callable[[], None]:
        kept = self._kept

        def keep() -> None:
            if kept is not None:
                write_file(kept, playground.dump())

        return keep

    def _parts(self) -> Sequence[Settles]:
        service = self._service
        if service is None or service.verifier is None or service.mailer is None:
            return ()
        verifier, mailer = service.verifier, service.mailer
        return (
            verifier.keys.rotator,
            verifier.engine,
            verifier.keys.assigner,
            verifier.engine,
            verifier.explainer,
            verifier.keys.rotator,
            verifier.advisor,
            mailer.webhooks,
            mailer.outbox,
        )

    def _key_text(self, database: Database) -> KeyText:
        zone = "." + self.settings.signing_zone

        def key_text(name: str) -> str | None:
            if not name.endswith(zone):
                return None
            if name.endswith(f".{control_zone(zone[1:])}"):
                return CONTROL_TEXT
            found = database.read(lambda s: keys.lookup(s, zone[1:], name.removesuffix(zone)))
            if isinstance(found, keys.NoKeyYet):
                return ""
            return None if found is None else key_record(found)

        return key_text


def _guard(settings: Settings) -> Guard:
    """Return what tells the requests of web pages, for where the sandbox was told to listen."""
    http = settings.listen.http
    names = [address.host for address in http]
    if settings.public_url is not None:
        names.append(urlsplit(settings.public_url).hostname or "")
    return Guard(names, elsewhere=not all(address.is_loopback for address in http))


def environment(settings: Settings, ready: Ready, key: AccountCredentials) -> dict[str, str]:
    """Return the environment in which programs use the sandbox: endpoints, keys, where its data are.

    `indicia` is found in it, last of all places: it may have been called by its path.
    """
    path = os.environ.get("PATH", os.defpath)
    return {
        **credentials.environment(key, region=ready.region, url=ready.url),
        "INDICIA_DATA_DIR": str(settings.data_dir),
        "PATH": os.pathsep.join((path, str(Path(sys.executable).parent))),
    }


def play(settings: Settings, wish: Wish) -> int:
    """Run a sandbox until a signal, or until the command in it has ended; return the exit status.

    Raises: `InstallationError`, `CannotListenError`.
    """
    gc.disable()
    # With a command the terminal is the command's: only what went wrong is said there.
    least = logging.WARNING if wish.command else logging.INFO
    logs.configure(settings.log_format, colors=sys.stderr.isatty(), least=least)
    return uvloop.run(_play(settings, wish))


async def _play(settings: Settings, wish: Wish) -> int:
    sandbox = SandboxService(settings, strict=wish.strict, keep=wish.keep)
    signals = _Signals()
    places = [settings.ready_file, *([wish.ready_file] if wish.ready_file else [])]
    try:
        ready = await sandbox.start()
        credentials.write_config(settings.config_file, region=ready.region, url=ready.url)
        for place in places:
            ready.write(place)
        gc.freeze()
        gc.enable()
        if wish.command and not signals.ended.is_set():
            key = credentials.read_credentials(settings.credentials_file) if wish.strict else None
            return await _run(wish.command, environment(settings, ready, key or ANYONE), signals)
        if sys.stdout.isatty():
            sys.stdout.write(_welcome(settings, ready, wish))
            sys.stdout.flush()
        else:
            log.info("ready", url=ready.url, dns=ready.dns, playground=ready.playground, admin=ready.admin)
        await signals.ended.wait()
        return 128 + signals.first if wish.command else 0
    finally:
        await sandbox.stop()
        for place in places:
            ready_file.remove(place)


def _welcome(settings: Settings, ready: Ready, wish: Wish) -> str:
    folder = settings.data_dir
    keys = "access keys are checked" if wish.strict else f"any access key will do; account {SANDBOX_ACCOUNT}"
    return (
        "\nA sandbox is ready: every domain is yours, the clock moves, no mail leaves this machine.\n\n"
        f"  API       {ready.url}  ({keys})\n"
        f"  DNS       {ready.playground}  (dig -p {ready.playground.rpartition(':')[2]} @{_HOST} ...)\n"
        f"  key zone  {', '.join(ready.dns)}\n"
        f"  data      {folder}{'' if wish.keep else '  (removed at the end)'}\n\n"
        "In another terminal:\n\n"
        f'  eval "$(indicia env --data-dir {folder})"\n'
        "  aws sesv2 create-email-identity --email-identity example.com\n"
        "  indicia sandbox publish example.com\n\n"
    )


class _Signals:
    """What becomes of signals: they end the sandbox, or are passed on to the command that runs in it.

    What the keyboard sends goes to the command without us, which is then left alone to react.
    """

    _PASSED_ON = (
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGUSR1,
        signal.SIGUSR2,
    )
    _OF_THE_KEYBOARD = frozenset({signal.SIGINT, signal.SIGQUIT})

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.first = 0
        self.process: asyncio.subprocess.Process | None = None
        loop = asyncio.get_running_loop()
        for number in self._PASSED_ON:
            loop.add_signal_handler(number, self._arrived, number)

    def _arrived(self, number: signal.Signals) -> None:
        self.first = self.first or number
        self.ended.set()
        process = self.process
        if process is None or process.returncode is not None:
            return
        if not (number in self._OF_THE_KEYBOARD and _has_the_keyboard()):
            process.send_signal(number)


def _has_the_keyboard() -> bool:
    """Say whether the terminal sends its signals to this process and to what it has started."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):  # no terminal, or no standard input at all
        return False


async def _run(command: Sequence[str], environ: Mapping[str, str], signals: _Signals) -> int:
    """Run the command to its end and return its exit status, as a shell would give it (128 + signal)."""
    inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    try:
        process = await asyncio.create_subprocess_exec(*command, env={**inherited, **environ})
    except OSError as error:
        what = f"{command[0]} is no command of `indicia sandbox`, and cannot be run in one: {error.strerror}"
        sys.stderr.write(f"indicia: {what}\n")
        return 127 if isinstance(error, FileNotFoundError) else 126
    signals.process = process
    if signals.ended.is_set():
        process.send_signal(signals.first)
    status = await process.wait()
    return status if status >= 0 else 128 - status
