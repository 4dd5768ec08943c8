"""The role `verifier` put together: the engine, the key pool it draws on, advice, the delivery of mail."""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import secrets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog

from indicia.app import event_wiring, replication_client
from indicia.app.housekeeping import keep_house
from indicia.domain.fairness import ZonePart, ZoneRates
from indicia.domain.identities.identity import FacetState, TokenSet
from indicia.domain.verification.check import Conclusion, Rules
from indicia.installation import Installation, InstallationError
from indicia.mail.outbox import Deliverer
from indicia.mail.transport.relay import carrier_for
from indicia.operations.dkim.replicating import Replicator
from indicia.runtime.clock import Clock
from indicia.store.verification import checks
from indicia.vault.assigner import KeyAssigner
from indicia.vault.key_rotator import KeyRotator
from indicia.vault.pool import KeyPool
from indicia.verifier.diagnosis.advisor import Advisor
from indicia.verifier.diagnosis.asking import Asking
from indicia.verifier.diagnosis.explainer import Explainer
from indicia.verifier.diagnosis.investigation import Investigator
from indicia.verifier.dns.perspectives import Perspectives
from indicia.verifier.engine import completion
from indicia.verifier.engine.commit import Landing
from indicia.verifier.engine.completion import Completed
from indicia.verifier.engine.controls import Controls
from indicia.verifier.engine.engine import Engine
from indicia.verifier.engine.membership import Roster

log = structlog.get_logger("indicia")

# What part of what a zone may be asked goes to why a record is not there, and to advice.
_LOOKS_FURTHER: Final = 0.1
_ADVICE: Final = 0.1
_ASIDE: Final = 0.1  # and of that of zones into which records lead that advice is about
# How long stopping waits for checks and for letters that are being handed over. Neither is lost.
_GRACE: Final = 2.0


class Verifying:
    """The parts of the role, from `start` to `stop`.

    `forget` is told of a token set whose tokens answer otherwise from now on, `observe` of every concluded
    check, `landed` of each that was stored, which `investigator` then looks further at, `moved` of each facet
    that a key has completed, before and after; `pool` is how many unused keys there are at least of each
    length; `registrable` returns the domain of the organisation that a domain belongs to; `zone_rates` are
    how many questions a second zones are asked through each perspective by this process, None for as many as
    there are. `controls` say whose absences count. `posted` hears how each post to a webhook went,
    `held_back` how many identities the brake on mass demotion has kept from falling.
    """

    def __init__(
        self,
        installation: Installation,
        eyes: Perspectives,
        rules: Rules,
        clock: Clock,
        *,
        pool: Mapping[int, int],
        forget: Callable[[TokenSet], None],
        registrable: Callable[[str], str],
        observe: Callable[[Conclusion, float], None],
        landed: Callable[[Conclusion], None],
        moved: Callable[[FacetState, FacetState], None],
        investigator: Investigator,
        zone_rates: ZoneRates | None,
        controls: Controls,
        posted: Callable[[str], None],
        held_back: Callable[[int], None],
    ) -> None:
        settings, database = installation.settings, installation.database
        self._database = database
        self._audit_retention = settings.audit_retention
        self._clock = clock
        self._controls = controls
        self._moved = moved
        owner = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._lock_file = settings.data_dir / "verifier.lock"
        self._lock: int | None = None
        self._zone_rates = zone_rates
        further = None if zone_rates is None else ZonePart(zone_rates, _LOOKS_FURTHER)
        self.explainer = Explainer(database, investigator, clock, part=further)

        def stored(conclusion: Conclusion) -> None:
            landed(conclusion)
            self.explainer.offer(conclusion)
            if conclusion.awaits_key:
                self.keys_wanted()

        self.engine = Engine(
            database,
            eyes,
            rules,
            clock,
            owner=owner,
            random=random.random,  # when to look next is no secret
            observe=observe,
            landed=stored,
            zone_rates=zone_rates,
            landing=Landing(
                now=clock.now,
                patience=2 * rules.pace.verified,
                window=rules.windows.records,
                again=rules.pace.largest,
                announce=event_wiring.announcer(installation).announce,
                operator=event_wiring.operator(installation),
                observe=held_back,
            ),
            news=self.deliver,
            unbelieved=controls.unbelieved,
            replicate=Replicator(
                database,
                frozenset(settings.regions),
                rules.windows,
                settings.key_pace,
                rules.pace.first,
                clock.now,
                replication_client.installations(settings, installation.keyring),
                event_wiring.announcer(installation).announce,
                self.deliver,
            ),
        )
        # On the embedded default there is one verifier, which a lock makes sure of.
        self.roster = Roster(database, clock, owner, self._share)
        announce = event_wiring.announcer(installation).announce
        self.keeper = KeyRotator(
            database,
            clock,
            settings.key_pace,
            published=forget,
            taken=self.keys_wanted,
            announce=announce,
            news=self.deliver,
        )
        self.assigner = KeyAssigner(
            database,
            clock,
            settings.key_pace,
            complete=partial(completion.complete, rules=rules),
            completed=self._completed,
            published=forget,
            taken=lambda given: self.pool.gave(given),  # noqa: PLW0108 - made below
            announce=announce,
            news=self.deliver,
        )
        self.pool = KeyPool(
            database,
            installation.keyring,
            clock.now,
            pool,
            most=settings.key_supply.pool,
            processes=settings.key_supply.processes,
            stored=self.assigner.wake,
        )
        advice, aside = None, None
        if zone_rates is not None:
            advice, aside = ZonePart(zone_rates, _ADVICE), ZonePart(zone_rates, _ASIDE)
        asking = Asking(eyes, advice, aside, ours=settings.service_domain, registrable=registrable)
        self.advisor = Advisor(database, asking, rules, clock, registrable=registrable, random=random.random)
        carrier = carrier_for(settings.relay, outbox=settings.outbox_dir, helo=settings.service_domain)
        self.deliverer = Deliverer(database, installation.keyring, carrier, clock)
        self.webhooks = event_wiring.webhook_deliverer(
            installation, clock, observe=posted, news=self.deliverer.wake
        )
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Checks are made and mail is delivered. Raises: `InstallationError` when another process does so."""
        if self._database.dialect == "sqlite":
            # The embedded default has one verifier: whoever held a lease is dead.
            self._lock = _locked(self._lock_file)
            now = self._clock.now()
            self._database.write(lambda s: checks.void_leases(s, now))
        else:
            self._begin("roster", self.roster.run())
        self._begin("key pool", self.pool.run())
        self._begin("assigner", self.assigner.run())
        self._begin("controls", self._controls.run())
        self._begin("engine", self.engine.run())
        self._begin("explainer", self.explainer.run())
        self._begin("advisor", self.advisor.run())
        self._begin("deliverer", self.deliverer.run())
        self._begin("webhooks", self.webhooks.run())
        self._begin("keeper", self.keeper.run())
        self._begin("housekeeping", keep_house(self._database, self._clock, self._audit_retention))

    async def stop(self) -> None:
        """Nothing is begun any more; what was begun is finished, or left to be done after a restart."""
        for task in self._tasks:
            if task.get_name() in ("controls", "roster", "housekeeping"):
                task.cancel()
        await self.engine.stop()
        if self._lock is None:
            await self.roster.leave()
        self.explainer.stop()
        self.advisor.stop()
        self.deliverer.stop()
        self.webhooks.stop()
        self.keeper.stop()
        self.assigner.stop()
        self.pool.stop()
        _, late = await asyncio.wait(self._tasks, timeout=_GRACE)
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._lock is not None:
            os.close(self._lock)

    def deliver(self) -> None:
        """Let mails and events that wait be delivered now. Callable from any thread."""
        self.webhooks.wake()
        self.deliverer.wake()

    def keys_wanted(self) -> None:
        """Let keys be handed out and made: some were taken, or are waited for. Callable from any thread."""
        self.assigner.wake()
        self.pool.wake()

    def _completed(self, completed: Sequence[Completed]) -> None:
        """Tell what keys have completed; the keys themselves are to be seen soon."""
        completion.tell(completed)
        for each in completed:
            self._moved(each.before, each.after)
        self.engine.wake()

    def _share(self, shards: Sequence[int], verifiers: int) -> None:
        """Take part in the work: there are so many verifiers."""
        self.engine.share(shards)
        if self._zone_rates is not None:
            self._zone_rates.share(verifiers)

    async def trouble(self) -> str | None:
        """Return which part has ended, None while all of them work."""
        ended = [task.get_name() for task in self._tasks if task.done()]
        return f"{' and '.join(ended)} ended; start this process again" if ended else None

    def _begin(self, name: str, part: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(part, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Say so when a part ends by a mistake of ours. Its text is not logged, as it may quote a secret."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("part.ended", part=task.get_name(), error=type(error).__qualname__)


def _locked(path: Path) -> int:
    """Return a descriptor that keeps the lock for as long as this process lives, however it ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise InstallationError(
            f"another process with the role verifier runs on {path.parent}: end it, give this one another"
            " --data-dir, or --roles without verifier"
        ) from None
    return descriptor
