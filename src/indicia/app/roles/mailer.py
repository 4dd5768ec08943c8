"""The role `mailer` put together: what delivers mails to the relay, and events to webhooks."""

from __future__ import annotations

from collections.abc import Callable

from indicia.app import event_wiring
from indicia.app.roles.tasks import RoleTasks
from indicia.domain.delivery import AttemptOutcome
from indicia.installation import Installation
from indicia.mail.outbox import Deliverer
from indicia.mail.transport.relay import carrier_for
from indicia.runtime.clock import Clock


class Mailer:
    """The parts of the role, from `start` to `stop`. `posted` hears how each post to a webhook went."""

    def __init__(
        self, installation: Installation, clock: Clock, *, posted: Callable[[AttemptOutcome], None]
    ) -> None:
        settings = installation.settings
        carrier = carrier_for(settings.relay, outbox=settings.outbox_dir, helo=settings.service_domain)
        self.outbox = Deliverer(installation.database, installation.keyring, carrier, clock)
        self.webhooks = event_wiring.webhook_deliverer(
            installation, clock, observe=posted, news=self.outbox.wake
        )
        self._tasks = RoleTasks()
        self.trouble = self._tasks.trouble

    def start(self) -> None:
        """Mails and events are delivered."""
        self._tasks.begin("deliverer", self.outbox.run())
        self._tasks.begin("webhooks", self.webhooks.run())

    async def stop(self) -> None:
        """Nothing is begun any more; what is being handed over is finished, or tried again by another."""
        self.outbox.stop()
        self.webhooks.stop()
        await self._tasks.end()

    def wake(self) -> None:
        """Let mails and events that wait be delivered now. Callable from any thread."""
        self.webhooks.wake()
        self.outbox.wake()
