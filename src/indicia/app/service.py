"""The roles of one process, made from settings, handed what they need, started and stopped in order."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import structlog

from indicia import __version__
from indicia.app.connecting import Connecting
from indicia.app.controlling import controls_of
from indicia.app.doctor import outside
from indicia.app.processes import heartbeat
from indicia.app.processes.certificates import certificate_of, reason_of
from indicia.app.processes.embedded_lock import EmbeddedLock
from indicia.app.processes.heartbeat import Heartbeats
from indicia.app.processes.worker_status import WorkerProcesses
from indicia.app.roles.mailer import Mailer
from indicia.app.roles.verifier import Verifier
from indicia.connections.limits import open_files
from indicia.connections.process import ProcessConnections
from indicia.domain.fairness import ZonePart, ZoneRates
from indicia.domain.identities.identity import TokenSet
from indicia.domain.proofs.transitions import Windows
from indicia.domain.time import Instant, rfc3339
from indicia.domain.verification.check import Rules
from indicia.domain.verification.schedule import Pace
from indicia.installation import Installation
from indicia.mail.html.sanitizer import Sanitizer
from indicia.operations.refused_calls import RefusedCalls
from indicia.publicsuffix import PublicSuffixes
from indicia.runtime.clock import Clock, real_now
from indicia.runtime.health import Check, Health
from indicia.runtime.metrics import Metrics
from indicia.runtime.ready import Ready
from indicia.settings import BACKGROUND, ConfiguredPerspective, Role, Settings, system_perspective
from indicia.settings import Address as Wanted
from indicia.settings.client_url import client_url
from indicia.settings.places import public_only
from indicia.settings.table import BY_NAME
from indicia.store.dkim import key_requests, keys, zones
from indicia.store.engine.prepared import POSTGRESQL, SQLITE
from indicia.store.events import fanout, webhook_deliveries
from indicia.store.verification import brakes, checks
from indicia.store.verification_mail import outbox
from indicia.vault.keyring import KeyringError
from indicia.vault.pool import TARGETS
from indicia.verifier.diagnosis.asking import Asking
from indicia.verifier.diagnosis.diagnosis import Doctor
from indicia.verifier.diagnosis.forecast import Forecaster
from indicia.verifier.diagnosis.investigation import Investigator
from indicia.verifier.diagnosis.issuance import issued_in
from indicia.verifier.dns.perspectives import Perspective, Perspectives
from indicia.wire.http.forwarded import is_within
from indicia.wire.http.framing import Trailers
from indicia.wire.http.server import (
    CannotListenError,
    ListeningAddress,
    Server,
    addresses_of,
    bind,
    listening_by,
)
from indicia.wire.own import Route

if TYPE_CHECKING:
    import socket

    from indicia.keyzone.server import KeyZone
    from indicia.store.dkim.keys import NoKeyYet
    from indicia.store.engine.session import Session
    from indicia.verifier.dns.resolver import Tally
    from indicia.wire.http.browsers import Guard
    from indicia.wire.http.requests import App

log = structlog.get_logger("indicia")

# How long stopping waits for answers that are on their way. With the other parts' it stays below the ten
# seconds that container runtimes give.
_GRACE = 6.0
# Roles that write nothing: they serve on when the database takes no writes.
_READ_ONLY = frozenset({Role.DNS})
# What part of its rate a zone is asked at most because callers wish it. What they do not take, checks do.
_WISHES = 0.5
_ASIDE = 0.1  # and zones into which the records lead that they are about
# For how many seconds answers everybody what was seen for the sake of the records call.
_FORECAST_KEPT = 5.0
# Whoever looks at the metrics need not know how many more wait for a key.
_WAITING_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class Variant:
    """How a process differs from `serve` alone.

    The sandbox has a clock that moves, perspectives and calls of its own: `strict` is whether unknown
    access keys are refused, `guard` what stands before those that are not, `perspectives` replace the
    configured resolvers, `authority_port` is where a zone's own servers are asked in place of the
    configured port. One of several workers has `sockets` that were bound for it, and the one among them
    that is asked how all of them are has `worker_processes`.
    """

    clock: Clock
    strict: bool = True
    guard: Guard | None = None
    perspectives: tuple[Perspective, ...] = ()
    authority_port: int | None = None
    routes: tuple[Route, ...] = ()
    mounts: tuple[tuple[str, App], ...] = ()
    playground: str = ""
    pool: Mapping[int, int] = field(default_factory=lambda: dict(TARGETS))
    sockets: Sequence[socket.socket] | None = None
    admin: tuple[Wanted, ...] | None = None
    worker_processes: WorkerProcesses | None = None


class _Hints:
    """Passes hints on to whoever runs in this process. Another process looks by itself."""

    def __init__(self) -> None:
        self.verifier: Verifier | None = None
        self.mailer: Mailer | None = None

    def engine(self) -> None:
        if self.verifier is not None:
            self.verifier.engine.wake()

    def outbox(self) -> None:
        if self.mailer is not None:
            self.mailer.wake()

    def pool(self) -> None:
        if self.verifier is not None:
            self.verifier.keys.wanted()


def rules_of(settings: Settings) -> Rules:
    """Return what the settings mean for a check."""
    windows = settings.windows
    return Rules(
        service_domain=settings.service_domain,
        quorum=settings.quorum,
        windows=Windows(windows.verify, windows.link, windows.check_max),
        pace=Pace(windows.check_min, windows.check_max, windows.check_verified),
        regions=frozenset(settings.regions),
    )


def _tallies(observer: Perspectives) -> list[tuple[str, Tally]]:
    """Return what went over the sockets of each resolver, by its perspective."""
    return [
        (client.perspective, resolver.tally) for client in observer.clients for resolver in client.resolvers
    ]


def perspectives_of(settings: Settings) -> tuple[Perspective, ...]:
    """Return the perspectives that are configured, or the one of this machine's own resolvers."""
    return tuple(map(_perspective, settings.resolvers or (system_perspective(),)))


def _perspective(setting: ConfiguredPerspective) -> Perspective:
    return Perspective(
        setting.name,
        tuple((resolver.address.host, resolver.address.port) for resolver in setting.resolvers),
        trusted=all(resolver.trusted for resolver in setting.resolvers),
    )


class ServiceProcess:
    """The roles of one process, from `start` to `stop`."""

    def __init__(self, installation: Installation, roles: frozenset[Role], variant: Variant) -> None:
        self.installation = installation
        self.settings = installation.settings
        self.roles = roles
        self.clock = variant.clock
        self.metrics = Metrics(__version__)
        self.verifier: Verifier | None = None
        self.mailer: Mailer | None = None
        self._registrable = PublicSuffixes().registrable
        self._variant = variant
        self._rules = rules_of(installation.settings)
        self._zone_rates: ZoneRates | None = None
        self._hints = _Hints()
        self._endings: list[tuple[str, Callable[[], Awaitable[object]]]] = []
        self._server: Server | None = None
        self._key_zone: KeyZone | None = None
        trusted = installation.settings.trusted_proxies
        self._connections = ProcessConnections(open_files(), lambda address: is_within(address, trusted))
        self.metrics.watch_connections(self._connections.by_listener())
        self._heartbeats = Heartbeats(installation.database, roles)
        self._gating: dict[str, Check] = {"database": self._database_trouble}
        self._reported: dict[str, Check] = {}

    async def start(self) -> Ready:
        """Every role serves; what it is bound to is in the answer.

        Raises: `CannotListenError`, `InstallationError`; nothing serves then.
        """
        try:
            return await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> Ready:
        await self._start_heartbeats()
        sockets = self._http_sockets()
        self._endings.append(("sockets", partial(_close, sockets)))
        observer = self._observer()
        dns = await self._start_key_zone() if Role.DNS in self.roles else ()
        # Put together before anything runs beside it: it takes in most of the program.
        url, server = self._http(sockets, observer) if sockets else ("", None)
        if self.roles & BACKGROUND:
            self._start_background(observer)
        if server is not None:
            await server.start(sockets)
            self._endings.append(("http", partial(_drain, server)))
            self._server = server
        admin = await self._start_admin()
        return Ready(
            pid=os.getpid(),
            url=url,
            http=tuple(map(str, addresses_of(sockets))),
            admin=admin,
            dns=dns,
            region=self.settings.default_region,
            playground=self._variant.playground,
        )

    async def stop(self) -> None:
        """What was begun is finished, what was acknowledged is stored, every listener is closed."""
        while self._endings:
            name, end = self._endings.pop()
            try:
                await end()
            except Exception as error:  # noqa: BLE001 - one part's trouble keeps no other from ending well
                log.error("part.not_ended", part=name, error=type(error).__qualname__)  # noqa: TRY400 - no text

    def reload(self) -> None:
        """Read again what an operator may have replaced: the certificate and the keyring.

        What cannot be used is told in the log, and what was in use stays.
        """
        if self._server is not None and self.settings.tls is not None:
            try:
                self._server.reload_certificate()
                log.info("certificate.reloaded")
            except OSError as error:
                log.error("certificate.not_reloaded", reason=reason_of(error))  # noqa: TRY400 - it says all
        try:
            self.installation.keyring.reload()
            log.info("keyring.reloaded")
        except KeyringError as error:
            log.error("keyring.not_reloaded", reason=str(error))  # noqa: TRY400 - it says all

    def _observer(self) -> Perspectives:
        observer = Perspectives(
            self._variant.perspectives or perspectives_of(self.settings), clock=self.clock.now
        )
        self._endings.append(("resolvers", observer.close))
        settings = self.settings
        controls = controls_of(
            self.installation.database, observer, settings.signing_zone, self.metrics.perspective_believed
        )
        self._endings.append(("controls", controls.close))
        self.metrics.watch_resolvers(partial(_tallies, observer))
        self._controls = controls
        # A zone hears of a question once from each perspective. The playground may be asked at any rate.
        if not self._variant.perspectives:
            self._zone_rates = ZoneRates(settings.zone_rate / len(observer.names))
        self._reported |= outside.checks(observer, controls, settings.signing_zone, settings.nameservers)
        return observer

    async def _start_heartbeats(self) -> None:
        beats = self._heartbeats
        await beats.begin()
        running = asyncio.create_task(beats.run(), name="heartbeat")

        async def end() -> None:
            running.cancel()
            await asyncio.wait([running])
            await beats.leave()

        self._endings.append(("heartbeat", end))
        self._reported |= beats.checks()

    def _start_background(self, observer: Perspectives) -> None:
        """What is due is done, in the roles that this process has of those in the background."""
        if self.installation.database.dialect == SQLITE:
            lock = EmbeddedLock(self.settings.data_dir)
            lock.take()
            self._endings.append(("lock", lock.release))
        self._endings.append(("background", self._stop_background))
        if Role.MAILER in self.roles:
            self._start_mailer()
        if Role.VERIFIER in self.roles:
            self._start_verifier(observer)

    async def _stop_background(self) -> None:
        parts = [part for part in (self.verifier, self.mailer) if part is not None]
        await asyncio.gather(*(part.stop() for part in parts))

    def _start_mailer(self) -> None:
        self.metrics.watch_mailer()
        self.mailer = Mailer(self.installation, self.clock, posted=self.metrics.posted)
        self.mailer.start()
        self._gating["mailer"] = self.mailer.trouble
        self._hints.mailer = self.mailer

    def _start_verifier(self, observer: Perspectives) -> None:
        verifier = Verifier(
            self.installation,
            observer,
            self._rules,
            self.clock,
            least=self._variant.pool,
            published=self._forget_answers,
            news=self._hints.outbox,
            investigator=self._investigator(observer),
            registrable=self._registrable,
            zone_rates=self._zone_rates,
            controls=self._controls,
            metrics=self.metrics,
        )
        self.metrics.watch_engine(lambda: verifier.engine.in_hand, observer.names)
        verifier.start()
        self._gating["verifier"] = verifier.trouble
        self._reported["demotions"] = self._braking
        self.verifier = self._hints.verifier = verifier

    def _forget_answers(self, token_set: TokenSet) -> None:
        """Let the key zone of this process answer for the set as it is now. Others do within seconds."""
        if self._key_zone is not None:
            for token in token_set.tokens:
                self._key_zone.forget(token_set.zone, token)

    async def _start_key_zone(self) -> tuple[str, ...]:
        from indicia.keyzone.server import KeyZone

        database = self.installation.database

        def lookup(zone: str, token: str) -> str | NoKeyYet | None:
            return database.read(lambda s: keys.lookup(s, zone, token))

        async def looking_up(zone: str, token: str) -> str | NoKeyYet | None:
            return await database.reading(lambda s: keys.lookup(s, zone, token))

        key_zone = KeyZone(
            lookup=lookup if database.dialect == "sqlite" else looking_up,
            zones=lambda: database.read(zones.names),
            nameservers=self.settings.nameservers,
            connections=self._connections.dns,
            exhausted=self._connections.exhausted,
        )
        wanted = self.settings.listen.dns
        try:
            bound = await key_zone.start([(address.host, address.port) for address in wanted])
        except OSError as error:
            where = ", ".join(map(str, wanted))
            text = f"cannot listen on {where} for DNS: {reason_of(error)}"
            raise CannotListenError(text, setting=BY_NAME["listen_dns"].variable) from error
        self._endings.append(("key zone", key_zone.stop))
        self.metrics.watch_key_zone(key_zone.tally, lambda: key_zone.responder.lookups)
        self._key_zone = key_zone
        return tuple(str(ListeningAddress(*each)) for each in bound)

    def _http_sockets(self) -> Sequence[socket.socket]:
        if self._variant.sockets is not None:
            return self._variant.sockets
        if not self.roles & {Role.API, Role.LINKS}:
            return []
        wanted = self.settings.listen.http
        with listening_by(BY_NAME["listen_http"].variable):
            return bind([(address.host, address.port) for address in wanted])

    def _http(self, sockets: Sequence[socket.socket], observer: Perspectives) -> tuple[str, Server]:
        """Return how the API is reached on this machine, and what serves it and the pages on the sockets."""
        from indicia.app.roles.api import gateway

        settings, variant = self.settings, self._variant
        wishes, aside = None, None
        if self._zone_rates is not None:
            wishes, aside = ZonePart(self._zone_rates, _WISHES), ZonePart(self._zone_rates, _ASIDE)
        asking = Asking(observer, wishes, aside, ours=settings.service_domain, registrable=self._registrable)
        url = client_url(settings, *addresses_of(sockets)[0])
        health = Health(self._gating, self._reported, None)
        sanitizer = Sanitizer()
        self._endings.append(("sanitizer", partial(_close, [sanitizer])))
        refused = RefusedCalls(self.installation.database)
        self._endings.append(("refused calls", refused.close))
        application = gateway(
            self.installation,
            self.roles,
            self._rules,
            self.clock,
            doctor=self._doctor(asking),
            foresee=self._forecaster(asking),
            strict=variant.strict,
            guard=variant.guard,
            public_url=settings.public_url or url,
            hints=self._hints,
            sanitize=sanitizer,
            refused=refused,
            routes=variant.routes,
            mounts=(("/healthz", health), ("/readyz", health), *variant.mounts),
            observe=self.metrics.answered,
            shared=bool(variant.sockets) or self.installation.database.dialect == POSTGRESQL,
        )
        certificate = None if settings.tls is None else certificate_of(settings.tls)
        trailers = Trailers()
        self.metrics.watch_requests(application.budget, trailers)
        return url, Server(
            application,
            certificate=certificate,
            refused=application.refused,
            trailers=trailers,
            connections=self._connections.http,
            exhausted=self._connections.exhausted,
        )

    def _investigator(self, observer: Perspectives) -> Investigator:
        settings = self.settings
        private = settings.private_addresses
        return Investigator(
            observer,
            clock=self.clock.now,
            port=self._variant.authority_port or settings.authority_port,
            may_ask=public_only(private.networks, everything=private.allow_all),
            issued_to_another=issued_in(self.installation.database),
        )

    def _doctor(self, asking: Asking) -> Doctor:
        return Doctor(
            self.installation.database,
            asking,
            self._rules,
            self.clock,
            self._investigator(asking.observer),
            self._registrable,
            self._controls.unbelieved,
        )

    def _forecaster(self, asking: Asking) -> Forecaster:
        # What was just published in a playground is seen at once.
        playing = bool(self._variant.perspectives)
        return Forecaster(
            self.installation.database,
            asking,
            self._rules,
            kept=0.0 if playing else _FORECAST_KEPT,
            connects=Connecting(self.settings, playing=playing),
            registrable=self._registrable,
        )

    async def _start_admin(self) -> tuple[str, ...]:
        wanted = self.settings.listen.admin if self._variant.admin is None else self._variant.admin
        if self._variant.worker_processes is not None:
            self._gating |= self._variant.worker_processes.checks()
        server = Server(
            Health(self._gating, self._reported, self._measured),
            connections=self._connections.admin,
            exhausted=self._connections.exhausted,
            name="admin",
        )
        with listening_by(BY_NAME["listen_admin"].variable):
            sockets = bind([(address.host, address.port) for address in wanted])
        await server.start(sockets)
        self._endings.append(("admin", partial(server.stop, 0.5)))
        return tuple(map(str, server.addresses))

    async def _database_trouble(self) -> str | None:
        """Return what is wrong with the database: for reading, and for writing where a role writes."""
        await self.installation.database.reading(zones.names)
        return await self._heartbeats.trouble() if self.roles - _READ_ONLY else None

    async def _measured(self) -> bytes:
        """Return the page of metrics; what only the database knows is left as it was while that is away."""
        try:
            self.metrics.present(await self.installation.database.reading(heartbeat.everyone))
            if self.mailer is not None:
                self.metrics.telling(self.clock.now(), *await self.installation.database.reading(_telling))
            if self.verifier is not None:
                found = await self.installation.database.reading(self._measure)
                self.metrics.stored(self.clock.now(), *found)
                paused_at, accounts = await self.installation.database.reading(self._braked)
                self.metrics.braked(paused=paused_at is not None, accounts=accounts)
        except Exception as error:  # noqa: BLE001 - the other metrics tell why
            log.warning("metrics.not_measured", error=type(error).__name__)
        page = self.metrics.text()
        return (
            page
            if self._variant.worker_processes is None
            else await self._variant.worker_processes.metrics(page)
        )

    def _braked(self, s: Session) -> tuple[Instant | None, int]:
        return brakes.read(s).paused_at, brakes.count_waiting(s, self.clock.now())

    async def _braking(self) -> str | None:
        """Return whether the brake on mass demotion holds something, None where it holds nothing."""
        paused_at, accounts = await self.installation.database.reading(self._braked)
        if paused_at is not None:
            return f"paused since {rfc3339(paused_at)}; `indicia demotions resume` lets them through"
        if accounts:
            return f"those of {accounts} account(s) wait; `indicia demotions status` tells until when"
        return None

    def _measure(self, s: Session) -> tuple[int | None, dict[int, int], dict[int, int]]:
        pooled = {bits: keys.count_pooled(s, bits) for bits in self._variant.pool}
        waiting = {bits: key_requests.waiting(s, bits, _WAITING_COUNTED) for bits in self._variant.pool}
        return checks.earliest_due(s, real_now()), pooled, waiting


def _telling(s: Session) -> tuple[int, int, int | None]:
    waiting = webhook_deliveries.waiting(s) + fanout.waiting(s)
    return waiting, fanout.behind(s), outbox.oldest_waiting(s)


async def _close(parts: Sequence[socket.socket | Sanitizer]) -> None:
    """Close sockets that nobody serves on, if the start did not come that far; let children end."""
    for each in parts:
        each.close()


async def _drain(server: Server) -> None:
    if not await server.stop(_GRACE):
        log.warning("answers.cut", seconds=_GRACE)
