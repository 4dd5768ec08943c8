"""What is asked of the API. A line here is a row in the table, for every server that can answer it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bench.population import name_of


@dataclass(frozen=True, slots=True)
class Case:
    """One operation, called through boto3.

    `arguments` makes the arguments of the call about the identity at a place in the store. `distinct` is how
    many requests are signed for a round; when they are used up they are sent again. `moto` is whether moto
    has the operation.
    """

    title: str
    service: str  # boto3's name of the client
    operation: str  # boto3's name of the method
    arguments: Callable[[int], dict[str, object]]
    distinct: int = 1000
    moto: bool = True


CASES: Final = (
    Case(
        "v2 GetEmailIdentity",
        "sesv2",
        "get_email_identity",
        lambda place: {"EmailIdentity": name_of(place)},
    ),
    Case(
        "v1 GetIdentityVerificationAttributes, 1 id",
        "ses",
        "get_identity_verification_attributes",
        lambda place: {"Identities": [name_of(place)]},
    ),
)
