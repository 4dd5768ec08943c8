"""Whether bounces and complaints are mailed to the sender: v2 and v1 (spec 9.6)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identities.notifications import heard_otherwise
from indicia.domain.names import fold, shown
from indicia.store.identities import identities, notifications
from indicia.wire.shapes import ses, sesv2

if TYPE_CHECKING:
    from indicia.domain.identities.identity import Identity
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session


def put_feedback_attributes(
    context: OperationContext,
    call: Call,
    request: sesv2.PutEmailIdentityFeedbackAttributesRequest,
    s: Session,
) -> sesv2.PutEmailIdentityFeedbackAttributesResponse:
    """SES v2 PutEmailIdentityFeedbackAttributes: on or off; absent is off.

    Off needs no other mechanism here: where there is none, the mail is sent all the same (spec 9.6).

    Raises: `Fault` INVALID_PARAMETER for a missing identity (not NOT_FOUND: probed); CONCURRENT_MODIFICATION.
    """
    _forward(s, _found(call, request.EmailIdentity, s), enabled=request.EmailForwardingEnabled)
    return sesv2.PutEmailIdentityFeedbackAttributesResponse()


def set_feedback_forwarding_enabled(
    context: OperationContext,
    call: Call,
    request: ses.SetIdentityFeedbackForwardingEnabledRequest,
    s: Session,
) -> ses.SetIdentityFeedbackForwardingEnabledResponse:
    """SES v1 SetIdentityFeedbackForwardingEnabled: off only where topics hear of bounces and complaints both.

    Raises: `Fault` INVALID_PARAMETER.
    """
    identity = _found(call, request.Identity, s)
    if not request.ForwardingEnabled and not heard_otherwise(notifications.of(s, identity.id)):
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"Feedback forwarding of identity {shown(request.Identity)} can be disabled only when Amazon SNS"
            " topics are set for both Bounce and Complaint notifications.",
        )
    _forward(s, identity, enabled=request.ForwardingEnabled)
    return ses.SetIdentityFeedbackForwardingEnabledResponse()


def _found(call: Call, asked: str, s: Session) -> Identity:
    identity = identities.get(s, call.account, call.region, fold(asked))
    if identity is None:
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"Identity {shown(asked)} is invalid. Must be a verified email address or domain.",
        )
    return identity


def _forward(s: Session, identity: Identity, *, enabled: bool) -> None:
    if identity.feedback_forwarding != enabled:
        identities.update(s, replace(identity, feedback_forwarding=enabled), identity.version)
