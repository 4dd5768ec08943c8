"""Looks at records that no status depends on, and notes what is to be improved: DKIM, SPF, DMARC, BIMI.

Apart from the checks and slower than them: a domain is looked at when something changed and once in a while,
a few domains a second, of which no account has more than its share. The store says what is due. A look that
is lost with its process is due again later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from indicia.domain.delivery import Flow, Portion
from indicia.domain.diagnosis.recommendations import (
    BIMI_LABEL,
    DMARC_LABEL,
    Published,
    advise,
    agreed,
    merged,
)
from indicia.domain.fairness import Shares
from indicia.domain.identities.identity import IdentityKind
from indicia.domain.proofs.inheritance import may_send
from indicia.domain.records.observation import Question, RecordType
from indicia.domain.time import MINUTE, SECOND, Instant, Span
from indicia.runtime.delivery_loop import DeliveryLoop
from indicia.store.diagnosis import recommendations
from indicia.store.identities import identities
from indicia.verifier.diagnosis import spf
from indicia.verifier.diagnosis.asking import AskedEnoughError

if TYPE_CHECKING:
    from indicia.domain.verification.check import Observations, Rules
    from indicia.runtime.clock import Clock
    from indicia.store.diagnosis.recommendations import Turn
    from indicia.store.engine.database import Database
    from indicia.store.engine.queue import Lease
    from indicia.store.engine.session import Session
    from indicia.store.identities.identities import IdentityView
    from indicia.verifier.diagnosis.asking import Asking, ZoneLook

log = structlog.get_logger(__name__)

# So many domains are looked at side by side, and no more a second: 700,000 a day. One part in so many is the
# most of one account.
_AT_ONCE: Final = 8
_PARTS: Final = (2,)
_MOST_ACCOUNTS: Final = 256  # looked at in one go
_PAUSE: Final[Span] = SECOND
# How long a look may take (seconds, real time), and when one that was lost is due again.
_WITHIN: Final = 20.0
_AGAIN: Final[Span] = 10 * MINUTE


class Advisor(DeliveryLoop["Turn"]):
    """Looks at what is due for as long as it runs, as fast as zones may be asked for advice.

    `registrable` returns the domain of the organisation that a domain belongs to; `random` returns numbers in
    [0, 1).
    """

    def __init__(
        self,
        database: Database,
        asking: Asking,
        rules: Rules,
        clock: Clock,
        *,
        registrable: Callable[[str], str],
        random: Callable[[], float],
    ) -> None:
        super().__init__(database, clock, Shares(_AT_ONCE, _PARTS), owner="advice", lease=_AGAIN)
        self._asking = asking
        self._rules = rules
        self._registrable = registrable
        self._random = random
        self._looking = 0
        self._ending = asyncio.Event()

    def _put_off(self, trouble: Exception) -> None:
        log.warning("advice.put_off", trouble=type(trouble).__name__)

    def _void(self, s: Session) -> None:
        """Take nothing back: a look is held by nobody, and due again when its time has passed."""

    def _flows(self, s: Session, lease: Lease) -> Sequence[Flow]:
        accounts = recommendations.accounts_due(s, lease.now, _MOST_ACCOUNTS)
        return [Flow((account,), (_AT_ONCE,)) for account in accounts]

    def _take(self, s: Session, portion: Portion, lease: Lease) -> Sequence[Turn]:
        account, until = portion.flow.receiver, lease.now + _AGAIN
        return recommendations.take(s, account, lease.now, until, portion.items)

    def _next(self, s: Session, now: Instant) -> Instant | None:
        return recommendations.next_due(s, now)

    def _unsettled(self, s: Session, now: Instant) -> bool:
        return self._looking > 0 or recommendations.anything_due(s, now)

    async def _deliver(self, item: Turn) -> None:
        again = self._clock.now() + _PAUSE
        self._looking += 1
        try:
            await self._look(item)
        except Exception as trouble:  # noqa: BLE001 - it is due again a little later
            self._put_off(trouble)
        finally:
            self._looking -= 1
            self._progressed()
        await self._pause(again)

    async def _pause(self, until: Instant) -> None:
        """Keep the place of a look until then, so that no more are begun a second than there are places."""
        waits = {
            asyncio.create_task(self._clock.wait_until(until)),
            asyncio.create_task(self._ending.wait()),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _finish(self) -> None:
        self._ending.set()
        await super()._finish()

    async def _look(self, turn: Turn) -> None:
        view = await self._database.reading(partial(identities.view_by_id, identity_id=turn.identity_id))
        published = Published()
        if view is not None and _concerned(view):
            try:
                observer = await self._asking.begin(view.identity.account, view.identity.name, view.soa)
            except AskedEnoughError:
                return  # it is due again a little later, as what is lost
            with suppress(TimeoutError):  # then nothing is known but what the store knows
                async with asyncio.timeout(_WITHIN):
                    published = await self._published(view, observer)
        await self._database.writing(partial(self._store, turn=turn, published=published))

    def _store(self, s: Session, turn: Turn, published: Published) -> None:
        """Note what follows for the identity as it is now; one that was deleted meanwhile has no advice."""
        if not identities.lock(s, turn.identity_id):
            return
        view = identities.view_by_id(s, turn.identity_id)
        if view is None or not _concerned(view):
            recommendations.done(s, turn, None)
            return
        now = self._clock.now()
        before = recommendations.of(s, turn.identity_id)
        recommendations.replace(s, view.identity, before, merged(before, advise(view, published), now))
        interval = self._rules.pace.verified
        recommendations.done(s, turn, now + interval - int(interval * 0.1 * self._random()))

    async def _published(self, view: IdentityView, observer: ZoneLook) -> Published:
        """Return what is to be seen of the domain's DMARC and BIMI, and of its MAIL FROM domain's SPF."""
        domain, mail_from = view.identity.name, view.identity.mail_from_domain
        organisation = await asyncio.to_thread(self._registrable, domain)  # reads a list when first asked
        homes = list(dict.fromkeys((domain, organisation)))
        dmarc = [Question(f"{DMARC_LABEL}.{home}", RecordType.TXT) for home in homes]
        bimi = [Question(f"{BIMI_LABEL}.{home}", RecordType.TXT) for home in homes]
        sender = [Question(mail_from, RecordType.TXT)] if mail_from else []
        seen = await observer.observe([*dmarc, *bimi, *sender])
        texts = self._first(sender, seen, lambda _: True) if sender else None
        judged = None if texts is None else await spf.judge(observer, texts, self._rules.service_domain)
        return Published(
            dmarc=self._first(dmarc, seen, lambda text: text.lower().startswith("v=dmarc1")),
            bimi=self._first(bimi, seen, lambda text: text.lower().startswith("v=bimi1")),
            spf=texts,
            spf_finding=judged.judgement.finding if judged and judged.certain else None,
        )

    def _first(
        self, questions: Sequence[Question], seen: Observations, ours: Callable[[str], bool]
    ) -> tuple[str, ...] | None:
        """Return our texts at the first of these names that has any, None where one before is unknown."""
        for question in questions:
            values = agreed(seen.get(question, ()), self._rules.quorum)
            if values is None:
                return None
            if texts := tuple(filter(ours, values)):
                return texts
        return ()


def _concerned(view: IdentityView) -> bool:
    """Say whether there is advice for it: a domain that mail is sent from."""
    return view.identity.kind is IdentityKind.DOMAIN and may_send(view)
