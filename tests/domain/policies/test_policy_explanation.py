"""Decisions in words."""

from __future__ import annotations

from policies import ANN, OTHER, OWNER, of_key, question, sending, statement

from indicia.domain.policies.evaluation import decide, decide_sending
from indicia.domain.policies.explanation import explained
from indicia.domain.policies.principals import Principal


def test_the_statement_that_decides_is_named() -> None:
    """By its place, its Sid, and its policy where there are several."""
    policy = sending(statement(Action="ses:SendRawEmail"), statement(Sid="team"), name="partners")

    assert explained(decide((policy,), question())) == "Statement 2 (team) of policy partners allows it."
    denying = sending(statement(Effect="Deny"))
    assert explained(decide((policy, denying), question())) == "Statement 1 denies it."


def test_what_kept_each_allowing_statement_from_applying_is_told() -> None:
    """The first part that does not fit, and of a condition what was asked and what there was."""
    policy = sending(
        statement(Action="ses:SendRawEmail"),
        statement(Principal={"AWS": OWNER}),
        statement(Condition={"StringLike": {"ses:FromAddress": ["*@a.example", "*@b.example"]}}),
        statement(Condition={"StringEquals": {"ses:FeedbackAddress": "x"}}),
        statement(Effect="Deny", Principal={"AWS": OWNER}),
    )

    assert explained(decide((policy,), question(ses_FromAddress="ann@example.com"))) == (
        "No statement allows it."
        " Statement 1 does not apply: its actions do not include ses:SendEmail."
        f" Statement 2 does not apply: its principals do not include {ANN}."
        ' Statement 3 does not apply: its condition StringLike of ses:FromAddress and "*@a.example",'
        ' "*@b.example" does not hold of "ann@example.com".'
        ' Statement 4 does not apply: its condition StringEquals of ses:FeedbackAddress and "x" does not'
        " hold, as the request has no ses:FeedbackAddress."
    )


def test_no_more_is_told_than_can_be_read() -> None:
    """Five statements, three values, a hundred characters, and how many more there were."""
    many = [str(at) for at in range(9)]
    policy = sending(*[statement(Condition={"StringEquals": {"ses:FromAddress": many}})] * 8)

    because = explained(decide((policy,), question(ses_FromAddress="x" * 300)))

    assert because.count("does not apply") == 5
    assert because.endswith("Nor do 3 more.")
    assert '"0", "1", "2" and 6 more' in because
    assert f'"{"x" * 100}... (200 more characters)"' in because


def test_a_resource_that_is_not_named() -> None:
    """The policy of a key says which resources it is about."""
    policy = of_key(
        {"Effect": "Allow", "Action": "ses:*", "Resource": f"arn:aws:ses:*:{OTHER}:identity/*"},
    )

    assert explained(decide((policy,), question(resource="*"))) == (
        "No statement allows it. Statement 1 does not apply: its resources do not include *."
    )


def test_where_there_is_nothing_to_name() -> None:
    """No policy, none that allows, and the owner, who needs none."""
    assert explained(decide((), question())) == "There is no policy that could allow it."
    silent = sending(statement(Effect="Deny", Principal={"AWS": OWNER}))
    assert explained(decide((silent,), question())) == "No statement allows anything."
    owner = question(Principal(OWNER, f"arn:aws:iam::{OWNER}:root"))
    assert explained(decide_sending(owner, owner=OWNER, levels=[[], []])) == (
        "The principal belongs to the account that owns the identity, which needs no sending authorization"
        " policy, and no statement denies it."
    )
