"""The operations of verification: asking for a proof, and for a look at it."""

from __future__ import annotations

from typing import Final

from indicia.operations.entry import NOTHING, Rate, always, prepared, v1
from indicia.operations.own.declaration import IDENTITY, own
from indicia.operations.own.route import OwnRoute
from indicia.operations.verification import checking, history, verifying
from indicia.wire.shapes import ses

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
