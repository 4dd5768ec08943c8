"""The parts of one process, made from settings, handed what they need, started and stopped in order."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import structlog

from indicia.app.own_api import OwnApi
from indicia.clock import Clock, real_now
from indicia.domain.check import Rules
from indicia.domain.identity import TokenSet
from indicia.domain.links import caps
from indicia.domain.schedule import Pace
from indicia.domain.verification import Windows
from indicia.health import Check, Health
from indicia.installation import ensure_root, open_database, open_keyring, prepare_folder
from indicia.keyzone.server import KeyZone
from indicia.links.ledger import Ledger
from indicia.links.pages import application as link_pages
from indicia.mail.outbox import Deliverer
from indicia.mail.relay import carrier_for
from indicia.metrics import Metrics
from indicia.operations import token_sets
from indicia.operations.dispatch import Dispatch
from indicia.operations.house import House
from indicia.operations.verification_mail import VerificationMails
from indicia.publicsuffix import PublicSuffixes, to_ascii
from indicia.ready import Ready
from indicia.settings import Perspective as PerspectiveSetting
from indicia.settings import Role, Settings, system_perspective
from indicia.store import access, checks, keys, zones
from indicia.store.database import Database
from indicia.store.keys import NoKeyYet
from indicia.store.session import Session
from indicia.vault import purposes
from indicia.vault.keyring import Keyring
from indicia.vault.pool import TARGETS, KeyPool
from indicia.verifier.diagnosis import Doctor
from indicia.verifier.engine import Engine
from indicia.verifier.perspectives import Perspective, Perspectives
from indicia.wire.authentication import Authenticator, KeyRecord
from indicia.wire.gateway import Gateway
from indicia.wire.own import Route
from indicia.wire.server import Certificate, Server, addresses_of, bind

if TYPE_CHECKING:
    from indicia.wire.requests import App

log = structlog.get_logger("indicia")

# How long stopping waits for answers that are on their way.
GRACE = 10.0
# How long a check waits for the pool to make the key it needs, before the identity is looked at again later.
_KEY_WITHIN = 5.0
_KEY_LOOK = 0.02


@dataclass(frozen=True, slots=True)
class Variant:
    """How a process differs from `serve`: the sandbox has a clock that moves, eyes and calls of its own.

    `strict` is whether unknown access keys are refused. `perspectives` replace the configured resolvers.
    """

    clock: Clock
    strict: bool = True
    perspectives: tuple[Perspective, ...] = ()
    routes: tuple[Route, ...] = ()
    mounts: tuple[tuple[str, App], ...] = ()
    playground: str = ""
    pool: Mapping[int, int] = field(default_factory=lambda: dict(TARGETS))


class _Wakes:
    """Passes hints on to whoever runs in this process. Another process looks by itself."""

    def __init__(self) -> None:
        self.engine_wake: Callable[[], None] = _nothing
        self.outbox_wake: Callable[[], None] = _nothing
        self.pool_wake: Callable[[], None] = _nothing

    def engine(self) -> None:
        self.engine_wake()

    def outbox(self) -> None:
        self.outbox_wake()

    def pool(self) -> None:
        self.pool_wake()


def _nothing() -> None:
    """Nobody in this process is interested."""


class Installation:
    """What every role works on: settings, database, keyring, the operator's key."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        prepare_folder(settings.data_dir)
        self.settings = settings
        self.database: Database = open_database(settings)
        self.keyring: Keyring = open_keyring(settings, self.database)
        self.root, self.root_origin = ensure_root(settings, self.database, self.keyring, clock.now())
        zone, now = settings.signing_zone, clock.now()
        self.database.write(lambda s: zones.add(s, zone, now))

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()


def rules_of(settings: Settings) -> Rules:
    """Return what the settings mean for a check."""
    windows = settings.windows
    return Rules(
        service_domain=settings.service_domain,
        quorum=settings.quorum,
        windows=Windows(windows.verify, windows.link, windows.check_max),
        pace=Pace(windows.check_min, windows.check_max, windows.check_verified),
    )


def _perspective(setting: PerspectiveSetting) -> Perspective:
    return Perspective(
        setting.name,
        tuple((resolver.address.host, resolver.address.port) for resolver in setting.resolvers),
        trusted=all(resolver.trusted for resolver in setting.resolvers),
    )


class Service:
    """The roles of one process, from `start` to `stop`."""

    def __init__(self, installation: Installation, roles: frozenset[Role], variant: Variant) -> None:
        self.installation = installation
        self.settings = installation.settings
        self.roles = roles
        self.clock = variant.clock
        self.metrics = Metrics()
        self._variant = variant
        self._wakes = _Wakes()
        self._tasks: list[asyncio.Task[None]] = []
        self._endings: list[Callable[[], Awaitable[object]]] = []
        self._certificates: list[Server] = []
        self.engine: Engine | None = None
        self.deliverer: Deliverer | None = None
        self.key_zone: KeyZone | None = None
        self.ready: Ready | None = None

    async def start(self) -> Ready:
        """Every role serves; what it is bound to is in the answer. Raises when an address cannot be bound."""
        try:
            return await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> Ready:
        settings = self.settings
        if self.roles & {Role.API, Role.LINKS}:
            sockets = bind([(address.host, address.port) for address in settings.listen.http])
        else:
            sockets = []
        http = addresses_of(sockets)
        url = _url(http[0], tls=settings.tls is not None) if http else ""
        eyes = self._eyes()
        self._endings.append(eyes.close)
        dns = await self._start_key_zone() if Role.DNS in self.roles else []
        if Role.VERIFIER in self.roles:
            self._start_verifier(eyes)
        if http:
            server = Server(self._gateway(eyes, settings.public_url or url), certificate=self._certificate())
            await server.start(sockets)
            self._certificates.append(server)
            self._endings.append(partial(server.stop, GRACE))
        admin = await self._start_admin()
        self.ready = Ready(
            pid=os.getpid(),
            url=url,
            http=tuple(map(str, http)),
            admin=admin,
            dns=tuple(dns),
            region=settings.default_region,
            playground=self._variant.playground,
        )
        return self.ready

    async def stop(self) -> None:
        """What was begun is finished, what was acknowledged is stored, every listener is closed."""
        while self._endings:
            await self._endings.pop()()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def reload(self) -> None:
        """Read again what an operator may have replaced: certificates and the keyring."""
        for server in self._certificates:
            try:
                server.reload_certificate()
            except OSError as error:
                log.error("certificate.not_reloaded", reason=str(error.strerror or error))
        self.installation.keyring.reload()
        log.info("reloaded")

    # ---- the parts

    def _eyes(self) -> Perspectives:
        configured = self._variant.perspectives or tuple(map(_perspective, self.settings.resolvers))
        if not configured:
            configured = (_perspective(system_perspective()),)
        return Perspectives(configured, clock=self.clock.now)

    def _start_verifier(self, eyes: Perspectives) -> None:
        database, settings = self.installation.database, self.settings
        if database.dialect == "sqlite":
            # The embedded default has one verifier: whoever held a lease is dead.
            now = self.clock.now()
            database.write(lambda s: checks.void_leases(s, now))
        pool = KeyPool(database, self.installation.keyring, self.clock.now, self._variant.pool)
        self._wakes.pool_wake = pool.wake
        pool.start()
        self._endings.append(partial(asyncio.to_thread, pool.stop))
        self.engine = Engine(
            database,
            eyes,
            rules_of(settings),
            self.clock,
            owner=f"{os.getpid()}-{secrets.token_hex(4)}",
            give_key=self._give_key,
            random=_random,
            observe=self.metrics.checked,
        )
        self._wakes.engine_wake = self.engine.wake
        self._tasks.append(asyncio.create_task(self.engine.run(), name="engine"))
        self._endings.append(self.engine.stop)
        carrier = carrier_for(settings.relay, outbox=settings.outbox_dir, helo=settings.service_domain)
        self.deliverer = Deliverer(database, self.installation.keyring, carrier, self.clock)
        self._wakes.outbox_wake = self.deliverer.wake
        self._tasks.append(asyncio.create_task(self.deliverer.run(), name="deliverer"))
        self._endings.append(_stopping(self.deliverer))

    async def _give_key(self, token_set: TokenSet) -> TokenSet | None:
        """Give the set a key from the pool, waiting a little for the pool to make one."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + _KEY_WITHIN
        while True:
            now = self.clock.now()
            given = await self.installation.database.writing(
                partial(token_sets.give_key, token_set=token_set, now=now)
            )
            if given is not None:
                self._forget_answers(given)
                self._wakes.pool()
                return given
            self._wakes.pool()
            if loop.time() > give_up:
                return None
            await asyncio.sleep(_KEY_LOOK)

    def _forget_answers(self, token_set: TokenSet) -> None:
        """Let the key zone of this process answer for the set as it is now. Others do within seconds."""
        if self.key_zone is not None:
            for token in token_set.tokens:
                self.key_zone.forget(token_set.zone, token)

    async def _start_key_zone(self) -> list[str]:
        database = self.installation.database
        inline = database.dialect == "sqlite"

        def lookup(zone: str, token: str) -> str | NoKeyYet | None:
            return database.read(lambda s: keys.lookup(s, zone, token))

        async def looking_up(zone: str, token: str) -> str | NoKeyYet | None:
            return await database.reading(lambda s: keys.lookup(s, zone, token))

        self.key_zone = KeyZone(
            lookup=lookup if inline else looking_up,
            zones=lambda: database.read(zones.names),
            nameservers=self.settings.nameservers,
        )
        self._endings.append(self.key_zone.stop)
        bound = await self.key_zone.start(
            [(address.host, address.port) for address in self.settings.listen.dns]
        )
        return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in bound]

    def _gateway(self, eyes: Perspectives, public_url: str) -> Gateway:
        settings, database = self.settings, self.installation.database
        dispatch = Dispatch(database, self._house(public_url))
        rules = rules_of(settings)
        doctor = Doctor(database, eyes, rules, self.clock, eyes.names)
        health = Health(self._gating(), {}, None)
        mounts: list[tuple[str, App]] = [("/healthz", health), ("/readyz", health), *self._variant.mounts]
        if Role.LINKS in self.roles:
            pages = link_pages(Ledger(database, self.clock), service=settings.service_domain)
            mounts.append(("/verify/", pages))
        routes = OwnApi(dispatch, doctor, self._variant.routes).routes if Role.API in self.roles else ()
        return Gateway(
            authenticator=Authenticator(self._access_key, settings.regions, strict=self._variant.strict),
            dispatch=dispatch,
            now=self.clock.now,
            routes=routes,
            mounts=mounts,
            trusted_proxies=settings.trusted_proxies,
            observe=self.metrics.answered,
        )

    def _house(self, public_url: str) -> House:
        settings = self.settings
        rules, limits = rules_of(settings), settings.limits
        return House(
            service_domain=settings.service_domain,
            windows=rules.windows,
            first_check=rules.pace.first,
            keyring=self.installation.keyring,
            is_public_suffix=PublicSuffixes(),
            to_ascii=to_ascii,
            random=secrets.token_bytes,
            mails=VerificationMails(
                sender=settings.mail_sender,
                service=settings.service_domain,
                public_url=public_url,
                window=settings.windows.link,
                caps=caps(
                    mailbox=limits.mails_per_mailbox,
                    domain=limits.mails_per_domain,
                    account=limits.mails_per_account,
                ),
                keyring=self.installation.keyring,
                random=secrets.token_bytes,
            ),
            wakes=self._wakes,
        )

    def _access_key(self, key_id: str) -> Awaitable[KeyRecord | None] | KeyRecord | None:
        find = partial(self._found_key, key_id=key_id)
        database = self.installation.database
        return database.read(find) if database.dialect == "sqlite" else database.reading(find)

    def _found_key(self, s: Session, key_id: str) -> KeyRecord | None:
        key = access.get_key(s, key_id)
        if key is None or key.revoked_at is not None:
            return None
        secret = self.installation.keyring.open(key.secret, purposes.access_key(key.id)).decode()
        who = "root" if key.user_name is None else f"user/{key.user_name}"
        return KeyRecord(secret, key.account, f"arn:aws:iam::{key.account}:{who}", key.policy)

    def _certificate(self) -> Certificate | None:
        tls = self.settings.tls
        return None if tls is None else Certificate(tls.cert_file, tls.key_file)

    def _gating(self) -> dict[str, Check]:
        async def database() -> str | None:
            await self.installation.database.reading(lambda s: checks.earliest_due(s, real_now()))
            return None

        async def tasks() -> str | None:
            return next((f"{task.get_name()} has ended" for task in self._tasks if task.done()), None)

        return {"database": database, "roles": tasks}

    async def _start_admin(self) -> tuple[str, ...]:
        if not self.settings.listen.admin:
            return ()
        sockets = bind([(address.host, address.port) for address in self.settings.listen.admin])
        server = Server(Health(self._gating(), {}, self.metrics), certificate=None)
        await server.start(sockets)
        self._endings.append(partial(server.stop, 1.0))
        return tuple(map(str, server.addresses))


def _stopping(deliverer: Deliverer) -> Callable[[], Awaitable[None]]:
    async def stop() -> None:
        deliverer.stop()

    return stop


def _random() -> float:
    return secrets.randbelow(1 << 24) / (1 << 24)


def _url(address: object, *, tls: bool) -> str:
    return f"{'https' if tls else 'http'}://{address}"
