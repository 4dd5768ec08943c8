"""What people set on identities, to the octet, in both protocols; and every documented text."""

from __future__ import annotations

import pytest
from desk import Desk
from protocols import v1, v1_refusal, v1_result, v2

from indicia.domain.identities.identity import Facet, Status
from indicia.store.configuration_sets import configuration_sets

DOMAIN = "/v2/email/identities/example.com"
ADDRESS = "/v2/email/identities/ann%40example.com"
MISSING = "/v2/email/identities/none.example"
TOPIC = "arn:aws:sns:eu-west-1:111122223333:bounces"
ARN = "arn:aws:ses:eu-west-1:111122223333:identity/example.com"

DONE = (200, "", "{}")


def verified(desk: Desk) -> None:
    """A domain and an address that are verified, and a configuration set."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    desk.find("example.com", Facet.DKIM, Status.SUCCESS)
    desk.ask("CreateEmailIdentity", EmailIdentity="ann@example.com")
    desk.find("ann@example.com", Facet.LINK, Status.SUCCESS)
    desk.database.write(
        lambda s: configuration_sets.create(s, desk.account, desk.region, "main", at=desk.now)
    )


def test_mail_from_in_v2(desk: Desk) -> None:
    """Set, shown pending with its behaviour, cleared."""
    verified(desk)

    assert (
        v2(
            desk,
            "PUT",
            f"{DOMAIN}/mail-from",
            '{"MailFromDomain":"Bounce.example.com","BehaviorOnMxFailure":"REJECT_MESSAGE"}',
        )
        == DONE
    )
    shown = v2(desk, "GET", DOMAIN)[2]
    assert (
        '"MailFromAttributes":{"MailFromDomain":"bounce.example.com","MailFromDomainStatus":"PENDING",'
        '"BehaviorOnMxFailure":"REJECT_MESSAGE"}'
    ) in shown

    assert v2(desk, "PUT", f"{DOMAIN}/mail-from", "{}") == DONE
    assert '"MailFromAttributes":{"BehaviorOnMxFailure":"USE_DEFAULT_VALUE"}' in v2(desk, "GET", DOMAIN)[2]


def test_mail_from_in_v1(desk: Desk) -> None:
    """The same in the Query protocol: the unknown is left out, the behaviour is always there."""
    verified(desk)
    form = (
        "GetIdentityMailFromDomainAttributes&Identities.member.1=example.com&Identities.member.2=none.example"
    )

    assert v1(
        desk,
        "SetIdentityMailFromDomain&Identity=example.com&MailFromDomain=bounce.example.com"
        "&BehaviorOnMXFailure=RejectMessage",
    ) == v1_result("SetIdentityMailFromDomain")
    assert v1(desk, form) == v1_result(
        "GetIdentityMailFromDomainAttributes",
        "<MailFromDomainAttributes><entry><key>example.com</key><value>"
        "<MailFromDomain>bounce.example.com</MailFromDomain>"
        "<MailFromDomainStatus>Pending</MailFromDomainStatus>"
        "<BehaviorOnMXFailure>RejectMessage</BehaviorOnMXFailure>"
        "</value></entry></MailFromDomainAttributes>",
    )

    assert v1(desk, "SetIdentityMailFromDomain&Identity=example.com") == v1_result(
        "SetIdentityMailFromDomain"
    )
    assert v1(desk, form) == v1_result(
        "GetIdentityMailFromDomainAttributes",
        "<MailFromDomainAttributes><entry><key>example.com</key><value>"
        "<BehaviorOnMXFailure>UseDefaultValue</BehaviorOnMXFailure>"
        "</value></entry></MailFromDomainAttributes>",
    )


def test_topics_in_v1(desk: Desk) -> None:
    """Flags always, topics where they are set; the key of an entry is what was asked for."""
    verified(desk)
    assert v1(desk, "GetIdentityNotificationAttributes&Identities.member.1=example.com") == v1_result(
        "GetIdentityNotificationAttributes",
        "<NotificationAttributes><entry><key>example.com</key><value>"
        "<ForwardingEnabled>true</ForwardingEnabled>"
        "<HeadersInBounceNotificationsEnabled>false</HeadersInBounceNotificationsEnabled>"
        "<HeadersInComplaintNotificationsEnabled>false</HeadersInComplaintNotificationsEnabled>"
        "<HeadersInDeliveryNotificationsEnabled>false</HeadersInDeliveryNotificationsEnabled>"
        "</value></entry></NotificationAttributes>",
    )

    for kind in ("Bounce", "Complaint"):
        assert v1(
            desk, f"SetIdentityNotificationTopic&Identity={ARN}&NotificationType={kind}&SnsTopic={TOPIC}"
        ) == v1_result("SetIdentityNotificationTopic")
    assert v1(
        desk,
        "SetIdentityHeadersInNotificationsEnabled&Identity=example.com&NotificationType=Bounce&Enabled=true",
    ) == v1_result("SetIdentityHeadersInNotificationsEnabled")
    assert v1(
        desk, "SetIdentityFeedbackForwardingEnabled&Identity=example.com&ForwardingEnabled=false"
    ) == v1_result("SetIdentityFeedbackForwardingEnabled")

    assert v1(
        desk,
        f"GetIdentityNotificationAttributes&Identities.member.1={ARN}&Identities.member.2=none.example",
    ) == v1_result(
        "GetIdentityNotificationAttributes",
        f"<NotificationAttributes><entry><key>{ARN}</key><value>"
        f"<BounceTopic>{TOPIC}</BounceTopic><ComplaintTopic>{TOPIC}</ComplaintTopic>"
        "<ForwardingEnabled>false</ForwardingEnabled>"
        "<HeadersInBounceNotificationsEnabled>true</HeadersInBounceNotificationsEnabled>"
        "<HeadersInComplaintNotificationsEnabled>false</HeadersInComplaintNotificationsEnabled>"
        "<HeadersInDeliveryNotificationsEnabled>false</HeadersInDeliveryNotificationsEnabled>"
        "</value></entry></NotificationAttributes>",
    )


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ('{"EmailForwardingEnabled":true}', "true"),
        ('{"EmailForwardingEnabled":false}', "false"),
        ("{}", "false"),
        ("", "false"),
        ('{"EmailForwardingEnabled":"yes"}', "true"),
    ],
)
def test_feedback_in_v2(desk: Desk, body: str, shown: str) -> None:
    """On or off, absent is off (spec 2.2), and the other version shows it."""
    verified(desk)

    assert v2(desk, "PUT", f"{ADDRESS}/feedback", body) == DONE

    assert f'"FeedbackForwardingStatus":{shown}' in v2(desk, "GET", ADDRESS)[2]
    attributes = v1(desk, "GetIdentityNotificationAttributes&Identities.member.1=ann%40example.com")[1]
    assert f"<ForwardingEnabled>{shown}</ForwardingEnabled>" in attributes


@pytest.mark.parametrize(
    "body", ["", "{}", "null", '{"ConfigurationSetName":null}', '{"ConfigurationSetName":""}']
)
def test_the_default_configuration_set_in_v2(desk: Desk, body: str) -> None:
    """Named, shown, and cleared by whatever names none, an empty body among it (spec 2.2)."""
    verified(desk)
    named = '{"ConfigurationSetName":"main"}'

    assert v2(desk, "PUT", f"{DOMAIN}/configuration-set", named) == DONE
    assert '"ConfigurationSetName":"main"' in v2(desk, "GET", DOMAIN)[2]

    assert v2(desk, "PUT", f"{DOMAIN}/configuration-set", body) == DONE
    assert "ConfigurationSetName" not in v2(desk, "GET", DOMAIN)[2]


@pytest.mark.parametrize("enabled", ["true", "false"])
def test_the_dkim_switch_in_both(desk: Desk, enabled: str) -> None:
    """One switch, moved in either protocol and shown in both."""
    verified(desk)
    other = "false" if enabled == "true" else "true"
    shown = "GetIdentityDkimAttributes&Identities.member.1=example.com"

    assert v1(desk, f"SetIdentityDkimEnabled&Identity=example.com&DkimEnabled={enabled}") == v1_result(
        "SetIdentityDkimEnabled"
    )
    assert f'"SigningEnabled":{enabled}' in v2(desk, "GET", DOMAIN)[2]
    assert v2(desk, "PUT", f"{DOMAIN}/dkim", f'{{"SigningEnabled":{other}}}') == DONE
    assert f"<DkimEnabled>{other}</DkimEnabled>" in v1(desk, shown)[1]


NOT_A_SUBDOMAIN = "Provided MAIL-FROM domain <{}> is not subdomain of the domain of the identity <{}>."
NO_DKIM = "Domain none.example is not verified for DKIM signing."
BAD, GONE = "BadRequestException", "NotFoundException"
UNREADABLE = "SerializationException"
V2_REFUSALS = [
    (
        f"{MISSING}/mail-from",
        '{"MailFromDomain":"a.none.example"}',
        400,
        BAD,
        "Identity <none.example> does not exist.",
    ),
    (f"{MISSING}/mail-from", "{}", 400, BAD, "Identity <none.example> does not exist."),
    (
        f"{DOMAIN}/mail-from",
        '{"MailFromDomain":"example.com"}',
        400,
        BAD,
        NOT_A_SUBDOMAIN.format("example.com", "example.com"),
    ),
    (
        f"{DOMAIN}/mail-from",
        '{"MailFromDomain":"b.example.org"}',
        400,
        BAD,
        NOT_A_SUBDOMAIN.format("b.example.org", "example.com"),
    ),
    (
        f"{ADDRESS}/mail-from",
        '{"MailFromDomain":"example.com"}',
        400,
        BAD,
        NOT_A_SUBDOMAIN.format("example.com", "ann@example.com"),
    ),
    (f"{DOMAIN}/mail-from", '{"MailFromDomain":" "}', 400, BAD, NOT_A_SUBDOMAIN.format(" ", "example.com")),
    (
        f"{DOMAIN}/mail-from",
        '{"MailFromDomain":"a b.example.com"}',
        400,
        BAD,
        "Invalid domain name a b.example.com.",
    ),
    (
        f"{MISSING}/mail-from",
        '{"BehaviorOnMxFailure":"RejectMessage"}',
        400,
        BAD,
        (
            "1 validation error detected: Value at 'behaviorOnMxFailure' failed to satisfy constraint:"
            " Member must satisfy enum value set: [REJECT_MESSAGE, USE_DEFAULT_VALUE]"
        ),
    ),
    (
        f"{DOMAIN}/mail-from",
        '{"MailFromDomain":5}',
        400,
        UNREADABLE,
        "NUMBER_VALUE can not be converted to a String",
    ),
    (
        f"{MISSING}/feedback",
        "{}",
        400,
        BAD,
        "Identity none.example is invalid. Must be a verified email address or domain.",
    ),
    (
        f"{DOMAIN}/feedback",
        '{"EmailForwardingEnabled":"maybe"}',
        400,
        UNREADABLE,
        "STRING_VALUE can not be converted to an Boolean",
    ),
    (
        f"{DOMAIN}/feedback",
        '{"EmailForwardingEnabled":null}',
        400,
        UNREADABLE,
        "NULL_VALUE can not be converted to a Boolean",
    ),
    (f"{MISSING}/dkim", '{"SigningEnabled":true}', 400, BAD, NO_DKIM),
    ("/v2/email/identities/a%40none.example/dkim", "{}", 400, BAD, NO_DKIM),
    (f"{MISSING}/configuration-set", "", 404, GONE, "Identity <none.example> does not exist."),
    (
        f"{DOMAIN}/configuration-set",
        '{"ConfigurationSetName":"other"}',
        404,
        GONE,
        "Configuration set <other> does not exist.",
    ),
    (
        f"{DOMAIN}/configuration-set",
        '{"ConfigurationSetName":" "}',
        404,
        GONE,
        "Configuration set < > does not exist.",
    ),
    (f"{DOMAIN}/configuration-set", " ", 400, UNREADABLE, "The body is not valid JSON."),
    (f"{DOMAIN}/configuration-set", "\t\n", 400, UNREADABLE, "The body is not valid JSON."),
]


@pytest.mark.parametrize(("path", "body", "status", "shape", "message"), V2_REFUSALS)
def test_refusals_of_v2(
    sqlite_desk: Desk, path: str, body: str, status: int, shape: str, message: str
) -> None:
    """Each in its words, under its shape and status, with nothing changed (spec 7.2, 7.4, 7.6)."""
    verified(sqlite_desk)
    before = [sqlite_desk.view(name) for name in ("example.com", "ann@example.com")]

    answer = v2(sqlite_desk, "PUT", path, body)

    assert answer == (status, shape, f'{{"message":"{message}"}}')
    assert [sqlite_desk.view(name) for name in ("example.com", "ann@example.com")] == before


INVALID = "InvalidParameterValue"
ONE = "1 validation error detected: "
TYPES = "Member must satisfy enum value set: [Bounce, Complaint, Delivery]"
BY_TYPE = f"{ONE}Value at 'notificationType' failed to satisfy constraint: {TYPES}"
V1_REFUSALS = [
    (
        "SetIdentityMailFromDomain&Identity=none.example&MailFromDomain=a.none.example",
        INVALID,
        "Identity <none.example> does not exist.",
    ),
    ("SetIdentityMailFromDomain&Identity=none", INVALID, "Identity <none> does not exist."),
    (f"SetIdentityMailFromDomain&Identity={ARN}", INVALID, f"Identity <{ARN}> does not exist."),
    (
        "SetIdentityMailFromDomain&Identity=example.com&MailFromDomain=com",
        INVALID,
        NOT_A_SUBDOMAIN.format("com", "example.com"),
    ),
    (
        "SetIdentityMailFromDomain&Identity=example.com&BehaviorOnMXFailure=REJECT_MESSAGE",
        "ValidationError",
        (
            f"{ONE}Value at 'behaviorOnMXFailure' failed to satisfy constraint:"
            " Member must satisfy enum value set: [RejectMessage, UseDefaultValue]"
        ),
    ),
    (
        "SetIdentityMailFromDomain",
        "ValidationError",
        f"{ONE}Value at 'identity' failed to satisfy constraint: Member must not be null",
    ),
    (
        "SetIdentityFeedbackForwardingEnabled&Identity=none.example&ForwardingEnabled=true",
        INVALID,
        "Identity none.example is invalid. Must be a verified email address or domain.",
    ),
    (
        "SetIdentityFeedbackForwardingEnabled&Identity=example.com&ForwardingEnabled=false",
        INVALID,
        (
            "Feedback forwarding of identity example.com can be disabled only when Amazon SNS topics are set"
            " for both Bounce and Complaint notifications."
        ),
    ),
    (
        "SetIdentityFeedbackForwardingEnabled&Identity=example.com&ForwardingEnabled=perhaps",
        "MalformedInput",
        "The value of ForwardingEnabled is not a boolean: true or false.",
    ),
    (
        "SetIdentityHeadersInNotificationsEnabled&Identity=none.example&NotificationType=Bounce&Enabled=true",
        INVALID,
        "Identity none.example is invalid. It must be a verified email address or domain.",
    ),
    (
        "SetIdentityHeadersInNotificationsEnabled&Identity=none.example&NotificationType=Send&Enabled=true",
        "ValidationError",
        BY_TYPE,
    ),
    (
        "SetIdentityNotificationTopic&Identity=none.example&NotificationType=bounce",
        "ValidationError",
        BY_TYPE,
    ),
    (
        "SetIdentityNotificationTopic",
        "ValidationError",
        (
            "2 validation errors detected: Value at 'identity' failed to satisfy constraint: Member must not"
            " be null; Value at 'notificationType' failed to satisfy constraint: Member must not be null"
        ),
    ),
    (
        f"SetIdentityNotificationTopic&Identity=none.example&NotificationType=Bounce&SnsTopic={TOPIC}",
        INVALID,
        "Identity none.example is invalid. Must be a verified email address or domain.",
    ),
    (
        "SetIdentityNotificationTopic&Identity=none.example&NotificationType=Bounce",
        INVALID,
        "Identity none.example is invalid. Must be a verified email address or domain.",
    ),
    (
        f"SetIdentityNotificationTopic&Identity={ARN.replace('1111', '9999')}&NotificationType=Bounce",
        INVALID,
        f"Identity {ARN.replace('1111', '9999')} is invalid. Must be a verified email address or domain.",
    ),
    (
        "SetIdentityNotificationTopic&Identity=example.com&NotificationType=Bounce&SnsTopic=bounces",
        INVALID,
        "SNS topic bounces is invalid. No topic has such an ARN.",
    ),
    (
        f"SetIdentityNotificationTopic&Identity=example.com&NotificationType=Bounce&SnsTopic={TOPIC}.fifo",
        INVALID,
        f"SNS topic {TOPIC}.fifo is invalid. It is a FIFO topic; notifications need a standard topic.",
    ),
    ("SetIdentityDkimEnabled&Identity=none.example&DkimEnabled=true", INVALID, NO_DKIM),
    ("SetIdentityDkimEnabled&Identity=a%40none.example&DkimEnabled=true", INVALID, NO_DKIM),
    (
        "SetIdentityDkimEnabled&Identity=example.com",
        "ValidationError",
        f"{ONE}Value at 'dkimEnabled' failed to satisfy constraint: Member must not be null",
    ),
    (
        "GetIdentityMailFromDomainAttributes",
        "ValidationError",
        f"{ONE}Value at 'identities' failed to satisfy constraint: Member must not be null",
    ),
]


@pytest.mark.parametrize(("form", "code", "message"), V1_REFUSALS)
def test_refusals_of_v1(sqlite_desk: Desk, form: str, code: str, message: str) -> None:
    """Each in its words and under its wire code, with nothing changed (spec 7.3, 7.4)."""
    verified(sqlite_desk)
    before = [sqlite_desk.view(name) for name in ("example.com", "ann@example.com")]

    assert v1(sqlite_desk, form) == v1_refusal(code, message)
    assert [sqlite_desk.view(name) for name in ("example.com", "ann@example.com")] == before


@pytest.mark.parametrize(
    "action", ["GetIdentityMailFromDomainAttributes", "GetIdentityNotificationAttributes"]
)
def test_a_hundred_at_once_are_the_most(sqlite_desk: Desk, action: str) -> None:
    """A hundred are answered, a hundred and one refused (spec 6.7)."""
    names = [f"&Identities.member.{number}=d{number}.example" for number in range(1, 102)]

    assert v1(sqlite_desk, action + "".join(names[:100]))[0] == 200
    assert v1(sqlite_desk, action + "".join(names)) == v1_refusal(
        INVALID, "At most 100 identities can be asked for at once; 101 were given."
    )
