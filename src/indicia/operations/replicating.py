"""The verifier's part in replication: looking for a replica's parent, for as long as it takes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identity import ErrorType, Facet, Status, TokenSet
from indicia.domain.rotation import KeyPace
from indicia.domain.time import Instant, Span
from indicia.domain.verification import Evidence, Sight, Windows
from indicia.operations.replication import adopt, look_again
from indicia.store import replications
from indicia.store.checks import Claim
from indicia.store.database import Database
from indicia.store.session import Session

_NOTHING_LEARNT = Evidence(Sight.UNKNOWN, ErrorType.SERVICE_ERROR)


@dataclass(frozen=True, slots=True)
class Replicator:
    """Says of a claimed replica how it stands to its parent, and lets it share what it finds.

    `regions` are those served here; `first` is the interval with which looking at its records begins.
    """

    database: Database
    regions: Collection[str]
    windows: Windows
    pace: KeyPace
    first: Span
    now: Callable[[], Instant]

    async def __call__(self, claim: Claim) -> Evidence:
        """Return what was found. Where the replica shares another set than before, it is due again."""
        found = await self.database.reading(partial(self._look, claim=claim))
        if not isinstance(found, TokenSet):
            return _NOTHING_LEARNT if found is None else Evidence(Sight.ABSENT, found)
        standing = claim.facets[Facet.REPLICATION].status is Status.SUCCESS
        if not standing or claim.token_set is None or claim.token_set.id != found.id:
            try:
                await self.database.writing(partial(self._adopt, claim=claim, found=found))
            except Fault as fault:
                # Somebody changed the replica at this moment: it is looked at again.
                if fault.kind is not FaultKind.CONCURRENT_MODIFICATION:
                    raise
                return _NOTHING_LEARNT
        return Evidence(Sight.PRESENT, None)

    def _look(self, s: Session, claim: Claim) -> TokenSet | ErrorType | None:
        asked = replications.get(s, claim.identity.id)
        return None if asked is None else look_again(s, asked, self.regions, self.now())

    def _adopt(self, s: Session, claim: Claim, found: TokenSet) -> None:
        adopt(
            s,
            claim.identity.id,
            found,
            now=self.now(),
            first=self.first,
            windows=self.windows,
            pace=self.pace,
        )
