"""What identities look like, by name: v2 GetEmailIdentity and the v1 attribute calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identities.identity import IdentityKind
from indicia.domain.names import fold, shown
from indicia.domain.proofs.inheritance import covered, covering, switch_of, with_and_without_label
from indicia.domain.proofs.transitions import MAY_SEND, own_status
from indicia.operations.batches import folded
from indicia.operations.dkim.dkim_standing import V1_STATUS, v1_attributes, v2_attributes
from indicia.operations.identities import mail_from
from indicia.operations.proofs.inheritance import above
from indicia.store.dkim import signing_overrides
from indicia.store.identities import identities
from indicia.wire.shapes import ses, sesv2
from indicia.wire.shapes.rules import timestamp, word

if TYPE_CHECKING:
    from indicia.domain.identities.identity import Identity
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session
    from indicia.store.identities.identities import IdentityView


def get_email_identity(
    context: OperationContext, call: Call, request: sesv2.GetEmailIdentityRequest, s: Session
) -> sesv2.GetEmailIdentityResponse:
    """SES v2 GetEmailIdentity: every member of the model that applies.

    Raises: `Fault` NOT_FOUND `Email identity <X> does not exist.`
    """
    view = identities.view(s, call.account, call.region, fold(request.EmailIdentity))
    if view is None:
        refuse(FaultKind.NOT_FOUND, f"Email identity <{shown(request.EmailIdentity)}> does not exist.")
    identity = view.identity
    own = own_status(view.facets)
    # A verified domain needs nobody above it: the common read is one statement.
    alone = identity.kind is IdentityKind.DOMAIN and own in MAY_SEND
    covers = () if alone else above(s, identity)
    return sesv2.GetEmailIdentityResponse(
        IdentityType=word(identity.kind),
        FeedbackForwardingStatus=identity.feedback_forwarding,
        VerifiedForSendingStatus=own in MAY_SEND or covered(covers),
        DkimAttributes=v2_attributes(view, covers, _switch(s, identity)),
        MailFromAttributes=mail_from.v2_attributes(view),
        Policies=view.policies,
        Tags=[sesv2.Tag(Key=key, Value=value) for key, value in view.tags],
        ConfigurationSetName=identity.configuration_set or None,
        VerificationStatus=word(own),
        VerificationInfo=verification_info(view),
    )


def _switch(s: Session, identity: Identity) -> bool | None:
    """Return the DKIM switch that applies to an address, None where none does and for a domain."""
    if identity.kind is IdentityKind.DOMAIN:
        return None
    names = with_and_without_label(identity.name)
    switches = signing_overrides.many(s, identity.account, identity.region, names)
    return switch_of(identity.name, switches.get)


def verification_info(view: IdentityView) -> sesv2.VerificationInfo:
    """Return `VerificationInfo` (spec 5). Empty for an address: MAIL FROM is not reported here."""
    if view.identity.kind is IdentityKind.EMAIL_ADDRESS:
        return sesv2.VerificationInfo()
    checked, succeeded, soa = view.last_checked_at, view.last_success_at, view.soa
    return sesv2.VerificationInfo(
        LastCheckedTimestamp=None if checked is None else timestamp(checked),
        LastSuccessTimestamp=None if succeeded is None else timestamp(succeeded),
        ErrorType=None if view.error is None else word(view.error),
        SOARecord=None
        if soa is None
        else sesv2.SOARecord(PrimaryNameServer=soa.primary, AdminEmail=soa.admin, SerialNumber=soa.serial),
    )


def get_identity_verification_attributes(
    context: OperationContext, call: Call, request: ses.GetIdentityVerificationAttributesRequest, s: Session
) -> ses.GetIdentityVerificationAttributesResponse:
    """SES v1 GetIdentityVerificationAttributes. Unknown identities are left out; keys are as they were asked.

    The token is that of every domain identity, asked for or not; an address has none.

    Raises: `Fault` INVALID_PARAMETER for more than a hundred identities.
    """
    names = folded(request.Identities)
    found = identities.standing_many(s, call.account, call.region, list(set(names.values())))
    return ses.GetIdentityVerificationAttributesResponse(
        VerificationAttributes={
            asked: ses.IdentityVerificationAttributes(
                VerificationStatus=V1_STATUS[own_status(found[name].facets)],
                VerificationToken=found[name].legacy_token or None,
            )
            for asked, name in names.items()
            if name in found
        }
    )


def get_identity_dkim_attributes(
    context: OperationContext, call: Call, request: ses.GetIdentityDkimAttributesRequest, s: Session
) -> ses.GetIdentityDkimAttributesResponse:
    """SES v1 GetIdentityDkimAttributes. An address shows its domain's; unknown identities are left out.

    Raises: `Fault` INVALID_PARAMETER for more than a hundred identities.
    """
    names = folded(request.Identities)
    addresses = {name: covering(IdentityKind.EMAIL_ADDRESS, name) for name in names.values() if "@" in name}
    wanted = {*names.values(), *(cover for covers in addresses.values() for cover in covers)}
    found = identities.view_many(s, call.account, call.region, list(wanted))
    switchable = {spelling for name in addresses for spelling in with_and_without_label(name)}
    switches = signing_overrides.many(s, call.account, call.region, list(switchable))
    return ses.GetIdentityDkimAttributesResponse(
        DkimAttributes={
            asked: v1_attributes(
                found[name],
                tuple(found[cover] for cover in addresses.get(name, ()) if cover in found),
                switch_of(name, switches.get),
            )
            for asked, name in names.items()
            if name in found
        }
    )
