"""The operations of verification: asking for a proof, by mail in own words too, and for a look at it."""

from __future__ import annotations

from typing import Final

from indicia.domain.identities.resources import ResourceKind
from indicia.operations.entry import NOTHING, Rate, always, looked_up, prepared, v1, v2
from indicia.operations.own.declaration import IDENTITY, own
from indicia.operations.own.route import OwnRoute
from indicia.operations.verification import checking, custom_verification, history, verifying
from indicia.wire.shapes import ses, sesv2

_TEMPLATE: Final = ResourceKind.VERIFICATION_TEMPLATE.value

ENTRIES: Final = (
    v1(
        "VerifyDomainIdentity",
        ses.VerifyDomainIdentityRequest,
        ses.VerifyDomainIdentityResponse,
        verifying.verify_domain_identity,
        writes=True,
        subject="Domain",
    ),
    v1(
        "VerifyDomainDkim",
        ses.VerifyDomainDkimRequest,
        ses.VerifyDomainDkimResponse,
        verifying.verify_domain_dkim,
        writes=True,
        subject="Domain",
    ),
    v1(
        "VerifyEmailIdentity",
        ses.VerifyEmailIdentityRequest,
        ses.VerifyEmailIdentityResponse,
        prepared(verifying.verify_email_identity, verifying.prepare_address, mails=always),
        writes=True,
        subject="EmailAddress",
    ),
    v1(
        "VerifyEmailAddress",
        ses.VerifyEmailAddressRequest,
        NOTHING,
        prepared(verifying.verify_email_address, verifying.prepare_address, mails=always),
        writes=True,
        subject="EmailAddress",
    ),
    v2(
        "SendCustomVerificationEmail",
        sesv2.SendCustomVerificationEmailRequest,
        sesv2.SendCustomVerificationEmailResponse,
        looked_up(
            custom_verification.send_custom_verification_email_v2,
            custom_verification.look_v2,
            custom_verification.prepare,
            slow=custom_verification.is_slow,
            mails=always,
        ),
        writes=True,
        subject="TemplateName",
        about=_TEMPLATE,
    ),
    v1(
        "SendCustomVerificationEmail",
        ses.SendCustomVerificationEmailRequest,
        ses.SendCustomVerificationEmailResponse,
        looked_up(
            custom_verification.send_custom_verification_email_v1,
            custom_verification.look_v1,
            custom_verification.prepare,
            slow=custom_verification.is_slow,
            mails=always,
        ),
        writes=True,
        subject="TemplateName",
        about=_TEMPLATE,
    ),
    own(
        OwnRoute(
            "POST",
            f"{IDENTITY}/check",
            "CheckIdentity",
            checking.CheckRequest,
            checking.CheckResponse,
            "Makes the identity due at once.",
            status=202,
        ),
        checking.check_identity,
        writes=True,
        rate=Rate.CHECK,
    ),
    own(
        OwnRoute(
            "GET",
            f"{IDENTITY}/history",
            "GetIdentityHistory",
            history.HistoryRequest,
            history.HistoryResponse,
            "The stored verdicts, newest first, with their evidence.",
        ),
        history.get_history,
        writes=False,
    ),
)
