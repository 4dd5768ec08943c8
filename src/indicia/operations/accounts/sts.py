"""STS GetCallerIdentity: who is calling, as the signature has shown."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from indicia.wire.shapes import sts

if TYPE_CHECKING:
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session


def get_caller_identity(
    context: OperationContext, call: Call, request: sts.GetCallerIdentityRequest, s: Session
) -> sts.GetCallerIdentityResponse:
    """Return account, ARN and a stable user id: the account for its root, `AIDA...` for a user."""
    return sts.GetCallerIdentityResponse(UserId=_user_id(call), Account=call.account, Arn=call.principal)


def _user_id(call: Call) -> str:
    if call.principal.endswith(":root"):
        return call.account
    # IAM: `AIDA` and 17 of A-Z2-7 names a user. Users have no row of their own here, so it is derived.
    digest = hashlib.sha256(call.principal.encode()).digest()
    return "AIDA" + base64.b32encode(digest).decode("ascii")[:17]
