"""The role `verifier` put together: the engine, keys, why records are missing, advice, and tidying up."""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from indicia.app import event_wiring, replication_client
from indicia.app.housekeeping import run_housekeeping
from indicia.app.roles.key_making import KeyMaking
from indicia.app.roles.tasks import RoleTasks
from indicia.domain.fairness import ZonePart, ZoneRates
from indicia.domain.identities.identity import TokenSet
from indicia.domain.verification.check import Conclusion, Rules
from indicia.installation import Installation
from indicia.operations.dkim.replicating import Replicator
from indicia.runtime.clock import Clock
from indicia.runtime.metrics import Metrics
from indicia.store.engine.prepared import SQLITE
from indicia.store.verification import checks
from indicia.verifier.diagnosis.advisor import Advisor
from indicia.verifier.diagnosis.asking import Asking
from indicia.verifier.diagnosis.explainer import Explainer
from indicia.verifier.diagnosis.investigation import Investigator
from indicia.verifier.dns.perspectives import Perspectives
from indicia.verifier.engine import completion
from indicia.verifier.engine.commit import CheckCommit
from indicia.verifier.engine.completion import Completed
from indicia.verifier.engine.controls import Controls
from indicia.verifier.engine.engine import Engine
from indicia.verifier.engine.membership import Membership

# What part of what a zone may be asked goes to why a record is not there, and to advice.
_LOOKS_FURTHER: Final = 0.1
_ADVICE: Final = 0.1
_ASIDE: Final = 0.1  # and of that of zones into which records lead that advice is about


class Verifier:
    """The parts of the role, from `start` to `stop`.

    `least` is how many unused keys there are at least of each length; `published` is told of a token set
    whose tokens answer otherwise from now on, `news` of what waits to be delivered. `investigator` looks
    further at checks that were stored; `registrable` returns the domain of the organisation that a domain
    belongs to; `zone_rates` are how many questions a second zones are asked through each perspective by this
    process, None for as many as there are. `controls` say whose absences count.
    """

    def __init__(
        self,
        installation: Installation,
        observer: Perspectives,
        rules: Rules,
        clock: Clock,
        *,
        least: Mapping[int, int],
        published: Callable[[TokenSet], None],
        news: Callable[[], None],
        investigator: Investigator,
        registrable: Callable[[str], str],
        zone_rates: ZoneRates | None,
        controls: Controls,
        metrics: Metrics,
    ) -> None:
        database = installation.database
        self._installation = installation
        self._database = database
        self._clock = clock
        self._controls = controls
        self._metrics = metrics
        self._zone_rates = zone_rates
        self._news = news
        self._tasks = RoleTasks()
        self.trouble = self._tasks.trouble
        owner = f"{os.getpid()}-{secrets.token_hex(4)}"
        further = None if zone_rates is None else ZonePart(zone_rates, _LOOKS_FURTHER)
        self.explainer = Explainer(database, investigator, clock, part=further)
        self.engine = self._engine(observer, rules, owner)
        self.keys = KeyMaking(
            installation,
            rules,
            clock,
            least=least,
            published=published,
            completed=self._completed,
            news=news,
        )
        self._roster = Membership(database, clock, owner, self._share)
        self.advisor = self._advisor(observer, rules, registrable)

    def start(self) -> None:
        """Checks are made, and keys. On an embedded database this process holds its lock (`EmbeddedLock`)."""
        begin = self._tasks.begin
        if self._database.dialect == SQLITE:
            # There is one verifier: whoever held a lease is dead.
            now = self._clock.now()
            self._database.write(lambda s: checks.void_leases(s, now))
        else:
            begin("roster", self._roster.run())
        self.keys.start(self._tasks)
        begin("controls", self._controls.run())
        begin("engine", self.engine.run())
        begin("explainer", self.explainer.run())
        begin("advisor", self.advisor.run())
        audit_retention = self._installation.settings.audit_retention
        begin("housekeeping", run_housekeeping(self._database, self._clock, audit_retention))

    async def stop(self) -> None:
        """Nothing is begun any more; what was begun is finished, or left to be done after a restart."""
        self._tasks.cancel(("controls", "roster", "housekeeping"))
        await self.engine.stop()
        if self._database.dialect != SQLITE:
            await self._roster.leave()
        self.explainer.stop()
        self.advisor.stop()
        self.keys.stop()
        await self._tasks.end()

    def _engine(self, observer: Perspectives, rules: Rules, owner: str) -> Engine:
        installation, clock = self._installation, self._clock
        settings = installation.settings
        announce = event_wiring.announcer(installation).announce
        return Engine(
            self._database,
            observer,
            rules,
            clock,
            owner=owner,
            random=random.random,  # when to look next is no secret
            observe=self._metrics.checked,
            landed=self._stored,
            zone_rates=self._zone_rates,
            landing=CheckCommit(
                now=clock.now,
                patience=2 * rules.pace.verified,
                window=rules.windows.records,
                again=rules.pace.largest,
                announce=announce,
                operator=event_wiring.operator(installation),
                observe=self._metrics.held_back,
            ),
            news=self._news,
            unbelieved=self._controls.unbelieved,
            replicate=Replicator(
                self._database,
                frozenset(settings.regions),
                rules.windows,
                settings.key_pace,
                rules.pace.first,
                clock.now,
                replication_client.installations(settings, installation.keyring),
                announce,
                self._news,
            ),
        )

    def _advisor(self, observer: Perspectives, rules: Rules, registrable: Callable[[str], str]) -> Advisor:
        advice, aside = None, None
        if self._zone_rates is not None:
            advice, aside = ZonePart(self._zone_rates, _ADVICE), ZonePart(self._zone_rates, _ASIDE)
        ours = self._installation.settings.service_domain
        asking = Asking(observer, advice, aside, ours=ours, registrable=registrable)
        return Advisor(
            self._database, asking, rules, self._clock, registrable=registrable, random=random.random
        )

    def _stored(self, conclusion: Conclusion) -> None:
        """Tell of a check that was stored, and let be done what follows from it."""
        self._metrics.landed(conclusion)
        self.explainer.offer(conclusion)
        if conclusion.awaits_key:
            self.keys.wanted()

    def _completed(self, completed: Sequence[Completed]) -> None:
        """Tell what keys have completed; the keys themselves are to be seen soon."""
        completion.tell(completed)
        for each in completed:
            self._metrics.moved(each.before, each.after)
        self.engine.wake()

    def _share(self, shards: Sequence[int], verifiers: int) -> None:
        """Take part in the work: there are so many verifiers."""
        self.engine.share(shards)
        if self._zone_rates is not None:
            self._zone_rates.share(verifiers)
