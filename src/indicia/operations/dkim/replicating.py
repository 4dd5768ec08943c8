"""The verifier's part in replication: looking for a replica's parent, for as long as it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import structlog

from indicia.domain.dkim.replication import NOTHING_LEARNT, ParentSeen
from indicia.domain.dkim.rotation import KeyPace
from indicia.domain.events.identity_events import Event
from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identities.identity import ErrorType, Facet, Status, TokenSet
from indicia.domain.proofs.transitions import Evidence, Sight, Windows
from indicia.domain.time import Instant, Span
from indicia.operations.dkim.replication import adopt, look_again, may_replicate_now
from indicia.operations.dkim.replication_acceptance import (
    OfferSource,
    UnacceptableOfferError,
    accept,
    examine,
)
from indicia.operations.dkim.replication_offer import Offer
from indicia.store.dkim import replications
from indicia.store.dkim.replications import Replication
from indicia.store.engine.database import Database
from indicia.store.engine.session import Session
from indicia.store.verification.checks import Claim

log = structlog.get_logger(__name__)

Fetch: TypeAlias = Callable[[Replication], Awaitable[Offer | ErrorType | None]]
"""Asks another installation for a parent: what it offers, what is in the way, None where nobody answers."""


def _tell_nobody(_: Session, __: Sequence[Event]) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Installations:
    """Regions that other installations serve: how their keys are taken in, and what asks for them."""

    abroad: Mapping[str, OfferSource]
    fetch: Fetch


@dataclass(frozen=True, slots=True)
class Replicator:
    """Says of a claimed replica how it stands to its parent, and lets it share what it finds.

    `regions` are those served here; `first` is the interval with which looking at its records begins.
    `announce` writes events down and says whether they wait to be delivered; `news` hears when they do.
    """

    database: Database
    regions: Collection[str]
    windows: Windows
    pace: KeyPace
    first: Span
    now: Callable[[], Instant]
    elsewhere: Installations | None = field(default=None)
    announce: Callable[[Session, Sequence[Event]], bool] = _tell_nobody
    news: Callable[[], None] = lambda: None

    async def __call__(self, claim: Claim) -> ParentSeen:
        """Return what was found. Where the replica shares another set than before, it is due again."""
        asked = await self.database.reading(partial(replications.get, identity_id=claim.identity.id))
        if asked is None:
            return NOTHING_LEARNT
        try:
            if self.elsewhere is not None and asked.parent_region in self.elsewhere.abroad:
                return await self._abroad(claim, asked, self.elsewhere)
            found = await self.database.reading(partial(self._look, asked=asked))
            return await self._share(claim, found)
        except Fault as fault:
            # Somebody changed the replica at this moment: it is looked at again.
            if fault.kind is not FaultKind.CONCURRENT_MODIFICATION:
                raise
            return NOTHING_LEARNT

    async def _abroad(self, claim: Claim, asked: Replication, elsewhere: Installations) -> ParentSeen:
        """Return how it stands to a parent in another installation, whose keys are taken in."""
        now = self.now()
        if not await self.database.reading(partial(may_replicate_now, asked=asked, now=now)):
            return ParentSeen(Evidence(Sight.ABSENT, ErrorType.REPLICATION_ACCESS_DENIED))
        offer = await elsewhere.fetch(asked)
        if offer is None:
            return NOTHING_LEARNT
        if isinstance(offer, ErrorType):
            return ParentSeen(Evidence(Sight.ABSENT, offer))
        abroad = elsewhere.abroad[asked.parent_region]
        try:
            offered = await asyncio.to_thread(examine, asked, offer, abroad)
            found = await self.database.writing(
                partial(accept, asked=asked, offered=offered, abroad=abroad, now=now)
            )
        except UnacceptableOfferError as error:
            log.warning("replication.refused", name=asked.name, region=abroad.region, reason=str(error))
            return NOTHING_LEARNT
        seen = await self._share(claim, found)
        return ParentSeen(seen.evidence, again=offered.again)

    async def _share(self, claim: Claim, found: TokenSet | ErrorType) -> ParentSeen:
        if not isinstance(found, TokenSet):
            return ParentSeen(Evidence(Sight.ABSENT, found))
        standing = claim.facets[Facet.REPLICATION].status is Status.SUCCESS
        if not standing or claim.token_set is None or claim.token_set.id != found.id:
            waits = await self.database.writing(partial(self._adopt, claim=claim, found=found))
            if waits:
                self.news()
        return ParentSeen(Evidence(Sight.PRESENT, None))

    def _look(self, s: Session, asked: Replication) -> TokenSet | ErrorType:
        return look_again(s, asked, self.regions, self.now())

    def _adopt(self, s: Session, claim: Claim, found: TokenSet) -> bool:
        told = adopt(
            s,
            claim.identity.id,
            found,
            now=self.now(),
            first=self.first,
            windows=self.windows,
            pace=self.pace,
        )
        return self.announce(s, told)
