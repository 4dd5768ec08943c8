"""Policies and questions for tests: one identity, its owner, and somebody else."""

from __future__ import annotations

import json
from typing import Any

from indicia.domain.arns import parse_arn
from indicia.domain.faults import Fault, FaultKind
from indicia.domain.policies.evaluation import AccessQuestion, Policy
from indicia.domain.policies.grammar import access_key_policy, sending_policy
from indicia.domain.policies.principals import Principal

OWNER = "111122223333"
OTHER = "444455556666"
ARN = f"arn:aws:ses:eu-west-1:{OWNER}:identity/example.com"
IDENTITY = parse_arn(ARN)
assert IDENTITY is not None
ANN = Principal(OTHER, f"arn:aws:iam::{OTHER}:user/ann")


def statement(**elements: Any) -> dict[str, Any]:
    """Return a statement that lets the other account send, but for what is given; None leaves one out."""
    plain = {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "ses:SendEmail", "Resource": ARN}
    return {name: value for name, value in {**plain, **elements}.items() if value is not None}


def document(*statements: Any) -> str:
    """Return the policy of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def sending(*statements: Any, name: str = "") -> Policy:
    """Return the compiled sending policy of these statements."""
    assert IDENTITY is not None
    return sending_policy(document(*statements), IDENTITY, name)


def of_key(*statements: Any) -> Policy:
    """Return the compiled policy of an access key."""
    return access_key_policy(document(*statements))


def refused(text: str) -> str:
    """Return the sentence with which a document is refused as a sending policy."""
    assert IDENTITY is not None
    return _refusal(lambda: sending_policy(text, IDENTITY))


def refused_of_key(text: str) -> str:
    """Return the sentence with which a document is refused as the policy of an access key."""
    return _refusal(lambda: access_key_policy(text))


def _refusal(compiling: Any) -> str:
    try:
        policy = compiling()
    except Fault as fault:
        return fault.message if fault.kind is FaultKind.INVALID_POLICY else fault.kind.value
    raise AssertionError(f"it was taken: {policy}")


def question(
    principal: Principal = ANN,
    action: str = "ses:SendEmail",
    resource: str = ARN,
    **context: str | tuple[str, ...],
) -> AccessQuestion:
    """Return a question. Keys are written with an underscore for the colon."""
    return AccessQuestion(
        principal,
        action,
        resource,
        {
            key.replace("_", ":", 1): value if isinstance(value, tuple) else (value,)
            for key, value in context.items()
        },
    )
