"""When conditions hold: each operator, each way of being absent, several values on either side."""

from __future__ import annotations

from typing import Any

import pytest
from policies import OTHER, question, sending, statement

from indicia.domain.policies.conditions import UNKNOWN
from indicia.domain.policies.evaluation import decide
from indicia.domain.policies.explanation import explained


def holds(operator: str, values: Any, key: str = "ses:FromAddress", **context: str | tuple[str, ...]) -> bool:
    """Say whether a statement with the one condition applies."""
    policy = sending(statement(Condition={operator: {key: values}}))
    return decide((policy,), question(**context)).allowed


ARN = f"arn:aws:cognito-idp:eu-west-1:{OTHER}:userpool/a"


@pytest.mark.parametrize(
    ("operator", "value", "given", "expected"),
    [
        ("StringEquals", "a@b.example", "a@b.example", True),
        ("StringEquals", "a@b.example", "A@b.example", False),
        ("StringEquals", "*@b.example", "a@b.example", False),
        ("StringEquals", ["x", "a"], "a", True),
        ("StringNotEquals", ["x", "a"], "a", False),
        ("StringNotEquals", ["x", "y"], "a", True),
        ("StringEqualsIgnoreCase", "A@B.example", "a@b.EXAMPLE", True),
        ("StringNotEqualsIgnoreCase", "A", "a", False),
        ("StringLike", "*@b.example", "a@b.example", True),
        ("StringLike", "?@b.example", "ab@b.example", False),
        ("StringLike", ["x*", "*@B.example"], "a@b.example", False),
        ("StringNotLike", ["x*", "*@b.example"], "a@b.example", False),
        ("StringNotLike", "*@b.example", "a@c.example", True),
        ("NumericEquals", "2", "2.0", True),
        ("NumericEquals", 2, "2", True),
        ("NumericNotEquals", "2", "3", True),
        ("NumericLessThan", "2", "1.99", True),
        ("NumericLessThan", "2", "2", False),
        ("NumericLessThanEquals", "2", "2", True),
        ("NumericGreaterThan", "-1", "0", True),
        ("NumericGreaterThanEquals", "2", "1", False),
        ("NumericEquals", "2", "two", False),
        ("NumericNotEquals", "2", "two", True),
        ("DateEquals", "2026-09-22T00:00:00Z", "2026-09-22T02:00:00+02:00", True),
        ("DateEquals", "2026-09-22", "2026-09-22T00:00:00.000Z", True),
        ("DateEquals", "2026", "2026-01-01", True),
        ("DateEquals", "1790035200", "2026-09-22T00:00:00Z", True),
        ("DateNotEquals", "2026-09-22", "2026-09-23", True),
        ("DateLessThan", "2026-09-22T00:00:00.001Z", "2026-09-22T00:00:00Z", True),
        ("DateLessThanEquals", "2026-09", "2026-09-01", True),
        ("DateGreaterThan", "2026-09-22T12:00Z", "2026-09-22T12:00:01Z", True),
        ("DateGreaterThanEquals", "2026-09-22", "2026-09-21T23:59:59Z", False),
        ("DateGreaterThan", "2026-09-22", "soon", False),
        ("Bool", "true", "true", True),
        ("Bool", True, "True", True),
        ("Bool", False, "true", False),
        ("BinaryEquals", "aGVsbG8=", "aGVsbG8=", True),
        ("BinaryEquals", "aGVsbG8=", "aGVsbHA=", False),
        ("BinaryEquals", "aGVsbG8=", "!", False),
        ("IpAddress", "192.0.2.0/24", "192.0.2.255", True),
        ("IpAddress", "192.0.2.0/24", "192.0.3.0", False),
        ("IpAddress", "192.0.2.7", "192.0.2.7", True),
        ("IpAddress", "192.0.2.9/24", "192.0.2.1", True),
        ("IpAddress", "192.0.2.0/24", "::ffff:192.0.2.1", True),
        ("IpAddress", "::ffff:192.0.2.0/120", "192.0.2.1", True),
        ("IpAddress", "::ffff:192.0.2.0/120", "192.0.3.1", False),
        ("IpAddress", "::/0", "2001:db8::1", True),
        ("IpAddress", ["192.0.2.0/24", "2001:db8::/32"], "2001:db8:1::", True),
        ("IpAddress", "0.0.0.0/0", "2001:db8::1", False),
        ("IpAddress", "192.0.2.0/24", "nowhere", False),
        ("NotIpAddress", "192.0.2.0/24", "192.0.2.1", False),
        ("NotIpAddress", "192.0.2.0/24", "198.51.100.1", True),
        ("ArnEquals", ARN, ARN, True),
        ("ArnEquals", f"arn:aws:cognito-idp:*:{OTHER}:userpool/*", ARN, True),
        ("ArnLike", "arn:aws:cognito-idp:*:userpool/*:x", ARN, False),
        ("ArnLike", f"arn:aws:*:{OTHER}:userpool/a:x", ARN, False),
        ("ArnNotLike", f"arn:aws:cognito-idp:*:{OTHER}:userpool/b", ARN, True),
        ("ArnNotEquals", f"arn:*:*:*:{OTHER}:*", ARN, False),
    ],
)
def test_an_operator_compares(operator: str, value: object, given: str, expected: bool) -> None:
    """One value of the request against those of the policy."""
    assert holds(operator, value, ses_FromAddress=given) is expected


NEGATED = ["StringNotEquals", "StringNotEqualsIgnoreCase", "StringNotLike"]
ASKING = ["StringEquals", "StringEqualsIgnoreCase", "StringLike"]


@pytest.mark.parametrize("operator", [*ASKING, *NEGATED])
def test_a_key_that_is_not_there(operator: str) -> None:
    """What asks for a value does not hold, what forbids one does; sets and IfExists say their own."""
    assert holds(operator, "a") is (operator in NEGATED)
    assert holds(f"{operator}IfExists", "a") is True
    assert holds(f"ForAllValues:{operator}", "a") is True
    assert holds(f"ForAnyValue:{operator}", "a") is False
    assert holds(f"ForAnyValue:{operator}IfExists", "a") is True
    assert holds(operator, "a", ses_FromAddress=()) is (operator in NEGATED)


@pytest.mark.parametrize(
    ("operator", "recipients", "expected"),
    [
        ("ForAllValues:StringLike", ("a@x.example", "b@x.example"), True),
        ("ForAllValues:StringLike", ("a@x.example", "b@y.example"), False),
        ("ForAnyValue:StringLike", ("a@x.example", "b@y.example"), True),
        ("ForAnyValue:StringLike", ("a@z.example", "b@y.example"), False),
        ("ForAllValues:StringNotLike", ("a@z.example", "b@y.example"), True),
        ("ForAllValues:StringNotLike", ("a@x.example", "b@y.example"), False),
        ("ForAnyValue:StringNotLike", ("a@x.example", "b@y.example"), True),
        ("ForAnyValue:StringNotLike", ("a@x.example", "b@x.example"), False),
        ("StringLike", ("a@x.example", "b@x.example"), True),
        ("StringLike", ("a@x.example", "b@y.example"), False),
        ("StringNotLike", ("a@x.example", "b@y.example"), False),
        ("StringNotLike", ("a@z.example", "b@y.example"), True),
    ],
)
def test_several_values(operator: str, recipients: tuple[str, ...], expected: bool) -> None:
    """The set operators say of how many it must hold; without one it must hold of each."""
    assert holds(operator, ["*@x.example"], "ses:Recipients", ses_Recipients=recipients) is expected


@pytest.mark.parametrize(
    ("value", "there", "absent"),
    [("true", False, True), (False, True, False), (["true", "false"], True, True)],
)
def test_null_asks_whether_a_key_is_there(value: object, there: bool, absent: bool) -> None:
    """`true` holds where it is not."""
    assert holds("Null", value, ses_FromAddress="a") is there
    assert holds("Null", value) is absent


def test_every_condition_must_hold() -> None:
    """Operators are joined by "and", and so are the keys of one."""
    policy = sending(
        statement(
            Condition={
                "StringEquals": {"ses:FromAddress": "a", "ses:ApiVersion": ["1", "2"]},
                "Bool": {"aws:SecureTransport": "true"},
            }
        )
    )
    whole = {"ses_FromAddress": "a", "ses_ApiVersion": "2", "aws_SecureTransport": "true"}

    assert decide((policy,), question(**whole)).allowed
    for key in whole:
        assert not decide((policy,), question(**{**whole, key: "b"})).allowed


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        ("IpAddress", "0.0.0.0/0"),
        ("IpAddress", "192.0.2.0/24"),
        ("IpAddressIfExists", "192.0.2.0/24"),
        ("NotIpAddress", "192.0.2.0/24"),
        ("NotIpAddressIfExists", "192.0.2.0/24"),
        ("ForAllValues:IpAddress", "192.0.2.0/24"),
        ("ForAnyValue:NotIpAddress", "192.0.2.0/24"),
        ("StringNotEquals", "192.0.2.1"),
        ("StringLike", "*"),
        ("StringEquals", "unknown"),
        ("Null", "true"),
        ("Null", "false"),
    ],
)
def test_what_nobody_knows_lets_nobody_in(operator: str, value: str) -> None:
    """No Allow that asks for it applies, and every Deny does: it may be meant."""
    condition = {operator: {"aws:SourceIp": value}}
    allowing = sending(statement(Condition=condition))
    denying = sending(statement(), statement(Effect="Deny", Condition=condition))
    asked = question(**{"aws:SourceIp": UNKNOWN})

    assert not decide((allowing,), asked).allowed
    assert explained(decide((allowing,), asked)).endswith("as nobody knows the aws:SourceIp of the request.")
    assert not decide((denying,), asked).allowed
    assert decide((sending(statement()),), asked).allowed
