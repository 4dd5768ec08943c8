"""Amazon resource names: `arn:partition:service:region:account:resource` (spec 11.3)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from indicia.domain.names import fold
from indicia.domain.policies import wildcards
from indicia.domain.policies.wildcards import Test

_AWS: Final = "aws"
# By what the names of their regions begin with (AWS, `partitions.json` of the SDKs); all others are `aws`.
_PARTITIONS: Final = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
    "eusc-": "aws-eusc",
}
_ACCOUNT = re.compile(r"[0-9]{12}\Z", re.ASCII)
_IDENTITY = "identity/"


@dataclass(frozen=True, slots=True)
class Arn:
    """A name in its six parts; the resource keeps whatever colons it has."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"

    @property
    def in_its_partition(self) -> bool:
        """True when the partition is that of the region: an ARN with another one names nothing anywhere."""
        return self.partition == partition_of(self.region)

    @property
    def identity(self) -> str:
        """The folded name of the SES identity that this names; empty where it names none."""
        if self.service != "ses" or not self.in_its_partition or not is_account(self.account):
            return ""
        if not self.region or not self.resource.startswith(_IDENTITY):
            return ""
        return fold(self.resource.removeprefix(_IDENTITY))


@lru_cache(maxsize=256)
def partition_of(region: str) -> str:
    """Return the partition of AWS in which a region of this name is."""
    return next((each for begins, each in _PARTITIONS.items() if region.startswith(begins)), _AWS)


def arn_beginning(region: str, account: str) -> str:
    """Return what the ARNs of all resources of an account in a region begin with."""
    return f"arn:{partition_of(region)}:ses:{region}:{account}:"


def in_partition_of(region: str, arn: str) -> str:
    """Return the name that an IAM principal, which is written with the first partition, has in a region."""
    return f"arn:{partition_of(region)}{arn.removeprefix(f'arn:{_AWS}')}"


def caller_arn(region: str, account: str, who: str) -> str:
    """Return the IAM name of a caller: IAM has no regions, but a partition for each kind of them."""
    return f"arn:{partition_of(region)}:iam::{account}:{who}"


def is_account(text: str) -> bool:
    """Say whether the text has the form of an account id."""
    return _ACCOUNT.match(text) is not None


def parse_arn(text: str) -> Arn | None:
    """Return the parts of a name; None where the text is not one or lacks what every name has."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or not (parts[1] and parts[2] and parts[5]):
        return None
    return Arn(*parts[1:])


def identity_arn(region: str, account: str, name: str) -> str:
    """Return the name of an identity."""
    return f"{arn_beginning(region, account)}{_IDENTITY}{name}"


def compiled(pattern: str) -> Test:
    """Return what says of a name whether it fits a pattern. A wildcard stays within its part (IAM)."""
    return _compiled(pattern, wildcards.compiled)


def compiled_resource(pattern: str) -> Test:
    """Return what says of the ARN of a resource whether it fits the Resource of a policy.

    As `compiled`, but that domains fold, as the names they stand for do: those of identities, and those of
    addresses, which lead to the same mailbox in any case (RFC 5321 §2.4). What stands before the `@`, and the
    name of anything else, is compared as it is written.
    """
    return _compiled(pattern, _folding)


def _compiled(pattern: str, last: Callable[[str], Test]) -> Test:
    *beginning, resource = pattern.split(":", 5)
    tests = (*map(wildcards.compiled, beginning), last(resource))

    def fits(text: str) -> bool:
        given = text.split(":", 5)
        return len(given) == len(tests) and all(map(_test, tests, given))

    return fits


def _test(test: Test, part: str) -> bool:
    return test(part)


# Letters of a domain have an alphabet of their own here, so that only theirs fold. A resource is ASCII.
_APART: Final = 0xE000
_DOMAIN: Final = {ord(each): _APART + ord(each.lower()) for each in map(chr, range(128))}


def _folding(pattern: str) -> Test:
    """Return the test of the last part of an ARN.

    No piece between two stars is looked for twice (the groups are atomic), so that no pattern takes long.
    """
    if not pattern.strip("*"):
        return wildcards.compiled("*" if pattern else "")
    first, *others = map(_either_alphabet, pattern.split("*"))
    if others:
        *inner, last = others
        first += "".join(f"(?>.*?{piece})" for piece in inner if piece) + f".*{last}"
    expression = re.compile(first, re.DOTALL)
    return lambda resource: expression.fullmatch(_with_domain_apart(resource)) is not None


def _either_alphabet(piece: str) -> str:
    """Return a piece without stars as an expression of a fixed length; what is not ASCII fits nothing."""
    return "".join(
        "." if each == "?" else f"[{re.escape(each)}{chr(_DOMAIN[ord(each)])}]" if each.isascii() else "(?!)"
        for each in piece
    )


def _with_domain_apart(resource: str) -> str:
    if not resource.startswith(_IDENTITY):
        return resource
    local, at, domain = resource.removeprefix(_IDENTITY).rpartition("@")
    return f"{_IDENTITY}{local}{at}{domain.translate(_DOMAIN)}"
