"""`indicia doctor` without a name: how the installation on this machine is, part by part. Changes nothing.

It works through the settings, as `serve` does, and not through the API: what it tells is for the operator
alone, and it has to tell most when no service answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from indicia.app.doctor import local_checks
from indicia.app.service import perspectives_of
from indicia.domain.installation.service_records import ServiceRecord, service_records, service_spf
from indicia.domain.installation.soundness import Check, State
from indicia.domain.records.expected import feedback_host
from indicia.publicsuffix import PublicSuffixes
from indicia.runtime import ready as ready_file
from indicia.runtime.clock import real_now
from indicia.settings import Settings
from indicia.settings.exposure_checks import UNREAL_SUFFIXES
from indicia.verifier.diagnosis.soundness import look_at_resolvers, look_outside
from indicia.verifier.dns.perspectives import Perspective, Perspectives
from indicia.verifier.engine.controls import Controls


@dataclass(frozen=True, slots=True)
class Examination:
    """What was looked at, in the order of dependence, and what the service domain must publish."""

    service_domain: str
    checks: tuple[Check, ...]
    records: tuple[ServiceRecord, ...]


class NothingToExamineError(Exception):
    """There is no installation where the settings say. The sentence says what to do."""


async def examine(settings: Settings, *, synchronised: Callable[[], bool | None]) -> Examination:
    """Look at everything. `synchronised` says whether the machine keeps its clock right, None for unknown.

    Raises: `NothingToExamineError`.
    """
    if settings.database_url.dialect == "sqlite" and not settings.data_dir.is_dir():
        raise NothingToExamineError(
            f"there is no installation in {settings.data_dir}: start `indicia serve`, or name its folder with"
            " INDICIA_DATA_DIR, or its settings with --config"
        )
    running = ready_file.read(settings.ready_file)
    service = await asyncio.to_thread(local_checks.service, running)
    playground = running.playground if running is not None and service.answers else ""
    perspectives = _perspectives(settings, playground)
    names = [each.name for each in perspectives]
    at_database = await asyncio.to_thread(local_checks.stored, settings, names)
    checks = [
        *local_checks.of_settings(settings),
        *at_database.checks,
        service.check,
        *at_database.roles,
        local_checks.clock(service.apart, at_database.apart, synchronised()),
    ]
    async with Perspectives(perspectives, clock=real_now) as observer:
        controls = Controls(
            observer, key_zone=settings.signing_zone, top_of=PublicSuffixes().top, known=at_database.passed
        )
        checks += await look_at_resolvers(observer, controls, playing=bool(playground))
        regions = dict.fromkeys((settings.default_region, *at_database.regions))
        hosts = [feedback_host(region, settings.service_domain) for region in regions]
        reason = _no_way_outside(settings, playground)
        if reason is not None:
            checks.append(reason)
            addresses: Mapping[str, tuple[str, ...]] = {}
        else:
            outlook = await look_outside(
                observer,
                service_domain=settings.service_domain,
                zone=settings.signing_zone,
                nameservers=settings.nameservers,
                hosts=hosts,
                wanted_spf=_spf_text(settings),
                port=settings.authority_port,
            )
            checks += outlook.checks
            addresses = outlook.addresses
    records = () if reason is not None else _records(settings, hosts, addresses)
    return Examination(settings.service_domain, tuple(checks), records)


def _perspectives(settings: Settings, playground: str) -> tuple[Perspective, ...]:
    """Return the perspectives of the service: those of the settings, or the playground of a sandbox."""
    if not playground:
        return perspectives_of(settings)
    host, _, port = playground.rpartition(":")
    return (Perspective("playground", ((host, int(port)),), trusted=False),)


def _no_way_outside(settings: Settings, playground: str) -> Check | None:
    """Return why nothing of the service domain is looked for in the DNS, None where it is."""
    domain = settings.service_domain
    if playground:
        return Check("service domain", State.OK, f"{domain}: a sandbox, whose DNS needs nothing published")
    if domain.rpartition(".")[2] in UNREAL_SUFFIXES:
        return Check(
            "service domain",
            State.FAIL,
            f"{domain} is in no DNS: nobody can publish records that lead there",
            "Set INDICIA_SERVICE_DOMAIN to a domain of yours, before customers publish anything.",
        )
    return None


def _records(
    settings: Settings, hosts: list[str], addresses: Mapping[str, tuple[str, ...]]
) -> tuple[ServiceRecord, ...]:
    known = dict(addresses)
    only = settings.nameservers[0]
    if len(settings.nameservers) == 1 and not known.get(only):
        known[only] = tuple(address.host for address in settings.listen.dns if _is_definite(address.host))
    return service_records(
        settings.service_domain,
        settings.signing_zone,
        settings.nameservers,
        hosts,
        addresses=known,
        sender=_sender(settings),
    )


def _sender(settings: Settings) -> str:
    """Return the host that mail leaves from as far as is known: the relay, if it is a machine of its own."""
    address = settings.relay.address
    return "" if address is None or address.is_loopback else address.host


def _spf_text(settings: Settings) -> str:
    record = service_spf(settings.service_domain, _sender(settings))
    return record.value or f"that is {record.note}"


def _is_definite(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_loopback)
