"""Which identity is meant where its name or its ARN may stand (spec 11.3)."""

from __future__ import annotations

from indicia.domain.arns import parse_arn
from indicia.domain.names import fold


def name_meant(text: str, account: str, region: str) -> str:
    """Return the name under which the identity is stored, empty where no identity of the account is meant.

    An ARN of another account or region names nobody here: what is set on an identity belongs to its owner.
    """
    arn = parse_arn(text)
    name = "" if arn is None else arn.identity
    if arn is None or not name:
        return fold(text)
    return name if (arn.account, arn.region) == (account, region) else ""
