"""GET /indicia/v1/identities/{name}/history: the stored verdicts, newest first, with their evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Raw, Struct
from msgspec.json import Decoder

from indicia.announcements.event_recorder import EventBody
from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identities.identity import Facet
from indicia.domain.names import fold, shown
from indicia.domain.time import rfc3339
from indicia.store.events import events
from indicia.store.identities import identities
from indicia.store.verification import evidence

if TYPE_CHECKING:
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session
    from indicia.store.events.events import StoredEvent
    from indicia.store.verification.evidence import StoredVerdict

# What the store keeps of each facet.
MOST: Final = len(Facet) * evidence.KEPT
_decoder: Final = Decoder(EventBody)


class HistoryRequest(Struct, kw_only=True, frozen=True):
    """Whose history is asked for."""

    name: str


class Verdict(Struct, kw_only=True, frozen=True):
    """One verdict on one facet. `at` is RFC 3339 in UTC; `evidence` says what each perspective saw."""

    facet: str
    at: str
    asked_by: str
    before: str
    after: str
    finding: str
    generation: int
    evidence: Raw


class HistoryResponse(Struct, kw_only=True, frozen=True):
    """The verdicts and the events, each newest first. An event is as webhooks are sent it."""

    identity: str
    verdicts: list[Verdict]
    events: list[EventBody]


def get_history(
    context: OperationContext, call: Call, request: HistoryRequest, s: Session
) -> HistoryResponse:
    """Return every stored verdict on the identity, and its last events: what moved, and what moved it.

    Raises: `Fault` NOT_FOUND.
    """
    identity = identities.get(s, call.account, call.region, fold(request.name))
    if identity is None:
        refuse(FaultKind.NOT_FOUND, f"Email identity <{shown(request.name)}> does not exist.")
    stored = evidence.history(s, identity.id, limit=MOST)
    told = events.of_identity(s, identity.id, limit=MOST)
    return HistoryResponse(
        identity=identity.name,
        verdicts=[_verdict(each) for each in stored],
        events=[_event(each) for each in told],
    )


def _event(stored: StoredEvent) -> EventBody:
    return _decoder.decode(stored.body)


def _verdict(stored: StoredVerdict) -> Verdict:
    return Verdict(
        facet=stored.facet.value,
        at=rfc3339(stored.at),
        asked_by=stored.asked_by.value,
        before=stored.status_before.value,
        after=stored.status_after.value,
        finding=stored.finding,
        generation=stored.generation,
        evidence=Raw(stored.body.encode()),
    )
