"""Looking further at a record that is not as expected: other names, other types, the zone's own servers.

Done when somebody asks, at the first failure and on a change, never at every check. What it finds explains a
verdict; it never makes one: the perspectives' resolvers do.
"""

from __future__ import annotations

import asyncio
import copy
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from indicia.domain.diagnosis.probing import (
    Detail,
    QuestionsNeeded,
    Refined,
    ServerView,
    asks_servers,
    can_be_explained,
    explained_by_probes,
    explained_by_servers,
    may_be_another_identitys,
)
from indicia.domain.records.expected import Purpose
from indicia.domain.records.observation import Observation, Question, RecordType, Reply
from indicia.domain.time import Instant
from indicia.domain.verification.chains import MOST_LINKS, Follow, as_seen_in, links
from indicia.domain.verification.check import Observations, RecordVerdict
from indicia.domain.verification.findings import Finding
from indicia.domain.verification.synthesis import Surroundings
from indicia.verifier.diagnosis import spf
from indicia.verifier.dns.client import Budget, Client

if TYPE_CHECKING:
    from indicia.verifier.diagnosis.asking import ZoneLook
    from indicia.verifier.dns.observer import DnsObserver

_MOST_SERVERS = 8
_MOST_ROUNDS = 6  # of questions to the resolvers: each asks for what the last one has brought up
_PATIENCE = Budget(exchange=2.0, tries=2, question=4.0)


# Says of values found in place of ours whether this service gave them to another identity.
IssuedToAnother = Callable[[str, RecordType, Sequence[str]], Awaitable[bool]]


def surroundings(domain: str, zone: str) -> Surroundings:
    """Return where the records of the domain stand, with a label that nobody can have published."""
    return Surroundings(domain, zone, f"nobody-{secrets.token_hex(6)}")


async def explained(
    observer: DnsObserver, verdicts: Sequence[RecordVerdict], around: Surroundings, *, places: bool = True
) -> dict[RecordVerdict, Refined]:
    """Return what questions to the resolvers explain: what is at the names, beside them and elsewhere.

    `places` is whether other names are looked at at which a record may stand by mistake.
    """
    answers: Observations = {}
    for _ in range(_MOST_ROUNDS):
        found = {
            verdict: explained_by_probes(verdict, around, answers, places=places) for verdict in verdicts
        }
        needed = [each.questions for each in found.values() if isinstance(each, QuestionsNeeded)]
        questions = list(dict.fromkeys(question for each in needed for question in each))
        if not questions:
            break
        answers = {**answers, **await observer.observe(questions)}
    return {verdict: each for verdict, each in found.items() if isinstance(each, Refined)}


class Investigator:
    """Tells findings apart.

    `port` is where a zone's own servers are asked; `may_ask` says of an address whether a place that a tenant
    named may lead there; `issued_to_another` takes a record's name, type and the values found at it.
    """

    def __init__(
        self,
        observer: DnsObserver,
        *,
        clock: Callable[[], Instant],
        port: int,
        may_ask: Callable[[str], bool],
        issued_to_another: IssuedToAnother,
    ) -> None:
        self._observer = observer
        self._counted: Callable[[int], None] = lambda _: None
        self._clock = clock
        self._port = port
        self._may_ask = may_ask
        self._issued_to_another = issued_to_another

    def through(self, look: ZoneLook) -> Investigator:
        """Return what tells findings apart with what a look asks with; the zone's own servers are counted."""
        found = copy.copy(self)
        found._observer, found._counted = look, look.count_servers  # noqa: SLF001 - a copy of ourselves
        return found

    async def investigate(
        self, domain: str, verdicts: Sequence[RecordVerdict], siblings: Sequence[str]
    ) -> dict[RecordVerdict, Refined]:
        """Return what looking further makes of the verdicts it can say more about."""
        wrong = [verdict for verdict in verdicts if can_be_explained(verdict) or _is_spf(verdict)]
        if not wrong:
            return {}
        zone = await self._zone_of(domain)
        refined = await explained(self._observer, wrong, surroundings(domain, zone))
        for verdict in wrong:
            if verdict in refined or verdict.finding is Finding.ALIASED:
                continue
            found = await self._by_issue(verdict) or await self._by_spf(verdict)
            if found is not None:
                refined[verdict] = found
        open_ones = [verdict for verdict in wrong if asks_servers(verdict, refined.get(verdict))]
        if open_ones:
            refined |= await self._by_servers(zone, open_ones, siblings)
        return refined

    async def _zone_of(self, domain: str) -> str:
        """Return the zone that holds the domain; the domain itself where nobody can say."""
        return next(
            (soa.zone for soa in await self._observer.enclosing_zone(domain) if soa is not None), domain
        )

    async def _by_issue(self, verdict: RecordVerdict) -> Refined | None:
        values = may_be_another_identitys(verdict)
        if values and await self._issued_to_another(verdict.record.name, verdict.record.rtype, values):
            return Refined(Finding.OTHER_IDENTITY)
        return None

    async def _by_spf(self, verdict: RecordVerdict) -> Refined | None:
        """Return what the SPF record of a MAIL FROM domain amounts to (RFC 7208 §4.6.4)."""
        if not _is_spf(verdict):
            return None
        texts = [value for seen in verdict.observations[:1] for value in seen.values]
        judged = await spf.judge(self._observer, texts, verdict.record.value.split()[1].partition(":")[2])
        if judged is None or judged.judgement.finding is Finding.MISSING:
            return None  # that there is none, or that nobody knows, is the verdict's to say
        return Refined(judged.judgement.finding, Detail(place=judged.judgement.broken))

    async def _by_servers(
        self, zone: str, verdicts: Sequence[RecordVerdict], siblings: Sequence[str]
    ) -> dict[RecordVerdict, Refined]:
        servers = await self._servers_of(zone)
        refined: dict[RecordVerdict, Refined] = {}
        async with AsyncExitStack() as stack:
            clients: list[tuple[str, bool, Client]] = []
            for name, delegated, address in servers:
                client = Client(
                    [(address, self._port)],
                    name,
                    clock=self._clock,
                    recursive=False,
                    control=None,
                    budget=_PATIENCE,
                )
                stack.push_async_callback(client.close)
                clients.append((name, delegated, client))
            for verdict in verdicts:
                question = verdict.record.questions[0]
                self._counted(len(clients))
                seen = await asyncio.gather(*(client.ask(question) for _, _, client in clients))
                views = [
                    ServerView(name, observation, delegated)
                    for (name, delegated, _), observation in zip(clients, seen, strict=True)
                ]
                follow = await self._followed(verdict, seen)
                found = explained_by_servers(verdict, views, siblings, follow)
                if found is not None:
                    refined[verdict] = found
        return refined

    async def _followed(self, verdict: RecordVerdict, views: Sequence[Observation]) -> Follow:
        """Return how aliases lead on that the zone's servers have, as the resolvers see it."""
        seen: list[Observation] = []
        if verdict.record.rtype is not RecordType.CNAME:
            return as_seen_in(seen)
        for _ in range(MOST_LINKS):
            follow, end = as_seen_in(seen), verdict.record.value.lower()
            onward = {links(view, end, follow)[1] for view in views} - {None}
            if not onward:
                break
            found = await self._observer.observe([Question(str(name), RecordType.CNAME) for name in onward])
            seen += [observations[0] for observations in found.values() if observations]
        return as_seen_in(seen)

    async def _servers_of(self, zone: str) -> list[tuple[str, bool, str]]:
        """Return the zone's name servers as (name, delegated, address), one address each."""
        (answers,) = (await self._observer.observe([Question(zone, RecordType.NS)])).values()
        own = list(dict.fromkeys(value for seen in answers for value in seen.values))
        delegated = await self._delegation(zone)
        names = list(dict.fromkeys([*(delegated or ()), *own]))[:_MOST_SERVERS]
        questions = [Question(name, rtype) for name in names for rtype in (RecordType.A, RecordType.AAAA)]
        found = await self._observer.observe(questions) if questions else {}
        servers = []
        for name in names:
            addresses = _addresses(name, found)
            address = next(filter(self._may_ask, addresses), None)
            if address is not None:
                servers.append((name, delegated is None or name in delegated, address))
        return servers

    async def _delegation(self, zone: str) -> frozenset[str] | None:
        """Return the name servers to which the parent zone delegates, None where it cannot be asked."""
        from indicia.verifier.dns.authorities import referral  # an examination needs it, a start does not

        above = zone.partition(".")[2]
        parent = (
            next((soa for soa in await self._observer.enclosing_zone(above) if soa), None) if above else None
        )
        if parent is None or parent.zone == zone:
            return None
        (answers,) = (await self._observer.observe([Question(parent.zone, RecordType.NS)])).values()
        names = list(dict.fromkeys(value for seen in answers for value in seen.values))[:2]
        questions = [Question(name, RecordType.A) for name in names]
        found = await self._observer.observe(questions) if questions else {}
        for name in names:
            for address in filter(self._may_ask, _addresses(name, found)):
                told = await referral(zone, name, address, self._port)
                if told.names:
                    return told.names
        return None


def _is_spf(verdict: RecordVerdict) -> bool:
    """Say whether this is the SPF record of a MAIL FROM domain, whose own text does not tell all."""
    return verdict.record.purpose is Purpose.MAIL_FROM and verdict.record.rtype is RecordType.TXT


def _addresses(name: str, found: Observations) -> list[str]:
    return [
        value
        for rtype in (RecordType.A, RecordType.AAAA)
        for seen in found.get(Question(name, rtype), ())
        if seen.reply is Reply.ANSWER
        for value in seen.values
    ]
