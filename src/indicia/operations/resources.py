"""What a call is about, as policies and the audit log name it: ARNs (spec 11.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from indicia.domain.arns import Arn, identity_arn, parse_arn, partition_of
from indicia.domain.names import MAX_ADDRESS, fold

if TYPE_CHECKING:
    from indicia.operations.call import Call

NONE: Final = "*"
"""A call about nothing in particular, as in policies."""

MOST: Final = 100
"""More identities than this no operation takes (spec 6.7): such a call is refused by its operation."""

_LONGEST: Final = MAX_ADDRESS + len("arn:aws-us-gov:ses:us-gov-west-1:123456789012:identity/")


def resources_of(call: Call, given: object, *, by_arn: bool) -> tuple[str, ...]:
    """Return the ARN of each identity that a name or a list of names stands for, `by_arn` an ARN as well."""
    names = given if isinstance(given, list) else [given]
    if not 0 < len(names) <= MOST:
        return (NONE,)
    return tuple(dict.fromkeys(_resource_of(call, name, by_arn=by_arn) for name in names))


def _resource_of(call: Call, given: object, *, by_arn: bool) -> str:
    """Return the ARN that a name or an ARN stands for; `*` where it can be neither.

    An identity of the caller is one in the region of the call, whatever region the ARN gives: no operation
    reaches into another. What cannot be the name of an identity is not written down.
    """
    if not isinstance(given, str) or len(given) > _LONGEST or not (given.isascii() and given.isprintable()):
        return NONE
    arn = parse_arn(given) if by_arn else None
    if arn is None or not arn.identity:
        name = fold(given) if len(given) <= MAX_ADDRESS else ""
        return identity_arn(call.region, call.account, name) if name else NONE
    if arn.account == call.account:
        return identity_arn(call.region, call.account, arn.identity)
    return given


def own_identity(call: Call, name: str) -> Arn:
    """Return the ARN of an identity of the caller in the region of the call, in its parts."""
    return Arn(partition_of(call.region), "ses", call.region, call.account, f"identity/{name}")
