"""The keys of the role `verifier` put together: they are made, handed out and rotated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from indicia.app import event_wiring
from indicia.app.roles.tasks import RoleTasks
from indicia.domain.identities.identity import TokenSet
from indicia.domain.verification.check import Rules
from indicia.installation import Installation
from indicia.runtime.clock import Clock
from indicia.vault.assigner import KeyAssigner
from indicia.vault.key_rotator import KeyRotator
from indicia.vault.pool import KeyPool
from indicia.verifier.engine import completion
from indicia.verifier.engine.completion import Completed


class KeyMaking:
    """What makes keys, hands them out and rotates them, from `start` to `stop`.

    `least` is how many unused keys there are at least of each length. `published` hears of a token set whose
    tokens answer otherwise from now on, `completed` of the facets that keys have completed, `news` when what
    is told of it waits to be delivered.
    """

    def __init__(
        self,
        installation: Installation,
        rules: Rules,
        clock: Clock,
        *,
        least: Mapping[int, int],
        published: Callable[[TokenSet], None],
        completed: Callable[[Sequence[Completed]], None],
        news: Callable[[], None],
    ) -> None:
        settings, database = installation.settings, installation.database
        announce = event_wiring.announcer(installation).announce
        self.rotator = KeyRotator(
            database,
            clock,
            settings.key_pace,
            published=published,
            taken=self.wanted,
            announce=announce,
            news=news,
        )
        self.assigner = KeyAssigner(
            database,
            clock,
            settings.key_pace,
            complete=partial(completion.complete, rules=rules),
            completed=completed,
            published=published,
            taken=lambda given: self._pool.gave(given),  # noqa: PLW0108 - made below
            announce=announce,
            news=news,
        )
        self._pool = KeyPool(
            database,
            installation.keyring,
            clock.now,
            least,
            most=settings.key_supply.pool,
            processes=settings.key_supply.processes,
            stored=self.assigner.wake,
        )

    def start(self, tasks: RoleTasks) -> None:
        """Keys are made, handed out and rotated, as parts of the role that these tasks are of."""
        tasks.begin("key pool", self._pool.run())
        tasks.begin("assigner", self.assigner.run())
        tasks.begin("keeper", self.rotator.run())

    def stop(self) -> None:
        """Nothing is begun any more; the tasks end when what was begun is finished."""
        self.rotator.stop()
        self.assigner.stop()
        self._pool.stop()

    def wanted(self) -> None:
        """Let keys be handed out and made: some were taken, or are waited for. Callable from any thread."""
        self.assigner.wake()
        self._pool.wake()
