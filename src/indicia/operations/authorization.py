"""What the holder of an access key may do: the policy of the key, asked before anything else is.

A key without a policy may do everything of its account but take its secrets away: what hands them out has to
be allowed by a policy (`needs_policy`), and the operator's key is no exception. The account's own users need
no policy of an identity (spec 8.6), so the key's policy is all there is to ask on our own API.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NoReturn

import structlog

from indicia.domain.faults import Fault, FaultKind, refuse
from indicia.domain.policies.evaluation import AccessQuestion, Decision, Effect, Ground, Policy, decide
from indicia.domain.policies.explanation import explained
from indicia.domain.policies.grammar import access_key_policy
from indicia.domain.policies.principals import Principal
from indicia.operations.call_context import context_of
from indicia.operations.resources import NONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indicia.operations.call import Call

log = structlog.get_logger(__name__)

REPLICATE: Final = "ses:ReplicateEmailIdentityDkimSigningKey"
"""The permission to replicate a signing key. No call has its name (spec 3.8)."""

HAND_OUT_KEYS: Final = "indicia:ReplicateIdentity"
"""The permission to take private DKIM keys away, for replicas in another installation."""

# What hands out secrets that are somebody's already. A secret made by the very call, as a webhook's is, is no
# such thing: nobody has used it yet.
_BY_POLICY_ONLY: Final = frozenset({HAND_OUT_KEYS.lower()})
# SES checks these itself and refuses them in a style of their own (spec 7.6).
_SENDS: Final = frozenset(
    f"ses:{name}"
    for name in ("SendEmail", "SendRawEmail", "SendTemplatedEmail", "SendBulkTemplatedEmail", "SendBulkEmail")
)
WITHOUT_POLICY: Final = (
    "because the access key has no policy, and what hands out secrets has to be allowed by one"
)
# What nobody needs a permission for, and no policy can deny (STS, GetCallerIdentity).
_FREE: Final = "sts:GetCallerIdentity"


def needs_policy(permission: str) -> bool:
    """Return whether a key without a policy may not do it: it hands out secrets."""
    return permission.lower() in _BY_POLICY_ONLY


def authorize(call: Call, permission: str, resources: Sequence[str], request: object) -> None:
    """The key of the call may do it, with everything it is about.

    Raises: `Fault` ACCESS_DENIED in the words of IAM, or of SES where it sends (spec 7.6).
    """
    if permission == _FREE:
        return
    if call.policy is None:
        if needs_policy(permission):
            _deny(call, permission, next(iter(resources), NONE), WITHOUT_POLICY)
        return
    policy = _compiled(call.policy)
    for resource in resources:
        if policy is None:
            _deny(call, permission, resource, "because the policy of the access key cannot be understood")
        decision = decide((policy,), _question(call, permission, resource, request))
        if not decision.allowed:
            log.info(
                "access.denied",
                request_id=call.request_id,
                operation=call.operation,
                because=explained(decision),
            )
            _deny(call, permission, resource, _reason(decision, permission))


def may_replicate(call: Call, parent: str) -> Decision:
    """Return whether the caller may give the region of the call the signing key of `parent` (spec 3.8).

    `parent` is the ARN of the identity whose key it is; `ses:ReplicaRegion` is the region of the call.
    """
    policy = None if call.policy is None else _compiled(call.policy)
    question = _question(call, REPLICATE, parent, None, {"ses:ReplicaRegion": (call.region,)})
    if call.policy is None:
        return Decision(Effect.ALLOW, Ground.OWNER, question, ())
    return decide(() if policy is None else (policy,), question)


def compiled_key_policy(text: str) -> Policy:
    """Return the policy of an access key, compiled; the same value for the same text, for a while.

    Raises: `Fault` INVALID_POLICY when it is none that this service understands.
    """
    return _compiled(text) or access_key_policy(text)


@lru_cache(maxsize=1024)
def _compiled(text: str) -> Policy | None:
    """Return the compiled policy; None, which allows nothing, where a stored one cannot be understood."""
    try:
        return access_key_policy(text)
    except Fault as fault:
        log.warning("key_policy.not_understood", reason=fault.message)
        return None


def _question(
    call: Call, action: str, resource: str, request: object, more: dict[str, tuple[str, ...]] | None = None
) -> AccessQuestion:
    context = {**context_of(call, request, resource), **(more or {})}
    return AccessQuestion(Principal(call.account, call.principal), action, resource, context)


def _reason(decision: Decision, permission: str) -> str:
    if decision.explicit:
        return "with an explicit deny in an identity-based policy"
    return f"because no identity-based policy allows the {permission} action"


def _deny(call: Call, permission: str, resource: str, reason: str) -> NoReturn:
    who = call.principal
    if permission in _SENDS:
        message = f"User `{who}' is not authorized to perform `{permission}' on resource `{resource}'"
    else:
        message = f"User: {who} is not authorized to perform: {permission} on resource: {resource} {reason}"
    refuse(FaultKind.ACCESS_DENIED, message)
