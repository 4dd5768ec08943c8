"""The table of operations, the audit log, the wakes, and what hostile names come to."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from callers import Caller
from desk import T0, Desk
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identities.identity import Facet, Status
from indicia.operations.registry import REGISTRY
from indicia.wire.shapes import SERVICES, operations


def test_the_table_names_operations_that_exist() -> None:
    """Every entry is modelled, under its own name, with the permission of that name."""
    for (service, operation), entry in REGISTRY.items():
        assert (service, operation) == (entry.service, entry.operation)
        if service == "indicia":
            assert entry.route is not None
        else:
            assert operation in operations(service)
            if entry.subject:
                member = entry.subject.partition(".")[0]
                assert member in operations(service)[operation].request.__struct_fields__
        prefix = "ses" if service == "sesv2" else service
        assert entry.permission == f"{prefix}:{operation}"


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_not_built_says_so_before_its_members_are_read(sqlite_desk: Desk, service: str) -> None:
    """Over the wire too, without a single member that it requires: 501 and its name, not what is missing."""
    caller = Caller(sqlite_desk)
    missing = [name for name in operations(service) if (service, name) not in REGISTRY]
    code = {"sesv2": "NotImplementedException"}.get(service, "NotImplemented")
    for name in missing:
        heard = caller.call(service, name, {})
        assert (heard.status, heard.code, name in heard.message) == (501, code, True)
    caller.close()


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_modelled_and_not_built_says_so(sqlite_desk: Desk, service: str) -> None:
    """Every other operation of the service models is refused by its name, and leaves no line."""
    missing = [name for name in operations(service) if (service, name) not in REGISTRY]
    assert bool(missing) is (service != "sts")
    for name in missing:
        with pytest.raises(Fault) as caught:
            asyncio.run(_awaited(sqlite_desk, service, name))
        assert caught.value.kind is FaultKind.NOT_IMPLEMENTED
        assert caught.value.message == f"The operation {name} is not implemented by this service yet."
    assert sqlite_desk.trail() == []


async def _awaited(desk: Desk, service: str, name: str) -> object:
    return await desk.dispatch(desk.call(service, name), None)


def test_every_change_is_on_the_record(desk: Desk) -> None:
    """Who, with what key, from where, which call on what, how it ended; reads leave no line."""
    desk.ask("CreateEmailIdentity", EmailIdentity="Example.com")
    desk.refused("CreateEmailIdentity", EmailIdentity="example.com")
    desk.ask("GetEmailIdentity", EmailIdentity="example.com")
    desk.ask("ListIdentities")

    refused, succeeded = desk.trail()

    assert (succeeded.outcome, refused.outcome) == ("success", "already_exists")
    assert succeeded.operation == refused.operation == "sesv2:CreateEmailIdentity"
    assert succeeded.resource == f"arn:aws:ses:{desk.region}:{desk.account}:identity/example.com"
    assert (succeeded.principal, succeeded.address, succeeded.at) == (desk.principal, "192.0.2.7", T0)
    assert succeeded.access_key == "AKIATESTTESTTESTTEST"


def test_a_read_changes_nothing(desk: Desk) -> None:
    """Reads run where nothing can be written: none of them is told to be a read by mistake."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    desk.ask("CreateConfigurationSet", ConfigurationSetName="main")
    desk.ask("CreateEmailIdentity", EmailIdentity="verified.example")
    desk.find("verified.example", Facet.DKIM, Status.SUCCESS)
    desk.ask(
        "CreateCustomVerificationEmailTemplate",
        TemplateName="brand",
        FromEmailAddress="a@verified.example",
        TemplateSubject="s",
        TemplateContent="c",
        SuccessRedirectionURL="https://example.com/",
        FailureRedirectionURL="https://example.com/",
    )
    webhook = desk.ask("CreateWebhook", url="https://receiver.example/").webhook
    before = desk.view("example.com")
    trail = desk.trail()
    desk.hints.woken.clear()
    reads = {
        "GetEmailIdentity": {"EmailIdentity": "example.com"},
        "ListEmailIdentities": {},
        "GetIdentityVerificationAttributes": {"Identities": ["example.com"]},
        "GetIdentityDkimAttributes": {"Identities": ["example.com"]},
        "GetIdentityMailFromDomainAttributes": {"Identities": ["example.com"]},
        "GetIdentityNotificationAttributes": {"Identities": ["example.com"]},
        "ListIdentities": {},
        "ListVerifiedEmailAddresses": {},
        "GetCallerIdentity": {},
        "GetIdentityRecords": {"name": "example.com"},
        "GetIdentityHistory": {"name": "example.com"},
        "ListWebhooks": {},
        "GetWebhook": {"id": webhook.id},
        "GetConfigurationSet": {"ConfigurationSetName": "main"},
        "DescribeConfigurationSet": {"ConfigurationSetName": "main"},
        "ListConfigurationSets": {},
        "GetCustomVerificationEmailTemplate": {"TemplateName": "brand"},
        "ListCustomVerificationEmailTemplates": {},
        "ListEmailIdentityCertificates": {"EmailIdentity": "example.com"},
        "ListRecommendations": {},
        "GetAccount": {},
        "GetSendQuota": {},
        "GetAccountSendingEnabled": {},
        "ListTagsForResource": {
            "ResourceArn": f"arn:aws:ses:{desk.region}:{desk.account}:identity/example.com"
        },
        "GetEmailIdentityPolicies": {"EmailIdentity": "example.com"},
        "GetIdentityPolicies": {"Identity": "example.com", "PolicyNames": ["p"]},
        "ListIdentityPolicies": {"Identity": "example.com"},
        "ExplainPolicy": {
            "principal": "123456789012",
            "action": "ses:SendEmail",
            "resource": f"arn:aws:ses:{desk.region}:{desk.account}:identity/example.com",
        },
    }
    there = {
        entry.operation
        for entry in REGISTRY.values()
        if not entry.writes and entry.handling.handler is not None
    }
    assert set(reads) == there, "`reads` above has a line for each operation that reads"

    for operation, members in reads.items():
        desk.ask(operation, **members)

    assert (desk.view("example.com"), desk.trail(), desk.hints.woken) == (before, trail, [])


def test_a_mistake_of_ours_is_on_the_record_too(desk: Desk) -> None:
    """A handler that breaks leaves nothing but its line, and its exception comes out as it is."""

    def broken(octets: int) -> bytes:
        raise RuntimeError("no randomness")

    desk.reach(random=broken)
    with pytest.raises(RuntimeError):
        desk.ask("CreateEmailIdentity", EmailIdentity="example.com")

    assert [line.outcome for line in desk.trail()] == ["internal"]
    assert desk.ask("ListIdentities").Identities == []


def test_a_line_that_cannot_be_written_is_told_in_short(sqlite_desk: Desk) -> None:
    """While the database is away the log has a line for each change that was refused, and why."""
    sqlite_desk.database.close()

    with capture_logs() as told:
        refusal = sqlite_desk.refused("CreateEmailIdentity", EmailIdentity="example.com")

    assert refusal.kind is FaultKind.UNAVAILABLE
    (line,) = [line for line in told if line["event"] == "audit.lost"]
    assert line["reason"] == "The database is closed."
    assert "exc_info" not in line


def test_who_is_calling(sqlite_desk: Desk) -> None:
    """The root's user id is its account, a user's is stable and has the form that IAM gives."""
    root = sqlite_desk.ask("GetCallerIdentity")
    assert (root.UserId, root.Account, root.Arn) == (
        sqlite_desk.account,
        sqlite_desk.account,
        f"arn:aws:iam::{sqlite_desk.account}:root",
    )

    sqlite_desk.principal = f"arn:aws:iam::{sqlite_desk.account}:user/ann"
    user = sqlite_desk.ask("GetCallerIdentity")
    assert user == sqlite_desk.ask("GetCallerIdentity")
    assert (user.Arn, user.UserId[:4], len(user.UserId)) == (sqlite_desk.principal, "AIDA", 21)


EVERY_NAME = st.text(max_size=400) | st.from_regex(r"[\w.@\"\\ +-]{0,60}", fullmatch=True)
BY_NAME = {
    "CreateEmailIdentity": "EmailIdentity",
    "GetEmailIdentity": "EmailIdentity",
    "DeleteEmailIdentity": "EmailIdentity",
    "PutEmailIdentityDkimAttributes": "EmailIdentity",
    "PutEmailIdentityMailFromAttributes": "EmailIdentity",
    "PutEmailIdentityFeedbackAttributes": "EmailIdentity",
    "PutEmailIdentityConfigurationSetAttributes": "EmailIdentity",
    "VerifyDomainIdentity": "Domain",
    "VerifyDomainDkim": "Domain",
    "VerifyEmailIdentity": "EmailAddress",
    "DeleteIdentity": "Identity",
    "DeleteVerifiedEmailAddress": "EmailAddress",
    "CheckIdentity": "name",
    "GetIdentityHistory": "name",
    "GetIdentityRecords": "name",
}
SETTINGS_BY_NAME: dict[str, dict[str, object]] = {
    "SetIdentityMailFromDomain": {"MailFromDomain": "bounce.example.com"},
    "SetIdentityDkimEnabled": {"DkimEnabled": False},
    "SetIdentityFeedbackForwardingEnabled": {"ForwardingEnabled": True},
    "SetIdentityNotificationTopic": {"NotificationType": "Bounce"},
    "SetIdentityHeadersInNotificationsEnabled": {"NotificationType": "Bounce", "Enabled": True},
}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EVERY_NAME)
@example("\x00")
@example("\ud800")
@example("a\u0000@example.com")
@example('"' * 63 + "@example.com")
@example("K.example")
@example("xn--.example")
@example("1.2.3.4")
@example("a@" + "b." * 125 + "c")
def test_no_name_breaks_anything(desk: Desk, name: str) -> None:
    """Whatever is sent as a name is answered or refused by a fault; what it made is found and deletable."""
    for operation, member in BY_NAME.items():
        with suppress(Fault):
            desk.ask(operation, **{member: name})
    with suppress(Fault):
        desk.ask("SetIdentityMailFromDomain", Identity="example.com", MailFromDomain=name)
    for operation, members in SETTINGS_BY_NAME.items():
        with suppress(Fault):
            desk.ask(operation, Identity=name, **members)
    for operation in (
        "GetIdentityVerificationAttributes",
        "GetIdentityDkimAttributes",
        "GetIdentityMailFromDomainAttributes",
        "GetIdentityNotificationAttributes",
    ):
        desk.ask(operation, Identities=[name])
    desk.ask("ListEmailIdentities", Filter={"IDENTITY_NAME_CONTAINS": name})
    for left in desk.ask("ListIdentities").Identities:
        assert left.isascii()
        assert desk.ask("GetEmailIdentity", EmailIdentity=left).IdentityType
        desk.ask("DeleteEmailIdentity", EmailIdentity=left)
