"""When a facet's status changes, and when it does not. The transitions are data.

Grant strictly, take away slowly and surely, restore fast. `TABLES` says for each facet that is looked at,
each state and each sight what may follow and under which condition; `step` reads it. `LINK` does so for the
proof of an address. What is not in a table does not happen: no sight leads out of FAILED, and UNKNOWN leads
nowhere from anywhere. Tests, the code and the diagrams in the documentation read these tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType
from typing import Final, Protocol, TypeAlias

from indicia.domain.identities.identity import ErrorType, Facet, FacetState, Status
from indicia.domain.time import Instant, Span
from indicia.domain.verification_mail.links import LinkEvent


class Sight(Enum):
    """What the quorum saw of all the records a facet requires."""

    PRESENT = "present"  # every required record, right, seen by the quorum
    ABSENT = "absent"  # the quorum agrees that a required record is absent or wrong
    UNKNOWN = "unknown"  # anything else: it is evidence of nothing

    __hash__ = object.__hash__  # as RecordType


class TransitionCondition(Enum):
    """What must hold beside the sight for a transition to be taken."""

    ALWAYS = "always"
    KEY_PUBLISHED = "the first key of the token set is published"
    CORROBORATED = "absent in two checks far enough apart"
    WINDOW_ENDED = "absent in two checks far enough apart, one of them at or after the end of the window"
    TIME_ENDED = "the window has ended"


class Cause(Enum):
    """Why a status was entered. The value is what the history shows."""

    STARTED = "started"
    PROVED = "proved"
    LOST = "lost"
    RESTORED = "restored"
    WINDOW_ENDED = "window_ended"
    LINK_USED = "link_used"
    LINK_EXPIRED = "link_expired"


@dataclass(frozen=True, slots=True)
class Transition:
    """One way out of a state: where to, on which condition, and what it is called."""

    to: Status
    condition: TransitionCondition
    cause: Cause


Table: TypeAlias = Mapping[tuple[Status, Sight], Transition]


def _of_records(granted: TransitionCondition) -> Table:
    """Return the table of a facet that records prove (verification.md, "Granting" and "Taking away")."""
    return MappingProxyType(
        {
            (Status.PENDING, Sight.PRESENT): Transition(Status.SUCCESS, granted, Cause.PROVED),
            (Status.PENDING, Sight.ABSENT): Transition(
                Status.FAILED, TransitionCondition.WINDOW_ENDED, Cause.WINDOW_ENDED
            ),
            (Status.SUCCESS, Sight.ABSENT): Transition(
                Status.TEMPORARY_FAILURE, TransitionCondition.CORROBORATED, Cause.LOST
            ),
            (Status.TEMPORARY_FAILURE, Sight.PRESENT): Transition(
                Status.SUCCESS, TransitionCondition.ALWAYS, Cause.RESTORED
            ),
            (Status.TEMPORARY_FAILURE, Sight.ABSENT): Transition(
                Status.FAILED, TransitionCondition.WINDOW_ENDED, Cause.WINDOW_ENDED
            ),
        }
    )


# A replica stands to its parent by a table of its own (spec 3.8): what it once shares it keeps. Whatever
# keeps it from its parent after that is told, and takes nothing away.
_OF_A_REPLICA: Final[Table] = MappingProxyType(
    {
        (Status.PENDING, Sight.PRESENT): Transition(Status.SUCCESS, TransitionCondition.ALWAYS, Cause.PROVED),
        (Status.PENDING, Sight.ABSENT): Transition(
            Status.FAILED, TransitionCondition.WINDOW_ENDED, Cause.WINDOW_ENDED
        ),
    }
)

# A proof that is carried was granted already: it can be lost, come back, and fall.
_OF_WHAT_IS_CARRIED: Final[Table] = MappingProxyType(
    {
        (before, sight): way
        for (before, sight), way in _of_records(TransitionCondition.ALWAYS).items()
        if before is not Status.PENDING
    }
)

# Of every facet that is looked at. The key that Easy DKIM waits for is there from the start with BYODKIM.
TABLES: Final[Mapping[Facet, Table]] = MappingProxyType(
    {
        Facet.DKIM: _of_records(TransitionCondition.KEY_PUBLISHED),
        Facet.OWNERSHIP: _of_records(TransitionCondition.ALWAYS),
        Facet.MAIL_FROM: _of_records(TransitionCondition.ALWAYS),
        Facet.REPLICATION: _OF_A_REPLICA,
        Facet.CARRIED_DKIM: _OF_WHAT_IS_CARRIED,
    }
)

# The proof of an address (spec 3.1): what is proved once stays, and what has failed needs another mail.
LINK: Final[Mapping[tuple[Status, LinkEvent], Transition]] = MappingProxyType(
    {
        (Status.PENDING, LinkEvent.CONFIRM): Transition(
            Status.SUCCESS, TransitionCondition.ALWAYS, Cause.LINK_USED
        ),
        (Status.PENDING, LinkEvent.TIME_ENDS): Transition(
            Status.FAILED, TransitionCondition.TIME_ENDED, Cause.LINK_EXPIRED
        ),
    }
)

# What the status that one facet enters does to another: a replica that has given up waits for no records.
COUPLED: Final[Mapping[tuple[Facet, Status], tuple[Facet, Status, Transition]]] = MappingProxyType(
    {
        (Facet.REPLICATION, Status.FAILED): (
            Facet.DKIM,
            Status.PENDING,
            Transition(Status.FAILED, TransitionCondition.ALWAYS, Cause.WINDOW_ENDED),
        )
    }
)

# The facets that prove an identity; MAIL FROM proves nothing about it.
OWN_PROOF: Final = (Facet.DKIM, Facet.OWNERSHIP, Facet.LINK, Facet.CARRIED_DKIM)

# A start by a person leads to PENDING from everywhere. What proved the identity counts on (spec 3.4): of all
# proofs DKIM alone, as nothing else about a proof that stands is its owner's to change.
CARRIED: Final = frozenset({Status.SUCCESS, Status.TEMPORARY_FAILURE})

# The states in which looking can change something. FAILED and NOT_STARTED need a new start by a person.
CHECKED = frozenset({Status.PENDING, Status.SUCCESS, Status.TEMPORARY_FAILURE})


@dataclass(frozen=True, slots=True)
class Windows:
    """How long things may take.

    `records`: for records to appear, and to come back. `link`: for a verification link to be used.
    `corroborate`: the most that two sights of an absence need to be apart.
    """

    records: Span
    link: Span
    corroborate: Span


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one check found about one facet, and how long the negative answer may be kept.

    `negative_ttl` is in seconds, None where the answer had none. `key_published` is whether the token set has
    a published key at this moment; facets other than DKIM and BYODKIM have nothing to wait for and pass true.
    """

    sight: Sight
    error: ErrorType | None
    negative_ttl: int | None = None
    key_published: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """The state after a check, and the cause when the status moved."""

    state: FacetState
    cause: Cause | None


def start(facet: Facet, generation: int, now: Instant, window: Span) -> FacetState:
    """Return a facet that has just been asked for: PENDING, with its whole window ahead."""
    return FacetState(facet, Status.PENDING, generation, since=now, deadline=now + window)


def carry(dkim: FacetState | None) -> FacetState | None:
    """Return what is carried of DKIM when its owner changes what should be published, None for nothing.

    What was proved goes on being looked at as it was: with the generation of its expectation, the absence it
    remembers and the deadline it has (verification.md, "A proof that is carried"). Where DKIM had proved
    nothing yet, what is carried already stays as it is.
    """
    if dkim is None or dkim.status not in CARRIED:
        return None
    return replace(dkim, facet=Facet.CARRIED_DKIM)


class ProofState(Protocol):
    """What of a facet's state counts for its identity."""

    @property
    def status(self) -> Status:
        """The facet's own status."""


def absence_apart(evidence: Evidence, windows: Windows) -> Span:
    """Return how far apart two sights of an absence must be: min(negative TTL, CHECK_MAX)."""
    if evidence.negative_ttl is None:
        return windows.corroborate
    return min(evidence.negative_ttl * 1000, windows.corroborate)


def _holds(
    condition: TransitionCondition, state: FacetState, evidence: Evidence, now: Instant, windows: Windows
) -> bool:
    if condition is TransitionCondition.ALWAYS:
        return True
    if condition is TransitionCondition.KEY_PUBLISHED:
        return evidence.key_published
    if condition is TransitionCondition.TIME_ENDED:
        return _ended(state, now)
    since = state.absent_since
    corroborated = since is not None and now - since >= absence_apart(evidence, windows)
    if condition is TransitionCondition.CORROBORATED:
        return corroborated
    return corroborated and _ended(state, now)


def _ended(state: FacetState, now: Instant) -> bool:
    return state.deadline is not None and now >= state.deadline


def step(state: FacetState, evidence: Evidence, now: Instant, windows: Windows) -> Change:
    """Return the facet after one check made at `now`.

    The status moves by the table of its facet alone. An absence is remembered until the right record is seen
    again; the unknown neither starts that memory nor clears it.
    """
    if state.status not in CHECKED:
        return Change(state, None)
    transition = TABLES[state.facet].get((state.status, evidence.sight))
    absent_since = _absent_since(state, evidence, now)
    error = None if evidence.sight is Sight.PRESENT else evidence.error
    seen = state
    if absent_since != state.absent_since or error is not state.error:
        # The brake holds once in a run of absences: with the run ends what it did in it.
        held_until = None if absent_since is None else state.held_until
        seen = replace(state, absent_since=absent_since, error=error, held_until=held_until)
    if transition is None or not _holds(transition.condition, state, evidence, now, windows):
        return Change(seen, None)
    return Change(enter(seen, transition.to, now, windows), transition.cause)


def key_came(
    state: FacetState, generation: int, seen_at: Instant, now: Instant, windows: Windows
) -> Change | None:
    """Return the facet once the key is published that it waited for; None where it is to be looked at.

    Its records were seen at `seen_at` for the expectation of `generation`, and no later look has missed them.
    That counts as if they were seen now for as long as two sights of an absence may have to be apart: so long
    a proof stands anyway after its records went (verification.md, "Keys" and "Taking away").
    """
    if state.status is not Status.PENDING or state.generation != generation:
        return None
    if not seen_at <= now <= seen_at + windows.corroborate:
        return None
    return step(state, Evidence(Sight.PRESENT, None), now, windows)


def _absent_since(state: FacetState, evidence: Evidence, now: Instant) -> Instant | None:
    if evidence.sight is Sight.PRESENT:
        return None
    if evidence.sight is Sight.ABSENT and state.absent_since is None:
        return now
    return state.absent_since


def enter(state: FacetState, status: Status, now: Instant, windows: Windows) -> FacetState:
    """Return the facet in a status it has just entered. Only the grace period opens a window of its own."""
    deadline = now + windows.records if status is Status.TEMPORARY_FAILURE else None
    return replace(state, status=status, since=now, deadline=deadline)


def use_link(state: FacetState, now: Instant) -> Change:
    """Return the address facet after its link was used.

    Whether the link may be used (once, in time, the newest one) is `domain.verification_mail.links`'
    question, not ours.
    """
    transition = LINK.get((state.status, LinkEvent.CONFIRM))
    if transition is None:
        return Change(state, None)
    return Change(replace(_moved(state, transition, now), error=None), transition.cause)


def expire_link(state: FacetState, now: Instant) -> Change:
    """Return the address facet at `now`: FAILED when it was PENDING and its window has ended (spec 3.1)."""
    transition = LINK.get((state.status, LinkEvent.TIME_ENDS))
    if transition is None or not _ended(state, now):
        return Change(state, None)
    return Change(_moved(state, transition, now), transition.cause)


def _moved(state: FacetState, transition: Transition, now: Instant) -> FacetState:
    return replace(state, status=transition.to, since=now, deadline=None)


def coupled(entered: FacetState, others: Mapping[Facet, FacetState], now: Instant) -> Change | None:
    """Return the facet that moves because another has entered its status, None where none does."""
    found = COUPLED.get((entered.facet, entered.status))
    if found is None:
        return None
    facet, status, transition = found
    other = others.get(facet)
    if other is None or other.status is not status:
        return None
    return Change(_moved(other, transition, now), transition.cause)


_BEST_FIRST = (
    Status.SUCCESS,
    Status.TEMPORARY_FAILURE,
    Status.PENDING,
    Status.FAILED,
    Status.NOT_STARTED,
)


def own_status(facets: Mapping[Facet, ProofState]) -> Status:
    """Return the identity's own verification status: the best of the proofs it has (spec 3.6).

    A domain is verified by its DKIM records, those of before a change included, or by the legacy TXT, any
    one of them; an address by its link. MAIL FROM proves nothing about the identity.
    """
    proved = [facets[facet].status for facet in OWN_PROOF if facet in facets]
    return min(proved, key=_BEST_FIRST.index, default=Status.NOT_STARTED)


MAY_SEND = frozenset({Status.SUCCESS, Status.TEMPORARY_FAILURE})  # spec 3.6: sending goes on during the grace
