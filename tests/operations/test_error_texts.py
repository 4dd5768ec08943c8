"""The table of errors of identity operations (spec 7.4), row by row, through the signed edge.

The order is the table's. A row that speaks of both versions is asked of both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from callers import Watched
from desk import Desk

from indicia.domain.identities.identity import Facet, Status
from indicia.store.engine import schema
from indicia.store.engine.opening import open_database

ACCOUNT = "111122223333"
ARN = f"arn:aws:ses:eu-west-1:{ACCOUNT}:identity/"
SET_ARN = f"arn:aws:ses:eu-west-1:{ACCOUNT}:configuration-set/"
CERTIFICATE = f"arn:aws:acm:eu-west-1:{ACCOUNT}:certificate/0123-abcd"
DOMAIN, ADDRESS, PENDING, MISSING = "example.com", "ann@example.com", "pending.example", "missing.example"
BAD, GONE, TAKEN = (
    (400, "BadRequestException"),
    (404, "NotFoundException"),
    (400, "AlreadyExistsException"),
)
INVALID, WRONG = (400, "InvalidParameterValue"), (400, "ValidationError")
ONE = "1 validation error detected: Value at "
NULL = "failed to satisfy constraint: Member must not be null"
URLS = {"SuccessRedirectionURL": "https://e.example/y", "FailureRedirectionURL": "https://e.example/n"}
TEMPLATE = {
    "TemplateName": "second",
    "FromEmailAddress": "ann@example.com",
    "TemplateSubject": "Is this you?",
}
TEMPLATE |= {"TemplateContent": "Please say so.", **URLS}


def document(resource: str = ARN + DOMAIN, **statement: Any) -> str:
    """Return a policy on the domain, with something else in its statement."""
    plain = {"Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": "ses:SendEmail"}
    return json.dumps({"Statement": {**plain, "Resource": resource, **statement}})


def policy(name: str = "new", identity: str = DOMAIN, text: str | None = None) -> dict[str, Any]:
    """Return the members of v2's Create and Update of a policy."""
    return {"EmailIdentity": identity, "PolicyName": name, "Policy": document() if text is None else text}


def policy_1(name: str = "new", identity: str = DOMAIN, text: str | None = None) -> dict[str, Any]:
    """Return the members of v1's PutIdentityPolicy."""
    return {"Identity": identity, "PolicyName": name, "Policy": document() if text is None else text}


def topic(identity: str, kind: str = "Bounce") -> dict[str, Any]:
    """Return the members of SetIdentityHeadersInNotificationsEnabled."""
    return {"Identity": identity, "NotificationType": kind, "Enabled": True}


def mail(address: str, template: str = "template") -> dict[str, Any]:
    """Return the members of SendCustomVerificationEmail."""
    return {"EmailAddress": address, "TemplateName": template}


def certificate(identity: str, sender: str | None = None) -> dict[str, Any]:
    """Return the members of AssociateEmailIdentityCertificate."""
    given = {"EmailIdentity": identity, "FromAddress": sender, "CertificateArn": CERTIFICATE}
    return {name: value for name, value in given.items() if value is not None}


TOO_MANY = f"Number of policies for <{DOMAIN}> exceeds max allowed number of policies per resource"
CHARACTERS = (
    "PolicyName is invalid. Policy names must only include alpha-numeric characters, dashes, and underscores."
)
LONG = f"{ONE}'policyName' failed to satisfy constraint: Member must have length less than or equal to 64"
TYPES = "Member must satisfy enum value set: [Bounce, Complaint, Delivery]"
STRANGER = (
    f"Provided MAIL-FROM domain <other.example> is not subdomain of the domain of the identity <{DOMAIN}>."
)
ROWS: list[tuple[str, str, dict[str, Any], tuple[int, str], str]] = [
    (
        "sesv2",
        "CreateEmailIdentity",
        {"EmailIdentity": DOMAIN},
        TAKEN,
        f"Email identity {DOMAIN} already exist.",
    ),
    (
        "sesv2",
        "GetEmailIdentity",
        {"EmailIdentity": MISSING},
        GONE,
        f"Email identity <{MISSING}> does not exist.",
    ),
    (
        "sesv2",
        "DeleteEmailIdentity",
        {"EmailIdentity": MISSING},
        GONE,
        f"Email identity {MISSING} does not exist.",
    ),
    *(
        (
            "sesv2",
            operation,
            {**more, "EmailIdentity": MISSING},
            GONE,
            f"Email identity <{MISSING}> does not exist.",
        )
        for operation, more in (
            ("CreateEmailIdentityPolicy", policy()),
            ("UpdateEmailIdentityPolicy", policy()),
            ("DeleteEmailIdentityPolicy", {"PolicyName": "new"}),
            ("GetEmailIdentityPolicies", {}),
            ("AssociateEmailIdentityCertificate", certificate(MISSING, f"a@{MISSING}")),
            ("DisassociateEmailIdentityCertificate", {"FromAddress": f"a@{MISSING}"}),
            ("ListEmailIdentityCertificates", {}),
        )
    ),
    (
        "sesv2",
        "PutEmailIdentityConfigurationSetAttributes",
        {"EmailIdentity": MISSING, "ConfigurationSetName": "main"},
        GONE,
        f"Identity <{MISSING}> does not exist.",
    ),
    (
        "sesv2",
        "GetConfigurationSet",
        {"ConfigurationSetName": "none"},
        GONE,
        "Configuration set <none> does not exist.",
    ),
    (
        "ses",
        "DescribeConfigurationSet",
        {"ConfigurationSetName": "none"},
        (400, "ConfigurationSetDoesNotExist"),
        "Configuration set <none> does not exist.",
    ),
    (
        "ses",
        "SetIdentityMailFromDomain",
        {"Identity": MISSING, "MailFromDomain": f"b.{MISSING}"},
        INVALID,
        f"Identity <{MISSING}> does not exist.",
    ),
    (
        "sesv2",
        "PutEmailIdentityMailFromAttributes",
        {"EmailIdentity": MISSING, "MailFromDomain": f"b.{MISSING}"},
        BAD,
        f"Identity <{MISSING}> does not exist.",
    ),
    (
        "ses",
        "SetIdentityMailFromDomain",
        {"Identity": DOMAIN, "MailFromDomain": "other.example"},
        INVALID,
        STRANGER,
    ),
    (
        "sesv2",
        "PutEmailIdentityMailFromAttributes",
        {"EmailIdentity": DOMAIN, "MailFromDomain": "other.example"},
        BAD,
        STRANGER,
    ),
    (
        "ses",
        "SetIdentityMailFromDomain",
        {"Identity": DOMAIN, "BehaviorOnMXFailure": "Bounce"},
        WRONG,
        (
            f"{ONE}'behaviorOnMXFailure' failed to satisfy constraint: Member must satisfy enum value set:"
            " [RejectMessage, UseDefaultValue]"
        ),
    ),
    (
        "sesv2",
        "PutEmailIdentityMailFromAttributes",
        {"EmailIdentity": DOMAIN, "BehaviorOnMxFailure": "BOUNCE"},
        BAD,
        (
            f"{ONE}'behaviorOnMxFailure' failed to satisfy constraint: Member must satisfy enum value set:"
            " [REJECT_MESSAGE, USE_DEFAULT_VALUE]"
        ),
    ),
    (
        "ses",
        "SetIdentityFeedbackForwardingEnabled",
        {"Identity": MISSING, "ForwardingEnabled": True},
        INVALID,
        f"Identity {MISSING} is invalid. Must be a verified email address or domain.",
    ),
    (
        "sesv2",
        "PutEmailIdentityFeedbackAttributes",
        {"EmailIdentity": MISSING, "EmailForwardingEnabled": True},
        BAD,
        f"Identity {MISSING} is invalid. Must be a verified email address or domain.",
    ),
    (
        "ses",
        "SetIdentityHeadersInNotificationsEnabled",
        topic(MISSING),
        INVALID,
        f"Identity {MISSING} is invalid. It must be a verified email address or domain.",
    ),
    (
        "ses",
        "SetIdentityHeadersInNotificationsEnabled",
        topic(DOMAIN, "Open"),
        WRONG,
        f"{ONE}'notificationType' failed to satisfy constraint: {TYPES}",
    ),
    (
        "ses",
        "SetIdentityDkimEnabled",
        {"Identity": MISSING, "DkimEnabled": True},
        INVALID,
        f"Domain {MISSING} is not verified for DKIM signing.",
    ),
    (
        "sesv2",
        "PutEmailIdentityDkimAttributes",
        {"EmailIdentity": f"a@{MISSING}", "SigningEnabled": True},
        BAD,
        f"Domain {MISSING} is not verified for DKIM signing.",
    ),
    *(
        (
            "sesv2",
            "PutEmailIdentityDkimSigningAttributes",
            {"EmailIdentity": name, "SigningAttributesOrigin": "AWS_SES"},
            BAD,
            "The EmailIdentity value must be a valid domain.",
        )
        for name in (ADDRESS, "a b")
    ),
    *(
        ("ses", operation, {"Domain": "foo.example.com."}, INVALID, "Invalid domain name foo.example.com..")
        for operation in ("VerifyDomainIdentity", "VerifyDomainDkim")
    ),
    ("ses", "VerifyEmailIdentity", {"EmailAddress": ""}, INVALID, "Email address not specified."),
    ("ses", "SendCustomVerificationEmail", mail(""), INVALID, "Email address not specified."),
    ("sesv2", "SendCustomVerificationEmail", mail(""), BAD, "Email address not specified."),
    ("ses", "VerifyEmailIdentity", {"EmailAddress": "a<b"}, INVALID, "Invalid email address<a<b>."),
    ("ses", "SendCustomVerificationEmail", mail("a<b"), INVALID, "Invalid email address<a<b>."),
    ("sesv2", "SendCustomVerificationEmail", mail("a<b"), BAD, "Invalid email address<a<b>."),
    (
        "ses",
        "SendCustomVerificationEmail",
        mail("bob@example.net", "none"),
        (400, "CustomVerificationEmailTemplateDoesNotExist"),
        "Template <none> does not exist",
    ),
    (
        "sesv2",
        "SendCustomVerificationEmail",
        mail("bob@example.net", "none"),
        GONE,
        "Template <none> does not exist",
    ),
    # The recipient is looked at before the template is looked up.
    ("sesv2", "SendCustomVerificationEmail", mail("a<b", "none"), BAD, "Invalid email address<a<b>."),
    *(
        (
            service,
            operation,
            {"TemplateName": "none"},
            refused,
            "Custom verification email template <none> does not exist",
        )
        for service, operation, refused in (
            (
                "ses",
                "GetCustomVerificationEmailTemplate",
                (400, "CustomVerificationEmailTemplateDoesNotExist"),
            ),
            ("sesv2", "GetCustomVerificationEmailTemplate", GONE),
            (
                "ses",
                "UpdateCustomVerificationEmailTemplate",
                (400, "CustomVerificationEmailTemplateDoesNotExist"),
            ),
            ("sesv2", "DeleteCustomVerificationEmailTemplate", GONE),
        )
    ),
    (
        "sesv2",
        "UpdateCustomVerificationEmailTemplate",
        {**TEMPLATE, "TemplateName": "none"},
        GONE,
        "Custom verification email template <none> does not exist",
    ),
    *(
        (
            service,
            "CreateCustomVerificationEmailTemplate",
            {**TEMPLATE, **changed},
            refused,
            message,
        )
        for changed, first, second, message in (
            (
                {"TemplateName": "template"},
                (400, "CustomVerificationEmailTemplateAlreadyExists"),
                TAKEN,
                "Custom verification email template <template> already exists",
            ),
            (
                {"FromEmailAddress": "bob@other.example"},
                (400, "FromEmailAddressNotVerified"),
                GONE,
                "The from email address <bob@other.example> is not verified",
            ),
            ({"SuccessRedirectionURL": "ftp://x"}, INVALID, BAD, "The success redirection URL is invalid"),
            ({"FailureRedirectionURL": "x"}, INVALID, BAD, "The failure redirection URL is invalid"),
        )
        for service, refused in (("ses", first), ("sesv2", second))
    ),
    ("sesv2", "CreateEmailIdentityPolicy", policy("p0"), TAKEN, "Policy <p0> already exists"),
    ("sesv2", "UpdateEmailIdentityPolicy", policy("none"), GONE, "Policy <none> does not exist"),
    (
        "sesv2",
        "DeleteEmailIdentityPolicy",
        {"EmailIdentity": DOMAIN, "PolicyName": "none"},
        GONE,
        "Policy <none> does not exist",
    ),
    ("ses", "PutIdentityPolicy", policy_1(), INVALID, TOO_MANY),
    ("sesv2", "CreateEmailIdentityPolicy", policy(), (400, "LimitExceededException"), TOO_MANY),
    ("ses", "PutIdentityPolicy", policy_1("a b"), INVALID, CHARACTERS),
    ("sesv2", "CreateEmailIdentityPolicy", policy("a b"), BAD, CHARACTERS),
    ("ses", "PutIdentityPolicy", policy_1("p" * 65), WRONG, LONG),
    ("sesv2", "CreateEmailIdentityPolicy", policy("p" * 65), BAD, LONG),
    ("ses", "PutIdentityPolicy", {"Identity": DOMAIN, "PolicyName": "new"}, WRONG, f"{ONE}'policy' {NULL}"),
    (
        "sesv2",
        "CreateEmailIdentityPolicy",
        {"EmailIdentity": DOMAIN, "PolicyName": "new"},
        BAD,
        f"{ONE}'policy' {NULL}",
    ),
    *(
        (service, operation, members(text=text), refused, message)
        for text, message in (
            (document("arn:of nothing"), "Invalid ARN"),
            (document(Principal={"AWS": "me"}), "Policy contains an invalid principal"),
            (
                document(Condition={"StringEquals": {"AWS:SourceAccount": ACCOUNT}}),
                "Unknown or unapplicable condition field 'AWS:SourceAccount'.",
            ),
        )
        for service, operation, members, refused in (
            ("ses", "PutIdentityPolicy", policy_1, (400, "InvalidPolicy")),
            ("sesv2", "CreateEmailIdentityPolicy", policy, BAD),
        )
    ),
    (
        "ses",
        "PutIdentityPolicy",
        policy_1(identity="none.example", text=document(f"{ARN}none.example")),
        INVALID,
        "Invalid identity. Must be a verified email address or domain.",
    ),
    *(
        (
            "sesv2",
            operation,
            {"ResourceArn": ARN + MISSING, **more},
            GONE,
            f"No EmailIdentity present with name: {MISSING}",
        )
        for operation, more in (
            ("TagResource", {"Tags": [{"Key": "k", "Value": "v"}]}),
            ("UntagResource", {"TagKeys": ["k"]}),
            ("ListTagsForResource", {}),
        )
    ),
    *(
        (
            "sesv2",
            operation,
            {"ResourceArn": f"arn:aws:ses:us-east-1:{ACCOUNT}:identity/{DOMAIN}", **more},
            BAD,
            f"Failed to {verb} resource",
        )
        for operation, verb, more in (
            ("TagResource", "tag", {"Tags": [{"Key": "k", "Value": "v"}]}),
            ("UntagResource", "untag", {"TagKeys": ["k"]}),
        )
    ),
    (
        "sesv2",
        "TagResource",
        {"ResourceArn": ARN + DOMAIN, "Tags": []},
        BAD,
        f"{ONE}'tags' failed to satisfy constraint: Member must have length greater than or equal to 1",
    ),
    (
        "sesv2",
        "AssociateEmailIdentityCertificate",
        certificate(DOMAIN, "news@example.com"),
        TAKEN,
        "A certificate is already associated with sender <news@example.com> on identity <example.com>.",
    ),
    (
        "sesv2",
        "AssociateEmailIdentityCertificate",
        certificate(DOMAIN),
        BAD,
        "FromAddress is required when EmailIdentity is a domain.",
    ),
    (
        "sesv2",
        "AssociateEmailIdentityCertificate",
        certificate(DOMAIN, "news"),
        BAD,
        "FromAddress <news> is not a valid email address.",
    ),
    (
        "sesv2",
        "AssociateEmailIdentityCertificate",
        certificate(DOMAIN, "a@other.example"),
        BAD,
        "FromAddress <a@other.example> does not belong to the domain identity <example.com>.",
    ),
    *(
        (
            service,
            operation,
            {member: DOMAIN},
            refused,
            (
                f"Cannot delete <{ARN}{DOMAIN}> because it has certificates associated with it."
                " Disassociate all certificates and try again."
            ),
        )
        for service, operation, member, refused in (
            ("sesv2", "DeleteEmailIdentity", "EmailIdentity", BAD),
            ("ses", "DeleteIdentity", "Identity", INVALID),
        )
    ),
    # Several violations are told together, and before anything is looked up.
    (
        "sesv2",
        "CreateEmailIdentityPolicy",
        {"EmailIdentity": MISSING, "PolicyName": "p" * 65},
        BAD,
        (
            "2 validation errors detected: Value at 'policyName' failed to satisfy constraint: Member"
            f" must have length less than or equal to 64; Value at 'policy' {NULL}"
        ),
    ),
]


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A caller whose account has a verified domain with all that is taken, and a domain that is pending."""
    path = tmp_path_factory.mktemp("texts") / "indicia.db"
    schema.migrate(f"sqlite:///{path}")
    database = open_database(f"sqlite:///{path}")
    desk = Desk(database)
    for name in (DOMAIN, ADDRESS, PENDING):
        desk.ask("CreateEmailIdentity", EmailIdentity=name)
    desk.find(DOMAIN, Facet.DKIM, Status.SUCCESS)
    desk.find(ADDRESS, Facet.LINK, Status.SUCCESS)
    desk.ask("CreateConfigurationSet", ConfigurationSetName="main")
    desk.ask("CreateCustomVerificationEmailTemplate", **{**TEMPLATE, "TemplateName": "template"})
    for number in range(20):
        desk.ask("CreateEmailIdentityPolicy", **policy(f"p{number}"))
    desk.ask("AssociateEmailIdentityCertificate", **certificate(DOMAIN, "news@example.com"))
    made = Watched(desk, path)
    yield made
    made.close()
    database.close()


@pytest.mark.parametrize(("service", "operation", "members", "refused", "message"), ROWS)
def test_a_refusal_is_in_the_words_of_the_table(
    caller: Watched,
    service: str,
    operation: str,
    members: dict[str, Any],
    refused: tuple[int, str],
    message: str,
) -> None:
    """Status, code and sentence, to the letter; and nothing is stored, not even of what was to be made."""
    before = caller.stored()
    heard = caller.call(service, operation, members)

    told = heard.message.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert (refused, message) == ((heard.status, heard.code), told)
    assert caller.stored() == before
