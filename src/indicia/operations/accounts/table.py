"""The operations of accounts: what they may send, and who calls."""

from __future__ import annotations

from typing import Final

from indicia.domain.call import Service
from indicia.operations.accounts import account
from indicia.operations.accounts import sts as callers
from indicia.operations.entry import NOTHING, Entry, Handling, Rate, v1, v2
from indicia.wire.shapes import ses, sesv2, sts

ENTRIES: Final = (
    v2(
        "GetAccount",
        sesv2.GetAccountRequest,
        sesv2.GetAccountResponse,
        account.get_account,
        writes=False,
        subject="",
    ),
    v2(
        "PutAccountDetails",
        sesv2.PutAccountDetailsRequest,
        sesv2.PutAccountDetailsResponse,
        account.put_account_details,
        writes=True,
        subject="",
    ),
    v2(
        "PutAccountSendingAttributes",
        sesv2.PutAccountSendingAttributesRequest,
        sesv2.PutAccountSendingAttributesResponse,
        account.put_account_sending_attributes,
        writes=True,
        subject="",
    ),
    v1(
        "GetSendQuota",
        ses.GetSendQuotaRequest,
        ses.GetSendQuotaResponse,
        account.get_send_quota,
        writes=False,
    ),
    v1(
        "GetAccountSendingEnabled",
        ses.GetAccountSendingEnabledRequest,
        ses.GetAccountSendingEnabledResponse,
        account.get_account_sending_enabled,
        writes=False,
    ),
    v1(
        "UpdateAccountSendingEnabled",
        ses.UpdateAccountSendingEnabledRequest,
        NOTHING,
        account.update_account_sending_enabled,
        writes=True,
    ),
    Entry(
        Service.STS,
        "GetCallerIdentity",
        sts.GetCallerIdentityRequest,
        sts.GetCallerIdentityResponse,
        Handling(callers.get_caller_identity),
        writes=False,
        permission="sts:GetCallerIdentity",
        rate=Rate.FREE,
    ),
)
