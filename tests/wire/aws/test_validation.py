"""Member-level validation: the vendor's texts, word for word."""

from typing import Any

import msgspec
import pytest

from indicia.domain.faults import Fault, FaultKind
from indicia.wire.aws.validation import MOST_TOLD, validate
from indicia.wire.shapes import ses, sesv2

CREATE = sesv2.CreateEmailIdentityRequest
SIGNING = sesv2.DkimSigningAttributes
SELECTOR = r"^(([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))$"


def absent(shape: type[msgspec.Struct], **given: Any) -> msgspec.Struct:
    """A request as the readers leave it: what is required and absent is None."""
    required = {field.name: None for field in msgspec.structs.fields(shape) if field.required}
    return shape(**(required | given))


def rejected(request: msgspec.Struct) -> str:
    """The sentence with which `request` is refused."""
    with pytest.raises(Fault) as refusal:
        validate(request)
    assert refusal.value.kind is FaultKind.VALIDATION
    return refusal.value.message


TEXTS = [
    (
        ses.SetIdentityMailFromDomainRequest(Identity="a", BehaviorOnMXFailure="Nothing"),
        (
            "Value at 'behaviorOnMXFailure' failed to satisfy constraint: "
            "Member must satisfy enum value set: [RejectMessage, UseDefaultValue]"
        ),
    ),
    (
        sesv2.PutEmailIdentityMailFromAttributesRequest(EmailIdentity="a", BehaviorOnMxFailure="Nothing"),
        (
            "Value at 'behaviorOnMxFailure' failed to satisfy constraint: "
            "Member must satisfy enum value set: [REJECT_MESSAGE, USE_DEFAULT_VALUE]"
        ),
    ),
    (
        ses.SetIdentityNotificationTopicRequest(Identity="a", NotificationType="Open"),
        (
            "Value at 'notificationType' failed to satisfy constraint: "
            "Member must satisfy enum value set: [Bounce, Complaint, Delivery]"
        ),
    ),
    (
        ses.PutIdentityPolicyRequest(Identity="a", PolicyName="p" * 65, Policy="{}"),
        (
            "Value at 'policyName' failed to satisfy constraint: "
            "Member must have length less than or equal to 64"
        ),
    ),
    (
        absent(ses.PutIdentityPolicyRequest, Identity="a", PolicyName="p"),
        "Value at 'policy' failed to satisfy constraint: Member must not be null",
    ),
    (
        absent(sesv2.CreateEmailIdentityPolicyRequest, EmailIdentity="a", PolicyName="p"),
        "Value at 'policy' failed to satisfy constraint: Member must not be null",
    ),
    (
        ses.SendEmailRequest(
            Source="a@b",
            Destination=ses.Destination(),
            Message=absent(ses.Message, Body=ses.Body()),
        ),
        "Value null at 'message.subject' failed to satisfy constraint: Member must not be null",
    ),
    (
        sesv2.TagResourceRequest(ResourceArn="arn", Tags=[]),
        "Value at 'tags' failed to satisfy constraint: Member must have length greater than or equal to 1",
    ),
    (
        CREATE(EmailIdentity="a.b", DkimSigningAttributes=SIGNING(DomainSigningSelector="a.b")),
        (
            "Value at 'dkimSigningAttributes.domainSigningSelector' failed to satisfy constraint: "
            f"Member must satisfy regular expression pattern: {SELECTOR}"
        ),
    ),
    (
        CREATE(EmailIdentity="a.b", DkimSigningAttributes=SIGNING(DomainSigningPrivateKey="-----BEGIN")),
        (
            "Value at 'dkimSigningAttributes.domainSigningPrivateKey' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: ^[a-zA-Z0-9+/]+={0,2}$"
        ),
    ),
    (
        CREATE(EmailIdentity=""),
        (
            "Value at 'emailIdentity' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1"
        ),
    ),
    (
        CREATE(EmailIdentity="a.b", Tags=[sesv2.Tag(Key="a"), absent(sesv2.Tag)]),
        "Value null at 'tags.2.member.key' failed to satisfy constraint: Member must not be null",
    ),
    (
        sesv2.ListEmailIdentitiesRequest(Filter={"COLOUR": "red"}),
        (
            "Value at 'filter' failed to satisfy constraint: Map keys must satisfy constraint: "
            "[Member must satisfy enum value set: "
            "[IDENTITY_NAME_CONTAINS, IDENTITY_TYPE, VERIFICATION_STATUS]]"
        ),
    ),
    (
        sesv2.PutAccountSuppressionAttributesRequest(SuppressedReasons=["SPITE", "MALICE"]),
        (
            "Value at 'suppressedReasons' failed to satisfy constraint: Member must satisfy constraint: "
            "[Member must satisfy enum value set: [BOUNCE, COMPLAINT]]"
        ),
    ),
    (
        sesv2.PutConfigurationSetDeliveryOptionsRequest(ConfigurationSetName="c", MaxDeliverySeconds=299),
        (
            "Value at 'maxDeliverySeconds' failed to satisfy constraint: "
            "Member must have value greater than or equal to 300"
        ),
    ),
    (
        sesv2.PutConfigurationSetDeliveryOptionsRequest(ConfigurationSetName="c", MaxDeliverySeconds=50401),
        (
            "Value at 'maxDeliverySeconds' failed to satisfy constraint: "
            "Member must have value less than or equal to 50400"
        ),
    ),
]


@pytest.mark.parametrize(("request_", "clause"), TEXTS, ids=[str(i) for i in range(len(TEXTS))])
def test_a_violation_is_told_in_the_vendors_words(request_: msgspec.Struct, clause: str) -> None:
    """One violation: the whole sentence."""
    assert f"1 validation error detected: {clause}" == rejected(request_)


def test_several_violations_are_told_in_one_sentence() -> None:
    """Two violations are counted and joined by a semicolon, in the order of the members."""
    request = ses.PutIdentityPolicyRequest(Identity="a", PolicyName="", Policy="")

    found = rejected(request)

    assert found == (
        "2 validation errors detected: "
        "Value at 'policyName' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1; "
        "Value at 'policy' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1"
    )


def test_a_pattern_holds_for_the_whole_text() -> None:
    """A line feed at the end does not slip through a pattern that ends in `$`."""
    request = CREATE(EmailIdentity="a.b", DkimSigningAttributes=SIGNING(DomainSigningSelector="abc\n"))

    assert "regular expression" in rejected(request)


def test_a_pattern_knows_ascii_only() -> None:
    """A word character in the vendor's patterns is an ASCII one."""
    request = sesv2.GetMultiRegionEndpointRequest(EndpointName="é")

    assert "regular expression" in rejected(request)


def test_an_endless_text_is_not_matched() -> None:
    """A text made to take quadratic time is refused by its length."""
    source = sesv2.ImportDataSource(S3Url="s3://a/" + "a/" * 500_000 + "/", DataFormat="CSV")
    request = sesv2.CreateImportJobRequest(
        ImportDestination=sesv2.ImportDestination(), ImportDataSource=source
    )

    assert "importDataSource.s3Url" in rejected(request)


def test_a_sentence_stays_short() -> None:
    """Of a hundred thousand violations the first ones are told."""
    tags = [absent(sesv2.Tag)] * 100_000

    found = rejected(CREATE(EmailIdentity="a.b", Tags=tags))

    assert found.startswith(
        "more than 50 validation errors detected: Value null at 'tags.1.member.key' failed"
    )
    assert found.count(";") == MOST_TOLD - 1


@pytest.mark.parametrize(
    "request_",
    [
        CREATE(EmailIdentity="example.com", Tags=[], ConfigurationSetName=""),
        CREATE(EmailIdentity="x", DkimSigningAttributes=SIGNING(NextSigningKeyLength="RSA_1024_BIT")),
        ses.ListIdentitiesRequest(IdentityType="Domain", MaxItems=0),
        ses.ListCustomVerificationEmailTemplatesRequest(MaxResults=1000),
        sesv2.ListEmailIdentitiesRequest(PageSize=5000, Filter={"IDENTITY_TYPE": "MANAGED_DOMAIN"}),
    ],
    ids=lambda request: type(request).__name__,
)
def test_a_valid_request_passes(request_: msgspec.Struct) -> None:
    """What the rules of members allow is left to the operation: page sizes among it (spec 6.8)."""
    validate(request_)
