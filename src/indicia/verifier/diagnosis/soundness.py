"""Looks at what the rest of the world sees of an installation: resolvers, key zone, names of the service."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from indicia.domain.installation.soundness import (
    Check,
    Referral,
    State,
    judge_delegation,
    judge_glue,
    judge_mail_from_host,
    judge_perspective,
    judge_server,
    judge_service_spf,
)
from indicia.domain.records.observation import Question, RecordType, Reply
from indicia.domain.verification.check import Observations
from indicia.verifier.diagnosis import spf
from indicia.verifier.dns.authorities import referral, serves
from indicia.verifier.dns.perspectives import Perspectives
from indicia.verifier.dns.resolver import CONTROL
from indicia.verifier.engine.controls import Controls

_MOST_OF_THE_PARENT: Final = 4  # servers, one address each
_ADDRESS_TYPES: Final = (RecordType.A, RecordType.AAAA)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What was seen, part by part, and the addresses that the DNS has for the names of the service."""

    checks: tuple[Check, ...]
    addresses: Mapping[str, tuple[str, ...]]


async def look_at_resolvers(
    observer: Perspectives, controls: Controls, *, playing: bool
) -> tuple[Check, ...]:
    """Return how each perspective answers the control questions; `playing` when that is a playground."""
    seen = (await observer.observe([CONTROL]))[CONTROL]
    wrong = await controls.look()
    trusted = [all(resolver.trusted for resolver in client.resolvers) for client in observer.clients]
    return tuple(
        judge_perspective(name, observation, wrong[name], trusted=believed, playing=playing)
        for name, observation, believed in zip(observer.names, seen, trusted, strict=True)
    )


async def look_outside(
    observer: Perspectives,
    *,
    service_domain: str,
    zone: str,
    nameservers: Sequence[str],
    hosts: Sequence[str],
    wanted_spf: str,
    port: int,
) -> Outlook:
    """Return how the delegation, the servers and the names are. Name servers are asked on this port."""
    addresses = await addresses_of(observer, (*nameservers, *hosts))
    parent, referrals = await _referrals(observer, zone, port)
    servers = [
        (server, address, transport)
        for server in nameservers
        for address in addresses[server]
        for transport in ("udp", "tcp")
    ]
    served = await asyncio.gather(*(serves(zone, *where[:2], port, where[2]) for where in servers))
    if parent is None:
        above = zone.partition(".")[2]
        delegation = Check(
            "delegation",
            State.UNKNOWN,
            f"no resolver can say which zone holds {above}",
            "Mend the resolvers, or register the domain.",
        )
    else:
        delegation = judge_delegation(zone, parent, nameservers, referrals)
    return Outlook(
        (
            delegation,
            judge_glue(zone, nameservers, addresses, referrals),
            *(judge_server(zone, nameservers, each) for each in served),
            *await _hosts(observer, hosts),
            await _spf(observer, service_domain, wanted_spf),
        ),
        addresses,
    )


async def addresses_of(observer: Perspectives, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the addresses that any perspective sees at each name, IPv4 first."""
    questions = [Question(name, rtype) for name in dict.fromkeys(names) for rtype in _ADDRESS_TYPES]
    seen = await observer.observe(questions)
    return {name: tuple(_addresses(name, seen)) for name in names}


def _addresses(name: str, seen: Observations) -> list[str]:
    values = [
        value
        for rtype in _ADDRESS_TYPES
        for each in seen[Question(name, rtype)]
        if each.reply is Reply.ANSWER
        for value in each.values
    ]
    return list(dict.fromkeys(values))


async def _referrals(observer: Perspectives, zone: str, port: int) -> tuple[str | None, list[Referral]]:
    """Return the zone above and what its servers say of this one."""
    above = zone.partition(".")[2]
    parent = next((soa.zone for soa in await observer.enclosing_zone(above) if soa is not None), None)
    if parent is None:
        return None, []
    question = Question(parent, RecordType.NS)
    found = (await observer.observe([question]))[question]
    names = list(dict.fromkeys(value for each in found for value in each.values))[:_MOST_OF_THE_PARENT]
    addresses = await addresses_of(observer, names)
    asked = [(name, addresses[name][0]) for name in names if addresses[name]]
    return parent, list(await asyncio.gather(*(referral(zone, *where, port) for where in asked)))


async def _hosts(observer: Perspectives, hosts: Sequence[str]) -> list[Check]:
    questions = [Question(host, rtype) for host in hosts for rtype in _ADDRESS_TYPES]
    seen = await observer.observe(questions) if questions else {}
    return [
        judge_mail_from_host(host, [each for rtype in _ADDRESS_TYPES for each in seen[Question(host, rtype)]])
        for host in hosts
    ]


async def _spf(observer: Perspectives, service_domain: str, wanted: str) -> Check:
    question = Question(service_domain, RecordType.TXT)
    seen = (await observer.observe([question]))[question]
    texts = next((each.values for each in seen if each.reply.authoritative), ())
    judged = await spf.judge(observer, texts, service_domain)
    return judge_service_spf(service_domain, seen, None if judged is None else judged.judgement, wanted)
