"""What identities look like, by name: v2 GetEmailIdentity and the v1 attribute calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identity import Facet, IdentityKind
from indicia.domain.names import fold, shown
from indicia.domain.verification import MAY_SEND, own_status
from indicia.operations.dkim_standing import V1_STATUS, v1_attributes, v2_attributes
from indicia.operations.inheritance import covered, domains_above, names_above
from indicia.store import identities
from indicia.wire.shapes import ses, sesv2
from indicia.wire.shapes.rules import timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indicia.operations.call import Call
    from indicia.operations.house import House
    from indicia.store.identities import IdentityView
    from indicia.store.session import Session

MOST_IDENTITIES = 100  # spec 6.7


def get_email_identity(
    house: House, call: Call, request: sesv2.GetEmailIdentityRequest, s: Session
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
    above = () if alone else domains_above(s, identity)
    return sesv2.GetEmailIdentityResponse(
        IdentityType=identity.kind.value,
        FeedbackForwardingStatus=identity.feedback_forwarding,
        VerifiedForSendingStatus=own in MAY_SEND or covered(above),
        DkimAttributes=v2_attributes(view, above),
        MailFromAttributes=mail_from(view),
        Policies=view.policies,
        Tags=[sesv2.Tag(Key=key, Value=value) for key, value in view.tags],
        ConfigurationSetName=identity.configuration_set or None,
        VerificationStatus=own.value,
        VerificationInfo=verification_info(view),
    )


def mail_from(view: IdentityView) -> sesv2.MailFromAttributes:
    """Return `MailFromAttributes`: the behaviour alone while no domain is set (spec 3.5)."""
    identity = view.identity
    if not identity.mail_from_domain:
        return sesv2.MailFromAttributes(BehaviorOnMxFailure=identity.mail_from_behavior.value)
    return sesv2.MailFromAttributes(
        MailFromDomain=identity.mail_from_domain,
        MailFromDomainStatus=view.facets[Facet.MAIL_FROM].status.value,
        BehaviorOnMxFailure=identity.mail_from_behavior.value,
    )


def verification_info(view: IdentityView) -> sesv2.VerificationInfo:
    """Return `VerificationInfo` (spec 5). Empty for an address: MAIL FROM is not reported here."""
    if view.identity.kind is IdentityKind.EMAIL_ADDRESS:
        return sesv2.VerificationInfo()
    checked, succeeded, soa = view.last_checked_at, view.last_success_at, view.soa
    return sesv2.VerificationInfo(
        LastCheckedTimestamp=None if checked is None else timestamp(checked),
        LastSuccessTimestamp=None if succeeded is None else timestamp(succeeded),
        ErrorType=None if view.error is None else view.error.value,
        SOARecord=None
        if soa is None
        else sesv2.SOARecord(PrimaryNameServer=soa.primary, AdminEmail=soa.admin, SerialNumber=soa.serial),
    )


def get_identity_verification_attributes(
    house: House, call: Call, request: ses.GetIdentityVerificationAttributesRequest, s: Session
) -> ses.GetIdentityVerificationAttributesResponse:
    """SES v1 GetIdentityVerificationAttributes. Unknown identities are left out; keys are as they were asked.

    The token is that of every domain identity, asked for or not; an address has none.

    Raises: `Fault` INVALID_PARAMETER for more than a hundred identities.
    """
    folded = _folded(request.Identities)
    found = identities.view_many(s, call.account, call.region, list(set(folded.values())))
    return ses.GetIdentityVerificationAttributesResponse(
        VerificationAttributes={
            asked: ses.IdentityVerificationAttributes(
                VerificationStatus=V1_STATUS[own_status(found[name].facets)],
                VerificationToken=found[name].identity.legacy_token or None,
            )
            for asked, name in folded.items()
            if name in found
        }
    )


def get_identity_dkim_attributes(
    house: House, call: Call, request: ses.GetIdentityDkimAttributesRequest, s: Session
) -> ses.GetIdentityDkimAttributesResponse:
    """SES v1 GetIdentityDkimAttributes. An address shows its domain's; unknown identities are left out.

    Raises: `Fault` INVALID_PARAMETER for more than a hundred identities.
    """
    folded = _folded(request.Identities)
    addresses = {
        name: names_above(IdentityKind.EMAIL_ADDRESS, name) for name in folded.values() if "@" in name
    }
    wanted = {*folded.values(), *(domain for domains in addresses.values() for domain in domains)}
    found = identities.view_many(s, call.account, call.region, list(wanted))
    return ses.GetIdentityDkimAttributesResponse(
        DkimAttributes={
            asked: v1_attributes(
                found[name], tuple(found[domain] for domain in addresses.get(name, ()) if domain in found)
            )
            for asked, name in folded.items()
            if name in found
        }
    )


def _folded(asked: Sequence[str]) -> dict[str, str]:
    """Return, for each name as it was asked, the form under which it is stored."""
    if len(asked) > MOST_IDENTITIES:
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"At most {MOST_IDENTITIES} identities can be asked for at once; {len(asked)} were given.",
        )
    return {name: fold(name) for name in asked}
