"""What is a policy, and in which words everything else is refused, gate by gate."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policies import (
    ARN,
    IDENTITY,
    OTHER,
    OWNER,
    document,
    of_key,
    refused,
    refused_of_key,
    sending,
    statement,
)

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.policies.grammar import MOST_OF_SENDING, access_key_policy, sending_policy

PRINCIPAL = "Policy contains an invalid principal"
MALFORMED = "Policy document is malformed: "


@pytest.mark.parametrize(
    "elements",
    [
        {},
        {"Sid": "one"},
        {"Effect": "Deny"},
        {"Resource": [ARN]},
        {"Resource": f"arn:aws:ses:eu-west-1:{OWNER}:identity/Example.COM"},
        {"Action": ["ses:SendEmail", "ses:SendRawEmail"]},
        {"Action": "ses:*"},
        {"Action": "ses:Send*"},
        {"Action": ["SES:SendEmail", "Ses:sendrawemail", "sES:SEND*"]},
        {"Action": "*"},
        {"Action": "*:*"},
        {"Principal": "*"},
        {"Principal": {"AWS": "*"}},
        {"Principal": {"AWS": [OTHER, f"arn:aws:iam::{OTHER}:root"]}},
        {"Principal": {"AWS": f"arn:aws:iam::{OTHER}:user/team/Ann.O+x=1@b_c-d"}},
        {"Principal": {"AWS": f"arn:aws:iam::{OTHER}:role/service/Mailer"}},
        {"Principal": {"AWS": f"arn:aws:sts::{OTHER}:assumed-role/Mailer/session"}},
        {"Principal": {"Service": "cognito-idp.amazonaws.com"}},
        {"Principal": {"Service": ["email.cognito-idp.amazonaws.com"], "AWS": OTHER}},
        {"Condition": {}},
        {"Condition": {"StringLike": {"ses:FromAddress": ["*@example.com"], "ses:FromDisplayName": "A"}}},
        {"Condition": {"ForAllValues:StringLike": {"ses:Recipients": ["*@example.org"]}}},
        {"Condition": {"ForAnyValue:StringEqualsIfExists": {"ses:Recipients": "a@example.org"}}},
        {"Condition": {"Bool": {"aws:SecureTransport": True}}},
        {"Condition": {"NumericLessThan": {"aws:EpochTime": 1900000000}}},
        {"Condition": {"Null": {"ses:FeedbackAddress": "true"}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"]}}},
        {"Condition": {"StringEquals": {"aws:SourceAccount": OTHER, "aws:PrincipalOrgID": "o-1"}}},
        {"Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:cognito-idp:*:{OTHER}:userpool/*"}}},
    ],
)
def test_what_the_guide_shows_is_taken(elements: dict[str, Any]) -> None:
    """Every form of 8.2 to 8.4 compiles, alone or as the only one of a list."""
    assert len(sending(statement(**elements)).statements) == 1
    assert IDENTITY is not None
    alone = json.dumps({"Statement": statement(**elements)})
    assert len(sending_policy(alone, IDENTITY).statements) == 1


def test_any_version_is_tolerated_and_the_id_is_a_text() -> None:
    """Older samples use another Version; none is needed."""
    assert IDENTITY is not None
    for version in ("2008-10-17", "2012-10-17", "tomorrow"):
        text = json.dumps({"Version": version, "Id": "x", "Statement": [statement()]})
        assert sending_policy(text, IDENTITY).statements


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "it is not JSON at line 1, column 1."),
        ("{", "it is not JSON at line 1, column 2."),
        ("[]", "it is not a JSON object."),
        ("NaN", "NaN is not JSON."),
        ('{"Statement":Infinity}', "Infinity is not JSON."),
        ("{}", "it has no Statement."),
        ('{"Statement":[]}', "it has no Statement."),
        ('{"Statement":"x"}', "it has no Statement."),
        ('{"Statement":[1]}', "statement 1 is not an object."),
        ('{"Statement":[{}],"Statement":[{}]}', "Statement is given twice in one object."),
        ('{"Version":2012,"Statement":[{}]}', "Version is not a text."),
        ('{"Id":null,"Statement":[{}]}', "Id is not a text."),
        (
            '{"Statements":[{}]}',
            "it has an element Statements, which is none of Version, Id and Statement.",
        ),
        ('{"Statement":' + "[" * 3000 + "]" * 900 + "}", "it is nested too deeply."),
        ('{"Statement":"\ud800"}', "it has characters that are no text."),
        ('{"Statement":["\\ud800"]}', "it has characters that are no text."),
        ('{"\\udfff":1}', "it has characters that are no text."),
    ],
)
def test_what_is_no_document_is_refused(text: str, sentence: str) -> None:
    """The sentence says what is wrong, and where the text stops being JSON."""
    assert refused(text) == MALFORMED + sentence


@pytest.mark.parametrize(
    ("elements", "sentence"),
    [
        ({"Effect": None}, "the Effect of statement 2 is neither Allow nor Deny."),
        ({"Effect": "allow"}, "the Effect of statement 2 is neither Allow nor Deny."),
        ({"Effect": ["Allow"]}, "the Effect of statement 2 is neither Allow nor Deny."),
        ({"Sid": 1}, "the Sid of statement 2 is not a text."),
        ({"Principal": None}, "statement 2 has no Principal."),
        ({"Action": None}, "statement 2 has no Action."),
        ({"Action": []}, "the Action of statement 2 is neither a text nor a list of texts."),
        (
            {"Action": ["ses:SendEmail", 7]},
            "the Action of statement 2 is neither a text nor a list of texts.",
        ),
        (
            {"Action": "sns:Publish"},
            "the Action sns:Publish of statement 2 is not one of SES, as ses:SendEmail or ses:Send* are.",
        ),
        *(
            (
                {"Action": action},
                f"the Action {action} of statement 2 is not one of SES, as ses:SendEmail or ses:Send* are.",
            )
            for action in (
                "*:Send",
                "se*:SendEmail",
                "s?s:SendEmail",
                "ses:",
                "ses",
                "**",
                "SES",
                "\u017fes:SendEmail",
            )
        ),
        ({"Resource": None}, "statement 2 has no Resource."),
        ({"Resource": []}, "the Resource of statement 2 is neither a text nor a list of texts."),
        (
            {"Resource": [ARN, ARN]},
            "statement 2 has 2 resources; the only one is the identity it hangs on.",
        ),
        (
            {"Resource": f"arn:aws:ses:eu-west-1:{OWNER}:identity/example.org"},
            (
                f"the Resource of statement 2 is arn:aws:ses:eu-west-1:{OWNER}:identity/example.org,"
                f" and the policy is for {ARN}."
            ),
        ),
        ({"Condition": []}, "Condition is not an object."),
        ({"Condition": {"StringIs": {"ses:FromAddress": "a"}}}, "there is no condition operator StringIs."),
        ({"Condition": {"stringequals": {"a": "b"}}}, "there is no condition operator stringequals."),
        ({"Condition": {"NullIfExists": {"a": "b"}}}, "there is no condition operator NullIfExists."),
        (
            {"Condition": {"ForAllValues:Null": {"a": "b"}}},
            "there is no condition operator ForAllValues:Null.",
        ),
        ({"Condition": {"ForSome:Bool": {"a": "b"}}}, "there is no condition operator ForSome:Bool."),
        (
            {"Condition": {"StringEquals": {}}},
            "the condition operator StringEquals does not have an object with a key.",
        ),
        (
            {"Condition": {"StringEquals": {"ses:FromAddress": []}}},
            "the condition key ses:FromAddress has no values.",
        ),
        (
            {"Condition": {"StringEquals": {"ses:FromAddress": {"a": "b"}}}},
            "a value of the condition key ses:FromAddress is neither text nor number nor boolean.",
        ),
        (
            {"Condition": {"StringEquals": {"ses:FromAddress": "${aws:username}@example.com"}}},
            "a value of the condition key ses:FromAddress has a variable; there are none here.",
        ),
        (
            {"Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/99"}}},
            "the condition operator IpAddress cannot be used with 192.0.2.0/99.",
        ),
        (
            {"Condition": {"Bool": {"aws:SecureTransport": "yes"}}},
            "the condition operator Bool cannot be used with yes.",
        ),
        (
            {"Condition": {"NumericEquals": {"aws:EpochTime": "1e5"}}},
            "the condition operator NumericEquals cannot be used with 1e5.",
        ),
        (
            {"Condition": {"DateLessThan": {"aws:CurrentTime": "2026-02-30"}}},
            "the condition operator DateLessThan cannot be used with 2026-02-30.",
        ),
        (
            {"Condition": {"ArnLike": {"aws:SourceArn": "cognito"}}},
            "the condition operator ArnLike cannot be used with cognito.",
        ),
        *(
            (
                {element: "*"},
                f"statement 2 has an element {element}, which the policy of an identity does not have.",
            )
            for element in ("NotPrincipal", "NotAction", "NotResource", "effect", "Conditions")
        ),
    ],
)
def test_what_is_no_statement_is_refused(elements: dict[str, Any], sentence: str) -> None:
    """The sentence names the statement and the element."""
    assert refused(document(statement(), statement(**elements))) == MALFORMED + sentence


@pytest.mark.parametrize(
    "resource",
    [
        "*",
        "example.com",
        "arn:aws:ses",
        f"arn:aws:s3:eu-west-1:{OWNER}:x",
        f"arn:aws:ses:eu-west-1:{OWNER}:*",
        "",
    ],
)
def test_a_resource_that_is_no_identity(resource: str) -> None:
    """The vendor's text."""
    assert refused(document(statement(Resource=resource))) == "Invalid ARN"


@pytest.mark.parametrize(
    "principal",
    [
        {},
        [],
        "123456789012",
        {"AWS": []},
        {"AWS": 123456789012},
        {"AWS": "12345678901"},
        {"AWS": "ann"},
        {"AWS": "AIDAEXAMPLEEXAMPLE123"},
        {"AWS": f"arn:aws:iam::{OTHER}:user/"},
        {"AWS": f"arn:aws:iam::{OTHER}:user/*"},
        {"AWS": f"arn:aws:iam::{OTHER}:user/*/ann"},
        {"AWS": f"arn:aws:iam::{OTHER}:group/x"},
        {"AWS": f"arn:aws:iam:eu-west-1:{OTHER}:root"},
        {"AWS": f"arn:aws:ses:eu-west-1:{OTHER}:identity/example.com"},
        {"AWS": "cognito-idp.amazonaws.com"},
        {"AWS": [OTHER, "nobody"]},
        {"Service": "*"},
        {"Service": "example.com"},
        {"Federated": "x"},
        {"CanonicalUser": "x"},
    ],
)
def test_a_principal_that_nobody_can_be(principal: object) -> None:
    """The vendor's text."""
    assert refused(document(statement(Principal=principal))) == PRINCIPAL


def test_what_begins_like_an_arn_and_is_none() -> None:
    """The vendor's text for ARNs, among the principals as well."""
    assert refused(document(statement(Principal={"AWS": "arn:aws:iam"}))) == "Invalid ARN"


@pytest.mark.parametrize(
    "key", ["AWS:SourceAccount", "ses:fromaddress", "aws:username", "ses:ReplicaRegion", "x"]
)
def test_a_condition_key_is_spelt_exactly(key: str) -> None:
    """The vendor's text, for other spellings and for keys that sending does not have."""
    text = document(statement(Condition={"StringEquals": {key: "1"}}))

    assert refused(text) == f"Unknown or unapplicable condition field '{key}'."


def test_the_gates_are_passed_one_after_the_other() -> None:
    """The form of every statement is looked at before any principal, and those before any condition key."""
    form = statement(Resource="*")
    principal = statement(Principal={"AWS": "nobody"})
    key = statement(Condition={"StringEquals": {"x": "1"}})

    assert refused(document(key, principal, form)) == "Invalid ARN"
    assert refused(document(key, principal)) == PRINCIPAL
    assert refused(document(key)).startswith("Unknown or unapplicable")


def test_a_document_has_at_most_four_kilobytes() -> None:
    """Octets count, not characters."""
    room = MOST_OF_SENDING - len(document(statement(Sid="")))

    assert sending(statement(Sid="x" * room)).statements
    sentence = "Policy document has 4097 bytes; at most 4096 are allowed."
    assert refused(document(statement(Sid="x" * (room + 1)))) == sentence
    wide = json.dumps({"Statement": statement(Sid="é" * (MOST_OF_SENDING // 2))}, ensure_ascii=False)
    assert refused(wide).endswith("at most 4096 are allowed.")


@pytest.mark.parametrize(
    "elements",
    [
        {"Resource": "*"},
        {"Resource": ["arn:aws:ses:*:*:identity/*", "arn:aws:ses:eu-west-1:*:configuration-set/*"]},
        {"Resource": None, "NotResource": ARN},
        {"Action": "*"},
        {"Action": ["indicia:*", "SES:GetEmailIdentity".replace("SES", "ses")]},
        {"Action": None, "NotAction": "ses:Delete*"},
        {"Condition": {"StringEquals": {"AWS:SourceIp": "192.0.2.1", "aws:RequestedRegion": "eu-west-1"}}},
        {"Condition": {"ForAllValues:StringEquals": {"ses:ReplicaRegion": ["eu-west-1"]}}},
    ],
)
def test_the_policy_of_a_key_is_that_of_iam(elements: dict[str, Any]) -> None:
    """Many resources, wildcards, `Not` forms, and keys in any case."""
    assert of_key(statement(Principal=None, **{"Resource": "*", **elements})).statements


@pytest.mark.parametrize(
    ("elements", "sentence"),
    [
        (
            {"Principal": "*"},
            MALFORMED
            + "statement 1 has an element Principal, which the policy of an access key does not have.",
        ),
        ({"NotAction": "ses:*"}, MALFORMED + "statement 1 has both Action and NotAction."),
        ({"Action": None}, MALFORMED + "statement 1 has neither Action nor NotAction."),
        ({"Resource": None}, MALFORMED + "statement 1 has neither Resource nor NotResource."),
        ({"NotResource": "*"}, MALFORMED + "statement 1 has both Resource and NotResource."),
        ({"Resource": "example.com"}, "Invalid ARN: example.com, in statement 1"),
        (
            {"Resource": "arn:aws:s3:::bucket"},
            MALFORMED + "the Resource arn:aws:s3:::bucket of statement 1 is not one of this service.",
        ),
        (
            {"Resource": "arn:aws:ses:*:*:identity/${aws:username}"},
            MALFORMED + "the Resource arn:aws:ses:*:*:identity/${aws:username} of statement 1 has a variable;"
            " there are none here.",
        ),
        (
            {"Action": "s3:GetObject"},
            MALFORMED + "the Action s3:GetObject of statement 1 is not one of this service, as"
            " ses:GetEmailIdentity, ses:* or indicia:CheckIdentity are.",
        ),
        (
            {"Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}}},
            "Unknown or unapplicable condition field 'aws:ResourceTag/team'.",
        ),
    ],
)
def test_what_is_no_policy_of_a_key(elements: dict[str, Any], sentence: str) -> None:
    """The sentence names the statement and the element."""
    plain = {"Effect": "Allow", "Action": "ses:*", "Resource": "*"}
    wanted = {name: value for name, value in {**plain, **elements}.items() if value is not None}

    assert refused_of_key(document(wanted)) == sentence


def test_a_key_policy_has_a_version_that_iam_has_and_names_once() -> None:
    """As IAM has it."""
    plain = {"Sid": "a", "Effect": "Allow", "Action": "ses:*", "Resource": "*"}

    assert refused_of_key(document(plain, plain)) == MALFORMED + "two statements have the Sid a."
    assert refused_of_key(json.dumps({"Version": "2026-01-01", "Statement": plain})) == (
        MALFORMED + "its Version is neither 2012-10-17 nor 2008-10-17."
    )


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([ARN, OTHER, "*"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Statement", "Effect", "Action", "Resource", "Principal", "AWS", "Condition", "Bool", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


STRANGE = (
    JSON
    | st.builds(lambda value: {"Statement": [value]}, JSON)
    | st.builds(
        lambda **elements: {"Statement": statement(**elements)}, Condition=JSON, Principal=JSON, Action=JSON
    )
)


@given(STRANGE)
def test_nothing_but_a_refusal_comes_of_a_strange_document(tree: object) -> None:
    """Whatever JSON it is, it is a policy or refused as none."""
    assert IDENTITY is not None
    text = json.dumps(tree)
    kinds = set()
    for compiling in (lambda: sending_policy(text, IDENTITY), lambda: access_key_policy(text)):
        try:
            compiling()
        except Fault as fault:
            kinds.add(fault.kind)
    assert kinds <= {FaultKind.INVALID_POLICY}


@given(st.text(max_size=200))
def test_nothing_but_a_refusal_comes_of_a_strange_text(text: str) -> None:
    """Nor of what is no JSON."""
    assert refused(text)
