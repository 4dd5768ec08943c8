"""The roles `api` and `links` put together: who may call, what answers, which pages there are."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final

from indicia.app import event_wiring
from indicia.domain.call import Call
from indicia.domain.rates import Allowance
from indicia.domain.time import MINUTE, SECOND
from indicia.domain.verification.check import Rules
from indicia.domain.verification_mail.caps import caps
from indicia.installation import Installation
from indicia.links.link_service import LinkService
from indicia.operations.context import OperationContext, OperationPorts, OperationRules
from indicia.operations.diagnosis.diagnosing import DiagnosisRequest
from indicia.operations.dispatch import Dispatch, admit
from indicia.operations.hints import Hints
from indicia.operations.identities.records import DomainConnect, RecordsRequest, RecordsResponse, completed
from indicia.operations.kept_answers import KeptAnswers
from indicia.operations.own.api import routes as own_routes
from indicia.operations.rate_limiting import Meter
from indicia.operations.refused_calls import RefusedCalls
from indicia.operations.verification_mail.verification_mail import VerificationMails
from indicia.publicsuffix import PublicSuffixes, to_ascii
from indicia.runtime import logs
from indicia.runtime.clock import Clock
from indicia.settings import AccountLimits, Role, Settings, VerificationMode
from indicia.store.accounts import access
from indicia.store.engine import budgets
from indicia.store.engine.database import Database
from indicia.store.engine.session import Session
from indicia.vault import purposes
from indicia.verifier.diagnosis.diagnosis import Diagnosis, Doctor
from indicia.verifier.diagnosis.forecast import Foresees
from indicia.wire.authentication import AccessKeyRecord, Authenticator
from indicia.wire.gateway import Gateway
from indicia.wire.own import Route

if TYPE_CHECKING:
    from indicia.mail.html.harmless import HarmlessHtml
    from indicia.wire.http.browsers import Guard
    from indicia.wire.http.requests import App, Receive, Scope, Send

PAGES: Final = "/verify/"


def gateway(
    installation: Installation,
    roles: frozenset[Role],
    rules: Rules,
    clock: Clock,
    *,
    doctor: Doctor,
    foresee: Foresees,
    strict: bool,
    guard: Guard | None,
    public_url: str,
    hints: Hints,
    sanitize: Callable[[str, str], HarmlessHtml],
    refused: RefusedCalls,
    routes: tuple[Route, ...],
    mounts: Sequence[tuple[str, App]],
    observe: Callable[[str, str, int, float], None],
    shared: bool = False,
) -> Gateway:
    """Return the application of the HTTP listeners.

    `strict` is whether unknown access keys are refused; where they are not, `guard` stands before what they
    ask. `shared` is whether other processes answer for the same accounts. `public_url` is how links in mails
    begin, `sanitize` makes HTML of tenants harmless, `refused` puts refused calls on record; `routes` and
    `mounts` come beside those of the roles.
    """
    settings, database = installation.settings, installation.database
    meter = _meter(settings.limits, database if shared else None)
    dispatch = Dispatch(
        database,
        _context(installation, rules, _mails(installation, settings, public_url, sanitize), hints),
        {"DiagnoseIdentity": partial(_diagnosed, doctor)},
        meter,
        refused,
    )
    serves_api = Role.API in roles
    if Role.LINKS in roles:
        link_service = LinkService(
            database, clock, announcer=event_wiring.announcer(installation), news=hints.outbox
        )
        mounts = (*mounts, (PAGES, _Pages(link_service, settings.service_domain)))
    return Gateway(
        authenticator=Authenticator(_key_lookup(installation), settings.regions, strict=strict, guard=guard),
        dispatch=dispatch,
        keep=KeptAnswers(database, dispatch, meter).answer,
        admit=admit,
        now=clock.now,
        routes=chain(routes, own_routes(dispatch, {"GetIdentityRecords": partial(_completed, foresee)}))
        if serves_api
        else (),
        mounts=mounts,
        trusted_proxies=settings.trusted_proxies,
        observe=observe,
        record=logs.request_log(),
        serves_api=serves_api,
    )


async def _completed(
    foresee: Foresees, call: Call, request: RecordsRequest, answer: RecordsResponse
) -> RecordsResponse:
    """Add to the records what is to be seen of them now, and where their owner can publish them."""
    forecast = await foresee(call.account, call.region, request.name)
    found = forecast.connection
    connection = None if found is None else DomainConnect(provider=found.provider, url=found.url)
    return completed(answer, forecast.records, connection)


class _Pages:
    """The pages behind links, put together when the first link is opened: no start waits for templates."""

    def __init__(self, link_service: LinkService, service: str) -> None:
        self._link_service = link_service
        self._service = service
        self._made: App | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3)."""
        if self._made is None:
            self._made = await asyncio.to_thread(self._make)  # two at once make two, and one of them is kept
        await self._made(scope, receive, send)

    def _make(self) -> App:
        from indicia.links.pages import application

        return application(self._link_service, service=self._service)


def _meter(limits: AccountLimits, shared: Database | None) -> Meter:
    """Return what admits calls; where processes share a database they keep the rates together."""

    def allowance(count: int | None, period: int, burst: int | None) -> Allowance | None:
        return None if count is None else Allowance(count, period, burst or count)

    async def lease(key: str, wanted: Allowance, now: int, tokens: int) -> int:
        assert shared is not None
        return await shared.writing(lambda s: budgets.lease(s, key, wanted, now, tokens))

    return Meter(
        account=allowance(limits.requests_per_second, SECOND, limits.requests_burst),
        operation=allowance(limits.operation_requests_per_second, SECOND, limits.operation_requests_burst),
        checks=allowance(limits.checks_per_minute, MINUTE, None),
        lease=None if shared is None else lease,
    )


async def _diagnosed(doctor: Doctor, call: Call, request: DiagnosisRequest) -> Diagnosis:
    return await doctor.diagnose(call.account, call.region, request.name)


def _context(
    installation: Installation, rules: Rules, mails: VerificationMails, hints: Hints
) -> OperationContext:
    settings = installation.settings
    return OperationContext(
        OperationRules(
            service_domain=settings.service_domain,
            windows=rules.windows,
            first_check=rules.pace.first,
            instant=settings.verification is VerificationMode.INSTANT,
            most_identities=settings.limits.identities,
            key_pace=settings.key_pace,
            regions=frozenset(settings.regions),
            production_access=settings.production_access,
            may_reach_private=event_wiring.may_reach_private(settings),
            offered=settings.offered,
        ),
        OperationPorts(
            keyring=installation.keyring,
            random=secrets.token_bytes,
            is_public_suffix=PublicSuffixes(),
            to_ascii=to_ascii,
            mails=mails,
            announcer=event_wiring.announcer(installation),
        ),
        hints,
    )


def _mails(
    installation: Installation,
    settings: Settings,
    public_url: str,
    sanitize: Callable[[str, str], HarmlessHtml],
) -> VerificationMails:
    limits = settings.limits
    return VerificationMails(
        sender=settings.mail_sender,
        service=settings.service_domain,
        public_url=public_url,
        window=settings.windows.link,
        caps=caps(
            mailbox=limits.mails_per_mailbox,
            domain=limits.mails_per_domain,
            account=limits.mails_per_account,
        ),
        keyring=installation.keyring,
        random=secrets.token_bytes,
        sanitize=sanitize,
    )


def _key_lookup(
    installation: Installation,
) -> Callable[[str], Awaitable[AccessKeyRecord | None] | AccessKeyRecord | None]:
    """Return what finds the access key of an id: at once on SQLite, from a thread elsewhere."""
    database = installation.database

    def found(s: Session, key_id: str) -> AccessKeyRecord | None:
        key = access.get_key(s, key_id)
        if key is None or key.revoked_at is not None:
            return None
        secret = installation.keyring.open(key.secret, purposes.access_key(key.id)).decode()
        who = "root" if key.user_name is None else f"user/{key.user_name}"
        return AccessKeyRecord(secret, key.account, f"arn:aws:iam::{key.account}:{who}", key.policy)

    def look_up(key_id: str) -> Awaitable[AccessKeyRecord | None] | AccessKeyRecord | None:
        find = partial(found, key_id=key_id)
        return database.read(find) if database.dialect == "sqlite" else database.reading(find)

    return look_up
