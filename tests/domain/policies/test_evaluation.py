"""What policies decide: Deny over Allow, the address over the domain, nothing over nobody."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policies import ANN, ARN, IDENTITY, OTHER, OWNER, document, of_key, question, sending, statement

from indicia.domain.policies.evaluation import AccessQuestion, Effect, Ground, Policy, decide, decide_sending
from indicia.domain.policies.grammar import sending_policy
from indicia.domain.policies.principals import Principal

ALLOW, DENY = statement(Sid="allowing"), statement(Sid="denying", Effect="Deny")
NEVER = statement(Sid="unrelated", Principal={"AWS": "999999999999"})


def test_nothing_is_allowed_by_nothing() -> None:
    """No policy, or none with a statement that applies, denies."""
    for policies in ((), (sending(NEVER),)):
        decision = decide(policies, question())
        assert (decision.effect, decision.ground, decision.statement) == (Effect.DENY, Ground.NOTHING, None)


def test_a_deny_wins_wherever_it_stands() -> None:
    """In the same policy or another one of the level, before or behind the Allow."""
    for policies in (
        (sending(ALLOW, DENY),),
        (sending(DENY, ALLOW),),
        (sending(ALLOW), sending(DENY)),
        (sending(DENY), sending(ALLOW)),
    ):
        decision = decide(policies, question())
        assert not decision.allowed
        assert decision.statement is not None
        assert decision.statement.sid == "denying"
    assert decide((sending(ALLOW),), question()).allowed


@pytest.mark.parametrize(
    ("principal", "asking", "expected"),
    [
        ({"AWS": OTHER}, ANN, True),
        ({"AWS": f"arn:aws:iam::{OTHER}:root"}, ANN, True),
        ({"AWS": ANN.arn}, ANN, True),
        ({"AWS": f"arn:aws:iam::{OTHER}:user/bob"}, ANN, False),
        ({"AWS": [f"arn:aws:iam::{OTHER}:user/bob", ANN.arn]}, ANN, True),
        ({"AWS": OWNER}, ANN, False),
        ("*", ANN, True),
        ({"AWS": "*"}, ANN, True),
        ({"AWS": "*"}, Principal(service="cognito-idp.amazonaws.com"), True),
        ({"Service": "cognito-idp.amazonaws.com"}, Principal(service="cognito-idp.amazonaws.com"), True),
        ({"Service": "cognito-idp.amazonaws.com"}, ANN, False),
        ({"AWS": OTHER}, Principal(service="cognito-idp.amazonaws.com"), False),
        (
            {"AWS": f"arn:aws:iam::{OTHER}:role/path/Mailer"},
            Principal(OTHER, f"arn:aws:sts::{OTHER}:assumed-role/Mailer/s"),
            True,
        ),
        (
            {"AWS": f"arn:aws:iam::{OTHER}:role/Mailer"},
            Principal(OWNER, f"arn:aws:sts::{OWNER}:assumed-role/Mailer/s"),
            False,
        ),
        ({"AWS": f"arn:aws:iam::{OTHER}:role/Mailer"}, Principal(OTHER, f"arn:aws:iam::{OTHER}:root"), False),
        ({"AWS": f"arn:aws:iam::{OTHER}:user/ann"}, Principal(OTHER, f"arn:aws:iam::{OTHER}:root"), False),
    ],
)
def test_whom_a_principal_names(principal: object, asking: Principal, expected: bool) -> None:
    """An account with all that is in it, a user, a role with its sessions, a service, or anybody."""
    assert decide((sending(statement(Principal=principal)),), question(asking)).allowed is expected


@pytest.mark.parametrize(
    ("actions", "action", "expected"),
    [
        ("ses:SendEmail", "ses:SendEmail", True),
        ("ses:sendemail", "ses:SendEmail", True),
        ("ses:SendEmail", "ses:SendRawEmail", False),
        ("SES:SendEmail", "ses:SendEmail", True),
        ("Ses:sEND*", "ses:SendEmail", True),
        ("SES:SendRawEmail", "ses:SendEmail", False),
        ("*", "ses:SendEmail", True),
        ("*:*", "ses:SendEmail", True),
        ("*", "indicia:CheckIdentity", False),
        ("ses:Send*", "ses:SendBulkTemplatedEmail", True),
        ("ses:Send???Email", "ses:SendRawEmail", True),
        ("ses:*", "ses:SendEmail", True),
        ("ses:*", "indicia:CheckIdentity", False),
        (["ses:SendRawEmail", "ses:SendEmail"], "ses:SendEmail", True),
    ],
)
def test_which_actions_are_named(actions: object, action: str, expected: bool) -> None:
    """By name or wildcard, in any case."""
    assert decide((sending(statement(Action=actions)),), question(action=action)).allowed is expected


@pytest.mark.parametrize(
    ("elements", "action", "resource", "expected"),
    [
        ({"Action": "*", "Resource": "*"}, "indicia:CheckIdentity", ARN, True),
        ({"Action": "ses:*", "Resource": "*"}, "ses:ListEmailIdentities", "*", True),
        ({"Action": "ses:*", "Resource": ARN}, "ses:ListEmailIdentities", "*", False),
        ({"Action": "ses:*", "Resource": ARN}, "ses:GetEmailIdentity", ARN, True),
        ({"Action": "ses:*", "Resource": ARN + ".org"}, "ses:GetEmailIdentity", ARN, False),
        ({"Action": "ses:*", "Resource": "arn:aws:ses:*:*:identity/*"}, "ses:GetEmailIdentity", ARN, True),
        ({"Action": "ses:*", "Resource": "arn:aws:ses:*:identity/*:x"}, "ses:GetEmailIdentity", ARN, False),
        (
            {"Action": "ses:*", "Resource": f"arn:aws:ses:eu-west-1:{OWNER}:identity/Example.COM"},
            "ses:GetEmailIdentity",
            ARN,
            True,
        ),
        ({"Action": "SES:*", "Resource": "*"}, "ses:ListEmailIdentities", "*", True),
        ({"Action": "*:*", "Resource": "*"}, "indicia:CheckIdentity", ARN, True),
        ({"NotAction": "SES:delete*", "Resource": "*"}, "ses:DeleteEmailIdentity", ARN, False),
        ({"NotAction": "ses:Delete*", "Resource": "*"}, "ses:GetEmailIdentity", ARN, True),
        ({"NotAction": "ses:Delete*", "Resource": "*"}, "ses:DeleteEmailIdentity", ARN, False),
        ({"Action": "ses:*", "NotResource": ARN}, "ses:GetEmailIdentity", ARN, False),
        ({"Action": "ses:*", "NotResource": ARN}, "ses:GetEmailIdentity", ARN + ".org", True),
    ],
)
def test_what_the_policy_of_a_key_names(
    elements: dict[str, Any], action: str, resource: str, expected: bool
) -> None:
    """Actions and resources, or all but those; a wildcard stays within its part of an ARN."""
    policy = of_key({"Effect": "Allow", **elements})

    assert decide((policy,), question(action=action, resource=resource)).allowed is expected


IDENTITIES = f"arn:aws:ses:eu-west-1:{OWNER}:identity/"
SETS = f"arn:aws:ses:eu-west-1:{OWNER}:configuration-set/"


@pytest.mark.parametrize(
    ("pattern", "resource", "expected"),
    [
        (f"{IDENTITIES}*.Corp.Example.org", f"{IDENTITIES}mail.corp.example.org", True),
        (f"{IDENTITIES}*.Corp.Example.org", f"{IDENTITIES}corp.example.org", False),
        (f"{IDENTITIES}*.Corp.Example.org", f"{IDENTITIES}Bob@mail.CORP.example.org", True),
        (f"{IDENTITIES}*Corp*", f"{IDENTITIES}mail.corp.example.org", True),
        (f"{IDENTITIES}?ORP.*", f"{IDENTITIES}corp.example.org", True),
        (f"{IDENTITIES}Corp.Example.org", f"{IDENTITIES}corp.example.org", True),
        (f"{IDENTITIES}*@Corp.Example.org", f"{IDENTITIES}bob@corp.example.org", True),
        (f"{IDENTITIES}*@corp.example.org", f"{IDENTITIES}bob@Corp.EXAMPLE.org", True),
        (f"{IDENTITIES}*@corp.example.org", f"{IDENTITIES}bob@sub.corp.example.org", False),
        (f"{IDENTITIES}Bob@Corp.Example.org", f"{IDENTITIES}Bob@corp.example.org", True),
        # What stands before the @ is somebody's mailbox in its own spelling (RFC 5321 §2.4).
        (f"{IDENTITIES}Bob@*", f"{IDENTITIES}bob@corp.example.org", False),
        (f"{IDENTITIES}Bob*", f"{IDENTITIES}bob@corp.example.org", False),
        (f"{IDENTITIES}Bob*", f"{IDENTITIES}Bob@corp.example.org", True),
        (f"{IDENTITIES}Bob*", f"{IDENTITIES}bobby.example.org", True),
        (f"{IDENTITIES}B*B*@*", f"{IDENTITIES}BoB@b.example", True),
        (f"{IDENTITIES}B*B*@*", f"{IDENTITIES}Bob@b.example", False),
        (f'{IDENTITIES}*"@Example.org', f'{IDENTITIES}"A@B"@example.org', True),
        (f"{SETS}Main*", f"{SETS}Main-1", True),
        (f"{SETS}Main*", f"{SETS}main-1", False),
        (f"{SETS}*", f"{IDENTITIES}corp.example.org", False),
        ("arn:aws:ses:*:*:*", f"{IDENTITIES}corp.example.org", True),
        ("arn:aws:ses:*:*:*Org", f"{IDENTITIES}corp.example.org", True),
        ("arn:aws:ses:*:*:?dentity/*", f"{IDENTITIES}corp.example.org", True),
        # No octet of a pattern stands for a letter of a domain but the letter.
        (f"{IDENTITIES}\ue063orp.example.org", f"{IDENTITIES}corp.example.org", False),
        (f"{IDENTITIES}\u212aorp.example.org", f"{IDENTITIES}korp.example.org", False),
        (f"{IDENTITIES}[a-z]*", f"{IDENTITIES}corp.example.org", False),
    ],
)
def test_a_resource_folds_as_the_name_it_is_about(pattern: str, resource: str, expected: bool) -> None:
    """Domains in any case, also behind a wildcard and behind an @; everything else as it is written."""
    allowing = of_key({"Effect": "Allow", "Action": "ses:*", "Resource": pattern})
    denying = of_key(
        {"Effect": "Allow", "Action": "ses:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "ses:*", "Resource": pattern},
    )
    asked = question(action="ses:GetEmailIdentity", resource=resource)

    assert decide((allowing,), asked).allowed is expected
    assert decide((denying,), asked).allowed is not expected


@pytest.mark.parametrize("piece", ["*A", "?*A", "A*", "*Ab?" * 2])
@pytest.mark.timeout(30)
def test_no_resource_takes_long(piece: str) -> None:
    """Patterns on which a backtracking matcher would never end are answered."""
    policy = of_key({"Effect": "Allow", "Action": "ses:*", "Resource": IDENTITIES + piece * 700 + "x"})

    assert not decide((policy,), question(resource=IDENTITIES + "a" * 60 + "." + "a" * 200)).allowed


LEVELS = [
    ((), (), Effect.DENY),
    ((), (ALLOW,), Effect.ALLOW),
    ((), (DENY,), Effect.DENY),
    ((ALLOW,), (), Effect.ALLOW),
    ((ALLOW,), (DENY,), Effect.ALLOW),
    ((DENY,), (ALLOW,), Effect.DENY),
    ((ALLOW, DENY), (ALLOW,), Effect.DENY),
    ((NEVER,), (ALLOW,), Effect.ALLOW),
    ((NEVER,), (DENY,), Effect.DENY),
]


@pytest.mark.parametrize(("address", "domain", "expected"), LEVELS)
def test_the_address_goes_before_the_domain(
    address: tuple[dict[str, Any], ...], domain: tuple[dict[str, Any], ...], expected: Effect
) -> None:
    """In both directions; where nothing on the address applies, the domain decides (spec 8.6)."""
    levels = [[sending(*each)] if each else [] for each in (address, domain)]

    assert decide_sending(question(), owner=OWNER, levels=levels).effect is expected


def test_the_owner_needs_no_policy_and_is_bound_by_a_deny() -> None:
    """The owner's account may send with nothing said; an explicit Deny that names it counts (spec 8.6)."""
    owner = question(Principal(OWNER, f"arn:aws:iam::{OWNER}:user/ann"))
    forbidden = sending(statement(Effect="Deny", Principal={"AWS": OWNER}))

    assert decide_sending(owner, owner=OWNER, levels=[[], []]).ground is Ground.OWNER
    assert decide_sending(owner, owner=OWNER, levels=[[], [sending(DENY)]]).allowed
    assert not decide_sending(owner, owner=OWNER, levels=[[], [forbidden]]).allowed


PRINCIPALS = ["*", {"AWS": OTHER}, {"AWS": ANN.arn}, {"AWS": "999999999999"}]
CONDITIONS: list[Mapping[str, Any] | None] = [
    None,
    {"StringLike": {"ses:FromAddress": "*@example.com"}},
    {"StringNotEquals": {"ses:FromAddress": "a@example.com"}},
    {"ForAllValues:StringEquals": {"ses:Recipients": ["x@example.org", "y@example.org"]}},
    {"Null": {"ses:FeedbackAddress": "false"}},
]
STATEMENTS = st.builds(
    statement,
    Effect=st.sampled_from(["Allow", "Deny"]),
    Principal=st.sampled_from(PRINCIPALS),
    Action=st.sampled_from(["ses:SendEmail", "ses:Send*", "ses:SendRawEmail"]),
    Condition=st.sampled_from(CONDITIONS),
)
QUESTIONS = st.builds(
    lambda action, sender, recipients: question(
        action=action, ses_FromAddress=sender, ses_Recipients=tuple(recipients)
    ),
    st.sampled_from(["ses:SendEmail", "ses:SendRawEmail", "ses:SendBulkEmail"]),
    st.sampled_from(["a@example.com", "b@example.com", "a@example.org"]),
    st.lists(st.sampled_from(["x@example.org", "z@example.org"]), max_size=2),
)
LISTS = st.lists(STATEMENTS, min_size=1, max_size=6)


def applies(each: dict[str, Any], asked: AccessQuestion) -> bool:
    """Say whether a statement applies: alone and allowing, it allows."""
    return decide((sending({**each, "Effect": "Allow"}),), asked).allowed


@given(LISTS, QUESTIONS)
def test_a_level_is_decided_by_what_applies(statements: list[dict[str, Any]], asked: AccessQuestion) -> None:
    """Denied if a Deny applies, else allowed if an Allow does, else denied."""
    applying = {each["Effect"] for each in statements if applies(each, asked)}

    assert decide((sending(*statements),), asked).allowed is (applying == {"Allow"})


@given(LISTS, QUESTIONS)
def test_a_deny_that_applies_always_wins(statements: list[dict[str, Any]], asked: AccessQuestion) -> None:
    """Whatever else a level says."""
    everybody = statement(Effect="Deny", Principal="*", Action="ses:*")

    assert not decide((sending(*statements, everybody),), asked).allowed
    assert not decide((sending(*statements), sending(everybody)), asked).allowed


@given(LISTS, QUESTIONS, st.integers(0, 6), st.sampled_from(["Allow", "Deny"]))
def test_an_unrelated_statement_changes_nothing(
    statements: list[dict[str, Any]], asked: AccessQuestion, place: int, effect: str
) -> None:
    """One that names somebody else, anywhere."""
    more = [*statements]
    more.insert(place, {**NEVER, "Effect": effect})

    assert decide((sending(*more),), asked).effect is decide((sending(*statements),), asked).effect


@given(LISTS, QUESTIONS, st.randoms(use_true_random=False))
def test_the_order_of_statements_is_no_matter(
    statements: list[dict[str, Any]], asked: AccessQuestion, chance: Random
) -> None:
    """Nor how they are spread over the policies of a level."""
    shuffled = [*statements]
    chance.shuffle(shuffled)
    spread = [sending(each) for each in shuffled]

    expected = decide((sending(*statements),), asked).effect
    assert decide((sending(*shuffled),), asked).effect is expected
    assert decide(spread, asked).effect is expected


def full(make: Any) -> Policy:
    """Return a policy with as many statements as four kilobytes hold."""
    assert IDENTITY is not None
    statements: list[dict[str, Any]] = []
    while len(document(*statements, make(len(statements)))) <= 4096:
        statements.append(make(len(statements)))
    return sending_policy(document(*statements), IDENTITY)


COSTLY = {
    "statements": lambda at: statement(
        Action=["ses:SendEmail", "ses:SendRaw*"],
        Condition={
            "IpAddress": {"aws:SourceIp": "192.0.2.0/24"},
            "StringLike": {"ses:FromAddress": f"team{at}@*"},
        },
    ),
    "short statements": lambda at: statement(
        Principal="*", Condition={"StringLike": {"ses:FromAddress": f"{at}*x"}}
    ),
    "principals": lambda at: statement(
        Principal={"AWS": [str(100000000000 + at * 20 + n) for n in range(20)]}
    ),
    "patterns": lambda at: statement(
        Condition={"ForAllValues:StringLike": {"ses:Recipients": [f"*@{at}-{n}.example" for n in range(20)]}}
    ),
}


def calls_of(act: Any) -> int:
    """Return how many functions, of Python and of C, are called meanwhile: a cost that no machine changes."""
    count = 0

    def seen(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(seen)
    try:
        act()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("kind", COSTLY)
def test_a_decision_on_a_full_policy_costs_a_few_calls_a_statement(kind: str) -> None:
    """Once compiled, whatever the four kilobytes are filled with, and with nothing that applies.

    `python -m bench --only deciding` says how long that takes.
    """
    policy = full(COSTLY[kind])
    asked = question(
        ses_FromAddress="nobody@example.com",
        ses_Recipients=("a@0-1.example", "b@else.example"),
        aws_SourceIp="192.0.2.7",
    )

    assert not decide((policy,), asked).allowed
    assert calls_of(lambda: decide((policy,), asked)) <= 20 + 20 * len(policy.statements)
