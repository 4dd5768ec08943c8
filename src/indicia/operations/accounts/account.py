"""The account in a region, v1 and v2: what it may send, whether it does, and asking to be let out.

Production access and the switch for sending belong to an account in a region. A request for production access
is decided by the operator: `indicia account approve|deny`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import msgspec

from indicia.domain.accounts.account import SANDBOX_QUOTA, Quota, ReviewStatus
from indicia.domain.faults import FaultKind, refuse
from indicia.domain.verification_mail.redirects import is_redirect
from indicia.operations.configuration_sets.configuration_sets import SUPPRESSION_REASONS
from indicia.store.accounts import access, account_regions
from indicia.store.accounts.account_regions import AccountRegion, Review
from indicia.wire.shapes import ses, sesv2

if TYPE_CHECKING:
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session

HEALTHY: Final = "HEALTHY"  # SES v2 EnforcementStatus: nobody here puts an account on probation
_CASE_OCTETS: Final = 5


class Details(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What people said about what they send, as it is kept."""

    mail_type: str
    website: str
    language: str | None = None
    use_case: str | None = None
    contacts: list[str] | None = None

    def __repr__(self) -> str:
        """Show nothing: the service model marks all of it sensitive."""
        return "Details(...)"


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Details)


@dataclass(frozen=True, slots=True)
class AccountStanding:
    """What the account may do in a region at this moment."""

    production_access: bool
    sending_enabled: bool
    quota: Quota
    stored: AccountRegion


def standing(context: OperationContext, call: Call, s: Session) -> AccountStanding:
    """Return what the account of the call may do in its region."""
    stored = account_regions.get(s, call.account, call.region)
    account = access.get_account(s, call.account)
    # A sandbox takes whatever account a caller names: one that nobody made is as one that is made now.
    granted = context.rules.production_access if account is None else account.production_access
    if stored.production_access is not None:
        granted = stored.production_access
    enabled = stored.sending_enabled and (account is None or account.sending_enabled)
    return AccountStanding(granted, enabled, context.rules.quota if granted else SANDBOX_QUOTA, stored)


def get_account(
    context: OperationContext, call: Call, request: sesv2.GetAccountRequest, s: Session
) -> sesv2.GetAccountResponse:
    """SES v2 GetAccount. Details are there once somebody gave some.

    The reasons for suppression are those that accounts begin with (SES guide, suppression list).
    """
    seen = standing(context, call, s)
    return sesv2.GetAccountResponse(
        DedicatedIpAutoWarmupEnabled=False,
        EnforcementStatus=HEALTHY,
        ProductionAccessEnabled=seen.production_access,
        SendQuota=sesv2.SendQuota(
            Max24HourSend=seen.quota.per_day, MaxSendRate=seen.quota.per_second, SentLast24Hours=0.0
        ),
        SendingEnabled=seen.sending_enabled,
        SuppressionAttributes=sesv2.SuppressionAttributes(SuppressedReasons=list(SUPPRESSION_REASONS)),
        Details=_details(seen.stored),
    )


def _details(stored: AccountRegion) -> sesv2.AccountDetails | None:
    if stored.details is None:
        return None
    details, review = _decoder.decode(stored.details), stored.review
    return sesv2.AccountDetails(
        MailType=details.mail_type,
        WebsiteURL=details.website,
        ContactLanguage=details.language,
        UseCaseDescription=details.use_case,
        AdditionalContactEmailAddresses=details.contacts,
        ReviewDetails=None
        if review is None
        else sesv2.ReviewDetails(Status=review.status.value, CaseId=review.case),
    )


def put_account_details(
    context: OperationContext, call: Call, request: sesv2.PutAccountDetailsRequest, s: Session
) -> sesv2.PutAccountDetailsResponse:
    """SES v2 PutAccountDetails: kept, and the operator asked where production access is wanted and missing.

    Raises: `Fault` INVALID_PARAMETER for what is no URL, CONFLICT while a review is open.
    """
    if not is_redirect(request.WebsiteURL):
        refuse(FaultKind.INVALID_PARAMETER, "Url contains invalid format")
    stored = account_regions.hold(s, call.account, call.region)
    if stored.review is not None and stored.review.status is ReviewStatus.PENDING:
        refuse(
            FaultKind.CONFLICT,
            f"The review {stored.review.case} of this account is still open. Its details can be changed when"
            " it is decided.",
        )
    details = Details(
        mail_type=request.MailType,
        website=request.WebsiteURL,
        language=request.ContactLanguage,
        use_case=request.UseCaseDescription,
        contacts=request.AdditionalContactEmailAddresses,
    )
    review = stored.review
    if request.ProductionAccessEnabled:
        granted = standing(context, call, s).production_access
        case = str(int.from_bytes(context.ports.random(_CASE_OCTETS), "big") + 10**12)
        review = Review(ReviewStatus.GRANTED if granted else ReviewStatus.PENDING, case, call.now)
    account_regions.put(s, replace(stored, details=_encoder.encode(details).decode(), review=review))
    return sesv2.PutAccountDetailsResponse()


def put_account_sending_attributes(
    context: OperationContext, call: Call, request: sesv2.PutAccountSendingAttributesRequest, s: Session
) -> sesv2.PutAccountSendingAttributesResponse:
    """SES v2 PutAccountSendingAttributes: mail leaves, or is refused. Not given is false (spec 7.6)."""
    _switch(call, s, enabled=bool(request.SendingEnabled))
    return sesv2.PutAccountSendingAttributesResponse()


def update_account_sending_enabled(
    context: OperationContext, call: Call, request: ses.UpdateAccountSendingEnabledRequest, s: Session
) -> None:
    """SES v1 UpdateAccountSendingEnabled: mail leaves, or is refused. Not given is false."""
    _switch(call, s, enabled=bool(request.Enabled))


def _switch(call: Call, s: Session, *, enabled: bool) -> None:
    stored = account_regions.hold(s, call.account, call.region)
    account_regions.put(s, replace(stored, sending_enabled=enabled))


def get_account_sending_enabled(
    context: OperationContext, call: Call, request: ses.GetAccountSendingEnabledRequest, s: Session
) -> ses.GetAccountSendingEnabledResponse:
    """SES v1 GetAccountSendingEnabled."""
    return ses.GetAccountSendingEnabledResponse(Enabled=standing(context, call, s).sending_enabled)


def get_send_quota(
    context: OperationContext, call: Call, request: ses.GetSendQuotaRequest, s: Session
) -> ses.GetSendQuotaResponse:
    """SES v1 GetSendQuota: 200 a day and one a second without production access (recorded)."""
    quota = standing(context, call, s).quota
    return ses.GetSendQuotaResponse(
        Max24HourSend=quota.per_day, MaxSendRate=quota.per_second, SentLast24Hours=0.0
    )
