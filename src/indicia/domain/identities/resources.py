"""What an ARN in a request is about: one resource of one account in one region (spec 11.3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from indicia.domain.arns import is_account, parse_arn
from indicia.domain.faults import FaultKind, refuse
from indicia.domain.names import MAX_ADDRESS, fold, shown


class ResourceKind(Enum):
    """What can be tagged. The value is how an ARN calls it."""

    IDENTITY = "identity"
    CONFIGURATION_SET = "configuration-set"
    VERIFICATION_TEMPLATE = "custom-verification-email-template"
    # These do not exist here, and so are never found.
    TEMPLATE = "template"
    CONTACT_LIST = "contact-list"
    DEDICATED_IP_POOL = "dedicated-ip-pool"
    TENANT = "tenant"


_KINDS = {member.value: member for member in ResourceKind}
# As the vendor calls them when they are not there: probed (floci), but for the pool and the tenant.
_CALLED = {
    ResourceKind.IDENTITY: "EmailIdentity",
    ResourceKind.CONFIGURATION_SET: "ConfigurationSet",
    ResourceKind.VERIFICATION_TEMPLATE: "CustomVerificationEmailTemplate",
    ResourceKind.TEMPLATE: "Template",
    ResourceKind.CONTACT_LIST: "ContactList",
    ResourceKind.DEDICATED_IP_POOL: "DedicatedIpPool",
    ResourceKind.TENANT: "Tenant",
}
NOT_AN_ARN = "ResourceArn is not the expected format"
OTHER_ACCOUNT = "Operations on a resource created in a different account is not allowed"
NO_RESOURCE = "Provided resource identifier is not an SES resource"


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource. `name` is as it is stored."""

    kind: ResourceKind
    region: str
    name: str

    @property
    def key(self) -> str:
        """Under which it is found among the tags of its account and region."""
        return f"{self.kind.value}/{self.name}"

    @property
    def missing(self) -> str:
        """The sentence for one that is not there."""
        return f"No {_CALLED[self.kind]} present with name: {shown(self.name)}"


def parse_resource(arn: str, account: str) -> Resource:
    """Return what the ARN is about; it is a resource of the account.

    Raises: `Fault` INVALID_PARAMETER for what is no ARN of one, and for another account's (texts: probed).
    """
    parts = parse_arn(arn)
    kind, _, name = parts.resource.partition("/") if parts else ("", "", "")
    known = kind in _KINDS
    if parts is None or parts.service != "ses" or not parts.in_its_partition:
        refuse(FaultKind.INVALID_PARAMETER, NOT_AN_ARN)
    if not parts.account or not name.strip():
        refuse(FaultKind.INVALID_PARAMETER, NOT_AN_ARN)
    if kind != ResourceKind.IDENTITY.value and ":" in name:  # an address may well hold a colon, in quotes
        refuse(FaultKind.INVALID_PARAMETER, NOT_AN_ARN)
    if not is_account(parts.account):
        refuse(FaultKind.INVALID_PARAMETER, NO_RESOURCE)
    if parts.account != account:
        refuse(FaultKind.INVALID_PARAMETER, OTHER_ACCOUNT)
    if not known:
        refuse(FaultKind.INVALID_PARAMETER, NO_RESOURCE)
    stored = fold(name) if kind == ResourceKind.IDENTITY.value else name
    # What cannot be a name is nobody's, and never reaches the store.
    if not (stored and stored.isascii() and stored.isprintable() and len(stored) <= MAX_ADDRESS):
        refuse(FaultKind.INVALID_PARAMETER, NO_RESOURCE)
    return Resource(_KINDS[kind], parts.region, stored)
