"""Deterministic Easy DKIM: finding a replica's parent, sharing its token set, telling replicas of changes.

A key belongs to a token set, not to an identity: a replica that shares its parent's set follows every
rotation and every change of the length by itself (verification.md, Keys).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from indicia.domain.arns import identity_arn
from indicia.domain.call import Call, Service
from indicia.domain.dkim.replication import is_replica, obstacle, sentence
from indicia.domain.events.identity_events import Event, Reason, of_change
from indicia.domain.identities.identity import ErrorType, Facet, FacetState, Identity, Status, TokenSet
from indicia.domain.proofs.transitions import Cause, Windows, start
from indicia.operations.authorization import may_replicate
from indicia.operations.dkim.token_sets import abandon
from indicia.operations.proofs.carrying import carry_on
from indicia.operations.proofs.starting import begin
from indicia.store.accounts import access
from indicia.store.dkim import keys, replications
from indicia.store.dkim.replications import Replication
from indicia.store.identities import identities
from indicia.store.proofs import facets
from indicia.store.verification import checks

if TYPE_CHECKING:
    from indicia.domain.dkim.rotation import KeyPace
    from indicia.domain.time import Instant, Span
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session


class Sought(NamedTuple):
    """Who wishes for which parent, and its token set where that can be shared at once."""

    wish: Replication
    token_set: TokenSet | None


def seek(
    s: Session, call: Call, identity_id: int, name: str, region: str, *, served: Collection[str]
) -> Sought:
    """Return the caller's wish that the identity be a replica of the one of its name in a region."""
    wish = Replication(identity_id, call.account, name, call.region, region, call.principal, call.access_key)
    found = _look(s, wish, call, served)
    return Sought(wish, found if isinstance(found, TokenSet) else None)


def _look(s: Session, asked: Replication, call: Call, served: Collection[str]) -> TokenSet | ErrorType:
    """Return the parent's token set, or what keeps the replica from it.

    `call` is the one that asked for the replica, or as it would be made now.
    """
    parent = identities.get(s, asked.account, asked.parent_region, asked.name)
    found = obstacle(
        parent,
        region=asked.parent_region,
        replica_region=asked.region,
        served=served,
        allowed=may_replicate(call, _parent(asked)).allowed,
    )
    if found is not None or parent is None or parent.token_set_id is None:
        return found or ErrorType.REPLICATION_PRIMARY_NOT_FOUND
    return keys.get_token_set(s, parent.token_set_id) or ErrorType.REPLICATION_PRIMARY_NOT_FOUND


def begin_replica(
    context: OperationContext, call: Call, s: Session, identity: Identity, wish: Replication
) -> None:
    """Store whose replica the identity is, and how that stands: shared already, or to be tried again."""
    replications.put(s, wish)
    known = facets.get_all(s, identity.id)
    if identity.token_set_id is None:
        begin(context, call, s, identity, Facet.REPLICATION, known=known)
    else:
        context.tell(s, share(s, identity, known, call.now))


def look_again(s: Session, asked: Replication, served: Collection[str], now: Instant) -> TokenSet | ErrorType:
    """Return the parent's token set, or what keeps the replica from it, by what its maker may do now."""
    call = _as_now(s, asked, now)
    return ErrorType.REPLICATION_ACCESS_DENIED if call is None else _look(s, asked, call, served)


def may_replicate_now(s: Session, asked: Replication, now: Instant) -> bool:
    """Say whether the maker of the replica may replicate the parent's key at this moment."""
    call = _as_now(s, asked, now)
    return call is not None and may_replicate(call, _parent(asked)).allowed


def _parent(asked: Replication) -> str:
    return identity_arn(asked.parent_region, asked.account, asked.name)


def _as_now(s: Session, asked: Replication, now: Instant) -> Call | None:
    """Return the call that asked for the replica as it would be made now, None by a key that was revoked.

    A key that was never stored is a sandbox's, and may do everything.
    """
    key = access.get_key(s, asked.access_key)
    if key is not None and key.revoked_at is not None:
        return None
    return Call(
        Service.SES_V2,
        "CreateEmailIdentity",
        asked.account,
        asked.region,
        asked.principal,
        asked.access_key,
        address="",
        request_id="",
        now=now,
        policy=None if key is None else key.policy,
    )


def adopt(
    s: Session,
    identity_id: int,
    token_set: TokenSet,
    *,
    now: Instant,
    first: Span,
    windows: Windows,
    pace: KeyPace,
) -> tuple[Event, ...]:
    """Share the token set with the replica and look for its records, unless it shares it already.

    `first` is the interval with which looking begins. What the replica had proved before counts on (spec
    3.4). A set that nobody uses any more is withdrawn. What is to be told of it is returned.
    """
    identity = identities.by_id(s, identity_id)
    if identity is None or not is_replica(identity):
        return ()
    replicated = facets.get_all(s, identity.id).get(Facet.REPLICATION)
    if identity.token_set_id == token_set.id and replicated and replicated.status is Status.SUCCESS:
        return ()
    changed = replace(
        identity,
        generation=identity.generation + 1,
        token_set_id=token_set.id,
        next_key_length=token_set.wanted_length or identity.next_key_length,
    )
    stored = identities.update(s, changed, identity.version)
    known = carry_on(s, identity)
    told = share(s, stored, known, now)
    started = start(Facet.DKIM, stored.generation, now, windows.records)
    facets.put(s, stored.id, started)
    checks.begin_anew(s, stored.id, now, interval=first)
    if identity.token_set_id is not None and identity.token_set_id != token_set.id:
        abandon(s, identity.token_set_id, now, pace)
    return told + _of_start(stored, known, started, now)


def _of_start(
    identity: Identity, known: Mapping[Facet, FacetState], started: FacetState, now: Instant
) -> tuple[Event, ...]:
    """Return that records are looked for; a replica that waited for their names does so already."""
    before = known.get(Facet.DKIM)
    if before is not None and before.status is started.status:
        return ()
    reason = Reason(Cause.STARTED, "The records of the parent's tokens are looked for.", now)
    return of_change(identity, known, started, reason)


def share(
    s: Session, identity: Identity, known: Mapping[Facet, FacetState], now: Instant
) -> tuple[Event, ...]:
    """Store that the replica shares its parent's tokens and keys; return that, if it did not before.

    `known` are the facets as they were.
    """
    shared = FacetState(Facet.REPLICATION, Status.SUCCESS, identity.generation, since=now)
    facets.put(s, identity.id, shared)
    before = known.get(Facet.REPLICATION)
    if before is not None and before.status is shared.status:
        return ()
    return of_change(identity, known, shared, Reason(Cause.PROVED, sentence(None), now))


def wake_replicas(context: OperationContext, s: Session, parents: Sequence[Identity], now: Instant) -> None:
    """Let every replica that names one of these parents be looked at: it is there now, or another one.

    All of them are of one account and region.
    """
    if not parents:
        return
    names = [parent.name for parent in parents]
    waiting = replications.of_parents(s, parents[0].account, parents[0].region, names)
    if waiting:
        checks.bring_forward(s, [each.identity_id for each in waiting], now)
        context.hints.engine()


def replicas_of(s: Session, parent: Identity, since: Instant) -> list[str]:
    """Return the regions of the replicas that have the parent's keys.

    One in another installation has them for as long as it has asked for them since then.
    """
    if parent.token_set_id is None or is_replica(parent):
        return []
    sharing = identities.sharing(s, parent.token_set_id)
    here = [each.region for each in sharing if each.id != parent.id]
    return sorted({*here, *replications.elsewhere(s, parent.id, since)})
