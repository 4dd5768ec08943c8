"""boto3, as it comes from PyPI, against `indicia serve`: signatures checked, shapes and errors parsed."""

from __future__ import annotations

import base64
import datetime as dt
from typing import Any
from urllib.parse import urlsplit

import botocore.session
import pytest
import urllib3
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.model import OperationModel, Shape, StructureShape
from running import Running

from indicia.operations.registry import REGISTRY
from indicia.vault import rsa

SERVICES = ("ses", "sesv2", "sts")
DOMAIN_RECORDS = 3


@pytest.fixture(scope="module")
def v1(server: Running) -> Any:
    """A client of version 1."""
    return server.client("ses")


@pytest.fixture(scope="module")
def v2(server: Running) -> Any:
    """A client of version 2."""
    return server.client("sesv2")


def recent(moment: dt.datetime) -> bool:
    """Whether a timestamp was parsed, has a zone, and is of this test."""
    return abs(dt.datetime.now(dt.UTC) - moment) < dt.timedelta(minutes=5)


def test_who_am_i(server: Running) -> None:
    """GetCallerIdentity names the account and the root user of the operator's key."""
    answer = server.client("sts").get_caller_identity()

    assert answer["Account"] == server.account
    assert answer["Arn"] == f"arn:aws:iam::{server.account}:root"
    assert answer["ResponseMetadata"]["RequestId"]


def test_a_domain_from_create_to_delete(v2: Any) -> None:
    """Created with tags and a key length, read with every field, listed, deleted, gone."""
    created = v2.create_email_identity(
        EmailIdentity="life.example.com",
        Tags=[{"Key": "team", "Value": "mail"}],
        DkimSigningAttributes={"NextSigningKeyLength": "RSA_1024_BIT"},
    )
    read = v2.get_email_identity(EmailIdentity="life.example.com")
    listed = v2.list_email_identities(PageSize=1000)["EmailIdentities"]
    v2.delete_email_identity(EmailIdentity="life.example.com")

    dkim = read["DkimAttributes"]
    assert created["IdentityType"] == "DOMAIN"
    assert created["VerifiedForSendingStatus"] is False
    assert len(created["DkimAttributes"]["Tokens"]) == DOMAIN_RECORDS
    assert created["DkimAttributes"]["SigningHostedZone"] == "dkim.indicia.test"
    assert dkim["Tokens"] == created["DkimAttributes"]["Tokens"]
    assert (dkim["Status"], dkim["SigningAttributesOrigin"]) == ("PENDING", "AWS_SES")
    assert dkim["NextSigningKeyLength"] == "RSA_1024_BIT"
    assert recent(dkim["LastKeyGenerationTimestamp"])
    assert read["Tags"] == [{"Key": "team", "Value": "mail"}]
    assert (read["VerificationStatus"], read["FeedbackForwardingStatus"]) == ("PENDING", True)
    assert {
        "IdentityType": "DOMAIN",
        "IdentityName": "life.example.com",
        "SendingEnabled": False,
        "VerificationStatus": "PENDING",
    } in listed
    with pytest.raises(v2.exceptions.NotFoundException) as gone:
        v2.get_email_identity(EmailIdentity="life.example.com")
    assert gone.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_an_uploaded_key(v2: Any) -> None:
    """BYODKIM: EXTERNAL, the selector is the token, no hosted zone; and back to Easy DKIM."""
    pair = rsa.generate(1024)
    v2.create_email_identity(
        EmailIdentity="byo.example.com",
        DkimSigningAttributes={
            "DomainSigningSelector": "sel1",
            "DomainSigningPrivateKey": base64.b64encode(pair.private_key).decode(),
        },
    )
    own = v2.get_email_identity(EmailIdentity="byo.example.com")["DkimAttributes"]
    easy = v2.put_email_identity_dkim_signing_attributes(
        EmailIdentity="byo.example.com", SigningAttributesOrigin="AWS_SES"
    )
    v2.put_email_identity_dkim_attributes(EmailIdentity="byo.example.com", SigningEnabled=False)
    off = v2.get_email_identity(EmailIdentity="byo.example.com")["DkimAttributes"]

    assert (own["SigningAttributesOrigin"], own["Tokens"]) == ("EXTERNAL", ["sel1"])
    assert "SigningHostedZone" not in own
    assert (easy["DkimStatus"], len(easy["DkimTokens"])) == ("PENDING", DOMAIN_RECORDS)
    assert (off["SigningEnabled"], off["SigningAttributesOrigin"]) == (False, "AWS_SES")


def test_an_address_is_pending_and_has_no_verification_info(v2: Any) -> None:
    """An address with a plus and an @, escaped in the path, read back as it was given."""
    v2.create_email_identity(EmailIdentity="some+one@address.example.com")
    read = v2.get_email_identity(EmailIdentity="some+one@address.example.com")

    assert read["IdentityType"] == "EMAIL_ADDRESS"
    assert read["VerificationStatus"] == "PENDING"
    assert read["VerificationInfo"] == {}


def test_errors_come_as_their_classes(v2: Any) -> None:
    """AlreadyExists, NotFound, BadRequest: the classes of the model, with status, text and request id."""
    v2.create_email_identity(EmailIdentity="twice.example.com")
    with pytest.raises(v2.exceptions.AlreadyExistsException) as twice:
        v2.create_email_identity(EmailIdentity="Twice.Example.Com")
    with pytest.raises(v2.exceptions.NotFoundException) as missing:
        v2.delete_email_identity(EmailIdentity="missing.example.com")
    with pytest.raises(v2.exceptions.BadRequestException) as bad:
        v2.create_email_identity(EmailIdentity="-bad-.example.com")

    assert [
        error.value.response["ResponseMetadata"]["HTTPStatusCode"] for error in (twice, missing, bad)
    ] == [
        400,
        404,
        400,
    ]
    for error in (twice, missing, bad):
        assert error.value.response["Error"]["Message"]
        assert error.value.response["ResponseMetadata"]["RequestId"]


def test_pages_hold_everything_once(server: Running) -> None:
    """The paginators of both versions go through all identities, each once, however small the page."""
    region = "eu-west-3"
    v1, v2 = server.client("ses", region=region), server.client("sesv2", region=region)
    names = {f"page{number}.example.com" for number in range(7)} | {"page@example.org"}
    for name in names:
        v2.create_email_identity(EmailIdentity=name)

    ones = [
        name
        for page in v1.get_paginator("list_identities").paginate(PaginationConfig={"PageSize": 3})
        for name in page["Identities"]
    ]
    twos: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = v2.list_email_identities(PageSize=3, **token)
        twos += [each["IdentityName"] for each in page["EmailIdentities"]]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}

    assert (len(ones), set(ones)) == (8, names)
    assert (len(twos), set(twos)) == (8, names)


def test_a_filter_of_the_list(server: Running) -> None:
    """Part of a name, a type; and MANAGED_DOMAIN, of which there is none."""
    v2 = server.client("sesv2", region="eu-central-1")
    for name in ("one.example.com", "two.example.com", "one@example.net"):
        v2.create_email_identity(EmailIdentity=name)

    def named(**filters: str) -> set[str]:
        return {each["IdentityName"] for each in v2.list_email_identities(Filter=filters)["EmailIdentities"]}

    assert named(IDENTITY_NAME_CONTAINS="one") == {"one.example.com", "one@example.net"}
    assert named(IDENTITY_TYPE="EMAIL_ADDRESS") == {"one@example.net"}
    assert named(IDENTITY_TYPE="MANAGED_DOMAIN") == set()


def test_version_1_sees_what_version_2_made_and_the_reverse(v1: Any, v2: Any) -> None:
    """One identity: tokens, status and existence are the same in both versions."""
    legacy = v1.verify_domain_identity(Domain="both.example.com")["VerificationToken"]
    tokens = v1.verify_domain_dkim(Domain="both.example.com")["DkimTokens"]
    read = v2.get_email_identity(EmailIdentity="both.example.com")
    attributes = v1.get_identity_verification_attributes(
        Identities=["both.example.com", "missing.example.com"]
    )
    dkim = v1.get_identity_dkim_attributes(Identities=["both.example.com"])

    assert set(read["DkimAttributes"]["Tokens"]) == set(tokens)
    assert attributes["VerificationAttributes"] == {
        "both.example.com": {"VerificationStatus": "Pending", "VerificationToken": legacy}
    }
    assert dkim["DkimAttributes"]["both.example.com"] == {
        "DkimEnabled": True,
        "DkimVerificationStatus": "Pending",
        "DkimTokens": tokens,
    }
    assert "both.example.com" in v1.list_identities(IdentityType="Domain", MaxItems=1000)["Identities"]
    v1.delete_identity(Identity="both.example.com")
    v1.delete_identity(Identity="both.example.com")
    with pytest.raises(v2.exceptions.NotFoundException):
        v2.get_email_identity(EmailIdentity="both.example.com")


def test_addresses_in_version_1(v1: Any) -> None:
    """Both spellings of verifying and deleting an address; nothing unverified is listed as verified."""
    v1.verify_email_identity(EmailAddress="a@v1.example.com")
    v1.verify_email_address(EmailAddress="b@v1.example.com")
    pending = v1.get_identity_verification_attributes(Identities=["a@v1.example.com", "b@v1.example.com"])
    verified = v1.list_verified_email_addresses()["VerifiedEmailAddresses"]
    v1.delete_verified_email_address(EmailAddress="a@v1.example.com")

    assert pending["VerificationAttributes"] == {
        "a@v1.example.com": {"VerificationStatus": "Pending"},
        "b@v1.example.com": {"VerificationStatus": "Pending"},
    }
    assert verified == []
    assert "a@v1.example.com" not in v1.list_identities(MaxItems=1000)["Identities"]


def test_an_error_of_version_1(v1: Any) -> None:
    """InvalidParameterValue, in XML, with a request id."""
    with pytest.raises(ClientError) as wrong:
        v1.verify_domain_identity(Domain="not a domain")

    assert wrong.value.response["Error"]["Code"] == "InvalidParameterValue"
    assert wrong.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert wrong.value.response["ResponseMetadata"]["RequestId"]


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"key": "AKIAUNKNOWNUNKNOWNXX"}, {"InvalidClientTokenId", "UnrecognizedClientException"}),
        ({"secret": "wrong"}, {"SignatureDoesNotMatch", "InvalidSignatureException"}),
    ],
    ids=["unknown key", "wrong secret"],
)
def test_a_wrong_signature_is_an_error_of_its_protocol(
    server: Running, service: str, given: dict[str, str], code: set[str]
) -> None:
    """The SDK finds the code where its protocol has it, and does not try again."""
    client = server.client(service, **given)
    first = {"ses": "list_identities", "sesv2": "list_email_identities", "sts": "get_caller_identity"}
    with pytest.raises(ClientError) as refused:
        getattr(client, first[service])()

    assert refused.value.response["Error"]["Code"] in code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert refused.value.response["ResponseMetadata"]["RetryAttempts"] == 0


def test_a_region_that_is_not_served_is_refused_with_the_list(server: Running) -> None:
    """The credential scope names the region; one that is not served is told with those that are."""
    client = server.client("sesv2", region="mars-north-1")
    with pytest.raises(ClientError) as refused:
        client.list_email_identities()

    assert server.region in refused.value.response["Error"]["Message"]
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def send(server: Running, request: AWSRequest, *, in_query: bool = False) -> urllib3.BaseHTTPResponse:
    """Sign a request as an SDK does and send it as it stands."""
    signer = SigV4QueryAuth if in_query else SigV4Auth
    signer(Credentials(server.key, server.secret), "ses", server.region).add_auth(request)
    prepared = request.prepare()
    return urllib3.request(
        request.method, prepared.url, headers=dict(prepared.headers), body=request.data or None, retries=False
    )


def test_a_presigned_get_of_version_1(server: Running) -> None:
    """Everything in the query string, the signature too: the answer is XML."""
    query = "Action=ListIdentities&Version=2010-12-01&MaxItems=1"
    answer = send(server, AWSRequest("GET", f"{server.url}/?{query}"), in_query=True)

    assert answer.status == 200
    assert b"<ListIdentitiesResult>" in answer.data
    assert urlsplit(server.url).scheme == "http"


def test_a_generated_presigned_url_of_the_sdk(server: Running, v1: Any) -> None:
    """What `generate_presigned_url` returns can be opened by anybody who has it."""
    url = v1.generate_presigned_url("list_identities", Params={"MaxItems": 1}, HttpMethod="GET")
    answer = urllib3.request("GET", url, retries=False)

    assert answer.status == 200, answer.data
    assert b"<ListIdentitiesResult>" in answer.data


@pytest.mark.parametrize(
    ("method", "route", "body", "member"),
    [
        ("GET", "/v2/email/identities?PageSize=1", b"", b'"EmailIdentities"'),
        ("POST", "/v2/email/list-identities", b'{"PageSize": 1}', b'"EmailIdentities"'),
        (
            "PUT",
            "/v1/email/identities/routes.example.com/dkim/signing",
            b'{"SigningAttributesOrigin": "AWS_SES"}',
            b'"DkimTokens"',
        ),
        (
            "PUT",
            "/v2/email/identities/routes.example.com/dkim/signing",
            b'{"SigningAttributesOrigin": "AWS_SES"}',
            b'"DkimTokens"',
        ),
    ],
)
def test_routes_of_older_and_newer_sdks(
    server: Running, v2: Any, method: str, route: str, body: bytes, member: bytes
) -> None:
    """Lists by GET as before and by POST as now; the signing call under /v1 as it was, under /v2 as it is."""
    if member == b'"DkimTokens"':
        v2.create_email_identity(EmailIdentity="routes.example.com")
    try:
        headers = {"Content-Type": "application/json"}
        answer = send(server, AWSRequest(method, server.url + route, headers=headers, data=body))
    finally:
        if member == b'"DkimTokens"':
            v2.delete_email_identity(EmailIdentity="routes.example.com")

    assert answer.status == 200, answer.data
    assert member in answer.data


def _models(*, built: bool) -> list[Any]:
    models = {service: botocore.session.get_session().get_service_model(service) for service in SERVICES}
    return [
        pytest.param(service, model.operation_model(name), id=f"{service}.{name}")
        for service, model in models.items()
        for name in model.operation_names
        # Of STS only the question who I am belongs to this service.
        if ((service, name) in REGISTRY) is built and (built or service != "sts")
    ]


_KNOWN = {
    "EmailIdentity": "sweep.example.com",
    "Identity": "sweep.example.com",
    "Domain": "sweep.example.com",
    "EmailAddress": "sweep@example.com",
    "Identities": ["sweep.example.com"],
    "ResourceArn": "arn:aws:ses:us-east-1:123456789012:identity/sweep.example.com",
    "SigningAttributesOrigin": "AWS_SES",
    "Destination": {"ToAddresses": ["sweep@example.com"]},
    "S3Url": "s3://sweep/list.json",
    "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012",
    "TemplateData": "{}",
    "Body": {"Text": {"Data": "sweep"}},
}


def _plausible(shape: Shape, name: str = "") -> Any:
    """A value that the service model accepts, without optional members."""
    if name in _KNOWN:
        return _KNOWN[name]
    kind = shape.type_name
    if isinstance(shape, StructureShape):
        return {member: _plausible(shape.members[member], member) for member in shape.required_members}
    if kind == "list":
        return [_plausible(shape.member)]  # type: ignore[attr-defined]
    if kind == "map":
        return {}
    if kind == "string":
        return shape.enum[0] if shape.enum else "sweep".ljust(int(shape.metadata.get("min", 0)), "x")  # type: ignore[attr-defined]
    return {
        "boolean": True, "integer": 1, "long": 1, "float": 1.0, "double": 1.0, "blob": b"sweep",
        "timestamp": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    }[kind]  # fmt: skip


def _call(server: Running, service: str, operation: OperationModel) -> tuple[dict[str, Any], str]:
    """The answer, or the error's response with its code."""
    client = server.client(service)
    arguments = _plausible(operation.input_shape) if operation.input_shape else {}
    method = botocore.xform_name(operation.name)
    try:
        return getattr(client, method)(**arguments), ""
    except ClientError as error:
        return dict(error.response), str(error.response["Error"]["Code"])


@pytest.mark.parametrize(("service", "operation"), _models(built=True))
def test_every_operation_that_is_built_answers_by_its_model(
    server: Running, service: str, operation: OperationModel
) -> None:
    """A plain call is answered with the operation's shape or an error that clients know, and not retried."""
    answer, code = _call(server, service, operation)

    common = {"ValidationError", "InvalidParameterValue", "BadRequestException", "NotFoundException"}
    known = {shape.name for shape in operation.error_shapes} | common
    known |= {shape.error_code for shape in operation.error_shapes if shape.error_code}
    assert code in known | {""}, answer
    assert answer["ResponseMetadata"]["RetryAttempts"] == 0
    assert answer["ResponseMetadata"]["HTTPStatusCode"] < 500


@pytest.mark.parametrize(("service", "operation"), _models(built=False))
def test_every_operation_that_is_not_built_says_so(
    server: Running, service: str, operation: OperationModel
) -> None:
    """501, by the name its protocol has for that, naming the operation; at its own route and method."""
    answer, code = _call(server, service, operation)

    assert code == ("NotImplemented" if service == "ses" else "NotImplementedException"), answer
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert operation.name in answer["Error"]["Message"]
