"""The operations of policies: who may send as whom."""

from __future__ import annotations

from typing import Final

from indicia.operations.entry import finished, v1, v2
from indicia.operations.own.declaration import own
from indicia.operations.own.route import WHOLE, OwnRoute
from indicia.operations.policies import policies, policy_explanation
from indicia.wire.shapes import ses, sesv2

ENTRIES: Final = (
    v2(
        "CreateEmailIdentityPolicy",
        sesv2.CreateEmailIdentityPolicyRequest,
        sesv2.CreateEmailIdentityPolicyResponse,
        policies.create_email_identity_policy,
        writes=True,
    ),
    v2(
        "UpdateEmailIdentityPolicy",
        sesv2.UpdateEmailIdentityPolicyRequest,
        sesv2.UpdateEmailIdentityPolicyResponse,
        policies.update_email_identity_policy,
        writes=True,
    ),
    v2(
        "DeleteEmailIdentityPolicy",
        sesv2.DeleteEmailIdentityPolicyRequest,
        sesv2.DeleteEmailIdentityPolicyResponse,
        policies.delete_email_identity_policy,
        writes=True,
    ),
    v2(
        "GetEmailIdentityPolicies",
        sesv2.GetEmailIdentityPoliciesRequest,
        sesv2.GetEmailIdentityPoliciesResponse,
        policies.get_email_identity_policies,
        writes=False,
    ),
    v1(
        "PutIdentityPolicy",
        ses.PutIdentityPolicyRequest,
        ses.PutIdentityPolicyResponse,
        policies.put_identity_policy,
        writes=True,
        subject="Identity",
        by_arn=True,
    ),
    v1(
        "GetIdentityPolicies",
        ses.GetIdentityPoliciesRequest,
        ses.GetIdentityPoliciesResponse,
        policies.get_identity_policies,
        writes=False,
        subject="Identity",
        by_arn=True,
    ),
    v1(
        "ListIdentityPolicies",
        ses.ListIdentityPoliciesRequest,
        ses.ListIdentityPoliciesResponse,
        policies.list_identity_policies,
        writes=False,
        subject="Identity",
        by_arn=True,
    ),
    v1(
        "DeleteIdentityPolicy",
        ses.DeleteIdentityPolicyRequest,
        ses.DeleteIdentityPolicyResponse,
        policies.delete_identity_policy,
        writes=True,
        subject="Identity",
        by_arn=True,
    ),
    own(
        OwnRoute(
            "POST",
            "/indicia/v1/policy/explain",
            "ExplainPolicy",
            policy_explanation.ExplainRequest,
            policy_explanation.ExplainResponse,
            "Whether a principal may do something with an identity, and what decides it.",
            body=WHOLE,
        ),
        finished(
            policy_explanation.find_case, policy_explanation.decide_case, slow=policy_explanation.is_slow
        ),
        writes=False,
        subject="resource",
        by_arn=True,
    ),
)
