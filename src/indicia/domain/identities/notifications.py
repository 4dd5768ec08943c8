"""Who hears of an identity's bounces, complaints and deliveries through Amazon SNS (spec 10.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from indicia.domain.arns import Arn, is_account, parse_arn
from indicia.domain.faults import FaultKind, refuse
from indicia.domain.names import shown

# Amazon SNS, CreateTopic: letters, digits, hyphens and underscores; a FIFO topic ends in `.fifo`.
_TOPIC_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}\Z")
_FIFO = ".fifo"


class NotificationType(Enum):
    """SES v1 `NotificationType`."""

    BOUNCE = "Bounce"
    COMPLAINT = "Complaint"
    DELIVERY = "Delivery"


@dataclass(frozen=True, slots=True)
class Notification:
    """What is set for one type: the topic's ARN, empty where there is none; whether it gets the headers."""

    topic: str = ""
    headers: bool = False


def parse_topic(text: str, region: str) -> str:
    """Return the ARN of a topic that an identity of the region may publish to.

    SES developer guide, configuring SNS notifications: a standard topic, in the region of the identity.

    Raises: `Fault` INVALID_PARAMETER, in words of our own: the vendor's are not known.
    """
    arn = parse_arn(text)
    if arn is None or not _is_topic(arn):
        refuse(FaultKind.INVALID_PARAMETER, f"SNS topic {shown(text)} is invalid. No topic has such an ARN.")
    if arn.resource.endswith(_FIFO):
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"SNS topic {shown(text)} is invalid. It is a FIFO topic; notifications need a standard topic.",
        )
    if arn.region != region:
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"SNS topic {shown(text)} is invalid. It is in {shown(arn.region)}; notifications need a topic in"
            f" {region}, where the identity is.",
        )
    return text


def _is_topic(arn: Arn) -> bool:
    named = arn.service == "sns" and arn.in_its_partition and arn.region and is_account(arn.account)
    return bool(named) and _TOPIC_NAME.match(arn.resource.removesuffix(_FIFO)) is not None


def heard_otherwise(notifications: Mapping[NotificationType, Notification]) -> bool:
    """Say whether topics hear of bounces and complaints both, so that nobody needs to be mailed about them.

    SES v1, SetIdentityFeedbackForwardingEnabled: only then may forwarding be disabled.
    """
    needed = (NotificationType.BOUNCE, NotificationType.COMPLAINT)
    return all(kind in notifications and notifications[kind].topic for kind in needed)
