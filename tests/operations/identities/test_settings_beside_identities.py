"""Templates, configuration sets, tags, certificates and the account: limits, races, and what goes with what.

What each call says over the wire is in `golden/`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from correspondence import read, text_of
from desk import T0, Desk
from letters import TEMPLATE, letters

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identities.identity import Facet, Status
from indicia.domain.time import DAY
from indicia.mail.notices.custom import DISCLAIMER
from indicia.store.accounts import account_regions
from indicia.store.identities import tags
from indicia.store.installation import sandbox as sandbox_rows
from indicia.store.verification_mail import templates
from indicia.store.verification_mail.templates import Template
from indicia.wire.shapes import sesv2


@pytest.fixture
def verified(desk: Desk) -> Desk:
    """A desk whose example.com is verified."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    desk.find("example.com", Facet.DKIM, Status.SUCCESS)
    return desk


def at_once(desk: Desk, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """Make the calls at the same moment; return answers and faults in their order."""

    async def all_of_them() -> list[Any]:
        asking = [desk.asking(operation, **members) for operation, members in calls]
        return list(await asyncio.gather(*asking, return_exceptions=True))

    return asyncio.run(all_of_them())


def test_a_custom_mail_goes_out_and_its_reader_is_pending(verified: Desk) -> None:
    """The mail says what the template says, made harmless, with a disclaimer; its id is the answer's."""
    verified.ask("CreateCustomVerificationEmailTemplate", TemplateName="brand", **TEMPLATE)

    answer = verified.ask(
        "SendCustomVerificationEmail", EmailAddress="reader@customer.example", TemplateName="brand"
    )

    (letter,) = letters(verified)
    message = read(letter.message)
    assert letter.identity == f"{answer.MessageId}@mail.example.org"
    assert (letter.sender, letter.recipient) == ("no-reply@mail.example.org", "reader@customer.example")
    assert message["From"] == "hello@example.com"
    assert "<script>" not in text_of(message, "html")
    assert DISCLAIMER in text_of(message)
    assert verified.view("reader@customer.example").facets[Facet.LINK].status is Status.PENDING
    assert "outbox" in verified.hints.woken


def test_a_custom_mail_to_a_known_address_renews_its_link(verified: Desk) -> None:
    """A failed address waits again; a verified one stays verified; either gets the mail."""
    verified.ask("CreateCustomVerificationEmailTemplate", TemplateName="brand", **TEMPLATE)
    for name, status in (("failed@c.example", Status.FAILED), ("good@c.example", Status.SUCCESS)):
        verified.ask("CreateEmailIdentity", EmailIdentity=name)
        verified.find(name, Facet.LINK, status)
    verified.now = T0 + DAY

    for name in ("failed@c.example", "good@c.example"):
        verified.ask("SendCustomVerificationEmail", EmailAddress=name, TemplateName="brand")

    waiting = verified.view("failed@c.example").facets[Facet.LINK]
    assert (waiting.status, waiting.deadline) == (Status.PENDING, T0 + 2 * DAY)
    assert verified.view("good@c.example").facets[Facet.LINK].status is Status.SUCCESS
    assert [letter.recipient for letter in letters(verified)][2:] == ["failed@c.example", "good@c.example"]


def test_a_send_that_is_refused_leaves_no_identity_and_no_mail(verified: Desk) -> None:
    """All of it or nothing: a mailbox that had its share of mails is not registered either."""
    verified.ask(
        "CreateCustomVerificationEmailTemplate",
        TemplateName="brand",
        **TEMPLATE | {"FromEmailAddress": "news@example.com"},
    )
    verified.ask("DeleteEmailIdentity", EmailIdentity="example.com")

    fault = verified.refused(
        "SendCustomVerificationEmail", EmailAddress="reader@c.example", TemplateName="brand"
    )

    assert fault.kind is FaultKind.FROM_NOT_VERIFIED
    assert (letters(verified), verified.ask("ListIdentities").Identities) == ([], [])


def test_an_account_has_fifty_templates_in_a_region(verified: Desk) -> None:
    """The fifty-first is refused, one that is there is told so even then; another region has its own."""
    for number in range(50):
        kept = Template(
            f"t{number:02}", "a@example.com", "s", "c", "https://e.example", "https://e.example", T0
        )
        verified.database.write(
            lambda s, kept=kept: templates.create(s, verified.account, verified.region, kept)
        )

    full = verified.refused("CreateCustomVerificationEmailTemplate", TemplateName="more", **TEMPLATE)
    again = verified.refused("CreateCustomVerificationEmailTemplate", TemplateName="t07", **TEMPLATE)
    assert (full.kind, again.kind) == (FaultKind.LIMIT_EXCEEDED, FaultKind.TEMPLATE_EXISTS)
    assert "at most 50" in full.message
    listed = verified.ask("ListCustomVerificationEmailTemplates")
    assert (len(listed.CustomVerificationEmailTemplates), listed.NextToken) == (50, None)

    verified.region = "us-east-1"
    verified.ask("CreateEmailIdentity", EmailIdentity="example.com")
    verified.find("example.com", Facet.DKIM, Status.SUCCESS)
    verified.ask("CreateCustomVerificationEmailTemplate", TemplateName="more", **TEMPLATE)


def test_a_template_loses_its_tags_with_its_name(verified: Desk) -> None:
    """Deleted and created again it has none."""
    tag = sesv2.Tag(Key="a", Value="1")
    verified.ask("CreateCustomVerificationEmailTemplate", TemplateName="brand", Tags=[tag], **TEMPLATE)
    verified.ask("DeleteCustomVerificationEmailTemplate", TemplateName="brand")
    verified.ask("CreateCustomVerificationEmailTemplate", TemplateName="brand", **TEMPLATE)

    assert verified.ask("GetCustomVerificationEmailTemplate", TemplateName="brand").Tags == []


def test_tags_of_two_callers_stay_within_the_limit(verified: Desk) -> None:
    """Two who each add thirty tags at once cannot both succeed, and what is stored is whole."""
    arn = f"arn:aws:ses:{verified.region}:{verified.account}:identity/example.com"

    def thirty(letter: str) -> tuple[str, dict[str, Any]]:
        added = [sesv2.Tag(Key=f"{letter}{n}", Value="") for n in range(30)]
        return "TagResource", {"ResourceArn": arn, "Tags": added}

    done = at_once(verified, thirty("a"), thirty("b"), thirty("c"))

    refused = [each for each in done if isinstance(each, Fault)]
    assert (len(refused), {fault.kind for fault in refused}) == (2, {FaultKind.INVALID_PARAMETER})
    assert len(verified.view("example.com").tags) == 30


def test_templates_of_callers_at_once_stay_within_the_limit(verified: Desk) -> None:
    """Of ten who create one at once, as many succeed as there is room for."""
    for n in range(47):
        verified.ask("CreateCustomVerificationEmailTemplate", TemplateName=f"t{n}", **TEMPLATE)

    done = at_once(
        verified,
        *(
            ("CreateCustomVerificationEmailTemplate", {"TemplateName": f"more{n}", **TEMPLATE})
            for n in range(10)
        ),
    )

    refused = [each for each in done if isinstance(each, Fault)]
    assert (len(refused), {fault.kind for fault in refused}) == (7, {FaultKind.LIMIT_EXCEEDED})


def test_options_of_two_callers_are_both_kept(desk: Desk) -> None:
    """Two who change different options of one set at once overwrite nothing of each other."""
    desk.ask("CreateConfigurationSet", ConfigurationSetName="main")
    for _ in range(5):
        done = at_once(
            desk,
            ("PutConfigurationSetSendingOptions", {"ConfigurationSetName": "main", "SendingEnabled": False}),
            ("PutConfigurationSetDeliveryOptions", {"ConfigurationSetName": "main", "TlsPolicy": "REQUIRE"}),
            (
                "PutConfigurationSetSuppressionOptions",
                {"ConfigurationSetName": "main", "SuppressedReasons": []},
            ),
        )
        assert not [each for each in done if isinstance(each, BaseException)]

    found = desk.ask("GetConfigurationSet", ConfigurationSetName="main")
    assert found.SendingOptions.SendingEnabled is False
    assert found.DeliveryOptions.TlsPolicy == "REQUIRE"
    assert found.SuppressionOptions.SuppressedReasons == []


def test_a_certificate_and_a_deletion_at_once(desk: Desk) -> None:
    """Whoever comes first decides: no certificate is left without its identity, none vanishes unasked."""
    for number in range(8):
        name = f"d{number}.example"
        desk.ask("CreateEmailIdentity", EmailIdentity=name)
        associated, deleted = at_once(
            desk,
            (
                "AssociateEmailIdentityCertificate",
                {
                    "EmailIdentity": name,
                    "FromAddress": f"a@{name}",
                    "CertificateArn": "arn:aws:acm:eu-west-1:111122223333:certificate/c",
                },
            ),
            ("DeleteEmailIdentity", {"EmailIdentity": name}),
        )
        gone = not isinstance(deleted, Fault)
        assert isinstance(associated, Fault) is gone
        left = desk.ask("ListIdentities").Identities
        assert (name in left) is not gone


def test_of_two_requests_for_production_access_one_opens_the_review(desk: Desk) -> None:
    """The second hears that a review is open, also when both come at the same moment."""
    desk.rule(production_access=False)
    wish = {
        "MailType": "MARKETING",
        "WebsiteURL": "https://example.com",
        "ProductionAccessEnabled": True,
    }

    done = at_once(desk, *[("PutAccountDetails", wish)] * 4)

    faults = [each for each in done if isinstance(each, Fault)]
    assert [fault.kind for fault in faults] == [FaultKind.CONFLICT] * 3
    stored = desk.read(lambda s: account_regions.get(s, desk.account, desk.region))
    assert stored.review is not None
    assert stored.review.case in faults[0].message


def test_a_reset_forgets_all_of_it(verified: Desk) -> None:
    """A sandbox that is reset has no template, set, certificate, tag or account setting left."""
    verified.ask("CreateCustomVerificationEmailTemplate", TemplateName="brand", **TEMPLATE)
    verified.ask("SendCustomVerificationEmail", EmailAddress="r@c.example", TemplateName="brand")
    verified.ask("CreateConfigurationSet", ConfigurationSetName="main")
    verified.ask(
        "AssociateEmailIdentityCertificate",
        EmailIdentity="example.com",
        FromAddress="a@example.com",
        CertificateArn="arn:aws:acm:eu-west-1:111122223333:certificate/c",
    )
    verified.ask("UpdateAccountSendingEnabled", Enabled=False)

    verified.database.write(sandbox_rows.reset)

    assert verified.ask("ListIdentities").Identities == []
    assert verified.ask("ListCustomVerificationEmailTemplates").CustomVerificationEmailTemplates == []
    assert verified.ask("ListConfigurationSets").ConfigurationSets == []
    assert verified.ask("GetAccountSendingEnabled").Enabled is True
    owner = (verified.account, verified.region)
    assert verified.read(lambda s: tags.of(s, *owner, "identity/example.com")) == ()


@pytest.mark.parametrize(
    ("operation", "members", "resource"),
    [
        ("CreateConfigurationSet", {"ConfigurationSetName": "main"}, "configuration-set/main"),
        ("DeleteConfigurationSet", {"ConfigurationSetName": "bad name"}, "configuration-set/bad name"),
        ("DeleteConfigurationSet", {"ConfigurationSetName": "b\x00d"}, "*"),
        (
            "DeleteCustomVerificationEmailTemplate",
            {"TemplateName": "brand"},
            "custom-verification-email-template/brand",
        ),
        (
            "UntagResource",
            {"ResourceArn": "arn:aws:ses:us-east-1:111122223333:identity/EXAMPLE.com", "TagKeys": ["k"]},
            "identity/example.com",
        ),
        ("UntagResource", {"ResourceArn": "nonsense", "TagKeys": ["k"]}, "*"),
        (
            "DisassociateEmailIdentityCertificate",
            {"EmailIdentity": "Example.com", "FromAddress": "a@example.com"},
            "identity/example.com",
        ),
    ],
)
def test_the_record_names_what_a_call_was_about(
    sqlite_desk: Desk, operation: str, members: dict[str, Any], resource: str
) -> None:
    """In its stored spelling, so that no way of writing a name gets round a policy or the log."""
    with suppress(Fault):
        sqlite_desk.ask(operation, **members)
    (line,) = sqlite_desk.trail()
    beginning = f"arn:aws:ses:{sqlite_desk.region}:{sqlite_desk.account}:"
    assert line.resource == (resource if resource == "*" else beginning + resource)
