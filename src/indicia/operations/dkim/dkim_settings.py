"""How an identity is signed: the switch (v1 and v2), the method, the key and its length (v2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from indicia.domain.dkim.key_length import check_change, earliest_change
from indicia.domain.dkim.replication import origin_of
from indicia.domain.faults import Fault, FaultKind, refuse
from indicia.domain.identities.identity import Facet, IdentityKind, Status, TokenSet, TokenSetKind
from indicia.domain.names import fold, parse_address, parse_domain, shown
from indicia.domain.proofs.inheritance import keys_of
from indicia.domain.records.publishable import dkim_to_be, refuse_unpublishable
from indicia.domain.time import rfc3339
from indicia.operations.dkim.dkim_standing import dkim_status
from indicia.operations.dkim.replication import begin_replica, seek, wake_replicas
from indicia.operations.dkim.signing_choice import (
    EasyDkim,
    OwnDkim,
    Replica,
    SigningChoice,
    carries_key,
    own_selector,
    parse_choice,
)
from indicia.operations.dkim.token_sets import abandon, change_length, issue
from indicia.operations.proofs.carrying import carry_on
from indicia.operations.proofs.inheritance import views_above
from indicia.operations.proofs.starting import begin, look_anew
from indicia.store.dkim import replications, rotation, signing_overrides
from indicia.store.identities import identities
from indicia.store.proofs import facets
from indicia.wire.shapes import ses, sesv2

if TYPE_CHECKING:
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session
    from indicia.store.identities.identities import IdentityView


def put_dkim_attributes(
    context: OperationContext, call: Call, request: sesv2.PutEmailIdentityDkimAttributesRequest, s: Session
) -> sesv2.PutEmailIdentityDkimAttributesResponse:
    """SES v2 PutEmailIdentityDkimAttributes: signing is on or off. The status of DKIM is not touched.

    Raises: `Fault` INVALID_PARAMETER `Domain D is not verified for DKIM signing.`, for a missing identity
    too; CONCURRENT_MODIFICATION.
    """
    _switch(call, request.EmailIdentity, s, enabled=request.SigningEnabled)
    return sesv2.PutEmailIdentityDkimAttributesResponse()


def set_dkim_enabled(
    context: OperationContext, call: Call, request: ses.SetIdentityDkimEnabledRequest, s: Session
) -> ses.SetIdentityDkimEnabledResponse:
    """SES v1 SetIdentityDkimEnabled: as PutEmailIdentityDkimAttributes.

    Raises: `Fault` INVALID_PARAMETER `Domain D is not verified for DKIM signing.`
    """
    _switch(call, request.Identity, s, enabled=request.DkimEnabled)
    return ses.SetIdentityDkimEnabledResponse()


def _switch(call: Call, asked: str, s: Session, *, enabled: bool) -> None:
    """Signing of a domain is on or off; or that of one address, whatever its domain does (spec 3.7).

    The address need not be an identity, as long as DKIM is set up for a domain above it (probed).
    """
    if "@" in asked:
        address = _signed_address(call, asked, s)
        if address is not None:
            signing_overrides.put(s, call.account, call.region, address, enabled=enabled)
            return
    identity = identities.get(s, call.account, call.region, fold(asked))
    if identity is None or identity.kind is IdentityKind.EMAIL_ADDRESS or identity.token_set_id is None:
        domain = asked.rpartition("@")[2]
        refuse(FaultKind.INVALID_PARAMETER, f"Domain {shown(domain)} is not verified for DKIM signing.")
    if identity.signing_enabled != enabled:
        identities.update(s, replace(identity, signing_enabled=enabled), identity.version)


def _signed_address(call: Call, asked: str, s: Session) -> str | None:
    """Return the address, None where it is none or its mail is signed by nobody's keys."""
    try:
        address = parse_address(asked).text
    except Fault:
        return None
    above = views_above(s, call.account, call.region, IdentityKind.EMAIL_ADDRESS, address)
    return None if keys_of(above) is None else address


@dataclass(frozen=True, slots=True)
class SigningChange:
    """Which identity is to be signed in which way. `asked` is the name as the caller wrote it."""

    name: str
    asked: str
    choice: SigningChoice


def is_slow(request: sesv2.PutEmailIdentityDkimSigningAttributesRequest) -> bool:
    """Say whether preparing it takes the time that checking an uploaded key takes."""
    return carries_key(request.SigningAttributes)


def prepare_signing(
    context: OperationContext, call: Call, request: sesv2.PutEmailIdentityDkimSigningAttributesRequest
) -> SigningChange:
    """Return the change that is asked for.

    Raises: `Fault` INVALID_PARAMETER `The EmailIdentity value must be a valid domain.`, or for members that
    do not go together, or that take a record that the DNS cannot hold.
    """
    try:
        name = parse_domain(request.EmailIdentity).text
    except Fault:
        refuse(FaultKind.INVALID_PARAMETER, "The EmailIdentity value must be a valid domain.")
    attributes = request.SigningAttributes
    if attributes is not None and attributes.DomainSigningAttributesOrigin is not None:
        # SES v2, DkimSigningAttributes: this member is for CreateEmailIdentity only.
        refuse(
            FaultKind.INVALID_PARAMETER,
            "DomainSigningAttributesOrigin is for CreateEmailIdentity; use SigningAttributesOrigin here.",
        )
    choice = parse_choice(attributes, request.SigningAttributesOrigin)
    refuse_unpublishable(dkim_to_be(name, context.rules.signing_zone, own_selector(choice)))
    return SigningChange(name, request.EmailIdentity, choice)


def put_dkim_signing_attributes(
    context: OperationContext, call: Call, request: SigningChange, s: Session
) -> sesv2.PutEmailIdentityDkimSigningAttributesResponse:
    """SES v2 PutEmailIdentityDkimSigningAttributes: another method, another key, or a start anew (spec 3.4).

    A change of method or of an uploaded key issues a new token set; a change of the key length keeps the
    tokens. Either puts the DKIM status to PENDING, and an identity that was verified stays so meanwhile. What
    is put again as it is changes nothing, unless its search has failed: then that begins anew.

    Raises: `Fault` NOT_FOUND, INVALID_PARAMETER, CONCURRENT_MODIFICATION.
    """
    view = identities.view(s, call.account, call.region, request.name)
    if view is None:
        refuse(FaultKind.NOT_FOUND, f"Email identity <{shown(request.asked)}> does not exist.")
    choice, token_set = request.choice, view.token_set
    if isinstance(choice, Replica):
        return _become_replica(context, call, s, view, choice)
    easy = view.identity.origin == TokenSetKind.EASY.value and token_set is not None
    if isinstance(choice, EasyDkim) and easy:
        return _stay_easy(context, call, s, view, choice)
    if isinstance(choice, OwnDkim) and _has_own_key(view, choice):
        return _stay(context, call, s, view)
    length = view.identity.next_key_length
    issued = issue(context, call, s, choice, domain=request.name, default_length=length)
    status = _restart(context, call, s, view, issued, origin=issued.kind.value)
    _leave(context, call, s, token_set)
    return _answer(issued, status)


def _become_replica(
    context: OperationContext, call: Call, s: Session, view: IdentityView, choice: Replica
) -> sesv2.PutEmailIdentityDkimSigningAttributesResponse:
    """The keys are to be the parent's; nothing is to do where they are, or are waited for."""
    identity = view.identity
    origin = origin_of(choice.region)
    waiting = view.facets.get(Facet.REPLICATION)
    standing = waiting is not None and waiting.status is not Status.FAILED
    if identity.origin == origin and standing and dkim_status(view) is not Status.FAILED:
        return _answer(view.token_set, dkim_status(view))
    sought = seek(s, call, identity.id, identity.name, choice.region, served=context.rules.regions)
    status = _restart(context, call, s, view, sought.token_set, origin=origin)
    changed = identities.by_id(s, identity.id)
    assert changed is not None
    begin_replica(context, call, s, changed, sought.wish)
    _leave(context, call, s, view.token_set)
    return _answer(sought.token_set, status)


def _leave(context: OperationContext, call: Call, s: Session, token_set: TokenSet | None) -> None:
    if token_set is not None:
        abandon(s, token_set.id, call.now, context.rules.key_pace)


def _stay_easy(
    context: OperationContext, call: Call, s: Session, view: IdentityView, choice: EasyDkim
) -> sesv2.PutEmailIdentityDkimSigningAttributesResponse:
    """Easy DKIM stays: the length changes, a search that failed starts anew, or nothing is to do."""
    token_set = view.token_set
    assert token_set is not None
    configured = token_set.wanted_length or view.identity.next_key_length
    wanted = choice.key_length
    if wanted is None or (wanted is configured and _has_failed(view)):
        return _stay(context, call, s, view)
    stored = rotation.read(s, token_set.id)
    assert stored is not None
    check_change(
        configured,
        wanted,
        chosen_at=stored.length_chosen_at,
        now=call.now,
        shown_as=rfc3339(earliest_change(wanted, stored.length_chosen_at)),
    )
    changed = replace(token_set, wanted_length=wanted)
    status = _restart(context, call, s, view, changed, origin=view.identity.origin)
    return _answer(change_length(context, call, s, token_set, wanted), status)


def _has_own_key(view: IdentityView, choice: OwnDkim) -> bool:
    """Say whether the identity is signed with this key already, under this selector in any case of letters.

    A selector is part of a domain name (RFC 6376 §3.1), and a public half belongs to one private half.
    """
    token_set = view.token_set
    if token_set is None or view.identity.origin != TokenSetKind.EXTERNAL.value:
        return False
    (selector,) = token_set.tokens
    return selector.lower() == choice.selector.lower() and token_set.public_key == choice.pair.public_key


def _stay(
    context: OperationContext, call: Call, s: Session, view: IdentityView
) -> sesv2.PutEmailIdentityDkimSigningAttributesResponse:
    """What is there stays; a search for it that has failed begins anew."""
    status = dkim_status(view)
    if _has_failed(view):
        status = _restart(context, call, s, view, view.token_set, origin=view.identity.origin)
    return _answer(view.token_set, status)


def _has_failed(view: IdentityView) -> bool:
    return dkim_status(view) in (Status.FAILED, Status.NOT_STARTED)


def _restart(
    context: OperationContext,
    call: Call,
    s: Session,
    view: IdentityView,
    token_set: TokenSet | None,
    *,
    origin: str,
) -> Status:
    """Store what is to be published now and begin to look for it. Return the status of that.

    There is nothing to be published while a replica waits for its parent.
    """
    identity = view.identity
    length = token_set.wanted_length if token_set else None
    changed = replace(
        identity,
        generation=identity.generation + 1,
        token_set_id=token_set.id if token_set else None,
        origin=origin,
        next_key_length=length or identity.next_key_length,
    )
    stored = identities.update(s, changed, identity.version)
    known = carry_on(s, identity)
    if Facet.REPLICATION in known:
        replications.remove(s, identity.id)
        facets.remove(s, identity.id, Facet.REPLICATION)
    state = begin(context, call, s, stored, Facet.DKIM, known=known)
    look_anew(context, call, s, stored)
    wake_replicas(context, s, (stored,), call.now)
    return state.status


def _answer(
    token_set: TokenSet | None, status: Status
) -> sesv2.PutEmailIdentityDkimSigningAttributesResponse:
    return sesv2.PutEmailIdentityDkimSigningAttributesResponse(
        DkimStatus=status.value,
        DkimTokens=list(token_set.tokens) if token_set else [],
        SigningHostedZone=(token_set.zone or None) if token_set else None,
    )
