"""Sending authorization policies of identities: v1 Put, Get, List, Delete; v2 Create, Update, Get, Delete.

What a document must look like is the domain's to say (spec 8.5); here is who may have how many, and where.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NoReturn

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identities.meant import name_meant
from indicia.domain.names import fold, shown
from indicia.domain.policies.document import without_white_space
from indicia.domain.policies.grammar import sending_policy
from indicia.operations.resources import own_identity
from indicia.store.identities import identities
from indicia.store.policies import policies
from indicia.wire.shapes import ses, sesv2

if TYPE_CHECKING:
    from indicia.domain.identities.identity import Identity
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session

MOST_POLICIES: Final = 20  # of an identity, and those that one v1 call retrieves (spec 6.5, 6.7)

_NAME = re.compile(r"[A-Za-z0-9_-]+\Z", re.ASCII)


def put_identity_policy(
    context: OperationContext, call: Call, request: ses.PutIdentityPolicyRequest, s: Session
) -> ses.PutIdentityPolicyResponse:
    """SES v1 PutIdentityPolicy: the identity, verified or not, has the policy, over one of that name.

    Raises: `Fault` INVALID_PARAMETER for the name, an identity that is missing, and the twenty-first policy;
    INVALID_POLICY for the document.
    """
    _check_name(request.PolicyName)
    name = name_meant(request.Identity, call.account, call.region)
    if not name:
        _refuse_missing_identity()
    document = _document(call, name, request.Policy)
    identity = identities.get(s, call.account, call.region, name)
    if identity is None or not identities.lock(s, identity.id):
        _refuse_missing_identity()
    present = policies.of(s, identity.id)
    if request.PolicyName not in present and len(present) >= MOST_POLICIES:
        refuse(FaultKind.INVALID_PARAMETER, _too_many(request.Identity))
    policies.put(s, identity.id, request.PolicyName, document, call.now)
    return ses.PutIdentityPolicyResponse()


def get_identity_policies(
    context: OperationContext, call: Call, request: ses.GetIdentityPoliciesRequest, s: Session
) -> ses.GetIdentityPoliciesResponse:
    """SES v1 GetIdentityPolicies: the named ones there are. An identity that is missing has none.

    Raises: `Fault` INVALID_PARAMETER for more than twenty names.
    """
    wanted = list(dict.fromkeys(request.PolicyNames))
    if len(wanted) > MOST_POLICIES:
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"At most {MOST_POLICIES} policies can be retrieved at once; {len(wanted)} were named.",
        )
    identity = _named(call, request.Identity, s)
    # What cannot be the name of a policy is not looked for: the store takes no NUL.
    wanted = [name for name in wanted if _NAME.match(name)]
    found = {} if identity is None else policies.of(s, identity.id, wanted)
    return ses.GetIdentityPoliciesResponse(Policies=found)


def list_identity_policies(
    context: OperationContext, call: Call, request: ses.ListIdentityPoliciesRequest, s: Session
) -> ses.ListIdentityPoliciesResponse:
    """SES v1 ListIdentityPolicies: the names, in order. An identity that is missing has none."""
    identity = _named(call, request.Identity, s)
    return ses.ListIdentityPoliciesResponse(
        PolicyNames=[] if identity is None else list(policies.of(s, identity.id))
    )


def delete_identity_policy(
    context: OperationContext, call: Call, request: ses.DeleteIdentityPolicyRequest, s: Session
) -> ses.DeleteIdentityPolicyResponse:
    """SES v1 DeleteIdentityPolicy: the identity has no policy of that name, as it may not have had before."""
    identity = _named(call, request.Identity, s)
    if identity is not None and _NAME.match(request.PolicyName):
        policies.delete(s, identity.id, request.PolicyName)
    return ses.DeleteIdentityPolicyResponse()


def create_email_identity_policy(
    context: OperationContext, call: Call, request: sesv2.CreateEmailIdentityPolicyRequest, s: Session
) -> sesv2.CreateEmailIdentityPolicyResponse:
    """SES v2 CreateEmailIdentityPolicy: the identity, verified or not, has one policy more.

    Raises: `Fault` NOT_FOUND, INVALID_PARAMETER for the name, INVALID_POLICY for the document,
    ALREADY_EXISTS, LIMIT_EXCEEDED.
    """
    identity = _held(call, request.EmailIdentity, s)
    _check_name(request.PolicyName)
    document = _document(call, identity.name, request.Policy)
    present = policies.of(s, identity.id)
    if request.PolicyName in present:
        refuse(FaultKind.ALREADY_EXISTS, f"Policy <{request.PolicyName}> already exists")
    if len(present) >= MOST_POLICIES:
        refuse(FaultKind.LIMIT_EXCEEDED, _too_many(request.EmailIdentity))
    policies.put(s, identity.id, request.PolicyName, document, call.now)
    return sesv2.CreateEmailIdentityPolicyResponse()


def update_email_identity_policy(
    context: OperationContext, call: Call, request: sesv2.UpdateEmailIdentityPolicyRequest, s: Session
) -> sesv2.UpdateEmailIdentityPolicyResponse:
    """SES v2 UpdateEmailIdentityPolicy: the policy of that name is another one.

    Raises: `Fault` NOT_FOUND for the identity and for the policy, whatever the service model says (spec 2.2);
    INVALID_PARAMETER, INVALID_POLICY.
    """
    identity = _held(call, request.EmailIdentity, s)
    _check_name(request.PolicyName)
    document = _document(call, identity.name, request.Policy)
    if request.PolicyName not in policies.of(s, identity.id, [request.PolicyName]):
        _refuse_missing(request.PolicyName)
    policies.put(s, identity.id, request.PolicyName, document, call.now)
    return sesv2.UpdateEmailIdentityPolicyResponse()


def delete_email_identity_policy(
    context: OperationContext, call: Call, request: sesv2.DeleteEmailIdentityPolicyRequest, s: Session
) -> sesv2.DeleteEmailIdentityPolicyResponse:
    """SES v2 DeleteEmailIdentityPolicy: the identity has one policy less.

    Raises: `Fault` NOT_FOUND for the identity and for the policy, as for Update.
    """
    identity = _held(call, request.EmailIdentity, s)
    if not _NAME.match(request.PolicyName) or not policies.delete(s, identity.id, request.PolicyName):
        _refuse_missing(request.PolicyName)
    return sesv2.DeleteEmailIdentityPolicyResponse()


def get_email_identity_policies(
    context: OperationContext, call: Call, request: sesv2.GetEmailIdentityPoliciesRequest, s: Session
) -> sesv2.GetEmailIdentityPoliciesResponse:
    """SES v2 GetEmailIdentityPolicies: every policy of the identity, in the order of their names.

    Raises: `Fault` NOT_FOUND.
    """
    identity = identities.get(s, call.account, call.region, fold(request.EmailIdentity))
    if identity is None:
        _refuse_unknown(request.EmailIdentity)
    return sesv2.GetEmailIdentityPoliciesResponse(Policies=policies.of(s, identity.id))


def _named(call: Call, text: str, s: Session) -> Identity | None:
    """Return the identity that a name or an ARN means (spec 11.3), None when there is none."""
    name = name_meant(text, call.account, call.region)
    return identities.get(s, call.account, call.region, name) if name else None


def _held(call: Call, name: str, s: Session) -> Identity:
    """Return the identity, of which nobody else changes the policies until this call is done.

    Raises: `Fault` NOT_FOUND `Email identity <X> does not exist.`
    """
    identity = identities.get(s, call.account, call.region, fold(name))
    if identity is None or not identities.lock(s, identity.id):
        _refuse_unknown(name)
    return identity


def _check_name(name: str) -> None:
    if not _NAME.match(name):
        refuse(
            FaultKind.INVALID_PARAMETER,
            "PolicyName is invalid. Policy names must only include alpha-numeric characters, dashes, and"
            " underscores.",
        )


def _document(call: Call, name: str, text: str) -> str:
    """Return the document as it is stored and shown, once it has passed every gate."""
    sending_policy(text, own_identity(call, name))
    return without_white_space(text)


def _too_many(identity: str) -> str:
    return f"Number of policies for <{shown(identity)}> exceeds max allowed number of policies per resource"


def _refuse_missing_identity() -> NoReturn:
    # The vendor's text for an identity that is missing, whatever it says of verification.
    refuse(FaultKind.INVALID_PARAMETER, "Invalid identity. Must be a verified email address or domain.")


def _refuse_unknown(name: str) -> NoReturn:
    refuse(FaultKind.NOT_FOUND, f"Email identity <{shown(name)}> does not exist.")


def _refuse_missing(name: str) -> NoReturn:
    refuse(FaultKind.NOT_FOUND, f"Policy <{shown(name)}> does not exist")
