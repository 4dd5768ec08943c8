"""Beginning a proof: its facet, its due time, its mail, all in the caller's transaction.

Every proof is begun here and nowhere else, by `begin`. Where verification is instant (for suites that expect
a mock) nothing is asked for: what is begun is proved, no mail is sent, and nothing is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from indicia.domain.events.identity_events import Event, Reason, of_change
from indicia.domain.identities.identity import (
    Facet,
    FacetState,
    Identity,
    Status,
)
from indicia.domain.proofs.transitions import Cause, start
from indicia.operations.verification_mail.verification_mail import (
    CustomMail,
    LinkMail,
    issue_link,
    write_mail,
)
from indicia.store.engine.sharding import shard_of
from indicia.store.proofs import carried, facets
from indicia.store.verification import checks

if TYPE_CHECKING:
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session


def begin(
    context: OperationContext,
    call: Call,
    s: Session,
    identity: Identity,
    facet: Facet,
    *,
    known: Mapping[Facet, FacetState] = MappingProxyType({}),
) -> FacetState:
    """Return the facet as it is stored now: PENDING, its window ahead, for the identity's present generation.

    It is SUCCESS where verification is instant. `known` are the facets as they were, none of a new identity;
    before DKIM is begun anew comes `carry_on`.
    """
    state, events = begun(context, call, identity, facet, known=known)
    if context.rules.instant and facet is Facet.DKIM and Facet.CARRIED_DKIM in known:
        carried.end(s, [identity.id], call.now)
    facets.put(s, identity.id, state)
    context.tell(s, events)
    return state


def begun(
    context: OperationContext,
    call: Call,
    identity: Identity,
    facet: Facet,
    *,
    known: Mapping[Facet, FacetState] = MappingProxyType({}),
) -> tuple[FacetState, tuple[Event, ...]]:
    """Return the facet as `begin` stores it, and what is to be told of it."""
    window = context.rules.windows.link if facet is Facet.LINK else context.rules.windows.records
    if context.rules.instant:
        state = FacetState(facet, Status.SUCCESS, identity.generation, since=call.now)
    else:
        state = start(facet, identity.generation, call.now, window)
    seen = (
        "Verification is instant here: nothing was looked at."
        if context.rules.instant
        else "A caller asked for it."
    )
    return state, of_change(identity, known, state, Reason(Cause.STARTED, seen, call.now))


def link_mail(
    context: OperationContext, call: Call, name: str, custom: CustomMail | None = None
) -> LinkMail | None:
    """Return the mail with which the address is proved, None where nothing is asked for its proof.

    It is in `custom` words where there are some. To be made before the transaction of the call.

    Raises: `Fault` INVALID_PARAMETER when no mail can be addressed to the name.
    """
    if context.rules.instant:
        return None
    return write_mail(
        context.ports.mails, name, account=call.account, region=call.region, now=call.now, custom=custom
    )


def send_link(context: OperationContext, s: Session, identity: Identity, mail: LinkMail | None) -> None:
    """Put the mail with its new link into the outbox, where there is one; earlier links of the address end.

    Raises: `Fault` LIMIT_EXCEEDED where its mailbox, its domain or the account had too many mails,
    INVALID_PARAMETER where its reader wants none.
    """
    if mail is not None:
        issue_link(s, identity, mail, context.ports.mails.caps)
        context.hints.outbox()


def look_now(context: OperationContext, call: Call, s: Session, identity: Identity) -> None:
    """Make a new identity due at this moment, with the shortest interval ahead; never where it is instant."""
    due_at = None if context.rules.instant else call.now
    checks.schedule(s, identity.id, shard_of(identity.name), due_at, interval=context.rules.first_check)
    if not context.rules.instant:
        context.hints.engine()


def look_anew(context: OperationContext, call: Call, s: Session, identity: Identity) -> None:
    """Make an identity due of which something was begun anew; as `look_now`, where it is instant.

    A check that is running goes on: what it finds of everything else counts (`checks.begin_anew`).
    """
    if context.rules.instant:
        look_now(context, call, s, identity)
        return
    checks.begin_anew(s, identity.id, call.now, interval=context.rules.first_check)
    context.hints.engine()
