"""Whom a sending authorization policy names (spec 8.2).

Who can be named exists: nobody's accounts, users and roles can be looked up from here, so that a well-formed
account id or IAM name counts as that of somebody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from indicia.domain.arns import caller_arn, is_account, parse_arn, partition_of
from indicia.domain.faults import FaultKind, refuse
from indicia.domain.policies.document import Json, Number
from indicia.domain.policies.wildcards import has_wildcard

_ANYBODY = "*"
# Users and roles may have a path; a session is named by its role and itself.
_IAM_RESOURCE = re.compile(r"(?:user|role)/(?:[\x21-\x7e]*/)?[\w+=,.@-]{1,128}\Z", re.ASCII)
_STS_RESOURCE = re.compile(
    r"(?:assumed-role/[\w+=,.@-]{1,64}/[\w+=,.@-]{1,64}|federated-user/[\w+=,.@-]{1,64})\Z", re.ASCII
)
_SERVICE = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.amazonaws\.com(?:\.[a-z]{2})?\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: a user, role or root by `arn` and `account`, or an AWS service by `service`."""

    account: str = ""
    arn: str = ""
    service: str = ""

    def __str__(self) -> str:
        return self.arn or self.service or self.account

    @property
    def role(self) -> str:
        """The name of the role that a session acts for; empty where the principal is no session."""
        kind, _, rest = self.arn.rpartition(":")[2].partition("/")
        return rest.partition("/")[0] if kind == "assumed-role" else ""


@dataclass(frozen=True, slots=True)
class Principals:
    """The principals of a statement. `roles` are account and name, as sessions of roles are recognised by."""

    anybody: bool
    accounts: frozenset[str]
    arns: frozenset[str]
    roles: frozenset[tuple[str, str]]
    services: frozenset[str]

    def include(self, principal: Principal) -> bool:
        """Say whether the principal is named, by itself or by its account."""
        if self.anybody:
            return True
        if principal.service:
            return principal.service in self.services
        return (
            principal.account in self.accounts
            or principal.arn in self.arns
            or (bool(self.roles) and (principal.account, principal.role) in self.roles)
        )


def parse_principal(text: str, region: str) -> Principal | None:
    """Return who a text names in a region: an account id, an IAM name or a service; None where nobody.

    Nobody has a name of another partition than the region's.
    """
    if is_account(text):
        return Principal(account=text, arn=caller_arn(region, text, "root"))
    if _SERVICE.match(text):
        return Principal(service=text)
    arn = None if has_wildcard(text) else parse_arn(text)
    if arn is None or arn.partition != partition_of(region) or arn.region or not is_account(arn.account):
        return None
    if arn.service == "iam" and (arn.resource == "root" or _IAM_RESOURCE.match(arn.resource)):
        return Principal(arn.account, text)
    if arn.service == "sts" and _STS_RESOURCE.match(arn.resource):
        return Principal(arn.account, text)
    return None


def parse_principals(value: Json, region: str) -> Principals:
    """Return the principals of a statement of a policy in the region.

    Raises: `Fault` INVALID_POLICY `Policy contains an invalid principal`; `Invalid ARN` for what begins like
    a name and is none.
    """
    if value == _ANYBODY:
        return Principals(True, frozenset(), frozenset(), frozenset(), frozenset())
    if not isinstance(value, dict) or not value or not value.keys() <= {"AWS", "Service"}:
        _refuse_principal()
    named = [_aws(text, region) for text in _texts(value.get("AWS", []))]
    services = frozenset(_service(text) for text in _texts(value.get("Service", [])))
    people = [each for each in named if each is not None]
    if not named and not services:
        _refuse_principal()
    whole = {each.account for each in people if each.arn.endswith(":root")}
    return Principals(
        anybody=len(people) < len(named),
        accounts=frozenset(whole),
        arns=frozenset(each.arn for each in people if each.account not in whole),
        roles=frozenset(
            (each.account, each.arn.rpartition("/")[2])
            for each in people
            if each.arn.rpartition(":")[2].startswith("role/")
        ),
        services=services,
    )


def _texts(value: Json) -> list[str]:
    values = value if isinstance(value, list) else [value]
    texts = [each for each in values if isinstance(each, str) and not isinstance(each, Number)]
    if len(texts) < len(values):
        _refuse_principal()
    return texts


def _aws(text: str, region: str) -> Principal | None:
    """Return who is named, None for everybody."""
    if text == _ANYBODY:
        return None
    if text.startswith("arn:") and parse_arn(text) is None:
        refuse(FaultKind.INVALID_POLICY, "Invalid ARN")
    principal = parse_principal(text, region)
    if principal is None or principal.service:
        _refuse_principal()
    return principal


def _service(text: str) -> str:
    if not _SERVICE.match(text):
        _refuse_principal()
    return text


def _refuse_principal() -> NoReturn:
    refuse(FaultKind.INVALID_POLICY, "Policy contains an invalid principal")
