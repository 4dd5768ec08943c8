"""What the first key of a token set completes: the DKIM of identities whose records were seen without it.

It is completed with the publication of the key, in one transaction, by the rule of
`domain.proofs.transitions`. What was seen too long ago, or for another expectation, is looked at again
at once, and the key is there then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from indicia.domain.events.identity_events import Event, Reason, of_change
from indicia.domain.identities.identity import Facet, FacetState, Identity
from indicia.domain.proofs.transitions import Cause, Change, key_came
from indicia.domain.time import Instant
from indicia.domain.verification.check import Rules
from indicia.domain.verification.key_sight import FRESH
from indicia.store.dkim.key_requests import KeySight
from indicia.store.engine.session import Session
from indicia.store.verification import checks
from indicia.store.verification import evidence as verdicts
from indicia.store.verification.checks import Claim, Completion
from indicia.verifier.engine import evidence

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Completed:
    """An identity whose DKIM is complete, the facet before and after, and what is to be told of it."""

    identity: Identity
    before: FacetState
    after: FacetState
    events: tuple[Event, ...]


def complete(s: Session, sights: Sequence[KeySight], now: Instant, rules: Rules) -> list[Completed]:
    """Complete what the sights allow, the keys of whose sets have just been published.

    The identities are held by this transaction. Those not among what is returned are to be looked at.
    """
    wanted = {sight.identity_id: sight for sight in sights}
    claims = checks.read(s, sorted(wanted))
    changes = {claim.identity.id: _change(claim, wanted[claim.identity.id], now, rules) for claim in claims}
    ready = [(claim, change) for claim in claims if (change := changes[claim.identity.id]) is not None]
    lines = verdicts.newest_of(s, [claim.identity.id for claim, _ in ready], Facet.DKIM)
    checks.complete(
        s,
        [_completion(claim, change, lines.get(claim.identity.id), now, rules) for claim, change in ready],
        now,
    )
    return [_completed(claim, change, now) for claim, change in ready]


def tell(completed: Sequence[Completed]) -> None:
    """Log what was completed, as what checks come to is logged."""
    for each in completed:
        log.info(
            "verification.transition",
            identity=each.identity.name,
            facet=each.after.facet.value,
            before=each.before.status.value,
            after=each.after.status.value,
            cause=Cause.PROVED.value,
            finding="OK",
        )


def _change(claim: Claim, sight: KeySight, now: Instant, rules: Rules) -> Change | None:
    identity, state = claim.identity, claim.facets.get(Facet.DKIM)
    same = (identity.token_set_id, identity.generation) == (sight.token_set_id, sight.generation)
    if state is None or not same or sight.at is None:
        return None
    change = key_came(state, sight.generation, sight.at, now, rules.windows)
    return None if change is None or change.cause is None else change


def _completion(
    claim: Claim, change: Change, line: verdicts.Line | None, now: Instant, rules: Rules
) -> Completion:
    replication = claim.facets.get(Facet.REPLICATION)
    return Completion(
        identity_id=claim.identity.id,
        state=change.state,
        # What keeps a replica from its parent is told still (`domain.verification.check`).
        error=None if replication is None else replication.error,
        # The key itself has to be seen before it signs; until then another process may answer for its token.
        due_at=now + FRESH,
        interval=rules.pace.first,
        verdict=evidence.completed(claim.identity.id, claim.facets[Facet.DKIM], change.state, line, now),
    )


def _completed(claim: Claim, change: Change, now: Instant) -> Completed:
    reason = Reason(Cause.PROVED, "Every record is as expected, and the key is published.", now)
    events = of_change(claim.identity, claim.facets, change.state, reason)
    return Completed(claim.identity, claim.facets[Facet.DKIM], change.state, events)
