"""What is told when something changed: one event for each transition of a facet or of an identity.

An event says what moved, why, what was seen, what it means from now on, and when the next step would come.
People read it in mails and in the history; programs get it from webhooks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from indicia.domain.diagnosis.explanation import explain
from indicia.domain.dkim.replication import sentence
from indicia.domain.dkim.rotation import Stage
from indicia.domain.identities.identity import Facet, FacetState, Identity, Status
from indicia.domain.proofs.transitions import MAY_SEND, OWN_PROOF, Cause, Sight, own_status
from indicia.domain.time import Instant, Span
from indicia.domain.verification.brake import demotes
from indicia.domain.verification.check import Conclusion, FacetVerdict
from indicia.domain.verification.findings import Finding

_SENTENCES: Final = 3  # of what was seen: a domain has three CNAMEs


class What(Enum):
    """What happened to the subject of an event. The value is the second half of the event's type."""

    CREATED = "created"
    STARTED = "started"
    VERIFIED = "verified"
    LOST = "lost"
    RESTORED = "restored"
    FAILED = "failed"
    REMOVED = "removed"
    DELETED = "deleted"
    UNKNOWN_FOR_LONG = "unknown_for_long"
    PUBLISHED = "published"
    SIGNING = "signing"
    RETIRED = "retired"
    WITHDRAWN = "withdrawn"


IDENTITY: Final = "identity"
KEY: Final = "key"
_OF_IDENTITIES: Final = (
    What.CREATED, What.STARTED, What.VERIFIED, What.LOST, What.RESTORED, What.FAILED, What.DELETED,
    What.UNKNOWN_FOR_LONG,
)  # fmt: skip
_OF_RECORDS: Final = (What.STARTED, What.VERIFIED, What.LOST, What.RESTORED, What.FAILED)
_OF: Final[Mapping[str, Sequence[What]]] = {
    IDENTITY: _OF_IDENTITIES,
    Facet.DKIM.value: _OF_RECORDS,
    Facet.CARRIED_DKIM.value: (What.LOST, What.RESTORED, What.FAILED),
    Facet.OWNERSHIP.value: _OF_RECORDS,
    Facet.MAIL_FROM.value: (*_OF_RECORDS, What.REMOVED),
    Facet.LINK.value: (What.STARTED, What.VERIFIED, What.FAILED),
    Facet.REPLICATION.value: (What.STARTED, What.VERIFIED, What.FAILED),
    KEY: (What.PUBLISHED, What.SIGNING, What.RETIRED, What.WITHDRAWN),
}
WEBHOOK_TEST: Final = "webhook.test"
WEBHOOK_DISABLED: Final = "webhook.disabled"
DEMOTIONS_PAUSED: Final = "demotions.paused"
DEMOTIONS_RESUMED: Final = "demotions.resumed"
DEMOTIONS_DELAYED: Final = "demotions.delayed"
TYPES: Final[tuple[str, ...]] = (
    *(f"{subject}.{what.value}" for subject, whats in _OF.items() for what in whats),
    WEBHOOK_TEST,
    WEBHOOK_DISABLED,
    DEMOTIONS_PAUSED,
    DEMOTIONS_RESUMED,
    DEMOTIONS_DELAYED,
)
"""Every type of event there is."""


@dataclass(frozen=True, slots=True)
class About:
    """Whom an event concerns. `identity_id` is 0 and `name` empty where it is no identity."""

    account: str
    region: str
    identity_id: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that changed.

    `seen` and `effect` are sentences: what it rests on, and what it means from `at` on. `next_status` is
    where the subject goes at `next_at` unless something else is seen by then. `demotes` says that a proof
    which stood was taken away, in part or in whole.
    """

    type: str
    at: Instant
    about: About
    cause: str
    seen: str
    effect: str
    before: Status | Stage | None = None
    after: Status | Stage | None = None
    next_status: Status | Stage | None = None
    next_at: Instant | None = None
    demotes: bool = False


def about(identity: Identity) -> About:
    """Return the identity as an event names it."""
    return About(identity.account, identity.region, identity.id, identity.name)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something moved: the cause, the sentence that says what was seen, and when."""

    cause: Cause
    seen: str
    at: Instant


@dataclass(frozen=True, slots=True)
class Sights:
    """When an identity was last looked at and last seen to be proved, and how long it may be unknown."""

    last_checked_at: Instant | None
    last_success_at: Instant | None
    patience: Span


def of_check(
    identity: Identity, facets: Mapping[Facet, FacetState], conclusion: Conclusion, sights: Sights
) -> tuple[Event, ...]:
    """Return what a check changed: `facets` are the states before it, `sights` those of earlier checks.

    That a verified identity has been unknown for longer than it may be is told once.
    """
    found: list[Event] = []
    reasons: list[Reason] = []
    after = dict(facets)
    for verdict in conclusion.facets:
        if verdict.cause is not None:
            reason = Reason(verdict.cause, _seen(verdict), conclusion.checked_at)
            found.append(_of_facet(identity, verdict.before, verdict.after, reason))
            reasons.append(reason)
            after[verdict.facet] = verdict.after
    if reasons:
        return (*found, *_of_own_status(identity, facets, after, reasons[0]))
    since = _unknown_since(facets, conclusion, sights.last_success_at)
    if since is None:
        return ()
    looked = sights.last_checked_at or since
    if looked < since + sights.patience <= conclusion.checked_at:
        return (_unknown_for_long(identity, conclusion, own_status(dict(facets))),)
    return ()


def of_change(
    identity: Identity, known: Mapping[Facet, FacetState], state: FacetState, reason: Reason
) -> tuple[Event, ...]:
    """Return what a person changed about one facet: `known` are the states before, `state` the one after.

    What people do is no demotion, whatever it ends.
    """
    facet_event = _of_facet(identity, known.get(state.facet), state, reason)
    if not known and identity.version == 1:
        return (_created(identity, state, reason.at), facet_event)
    after = dict(known) | {state.facet: state}
    found = (facet_event, *_of_own_status(identity, known, after, reason))
    return tuple(replace(each, demotes=False) for each in found)


def removed(identity: Identity, before: FacetState | None, at: Instant) -> Event:
    """Return that the custom MAIL FROM domain was taken back."""
    return Event(
        type=f"{Facet.MAIL_FROM.value}.{What.REMOVED.value}",
        at=at,
        about=about(identity),
        cause=What.REMOVED.value,
        seen="A caller took the MAIL FROM domain back.",
        effect="Mail leaves with the default envelope again.",
        before=None if before is None else before.status,
    )


def deleted(identity: Identity, at: Instant) -> Event:
    """Return that the identity was deleted."""
    return Event(
        type=f"{IDENTITY}.{What.DELETED.value}",
        at=at,
        about=about(identity),
        cause=What.DELETED.value,
        seen="A caller deleted the identity.",
        effect=f"Nothing is sent as {identity.name} unless a verified domain above covers it.",
    )


def _created(identity: Identity, state: FacetState, at: Instant) -> Event:
    return Event(
        type=f"{IDENTITY}.{What.CREATED.value}",
        at=at,
        about=about(identity),
        cause=What.CREATED.value,
        seen="A caller created the identity.",
        effect="Its proof is awaited." if state.status is Status.PENDING else "It may be sent from.",
        after=state.status,
        next_status=Status.FAILED if state.deadline is not None else None,
        next_at=state.deadline,
    )


def _of_facet(identity: Identity, before: FacetState | None, after: FacetState, reason: Reason) -> Event:
    was = Status.NOT_STARTED if before is None else before.status
    what = _what(was, after.status)
    return Event(
        type=f"{after.facet.value}.{what.value}",
        at=reason.at,
        about=about(identity),
        cause=reason.cause.value,
        seen=reason.seen,
        effect=EFFECTS[after.facet.value, what].format(name=identity.name),
        before=was,
        after=after.status,
        next_status=Status.FAILED if after.deadline is not None else None,
        next_at=after.deadline,
        demotes=before is not None and demotes(before, after),
    )


def _of_own_status(
    identity: Identity,
    known: Mapping[Facet, FacetState],
    after: Mapping[Facet, FacetState],
    reason: Reason,
) -> tuple[Event, ...]:
    """Return that the identity's own status moved, if it did."""
    was, now = own_status(dict(known)), own_status(dict(after))
    if was is now:
        return ()
    # What is carried may end while the proof that follows it is still awaited: that is a fall all the same.
    what = What.FAILED if was in MAY_SEND and now not in MAY_SEND else _what(was, now)
    next_status, next_at = _next_own_status(after, now)
    event = Event(
        type=f"{IDENTITY}.{what.value}",
        at=reason.at,
        about=about(identity),
        cause=reason.cause.value,
        seen=reason.seen,
        effect=EFFECTS[IDENTITY, what].format(name=identity.name),
        before=was,
        after=now,
        next_status=next_status,
        next_at=next_at,
        demotes=was in MAY_SEND and now is not Status.SUCCESS,
    )
    return (event,)


def _next_own_status(facets: Mapping[Facet, FacetState], now: Status) -> tuple[Status | None, Instant | None]:
    """Return where the identity goes, and when, once the last of the proofs that its status rests on ends."""
    resting = {facet: facets[facet] for facet in OWN_PROOF if facet in facets and facets[facet].status is now}
    deadlines = [state.deadline for state in resting.values() if state.deadline is not None]
    if now in (Status.SUCCESS, Status.FAILED) or not deadlines:
        return None, None
    ended = {facet: replace(state, status=Status.FAILED) for facet, state in resting.items()}
    return own_status(dict(facets) | ended), max(deadlines)


def _what(before: Status, after: Status) -> What:
    if after is Status.SUCCESS:
        return What.RESTORED if before is Status.TEMPORARY_FAILURE else What.VERIFIED
    if after is Status.TEMPORARY_FAILURE:
        return What.LOST
    return What.FAILED if after is Status.FAILED else What.STARTED


def _seen(verdict: FacetVerdict) -> str:
    """Return in sentences what was seen of the records that a verdict rests on."""
    if verdict.facet is Facet.LINK:
        return "The link in the mail was not used in time."
    if verdict.facet is Facet.REPLICATION:
        return sentence(verdict.after.error)
    wrong = [record for record in verdict.records if record.finding is not Finding.OK]
    if not wrong:
        return "Every record is as expected."
    told = [explain(each.record, each.finding, each.observations).explanation for each in wrong]
    more = f" And {len(told) - _SENTENCES} more." if len(told) > _SENTENCES else ""
    return " ".join(told[:_SENTENCES]) + more


_PROOFS: Final = (Facet.DKIM, Facet.OWNERSHIP, Facet.CARRIED_DKIM)


def _unknown_since(
    facets: Mapping[Facet, FacetState], conclusion: Conclusion, last_success_at: Instant | None
) -> Instant | None:
    """Return since when nothing is known of a proof that stands, None where something is."""
    standing = [
        verdict
        for verdict in conclusion.facets
        if verdict.facet in _PROOFS and verdict.after.status in MAY_SEND
    ]
    if not standing or any(verdict.sight is not Sight.UNKNOWN for verdict in standing):
        return None
    return last_success_at or max(facets[verdict.facet].since for verdict in standing)


def _unknown_for_long(identity: Identity, conclusion: Conclusion, status: Status) -> Event:
    verdict = next(
        each for each in conclusion.facets if each.facet in _PROOFS and each.after.status in MAY_SEND
    )
    return Event(
        type=f"{IDENTITY}.{What.UNKNOWN_FOR_LONG.value}",
        at=conclusion.checked_at,
        about=about(identity),
        cause="unknown",
        seen=_seen(verdict),
        effect="The status stays: what cannot be seen takes nothing away. No deadline runs.",
        before=status,
        after=status,
    )


# What each event means from its instant on, by its subject and what happened.
EFFECTS: Final[Mapping[tuple[str, What], str]] = {
    (IDENTITY, What.STARTED): "The proof of {name} is awaited again.",
    (IDENTITY, What.VERIFIED): "{name} may be sent from.",
    (IDENTITY, What.LOST): "{name} may still be sent from until the grace period ends.",
    (IDENTITY, What.RESTORED): "{name} may be sent from as before; no deadline runs any more.",
    (IDENTITY, What.FAILED): "{name} may not be sent from unless a verified domain above covers it.",
    ("dkim", What.STARTED): "The DKIM records of {name} are looked for.",
    ("dkim", What.VERIFIED): "Mail from {name} is signed with its key as soon as that key was seen.",
    ("dkim", What.LOST): "Mail still leaves; it is not signed with a key that is not visible.",
    ("dkim", What.RESTORED): "Mail from {name} is signed as before.",
    ("dkim", What.FAILED): "Mail is not signed for {name}. DKIM must be set up anew.",
    ("carried_dkim", What.LOST): "The records that proved {name} before its DKIM was changed are gone. They"
    " count until the grace period ends, unless the new ones are there by then.",
    ("carried_dkim", What.RESTORED): "The records of before prove {name} until the new ones are there; no"
    " deadline runs any more.",
    ("carried_dkim", What.FAILED): "The records of before prove {name} no more. It is verified again once the"
    " new ones are there.",
    ("ownership", What.STARTED): "The TXT record of {name} is looked for.",
    ("ownership", What.VERIFIED): "The TXT record proves {name}.",
    ("ownership", What.LOST): "The TXT record still counts until the grace period ends.",
    ("ownership", What.RESTORED): "The TXT record proves {name} as before.",
    ("ownership", What.FAILED): "The TXT record proves nothing any more. Its search must be started anew.",
    ("mail_from", What.STARTED): "The MX record of the MAIL FROM domain is looked for.",
    ("mail_from", What.VERIFIED): "Mail from {name} leaves with its custom MAIL FROM domain.",
    ("mail_from", What.LOST): "What was chosen for a failing MX applies: the default, or refusal.",
    ("mail_from", What.RESTORED): "Mail from {name} leaves with its custom MAIL FROM domain again.",
    ("mail_from", What.FAILED): "The custom MAIL FROM domain is not used. It must be set again.",
    ("replication", What.STARTED): "The parent of {name} is looked for.",
    ("replication", What.VERIFIED): "{name} has the tokens and keys of its parent.",
    ("replication", What.FAILED): "{name} has no keys. Its replication must be set up anew.",
    ("link", What.STARTED): "The link in the mail to {name} is awaited.",
    ("link", What.VERIFIED): "{name} may be sent from.",
    ("link", What.FAILED): "The link works no more. VerifyEmailIdentity sends another.",
}  # fmt: skip


def effect_on_many(event_type: str) -> str | None:
    """Return what events of a type mean for all of the identities they are about, None where it varies."""
    subject, _, what = event_type.partition(".")
    found = EFFECTS.get((subject, What(what))) if subject in _OF else None
    return None if found is None else found.format(name="each of these identities")
