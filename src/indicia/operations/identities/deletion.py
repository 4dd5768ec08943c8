"""Removing identities: v2 DeleteEmailIdentity; v1 DeleteIdentity and DeleteVerifiedEmailAddress."""

from __future__ import annotations

from typing import TYPE_CHECKING

from indicia.domain.events.identity_events import deleted
from indicia.domain.faults import Fault, FaultKind, refuse
from indicia.domain.identities.identity import IdentityKind
from indicia.domain.names import fold, shown
from indicia.operations.dkim.replication import replicas_of
from indicia.operations.dkim.token_sets import abandon
from indicia.operations.identities.certificates import refuse_with_certificates
from indicia.store.identities import identities
from indicia.store.proofs import carried
from indicia.wire.shapes import ses, sesv2

if TYPE_CHECKING:
    from indicia.domain.identities.identity import Identity
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session


def delete_email_identity(
    context: OperationContext, call: Call, request: sesv2.DeleteEmailIdentityRequest, s: Session
) -> sesv2.DeleteEmailIdentityResponse:
    """SES v2 DeleteEmailIdentity: gone with its policies, tags and settings, at once.

    Raises: `Fault` NOT_FOUND `Email identity X does not exist.`; INVALID_PARAMETER while certificates are
    associated with it; CONCURRENT_MODIFICATION when another delete was faster.
    """
    identity = _named(call, request.EmailIdentity, s)
    if identity is None:
        refuse(FaultKind.NOT_FOUND, f"Email identity {shown(request.EmailIdentity)} does not exist.")
    _delete(context, call, s, identity)
    return sesv2.DeleteEmailIdentityResponse()


def delete_identity(
    context: OperationContext, call: Call, request: ses.DeleteIdentityRequest, s: Session
) -> ses.DeleteIdentityResponse:
    """SES v1 DeleteIdentity: gone. A name that is no identity is as good as gone (spec 2.3)."""
    _delete_if_there(context, call, s, _named(call, request.Identity, s))
    return ses.DeleteIdentityResponse()


def delete_verified_email_address(
    context: OperationContext, call: Call, request: ses.DeleteVerifiedEmailAddressRequest, s: Session
) -> None:
    """SES v1 DeleteVerifiedEmailAddress (deprecated): as DeleteIdentity, for addresses only."""
    identity = _named(call, request.EmailAddress, s)
    if identity is not None and identity.kind is IdentityKind.EMAIL_ADDRESS:
        _delete_if_there(context, call, s, identity)


def _named(call: Call, name: str, s: Session) -> Identity | None:
    return identities.get(s, call.account, call.region, fold(name))


def _delete_if_there(context: OperationContext, call: Call, s: Session, identity: Identity | None) -> None:
    if identity is None:
        return
    try:
        _delete(context, call, s, identity)
    except Fault as fault:
        # Somebody else deleted it at this moment: that is what was asked for.
        if fault.kind is not FaultKind.CONCURRENT_MODIFICATION:
            raise


def _delete(context: OperationContext, call: Call, s: Session, identity: Identity) -> None:
    """Remove the identity. Its keys sign no more, and are withdrawn when mail they signed has arrived.

    Raises: `Fault` INVALID_PARAMETER where it has certificates or replicas, CONCURRENT_MODIFICATION where it
    is gone.
    """
    identities.lock(s, identity.id)  # before looking: nobody associates a certificate after that
    refuse_with_certificates(call, identity, s)
    _refuse_with_replicas(context, call, identity, s)
    kept = carried.get(s, identity.id)
    identities.delete(s, identity)
    context.tell(s, [deleted(identity, call.now)])
    left = {identity.token_set_id, None if kept is None else kept.token_set.id} - {None}
    for token_set_id in sorted(each for each in left if each is not None):
        abandon(s, token_set_id, call.now, context.rules.key_pace)


def _refuse_with_replicas(context: OperationContext, call: Call, identity: Identity, s: Session) -> None:
    """A parent stays for as long as replicas have its keys (spec 3.8; the vendor's text is unknown).

    One elsewhere that has not asked for them within the window in which records may be missing is gone.
    """
    regions = replicas_of(s, identity, call.now - context.rules.windows.records)
    if regions:
        where = ", ".join(regions)
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"Email identity {shown(identity.name)} is the parent of replicas in {where}, which sign with its"
            " keys. Delete those first, or give them another origin.",
        )
