"""Topics that hear of bounces, complaints and deliveries, v1; no version 2 of these exists (spec 10.1)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identities.meant import name_meant
from indicia.domain.identities.notifications import Notification, NotificationType, parse_topic
from indicia.domain.names import shown
from indicia.operations.batches import folded
from indicia.store.identities import identities, notifications
from indicia.wire.shapes import ses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from indicia.domain.identities.identity import Identity
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session

_NOTHING = Notification()


def set_notification_topic(
    context: OperationContext, call: Call, request: ses.SetIdentityNotificationTopicRequest, s: Session
) -> ses.SetIdentityNotificationTopicResponse:
    """SES v1 SetIdentityNotificationTopic: the topic hears of it from now on; none does where none is given.

    The identity needs but to be there: whoever sets one up makes both in one go (Terraform's tests).

    Raises: `Fault` INVALID_PARAMETER.
    """
    name = name_meant(request.Identity, call.account, call.region)
    identity = identities.get(s, call.account, call.region, name)
    if identity is None:
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"Identity {shown(request.Identity)} is invalid. Must be a verified email address or domain.",
        )
    topic = parse_topic(request.SnsTopic, call.region) if request.SnsTopic else ""
    kind = NotificationType(request.NotificationType)
    before = notifications.of(s, identity.id).get(kind, _NOTHING)
    _put(s, identity, kind, before, replace(before, topic=topic))
    return ses.SetIdentityNotificationTopicResponse()


def set_headers_in_notifications_enabled(
    context: OperationContext,
    call: Call,
    request: ses.SetIdentityHeadersInNotificationsEnabledRequest,
    s: Session,
) -> ses.SetIdentityHeadersInNotificationsEnabledResponse:
    """SES v1 SetIdentityHeadersInNotificationsEnabled: kept, and of use once there is a topic of that type.

    Raises: `Fault` INVALID_PARAMETER.
    """
    name = name_meant(request.Identity, call.account, call.region)
    identity = identities.get(s, call.account, call.region, name)
    if identity is None:
        # Not the sentence of its neighbour: this one has an "It" (probed).
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"Identity {shown(request.Identity)} is invalid. It must be a verified email address or domain.",
        )
    kind = NotificationType(request.NotificationType)
    before = notifications.of(s, identity.id).get(kind, _NOTHING)
    _put(s, identity, kind, before, replace(before, headers=request.Enabled))
    return ses.SetIdentityHeadersInNotificationsEnabledResponse()


def _put(
    s: Session, identity: Identity, kind: NotificationType, before: Notification, after: Notification
) -> None:
    if after != before:
        # The identity's version grows with it: of two writers at once, one hears of the other.
        identities.update(s, identity, identity.version)
        notifications.put(s, identity.id, kind, after)


def get_notification_attributes(
    context: OperationContext, call: Call, request: ses.GetIdentityNotificationAttributesRequest, s: Session
) -> ses.GetIdentityNotificationAttributesResponse:
    """SES v1 GetIdentityNotificationAttributes, of names or ARNs. Unknown identities are left out.

    Raises: `Fault` INVALID_PARAMETER for more than a hundred identities.
    """
    names = folded(request.Identities, partial(name_meant, account=call.account, region=call.region))
    found = identities.many(s, call.account, call.region, list(set(names.values())))
    topics = notifications.of_many(s, [identity.id for identity in found.values()])
    return ses.GetIdentityNotificationAttributesResponse(
        NotificationAttributes={
            asked: _attributes(found[name], topics[found[name].id])
            for asked, name in names.items()
            if name in found
        }
    )


def _attributes(
    identity: Identity, topics: Mapping[NotificationType, Notification]
) -> ses.IdentityNotificationAttributes:
    """Return the entry of one identity: flags always, topics where they are set (probed)."""
    bounce = topics.get(NotificationType.BOUNCE, _NOTHING)
    complaint = topics.get(NotificationType.COMPLAINT, _NOTHING)
    delivery = topics.get(NotificationType.DELIVERY, _NOTHING)
    return ses.IdentityNotificationAttributes(
        BounceTopic=bounce.topic or None,
        ComplaintTopic=complaint.topic or None,
        DeliveryTopic=delivery.topic or None,
        ForwardingEnabled=identity.feedback_forwarding,
        HeadersInBounceNotificationsEnabled=bounce.headers,
        HeadersInComplaintNotificationsEnabled=complaint.headers,
        HeadersInDeliveryNotificationsEnabled=delivery.headers,
    )
