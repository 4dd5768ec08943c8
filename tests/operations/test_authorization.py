"""What a key with a policy may do: every call is asked about, in one place, and refused in its words."""

from __future__ import annotations

import asyncio
import json
import re
from types import SimpleNamespace
from typing import Any, get_args

import msgspec
import pytest
from desk import T0, Desk
from protocols import v1, v2

from indicia.domain.call import UNKNOWN_ADDRESS, Call
from indicia.domain.faults import Fault, FaultKind
from indicia.domain.time import DAY, rfc3339
from indicia.operations.authorization import REPLICATE, authorize, may_replicate
from indicia.operations.own.api import routes
from indicia.operations.policies.key_policies import check_key_policy
from indicia.operations.registry import REGISTRY, AnyEntry
from indicia.wire.own import Access, Asked, Route
from indicia.wire.shapes import operations


def policy(*statements: dict[str, Any]) -> str:
    """Return the policy of a key. A statement allows everything on everything, but for what it says."""
    plain = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    whole = []
    for statement in statements:
        merged = {**plain, **statement}
        for element in ("Action", "Resource"):
            if f"Not{element}" in merged:
                del merged[element]
        whole.append(merged)
    return json.dumps({"Version": "2012-10-17", "Statement": whole})


NOTHING = policy({"Effect": "Deny"})


def arn(desk: Desk, name: str) -> str:
    """Return the ARN of an identity of the desk."""
    return f"arn:aws:ses:{desk.region}:{desk.account}:identity/{name}"


def unlimited(desk: Desk) -> Desk:
    """Return a desk of the same account whose key has no policy."""
    return desk.beside()


ENTRIES = [entry for entry in REGISTRY.values() if entry.service != "sts"]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.service}:{entry.operation}")
def test_every_operation_is_asked_about(sqlite_desk: Desk, entry: AnyEntry) -> None:
    """Each one in the table is refused to a key that may do nothing, before it is looked at any closer."""
    sqlite_desk.policy = NOTHING
    kind = "identity" if entry.about == "arn" else entry.about
    written = f"arn:aws:ses:{sqlite_desk.region}:{sqlite_desk.account}:{kind}/example.com"
    given = written if entry.about == "arn" else "example.com"
    request: object = given
    for member in reversed(entry.subject.split(".")):
        request = SimpleNamespace(**{member: request} if member else {})
    resource = written if entry.subject else "*"

    with pytest.raises(Fault) as refused:
        asyncio.run(_answered(sqlite_desk, entry, request))

    assert refused.value.kind is FaultKind.ACCESS_DENIED
    assert refused.value.message == (
        f"User: {sqlite_desk.principal} is not authorized to perform: {entry.permission} on resource:"
        f" {resource} with an explicit deny in an identity-based policy"
    )


async def _answered(desk: Desk, entry: AnyEntry, request: object) -> object:
    return await desk.dispatch(desk.call(entry.service, entry.operation), request)


def own_routes(desk: Desk) -> list[Route]:
    """Return the routes that need a signature."""
    return [route for route in routes(desk.dispatch) if route.access is Access.SIGNED]


def test_every_signed_route_of_our_own_is_asked_about(sqlite_desk: Desk) -> None:
    """Those that the table does not answer included: no route has a way round the dispatch."""
    sqlite_desk.policy = NOTHING
    asked = {
        "principal": "444455556666",
        "action": "ses:SendEmail",
        "resource": arn(sqlite_desk, "a.example"),
    }
    routes = own_routes(sqlite_desk)

    assert {"DiagnoseIdentity", "ExplainPolicy", "CreateWebhook", "RedeliverWebhook"} <= {
        route.operation for route in routes
    }
    for route in routes:
        entry = REGISTRY["indicia", route.operation]
        call = sqlite_desk.call("indicia", route.operation)
        body = json.dumps(asked).encode() if entry.subject == "resource" else b"{ no JSON"
        labels = {"name": "a.example", "id": "wh_1"}
        about = arn(sqlite_desk, "a.example") if entry.subject else "*"
        with pytest.raises(Fault) as refused:
            asyncio.run(_routed(route, call, Asked(labels, {}, body)))
        assert refused.value.kind is FaultKind.ACCESS_DENIED
        assert f"perform: {entry.permission} on resource: {about} " in refused.value.message


def test_a_body_is_read_when_the_call_is_allowed(sqlite_desk: Desk) -> None:
    """What is wrong with it is then told, and is on the record as the refusal of a call."""
    bodies = {"CreateWebhook": b"{", "UpdateWebhook": b'{"enabled": 1}', "RedeliverWebhook": b"[]"}
    for route in own_routes(sqlite_desk):
        if route.operation in bodies:
            call = sqlite_desk.call("indicia", route.operation)
            with pytest.raises(Fault) as refused:
                asyncio.run(_routed(route, call, Asked({"id": "wh_1"}, {}, bodies[route.operation])))
            assert refused.value.kind is FaultKind.INVALID_PARAMETER

    assert [(line.operation.partition(":")[2], line.outcome) for line in sqlite_desk.trail()] == [
        (operation, "invalid_parameter") for operation in reversed(bodies)
    ]


async def _routed(route: Route, call: Call, asked: Asked) -> object:
    return await route.answer(call, asked)


def test_who_one_is_may_always_be_asked(sqlite_desk: Desk) -> None:
    """STS needs no permission for GetCallerIdentity, and no policy can take it away."""
    sqlite_desk.policy = NOTHING
    assert sqlite_desk.ask("GetCallerIdentity").Account == sqlite_desk.account


SUBJECTS = ("EmailIdentity", "Identity", "Identities", "ResourceArn", "ConfigurationSet")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.service}:{entry.operation}")
def test_what_a_call_is_about_is_known(entry: AnyEntry) -> None:
    """What takes an identity, or makes a set, has it as its subject, so that policies can name it."""
    if entry.service == "indicia":
        # A webhook is nobody's identity: its calls are about the account, whatever their bodies hold.
        assert bool(entry.subject) != ("Webhook" in entry.operation)
        return
    members = operations(entry.service)[entry.operation].request.__struct_fields__
    named = next((member for member in SUBJECTS if member in members), "")
    assert not named or entry.subject.partition(".")[0] == named


def test_a_denied_domain_is_had_by_no_other_spelling(sqlite_desk: Desk) -> None:
    """What only looks like its name once it is folded is no name: nothing is made under it."""
    denied = arn(sqlite_desk, "bank.example")
    sqlite_desk.policy = policy({}, {"Effect": "Deny", "Resource": denied})

    for spelling in ("bank.example", "BANK.example", "ban\u212a.example"):
        for operation, member in (("CreateEmailIdentity", "EmailIdentity"), ("VerifyDomainDkim", "Domain")):
            sqlite_desk.refused(operation, **{member: spelling})

    assert unlimited(sqlite_desk).ask("ListEmailIdentities").EmailIdentities == []


def test_both_versions_make_the_set_that_a_policy_names(sqlite_desk: Desk) -> None:
    """Where one set is denied, neither version makes it; another one is made, and the record names it."""
    denied = f"arn:aws:ses:{sqlite_desk.region}:{sqlite_desk.account}:configuration-set/main"
    sqlite_desk.policy = policy({}, {"Effect": "Deny", "Resource": denied})

    assert v1(sqlite_desk, "CreateConfigurationSet&ConfigurationSet.Name=main")[0] == 403
    assert v1(sqlite_desk, "CreateConfigurationSet&ConfigurationSet.Name=other")[0] == 200
    body = '{"ConfigurationSetName": "main"}'
    assert v2(sqlite_desk, "POST", "/v2/email/configuration-sets", body)[0] == 403

    assert [(line.resource, line.outcome) for line in sqlite_desk.trail()] == [
        (denied, "access_denied"),
        (denied.replace("main", "other"), "success"),
        (denied, "access_denied"),
    ]


def test_the_texts_on_the_wire(desk: Desk) -> None:
    """In both protocols, to the octet: what no statement allows, and what one denies (spec 7.6)."""
    desk.principal = f"arn:aws:iam::{desk.account}:user/ann"
    desk.policy = policy(
        {"Action": "ses:Get*"}, {"Effect": "Deny", "Action": "ses:*", "Resource": arn(desk, "secret.example")}
    )

    assert v2(desk, "GET", "/v2/email/identities/secret.example") == (
        403,
        "AccessDeniedException",
        (
            f'{{"message":"User: arn:aws:iam::{desk.account}:user/ann is not authorized to perform:'
            f" ses:GetEmailIdentity on resource: {arn(desk, 'secret.example')} with an explicit deny in an"
            ' identity-based policy"}'
        ),
    )
    assert v1(desk, "ListIdentities") == (
        403,
        (
            '<ErrorResponse xmlns="http://ses.amazonaws.com/doc/2010-12-01/"><Error><Type>Sender</Type>'
            f"<Code>AccessDenied</Code><Message>User: arn:aws:iam::{desk.account}:user/ann is not authorized"
            " to perform: ses:ListIdentities on resource: * because no identity-based policy allows the"
            " ses:ListIdentities action</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
        ),
    )


def test_a_key_for_one_identity(desk: Desk) -> None:
    """It may do with it what the statement says, and nothing with another one or with all of them."""
    for name in ("a.example", "b.example"):
        desk.ask("CreateEmailIdentity", EmailIdentity=name)
    desk.policy = policy({"Action": "ses:*", "Resource": arn(desk, "a.example")})

    assert desk.ask("GetEmailIdentity", EmailIdentity="A.example").IdentityType == "DOMAIN"
    desk.ask("GetIdentityVerificationAttributes", Identities=["a.example"])
    desk.ask("PutEmailIdentityDkimAttributes", EmailIdentity="a.example", SigningEnabled=False)
    for operation, members in (
        ("GetEmailIdentity", {"EmailIdentity": "b.example"}),
        ("DeleteEmailIdentity", {"EmailIdentity": "b.example"}),
        ("CreateEmailIdentity", {"EmailIdentity": "c.example"}),
        ("GetIdentityVerificationAttributes", {"Identities": ["a.example", "b.example"]}),
        ("GetIdentityDkimAttributes", {"Identities": ["b.example"]}),
        ("ListEmailIdentities", {}),
        ("GetIdentityRecords", {"name": "a.example"}),
    ):
        assert desk.refused(operation, **members).kind is FaultKind.ACCESS_DENIED
    assert unlimited(desk).ask("ListIdentities").Identities == ["a.example", "b.example"]


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("GetEmailIdentity", {"EmailIdentity": "SECRET.example"}),
        ("VerifyDomainIdentity", {"Domain": "Secret.Example"}),
        ("DeleteIdentity", {"Identity": "secret.example"}),
        ("GetIdentityVerificationAttributes", {"Identities": ["a.example", "SECRET.example"]}),
        ("ListIdentityPolicies", {"Identity": "arn:aws:ses:eu-west-1:111122223333:identity/SECRET.example"}),
        ("GetIdentityHistory", {"name": "SECRET.example"}),
    ],
)
def test_a_deny_cannot_be_written_around(desk: Desk, operation: str, members: dict[str, Any]) -> None:
    """Whatever spelling means the identity is seen as the identity."""
    desk.policy = policy({}, {"Effect": "Deny", "Resource": "arn:aws:ses:*:*:identity/secret.example"})

    assert desk.refused(operation, **members).kind is FaultKind.ACCESS_DENIED


@pytest.mark.parametrize("partition", ["aws-eusc", "aws-us-gov", "aws-cn", "mars"])
def test_an_arn_of_another_partition_names_nothing(desk: Desk, partition: str) -> None:
    """The partition is that of the region: whoever may see everything sees nothing by another one."""
    desk.ask("CreateEmailIdentity", EmailIdentity="secret.example")
    right = arn(desk, "secret.example")
    statement = {"Effect": "Allow", "Principal": "*", "Action": "ses:SendEmail", "Resource": right}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    desk.ask("PutIdentityPolicy", Identity=right, PolicyName="p", Policy=document)

    assert desk.ask("ListIdentityPolicies", Identity=right).PolicyNames == ["p"]
    wrong = right.replace("arn:aws:", f"arn:{partition}:")
    assert desk.ask("ListIdentityPolicies", Identity=wrong).PolicyNames == []
    tagged = desk.refused("TagResource", ResourceArn=wrong, Tags=[{"Key": "k", "Value": "v"}])
    assert tagged.message == "ResourceArn is not the expected format"


WRITTEN_LIKE_AN_ARN = "arn:aws:ses:eu-west-1:111122223333:identity/allowed@example.com"
LIKE_ANOTHERS = "arn:x:y:z:w:someone@example.com"


@pytest.mark.parametrize("name", [WRITTEN_LIKE_AN_ARN, LIKE_ANOTHERS])
@pytest.mark.parametrize(
    ("operation", "member"),
    [
        ("CreateEmailIdentity", "EmailIdentity"),
        ("GetEmailIdentity", "EmailIdentity"),
        ("DeleteEmailIdentity", "EmailIdentity"),
        ("VerifyEmailIdentity", "EmailAddress"),
        ("DeleteIdentity", "Identity"),
        ("GetIdentityVerificationAttributes", "Identities"),
        ("GetIdentityRecords", "name"),
    ],
)
def test_a_name_in_the_form_of_an_arn_is_a_name(desk: Desk, operation: str, member: str, name: str) -> None:
    """An Allow of the identity that the ARN would mean says nothing of it, a Deny of all identities does."""
    asked = {member: [name] if member == "Identities" else name}
    allowed = arn(desk, "allowed@example.com")

    desk.policy = policy({"Action": "*", "Resource": allowed})
    assert f"on resource: {arn(desk, name)} because" in desk.refused(operation, **asked).message
    desk.policy = policy({}, {"Effect": "Deny", "Resource": "arn:aws:ses:*:*:identity/*"})
    refused = desk.refused(operation, **asked)

    assert refused.kind is FaultKind.ACCESS_DENIED
    assert f"on resource: {arn(desk, name)} with" in refused.message
    assert {line.resource for line in desk.trail()} <= {arn(desk, name)}


def test_an_arn_is_an_arn_where_one_is_documented(desk: Desk) -> None:
    """The call is about the identity that it means; what means none is a name there as well."""
    desk.ask("CreateEmailIdentity", EmailIdentity="allowed@example.com")
    desk.policy = policy({"Action": "ses:*", "Resource": arn(desk, "allowed@example.com")})

    desk.ask("ListIdentityPolicies", Identity=WRITTEN_LIKE_AN_ARN)
    desk.ask("GetIdentityNotificationAttributes", Identities=[WRITTEN_LIKE_AN_ARN])
    refused = desk.refused("ListIdentityPolicies", Identity=LIKE_ANOTHERS)
    assert f"on resource: {arn(desk, LIKE_ANOTHERS)} because" in refused.message


UNREADABLE = ("(" * 2000, "a:" * 1000, "<@a:" * 1000, "a@b.example," * 100_000)


@pytest.mark.parametrize("sender", UNREADABLE, ids=lambda text: text[:4])
@pytest.mark.parametrize("limited", [True, False])
def test_a_sender_that_cannot_be_read_is_refused(desk: Desk, sender: str, limited: bool) -> None:
    """Nested or long beyond reading, it is a mistake of the caller's, whether or not the key has a policy."""
    desk.policy = policy({"Action": "ses:*"}) if limited else None

    fault = desk.refused(
        "CreateCustomVerificationEmailTemplate",
        TemplateName="t",
        FromEmailAddress=sender,
        TemplateSubject="s",
        TemplateContent="c",
        SuccessRedirectionURL="https://a.example/",
        FailureRedirectionURL="https://a.example/",
    )

    told = f"{sender[:100]}... ({len(sender) - 100} more characters)"
    if limited:
        assert (fault.kind, fault.message) == (FaultKind.INVALID_PARAMETER, f"Invalid email address<{told}>.")
    else:
        assert fault.message == f"The from email address <{told}> is not verified"


def test_a_refused_change_leaves_its_line_and_nothing_else(desk: Desk) -> None:
    """Writes are on the record as refused; reads leave no line."""
    desk.ask("CreateEmailIdentity", EmailIdentity="a.example")
    desk.policy = NOTHING

    desk.refused("DeleteEmailIdentity", EmailIdentity="a.example")
    desk.refused("GetEmailIdentity", EmailIdentity="a.example")

    refused, created = desk.trail()
    assert (created.outcome, refused.outcome) == ("success", "access_denied")
    assert (refused.operation, refused.resource) == ("sesv2:DeleteEmailIdentity", arn(desk, "a.example"))
    assert unlimited(desk).ask("ListIdentities").Identities == ["a.example"]


MOMENT = rfc3339(T0 + DAY)


@pytest.mark.parametrize(
    ("condition", "change", "allowed"),
    [
        ({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, {}, True),
        ({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, {"address": "198.51.100.1"}, False),
        ({"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, {"address": "198.51.100.1"}, True),
        ({"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, {"address": UNKNOWN_ADDRESS}, False),
        ({"Bool": {"aws:SecureTransport": "true"}}, {}, False),
        ({"Bool": {"aws:SecureTransport": "true"}}, {"secure": True}, True),
        ({"StringLike": {"aws:UserAgent": "Boto3/*"}}, {"user_agent": "Boto3/1.43 md/Botocore"}, True),
        ({"StringLike": {"aws:UserAgent": "Boto3/*"}}, {}, False),
        ({"DateLessThan": {"aws:CurrentTime": MOMENT}}, {}, True),
        ({"DateLessThan": {"aws:CurrentTime": MOMENT}}, {"now": T0 + DAY}, False),
        ({"NumericLessThan": {"aws:EpochTime": (T0 + DAY) // 1000}}, {}, True),
        ({"DateGreaterThan": {"aws:EpochTime": MOMENT}}, {"now": T0 + 2 * DAY}, True),
        ({"StringEquals": {"ses:ApiVersion": "2"}}, {}, True),
        ({"StringEquals": {"ses:ApiVersion": "1"}}, {}, False),
        ({"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}, {}, True),
        ({"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}, {"region": "us-east-1"}, False),
        ({"StringEquals": {"aws:ResourceAccount": "111122223333"}}, {}, True),
        ({"StringEquals": {"aws:PrincipalAccount": "111122223333"}}, {}, True),
        (
            {"StringEquals": {"aws:username": "ann"}},
            {"principal": "arn:aws:iam::111122223333:user/ann"},
            True,
        ),
        ({"StringEquals": {"aws:username": "ann"}}, {}, False),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:root"}}, {}, True),
        ({"Null": {"ses:FromAddress": "true"}}, {}, True),
    ],
)
def test_the_circumstances_of_a_call(
    sqlite_desk: Desk, condition: dict[str, Any], change: dict[str, Any], allowed: bool
) -> None:
    """Conditions see the call as it came in."""
    sqlite_desk.ask("CreateEmailIdentity", EmailIdentity="a.example")
    sqlite_desk.beside(region="us-east-1").ask("CreateEmailIdentity", EmailIdentity="a.example")
    sqlite_desk.policy = policy({"Condition": condition})
    call = sqlite_desk.call("sesv2", "GetEmailIdentity")._replace(**change)
    request = operations("sesv2")["GetEmailIdentity"].request(EmailIdentity="a.example")

    async def answered() -> Any:
        return await sqlite_desk.dispatch(call, request)

    try:
        assert asyncio.run(answered()).IdentityType == "DOMAIN"
    except Fault as fault:
        assert not allowed, fault.message  # noqa: PT017 - both outcomes are expected, each in its case
    else:
        assert allowed


def test_the_sender_of_a_template_is_seen(sqlite_desk: Desk) -> None:
    """From is taken apart into address and display name."""
    from indicia.operations.call_context import context_of

    shape = operations("sesv2")["SendEmail"].request
    request = msgspec.convert(
        {
            "FromEmailAddress": "Ann <ann@example.com>",
            "FeedbackForwardingEmailAddress": "bounce@example.com",
            "Destination": {"ToAddresses": ["a@x.example"], "BccAddresses": ["Bob <b@x.example>"]},
            "Content": {},
        },
        shape,
    )
    context = context_of(sqlite_desk.call("sesv2", "SendEmail"), request)

    assert {key: value for key, value in context.items() if key.startswith("ses:")} == {
        "ses:ApiVersion": ("2",),
        "ses:FromAddress": ("ann@example.com",),
        "ses:FromDisplayName": ("Ann",),
        "ses:FeedbackAddress": ("bounce@example.com",),
        "ses:Recipients": ("a@x.example", "b@x.example"),
    }


@pytest.mark.parametrize("text", ["", "{", '{"Statement": []}', '{"Statement": {"Effect": "Allow"}}'])
def test_a_stored_policy_that_cannot_be_understood_allows_nothing(sqlite_desk: Desk, text: str) -> None:
    """It says so, and does not open what it was to close."""
    sqlite_desk.policy = text

    assert sqlite_desk.refused("ListIdentities").message == (
        f"User: {sqlite_desk.principal} is not authorized to perform: ses:ListIdentities on resource: *"
        " because the policy of the access key cannot be understood"
    )


def test_who_may_not_send_is_told_in_the_words_of_ses(sqlite_desk: Desk) -> None:
    """A backtick opens, an apostrophe closes, and there is no colon (spec 7.6)."""
    call = sqlite_desk.call("ses", "SendEmail")._replace(policy=NOTHING)
    resource = arn(sqlite_desk, "example.com")

    with pytest.raises(Fault) as refused:
        authorize(call, "ses:SendEmail", (resource,), None)

    assert refused.value.message == (
        f"User `{call.principal}' is not authorized to perform `ses:SendEmail' on resource `{resource}'"
    )


def test_replicating_a_key_is_a_permission_of_its_own(sqlite_desk: Desk) -> None:
    """On the parent's ARN, with the region of the replica as condition (spec 3.8)."""
    parent = f"arn:aws:ses:us-east-1:{sqlite_desk.account}:identity/example.com"
    own = sqlite_desk.call("sesv2", "CreateEmailIdentity")
    statement = {
        "Action": REPLICATE,
        "Resource": parent,
        "Condition": {"ForAllValues:StringEquals": {"ses:ReplicaRegion": ["eu-west-1", "eu-west-2"]}},
    }
    narrow = own._replace(policy=policy(statement))

    assert may_replicate(own, parent).allowed
    assert may_replicate(narrow, parent).allowed
    assert not may_replicate(narrow._replace(region="us-west-2"), parent).allowed
    assert not may_replicate(narrow, parent.replace("example.com", "example.org")).allowed
    assert not may_replicate(own._replace(policy=NOTHING), parent).allowed
    assert not may_replicate(own._replace(policy="{"), parent).allowed


@pytest.mark.parametrize(
    ("action", "known"),
    [
        ("ses:*", True),
        ("*", True),
        ("ses:getemailidentity", True),
        ("SES:GetEmailIdentity", True),
        ("INDICIA:explain*", True),
        ("*:*", True),
        ("SES:GetEmailIdentiy", False),
        ("ses:Put*", True),
        (REPLICATE, True),
        ("ses:SendEmail", True),
        ("indicia:DiagnoseIdentity", True),
        ("indicia:Explain*", True),
        ("sts:GetCallerIdentity", True),
        ("ses:GetEmailIdentiy", False),
        ("indicia:GetEmailIdentity", False),
        ("ses:Xyz*", False),
    ],
)
def test_the_policy_of_a_new_key_names_actions_that_exist(action: str, known: bool) -> None:
    """A misspelt action would neither allow nor deny."""
    text = policy({"Action": ["ses:*", action]})
    if known:
        check_key_policy(text)
        return
    with pytest.raises(Fault, match=r"Statement 1 has the action .*, and there is none\."):
        check_key_policy(text)


# Shown once, to whoever made it by that very call: nobody has used it yet.
NEW_SECRETS = {"CreateWebhook": "secret", "RotateWebhookSecret": "secret"}


def _secrets(kind: object) -> set[str]:
    """Return the members of an answer, at any depth, that are named like secrets."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = msgspec.structs.fields(kind)
        own = {
            each.name
            for each in fields
            if re.search(r"secret|private_?key|password", each.name, re.IGNORECASE)
        }
        return own.union(*(_secrets(each.type) for each in fields))
    return set().union(*map(_secrets, get_args(kind)))


def test_no_key_without_a_policy_has_what_hands_out_secrets(sqlite_desk: Desk) -> None:
    """Over the whole table: it is refused exactly what answers with a secret that is in use already."""
    handed_out = {
        entry.permission: _secrets(entry.answer)
        for entry in REGISTRY.values()
        if NEW_SECRETS.get(entry.operation) not in _secrets(entry.answer)
    }
    assert handed_out["indicia:ReplicateIdentity"] == {"private_key"}
    for entry in REGISTRY.values():
        call = sqlite_desk.call(entry.service, entry.operation)
        assert call.policy is None
        if not handed_out.get(entry.permission):
            authorize(call, entry.permission, ("*",), None)
            continue
        assert entry.writes, "what hands out secrets is on the record"
        with pytest.raises(Fault, match="has no policy") as refused:
            authorize(call, entry.permission, ("*",), None)
        assert refused.value.kind is FaultKind.ACCESS_DENIED
        with pytest.raises(Fault, match="has no policy"):
            asyncio.run(sqlite_desk.dispatch(call, None))
