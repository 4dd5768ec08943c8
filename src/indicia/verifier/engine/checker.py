"""One check of one identity: ask what should be there, judge what was seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

from indicia.domain.dkim.replication import NOTHING_LEARNT, ParentSeen
from indicia.domain.fairness import lane_after
from indicia.domain.identities.identity import Facet, Identity, TokenSet, TokenSetKind
from indicia.domain.proofs.transitions import CHECKED, Sight
from indicia.domain.records.expected import ExpectedRecord
from indicia.domain.records.observation import Observation, Question, RecordType, Soa
from indicia.domain.time import SECOND, Span
from indicia.domain.verification.asking import AskedBy
from indicia.domain.verification.check import (
    Conclusion,
    KeyVerdict,
    Observations,
    Rules,
    conclude,
    distrusted,
    questions_of,
    records_to_check,
    takes_away,
)
from indicia.domain.verification.key_sight import LiveKey, keys_matter, keys_to_see, with_keys
from indicia.runtime.clock import Clock
from indicia.store.dkim.key_requests import KeySight
from indicia.store.dkim.rotation import Sighting
from indicia.store.verification.checks import CheckResult, Claim
from indicia.verifier.dns import chains
from indicia.verifier.dns.deadline import Deadline
from indicia.verifier.dns.observer import DnsObserver
from indicia.verifier.engine import evidence


@dataclass(frozen=True, slots=True)
class Found:
    """What a check came to, and what is to be stored of it."""

    claim: Claim
    conclusion: Conclusion
    result: CheckResult


class Checker:
    """Looks at claimed identities. Keeps nothing and stores nothing.

    `keys_of` returns the live keys of a token set, `replicate` how a replica stands to its parent. `budget`
    is how long one look may take with all of its parts, in real time, and `patience` from when on it was
    slow. `unbelieved` returns, for a domain and so many seconds, the perspectives whose absences do not
    count; None believes all of them. The rest is as `Engine` has it.
    """

    def __init__(
        self,
        observer: DnsObserver,
        rules: Rules,
        clock: Clock,
        *,
        keys_of: Callable[[TokenSet], Awaitable[Sequence[LiveKey]]],
        random: Callable[[], float],
        budget: Span,
        patience: Span,
        replicate: Callable[[Claim], Awaitable[ParentSeen]] | None = None,
        unbelieved: Callable[[str, float], Awaitable[Collection[str]]] | None = None,
    ) -> None:
        self._observer = observer
        self._unbelieved = unbelieved
        self._rules = rules
        self._clock = clock
        self._keys_of = keys_of
        self._replicate = replicate
        self._random = random
        self._budget = budget / SECOND
        self._patience = patience / SECOND

    async def check(self, claim: Claim, lease: str) -> Found:
        """Return what the DNS says about the identity now, to be stored under the lease of its claim."""
        # SES stamps "checked" at the start of a look and "success" at its end (spec 5). An absence seen in a
        # look that began before the end of a window was not seen at its end.
        checked_at = self._clock.now()
        began = time.monotonic()
        deadline = Deadline(self._budget)
        rules, identity = self._rules, claim.identity
        records = records_to_check(identity, claim.token_set, claim.facets, rules, claim.carried)
        questions = questions_of(records, identity)
        aliases = (*records.get(Facet.DKIM, ()), *records.get(Facet.CARRIED_DKIM, ()))
        looking = self._look(questions, deadline, aliases)
        parent: ParentSeen | None = None
        if self._replicate is not None and _is_replica(claim):
            # Side by side: a parent whose installation is slow takes no time from the records.
            asking = deadline.spend(partial(self._replicate, claim), NOTHING_LEARNT)
            parent, observations = await asyncio.gather(asking, looking)
        else:
            observations = await looking
        token_set = claim.token_set
        concluding = partial(
            conclude,
            identity,
            token_set,
            claim.facets,
            records,
            rules=rules,
            now=checked_at,
            interval=claim.interval,
            jitter=self._random(),
            replication=None if parent is None else parent.evidence,
            carried=claim.carried,
        )
        conclusion = concluding(observations)
        if takes_away(conclusion):
            observations = await self._believed(identity, observations, deadline)
            conclusion = concluding(observations)
        if parent is not None and parent.again is not None and conclusion.due_at is not None:
            due_at = min(conclusion.due_at, checked_at + parent.again)
            conclusion = replace(conclusion, due_at=due_at)
        if token_set is not None and keys_matter(conclusion, token_set):
            conclusion = await self._see_keys(identity, token_set, conclusion, deadline)
        if conclusion.soa is None and _is_alias(identity, observations):
            conclusion = replace(conclusion, soa=await self._zone_around(identity.name, deadline))
        # What took long and is known all the same is no tarpit.
        long = time.monotonic() - began > self._patience
        slow = long and any(verdict.sight is Sight.UNKNOWN for verdict in conclusion.facets)
        return Found(claim, conclusion, self._result(claim, lease, conclusion, slow=slow))

    async def _look(
        self, questions: Sequence[Question], deadline: Deadline, aliases: Sequence[ExpectedRecord] = ()
    ) -> Observations:
        """Return what is seen in time, aliases followed to their end.

        What takes longer is unknown, and that is our trouble.
        """
        left = deadline.left
        if not questions or not left:
            return {}
        try:
            return await chains.observe(self._observer, aliases, questions, left)
        except TimeoutError:
            return {}

    async def _believed(
        self, identity: Identity, observations: Observations, deadline: Deadline
    ) -> Observations:
        """Return what was seen, as our own trouble where a perspective fails a control question."""
        if self._unbelieved is None:
            return observations
        domain = identity.name.rpartition("@")[2]
        return distrusted(observations, await self._unbelieved(domain, deadline.left))

    async def _see_keys(
        self, identity: Identity, token_set: TokenSet, conclusion: Conclusion, deadline: Deadline
    ) -> Conclusion:
        """Return the conclusion with what is to be seen of the keys that the records lead to."""
        none: Sequence[LiveKey] = ()
        keys = await deadline.spend(partial(self._keys_of, token_set), none)
        looked_at = keys_to_see(conclusion, identity, token_set, keys)
        questions = [question for _, record in looked_at for question in record.questions]
        observations = await self._look(questions, deadline)
        seeing = partial(with_keys, conclusion, token_set, keys, looked_at, rules=self._rules)
        seen = seeing(observations=observations)
        if not looked_at or not takes_away(replace(seen, facets=())):
            return seen
        return seeing(observations=await self._believed(identity, observations, deadline))

    async def _zone_around(self, name: str, deadline: Deadline) -> Soa | None:
        """Return the SOA of the zone that holds an alias, which no answer for the alias shows."""
        nobody: Sequence[Soa | None] = ()
        seen = await deadline.spend(partial(self._observer.enclosing_zone, name.partition(".")[2]), nobody)
        return next((soa for soa in seen if soa is not None), None)

    def _result(self, claim: Claim, lease: str, conclusion: Conclusion, *, slow: bool) -> CheckResult:
        asked_by = AskedBy.PERSON if claim.asked else AskedBy.SCHEDULE
        statuses = [verdict.after.status for verdict in conclusion.facets]
        soa = conclusion.soa
        return CheckResult(
            identity_id=conclusion.identity_id,
            generation=conclusion.generation,
            owner=lease,
            looked_at={verdict.facet: verdict.before.generation for verdict in conclusion.facets},
            facets=tuple([verdict.after for verdict in conclusion.facets if verdict.after != verdict.before]),
            due_at=conclusion.due_at,
            interval=conclusion.interval,
            checked_at=conclusion.checked_at,
            succeeded_at=self._clock.now() if conclusion.succeeded else None,
            error=conclusion.error,
            soa=soa or claim.soa,
            zone_cut=soa.zone if soa else claim.zone_cut,
            evidence=tuple(
                [evidence.of(conclusion, verdict, asked_by) for verdict in evidence.worth_keeping(conclusion)]
            ),
            sightings=tuple([_sighting(claim, key) for key in conclusion.keys if key.after != key.before]),
            lane=lane_after(statuses, conclusion.interval, self._rules.pace, slow=slow),
            key_sight=_key_sight(claim, conclusion),
            superseded=conclusion.superseded,
        )


def _sighting(claim: Claim, key: KeyVerdict) -> Sighting:
    assert claim.token_set is not None
    after = key.after
    return Sighting(claim.token_set.id, after.id, after.seen_at, after.absent_since, after.lost_at)


def _is_replica(claim: Claim) -> bool:
    """Say whether the identity's parent is to be looked at."""
    state = claim.facets.get(Facet.REPLICATION)
    return state is not None and state.status in CHECKED


def _key_sight(claim: Claim, conclusion: Conclusion) -> KeySight | None:
    """Return what was seen of the records of a set without a key, None where there is nothing to note of it.

    What is unknown is evidence of nothing: a set that waits for its key goes on waiting.
    """
    token_set, identity = claim.token_set, claim.identity
    if token_set is None or token_set.kind is not TokenSetKind.EASY or token_set.has_key:
        return None
    sight = next(
        (verdict.sight for verdict in conclusion.facets if verdict.facet is Facet.DKIM), Sight.UNKNOWN
    )
    length = token_set.key_length
    if length is None or not (conclusion.awaits_key or sight is Sight.ABSENT):
        return None
    seen_at = conclusion.checked_at if conclusion.awaits_key else None
    return KeySight(token_set.id, identity.id, identity.generation, identity.account, length.bits, seen_at)


def _is_alias(identity: Identity, observations: Observations) -> bool:
    """Say whether the domain itself is a CNAME, so that the SOA shown for it is that of another zone."""
    seen: Sequence[Observation] = observations.get(Question(identity.name, RecordType.SOA), ())
    return any(observation.chain for observation in seen)
