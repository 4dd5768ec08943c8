"""Topics: which ARNs are one, which identity an ARN means, and who need not be mailed."""

from __future__ import annotations

import pytest

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identities.meant import name_meant
from indicia.domain.identities.notifications import (
    Notification,
    NotificationType,
    heard_otherwise,
    parse_topic,
)

TOPIC = "arn:aws:sns:eu-west-1:111122223333:bounces"


@pytest.mark.parametrize(
    "text",
    [
        TOPIC,
        "arn:aws:sns:eu-west-1:999988887777:other-account_topic",
        "arn:aws:sns:eu-west-1:111122223333:" + "x" * 256,
    ],
)
def test_a_standard_topic_of_the_region_is_accepted(text: str) -> None:
    """Whoever owns it: that it may be published to is its own policy's to say."""
    assert parse_topic(text, "eu-west-1") == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("bounces", "No topic has such an ARN."),
        ("arn:aws:sns:eu-west-1:111122223333", "No topic has such an ARN."),
        ("arn:aws:sns:eu-west-1:111122223333:", "No topic has such an ARN."),
        ("arn:aws:sns:eu-west-1:1111:bounces", "No topic has such an ARN."),
        ("arn:aws:sns:eu-west-1::bounces", "No topic has such an ARN."),
        ("arn:aws:sns::111122223333:bounces", "No topic has such an ARN."),
        ("arn:aws:sqs:eu-west-1:111122223333:bounces", "No topic has such an ARN."),
        ("arn:mars:sns:eu-west-1:111122223333:bounces", "No topic has such an ARN."),
        ("arn:aws-us-gov:sns:eu-west-1:111122223333:bounces", "No topic has such an ARN."),
        ("arn:aws:sns:us-gov-west-1:111122223333:bounces", "No topic has such an ARN."),
        ("arn:aws:sns:eu-west-1:111122223333:boun ces", "No topic has such an ARN."),
        ("arn:aws:sns:eu-west-1:111122223333:bounces\n", "No topic has such an ARN."),
        ("arn:aws:sns:eu-west-1:111122223333:" + "x" * 257, "No topic has such an ARN."),
        ("arn:aws:sns:eu-west-1:111122223333:a:b", "No topic has such an ARN."),
        (" " + TOPIC, "No topic has such an ARN."),
        (f"{TOPIC}.fifo", "It is a FIFO topic; notifications need a standard topic."),
        (
            TOPIC.replace("eu-west-1", "us-east-1"),
            "It is in us-east-1; notifications need a topic in eu-west-1, where the identity is.",
        ),
    ],
)
def test_anything_else_is_refused_with_its_reason(text: str, reason: str) -> None:
    """A FIFO topic, one of another region, and what is no topic at all are told apart."""
    with pytest.raises(Fault) as caught:
        parse_topic(text, "eu-west-1")

    assert caught.value.kind is FaultKind.INVALID_PARAMETER
    assert caught.value.message.startswith("SNS topic ")
    assert caught.value.message.endswith(f" is invalid. {reason}")


@pytest.mark.parametrize(
    ("topics", "heard"),
    [
        ({}, False),
        ({NotificationType.BOUNCE: TOPIC}, False),
        ({NotificationType.COMPLAINT: TOPIC}, False),
        ({NotificationType.BOUNCE: TOPIC, NotificationType.DELIVERY: TOPIC}, False),
        ({NotificationType.BOUNCE: TOPIC, NotificationType.COMPLAINT: ""}, False),
        ({NotificationType.BOUNCE: TOPIC, NotificationType.COMPLAINT: TOPIC}, True),
    ],
)
def test_both_kinds_of_trouble_need_a_topic(topics: dict[NotificationType, str], heard: bool) -> None:
    """Bounces and complaints both; deliveries do not count."""
    assert heard_otherwise({kind: Notification(topic) for kind, topic in topics.items()}) is heard


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Example.COM", "example.com"),
        ("Ann@Example.com", "Ann@Example.com"),
        ("arn:aws:ses:eu-west-1:111122223333:identity/Example.COM", "example.com"),
        ("arn:aws:ses:eu-west-1:111122223333:identity/Ann@example.com", "Ann@example.com"),
        ("arn:aws:ses:eu-west-1:999988887777:identity/example.com", ""),
        ("arn:aws:ses:us-east-1:111122223333:identity/example.com", ""),
        (
            "arn:aws:ses:eu-west-1:111122223333:configuration-set/x",
            "arn:aws:ses:eu-west-1:111122223333:configuration-set/x",
        ),
        (TOPIC, TOPIC),
        ("\x00", ""),
    ],
)
def test_a_name_or_an_arn(text: str, name: str) -> None:
    """An ARN of this account and region means its identity, one of another means nobody here."""
    assert name_meant(text, "111122223333", "eu-west-1") == name
