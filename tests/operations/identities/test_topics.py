"""Topics, headers and feedback mail: who may set them, and what is kept."""

from __future__ import annotations

from typing import Any

import pytest
from desk import Desk

from indicia.domain.faults import FaultKind
from indicia.domain.identities.identity import Facet, Status
from indicia.domain.identities.notifications import Notification, NotificationType
from indicia.store.identities import notifications

TOPIC = "arn:aws:sns:eu-west-1:111122223333:bounces"
OTHER = "arn:aws:sns:eu-west-1:111122223333:others"


def registered(desk: Desk, name: str, status: Status = Status.SUCCESS) -> None:
    """An identity whose own proof has this status."""
    desk.ask("CreateEmailIdentity", EmailIdentity=name)
    desk.find(name, Facet.LINK if "@" in name else Facet.DKIM, status)


def set_topic(desk: Desk, name: str, kind: str, topic: str | None = TOPIC) -> None:
    """Set a topic, or take it away."""
    desk.ask("SetIdentityNotificationTopic", Identity=name, NotificationType=kind, SnsTopic=topic)


def shown(desk: Desk, name: str) -> Any:
    """What is set."""
    return desk.ask("GetIdentityNotificationAttributes", Identities=[name]).NotificationAttributes[name]


@pytest.mark.parametrize("kind", ["Bounce", "Complaint", "Delivery"])
@pytest.mark.parametrize("cleared", [None, ""])
def test_each_type_has_its_topic_and_its_headers(desk: Desk, kind: str, cleared: str | None) -> None:
    """Set, replaced, taken away, each type by itself; the headers flag stays where the topic goes."""
    registered(desk, "example.com")
    flag = f"HeadersIn{kind}NotificationsEnabled"
    untouched = desk.view("example.com")

    set_topic(desk, "example.com", kind)
    desk.ask(
        "SetIdentityHeadersInNotificationsEnabled",
        Identity="example.com",
        NotificationType=kind,
        Enabled=True,
    )
    set_topic(desk, "example.com", kind, OTHER)
    set_one = shown(desk, "example.com")
    topics = {each: getattr(set_one, f"{each}Topic") for each in ("Bounce", "Complaint", "Delivery")}
    assert {each for each, topic in topics.items() if topic} == {kind}
    assert (topics[kind], getattr(set_one, flag)) == (OTHER, True)

    set_topic(desk, "example.com", kind, cleared)
    assert (
        getattr(shown(desk, "example.com"), f"{kind}Topic"),
        getattr(shown(desk, "example.com"), flag),
    ) == (
        None,
        True,
    )
    after = desk.view("example.com")
    assert (after.facets, after.due_at) == (untouched.facets, untouched.due_at)
    assert after.identity.generation == untouched.identity.generation


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("name", ["example.com", "ann@example.org"])
def test_a_topic_is_for_whoever_is_there(desk: Desk, name: str, status: Status) -> None:
    """Topics are set and taken away, and flags too, whatever the identity has proved."""
    registered(desk, name, status)
    set_topic(desk, name, "Bounce")
    assert shown(desk, name).BounceTopic == TOPIC

    set_topic(desk, name, "Bounce", None)
    desk.ask(
        "SetIdentityHeadersInNotificationsEnabled", Identity=name, NotificationType="Bounce", Enabled=True
    )

    assert (shown(desk, name).BounceTopic, shown(desk, name).HeadersInBounceNotificationsEnabled) == (
        None,
        True,
    )


def test_a_topic_is_for_an_identity(desk: Desk) -> None:
    """A name below a verified domain has settings of its own once it is registered itself (spec 3.7)."""
    registered(desk, "example.com")

    fault = desk.refused(
        "SetIdentityNotificationTopic", Identity="ann@example.com", NotificationType="Bounce", SnsTopic=TOPIC
    )

    assert (fault.kind, fault.message) == (
        FaultKind.INVALID_PARAMETER,
        "Identity ann@example.com is invalid. Must be a verified email address or domain.",
    )


@pytest.mark.parametrize("missing", ["Bounce", "Complaint", None])
def test_v1_mails_unless_both_topics_are_set(desk: Desk, missing: str | None) -> None:
    """Forwarding is disabled only where bounces and complaints both have a topic; enabled always."""
    registered(desk, "example.com")
    for kind in {"Bounce", "Complaint", "Delivery"} - {missing}:
        set_topic(desk, "example.com", kind)
    off = {"Identity": "example.com", "ForwardingEnabled": False}

    if missing is None:
        desk.ask("SetIdentityFeedbackForwardingEnabled", **off)
    else:
        fault = desk.refused("SetIdentityFeedbackForwardingEnabled", **off)
        assert fault.kind is FaultKind.INVALID_PARAMETER
    assert shown(desk, "example.com").ForwardingEnabled is (missing is not None)

    desk.ask("SetIdentityFeedbackForwardingEnabled", Identity="example.com", ForwardingEnabled=True)
    assert shown(desk, "example.com").ForwardingEnabled is True


def test_a_topic_taken_away_leaves_the_flag(desk: Desk) -> None:
    """What was disabled stays so; that nobody hears at all is prevented when mail is sent (spec 9.6)."""
    registered(desk, "example.com")
    for kind in ("Bounce", "Complaint"):
        set_topic(desk, "example.com", kind)
    desk.ask("SetIdentityFeedbackForwardingEnabled", Identity="example.com", ForwardingEnabled=False)

    set_topic(desk, "example.com", "Bounce", None)

    assert shown(desk, "example.com").ForwardingEnabled is False


@pytest.mark.parametrize("status", [Status.PENDING, Status.SUCCESS])
@pytest.mark.parametrize("name", ["example.com", "ann@example.com"])
def test_v2_asks_for_no_topics(desk: Desk, name: str, status: Status) -> None:
    """PutEmailIdentityFeedbackAttributes is on and off for every identity that is there."""
    registered(desk, name, status)
    for enabled in (False, False, True):
        desk.ask("PutEmailIdentityFeedbackAttributes", EmailIdentity=name, EmailForwardingEnabled=enabled)
        assert desk.ask("GetEmailIdentity", EmailIdentity=name).FeedbackForwardingStatus is enabled
        assert shown(desk, name).ForwardingEnabled is enabled


@pytest.mark.parametrize("account", [None, "999988887777"])
def test_an_arn_means_the_identity_of_its_account_and_region(desk: Desk, account: str | None) -> None:
    """One's own by ARN, in any case of the domain; another's is not there."""
    registered(desk, "example.com")
    owner = account or desk.account
    arn = f"arn:aws:ses:{desk.region}:{owner}:identity/Example.com"
    abroad = f"arn:aws:ses:us-east-1:{desk.account}:identity/example.com"
    if account is None:
        set_topic(desk, arn, "Bounce")
        assert shown(desk, arn).BounceTopic == TOPIC
    else:
        fault = desk.refused("SetIdentityNotificationTopic", Identity=arn, NotificationType="Bounce")
        assert fault.kind is FaultKind.INVALID_PARAMETER
    found = desk.ask("GetIdentityNotificationAttributes", Identities=[arn, abroad, "example.com"])
    assert set(found.NotificationAttributes) == {"example.com", *([arn] if account is None else [])}


def test_the_record_names_the_identity_and_not_its_arn(desk: Desk) -> None:
    """The audit log has the identity's ARN, whether it was called by name or by ARN."""
    registered(desk, "example.com")
    arn = f"arn:aws:ses:{desk.region}:{desk.account}:identity/example.com"
    set_topic(desk, "example.com", "Bounce")
    set_topic(desk, arn, "Bounce", OTHER)
    assert [line.resource for line in desk.trail()[:2]] == [arn, arn]


def test_topics_go_with_their_identity(desk: Desk) -> None:
    """A deleted identity that is created again has no topics, and feedback mail is on."""
    registered(desk, "example.com")
    set_topic(desk, "example.com", "Bounce")
    desk.ask("DeleteIdentity", Identity="example.com")

    registered(desk, "example.com")

    assert (shown(desk, "example.com").BounceTopic, shown(desk, "example.com").ForwardingEnabled) == (
        None,
        True,
    )


def test_the_store_keeps_each_apart(desk: Desk) -> None:
    """Several identities, several types, in one statement; what was never set is not there."""
    for name in ("a.example", "b.example", "c.example"):
        registered(desk, name)
    ids = {name: desk.view(name).identity.id for name in ("a.example", "b.example", "c.example")}
    set_topic(desk, "a.example", "Bounce")
    set_topic(desk, "b.example", "Complaint", OTHER)

    found = desk.read(lambda s: notifications.of_many(s, list(ids.values())))

    assert found == {
        ids["a.example"]: {NotificationType.BOUNCE: Notification(TOPIC)},
        ids["b.example"]: {NotificationType.COMPLAINT: Notification(OTHER)},
        ids["c.example"]: {},
    }
    assert desk.read(lambda s: notifications.of_many(s, [])) == {}
