"""What an ARN of a request is about."""

from __future__ import annotations

import pytest

from indicia.domain.faults import Fault
from indicia.domain.identities.identity import ErrorType, Facet, KeyLength
from indicia.domain.identities.resources import (
    NO_RESOURCE,
    NOT_AN_ARN,
    OTHER_ACCOUNT,
    Resource,
    ResourceKind,
    parse_resource,
)
from indicia.domain.names import MAX_ADDRESS

ACCOUNT = "111122223333"


def _arn(resource: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:ses:eu-west-1:{account}:{resource}"


@pytest.mark.parametrize(
    ("resource", "kind", "name"),
    [
        ("identity/Shop.Example", ResourceKind.IDENTITY, "shop.example"),
        ('identity/"a:b"@shop.example', ResourceKind.IDENTITY, '"a:b"@shop.example'),
        ("configuration-set/Loud", ResourceKind.CONFIGURATION_SET, "Loud"),
        ("custom-verification-email-template/Hello", ResourceKind.VERIFICATION_TEMPLATE, "Hello"),
        (f"configuration-set/{'a' * MAX_ADDRESS}", ResourceKind.CONFIGURATION_SET, "a" * MAX_ADDRESS),
    ],
)
def test_what_an_arn_names(resource: str, kind: ResourceKind, name: str) -> None:
    """An identity in lower case, whatever else as it is spelled."""
    assert parse_resource(_arn(resource), ACCOUNT) == Resource(kind, "eu-west-1", name)


@pytest.mark.parametrize(
    ("arn", "said"),
    [
        ("shop.example", NOT_AN_ARN),
        (_arn("identity/"), NOT_AN_ARN),
        (_arn("identity/shop.example", ""), NOT_AN_ARN),
        (_arn("configuration-set/a:b"), NOT_AN_ARN),
        (_arn("identity/shop.example").replace(":ses:", ":sns:"), NOT_AN_ARN),
        (_arn("identity/shop.example", "1234"), NO_RESOURCE),
        (_arn("identity/shop.example", "444455556666"), OTHER_ACCOUNT),
        (_arn("queue/shop.example"), NO_RESOURCE),
        (_arn("configuration-set/l\u00e4ut"), NO_RESOURCE),
        (_arn("configuration-set/a\x7f"), NO_RESOURCE),
        (_arn(f"configuration-set/{'a' * (MAX_ADDRESS + 1)}"), NO_RESOURCE),
    ],
)
def test_what_an_arn_cannot_name(arn: str, said: str) -> None:
    """Each is refused with the sentence of the live service, before anything is looked up."""
    with pytest.raises(Fault) as refused:
        parse_resource(arn, ACCOUNT)
    assert said in str(refused.value)


def test_words_that_are_stored_and_shown() -> None:
    """They are part of what is in databases and on the wire."""
    assert [each.value for each in ErrorType] == [each.name for each in ErrorType]
    assert [each.value for each in Facet] == [each.name.lower() for each in Facet]
    assert {each: each.bits for each in KeyLength} == {
        KeyLength.RSA_1024_BIT: 1024,
        KeyLength.RSA_2048_BIT: 2048,
    }
