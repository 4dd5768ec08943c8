"""The edge: who is let in, what the others are told, and in which protocol."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import edge
import msgspec
import pytest
from edge import ACCOUNT, KEY, NARROW_KEY, UNKNOWN_KEY, Asking, Desk, ask, signed, v1, v2
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from indicia.domain.faults import Fault, FaultKind
from indicia.wire.authentication import Authenticator
from indicia.wire.gateway import Gateway, RequestLimits
from indicia.wire.own import Access, Asked, CallReply, Route

MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
    "Access Key and signing method. Consult the service documentation for details."
)
INVALID_TOKEN = "The security token included in the request is invalid."


def shifted(asking: Callable[..., Asking], **by: int) -> Asking:
    """A request that was signed by a clock that is wrong."""
    import botocore.auth

    moment = datetime.now(UTC).replace(tzinfo=None) + timedelta(**by)
    original = botocore.auth.get_current_datetime
    botocore.auth.get_current_datetime = lambda *_: moment  # the client's clock, not ours
    try:
        return asking()
    finally:
        botocore.auth.get_current_datetime = original


def rescoped(asking: Asking, index: int, value: str) -> Asking:
    """The request with another element in its credential scope."""
    authorization = asking.header("authorization")
    credential = re.search(r"Credential=([^,]+)", authorization)[1]
    parts = credential.split("/")
    parts[index] = value
    return asking.with_header("Authorization", authorization.replace(credential, "/".join(parts)))


def with_authorization(asking: Asking, value: str) -> Asking:
    """The request with another Authorization header."""
    return asking.with_header("Authorization", value)


STAMP = r"\d{8}T\d{6}Z"

# What is wrong with the request, how v1 and v2 call it, the status, the sentence (as a pattern).
REFUSALS = {
    "unsigned": (
        lambda a: a().without("authorization"),
        ("MissingAuthenticationToken", "MissingAuthenticationTokenException", 403),
        "Missing Authentication Token",
    ),
    "unknown key": (
        lambda a: a(key=UNKNOWN_KEY),
        ("InvalidClientTokenId", "UnrecognizedClientException", 403),
        re.escape(INVALID_TOKEN),
    ),
    "wrong secret": (
        lambda a: a(secret="another"),
        ("SignatureDoesNotMatch", "InvalidSignatureException", 403),
        re.escape(MISMATCH),
    ),
    "altered body": (
        lambda a: a().but(body=a().body + b"&A=b").with_header("Content-Length", str(len(a().body) + 4)),
        ("SignatureDoesNotMatch", "InvalidSignatureException", 403),
        re.escape(MISMATCH),
    ),
    "altered header": (
        lambda a: a(headers={"X-Amz-Meta": "one"}).with_header("X-Amz-Meta", "two"),
        ("SignatureDoesNotMatch", "InvalidSignatureException", 403),
        re.escape(MISMATCH),
    ),
    "altered host": (
        lambda a: a().with_header("Host", "elsewhere.test"),
        ("SignatureDoesNotMatch", "InvalidSignatureException", 403),
        re.escape(MISMATCH),
    ),
    "altered query": (
        lambda a: a().but(target=a().target + "?A=b"),
        ("SignatureDoesNotMatch", "InvalidSignatureException", 403),
        re.escape(MISMATCH),
    ),
    "signed header missing": (
        lambda a: a(headers={"X-Note": "one"}).without("x-note"),
        ("SignatureDoesNotMatch", "InvalidSignatureException", 403),
        re.escape(MISMATCH),
    ),
    "header added": (
        lambda a: a().with_header("X-Amz-Target", "x"),
        ("SignatureDoesNotMatch", "InvalidSignatureException", 403),
        r"'x-amz-target' must be a 'SignedHeader' in the AWS Authorization\.",
    ),
    "host not signed": (
        lambda a: with_authorization(a(), a().header("authorization").replace("host;", "")),
        ("SignatureDoesNotMatch", "InvalidSignatureException", 403),
        r"'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization\.",
    ),
    "another service": (
        lambda a: a(service="s3"),
        ("SignatureDoesNotMatch", "InvalidSignatureException", 403),
        r"Credential should be scoped to correct service: 'ses'\.",
    ),
    "another day": (
        lambda a: rescoped(a(), 1, "20010203"),
        ("SignatureDoesNotMatch", "InvalidSignatureException", 403),
        (
            r"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            rf"'20010203' != '\d{{8}}', from '{STAMP}'\."
        ),
    ),
    "another terminator": (
        lambda a: rescoped(a(), 4, "aws5"),
        ("SignatureDoesNotMatch", "InvalidSignatureException", 403),
        r"Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5'\.",
    ),
    "region not served": (
        lambda a: a(region="mars-north-1"),
        ("SignatureDoesNotMatch", "InvalidSignatureException", 403),
        (
            r"Credential should be scoped to a valid region, not 'mars-north-1'\. "
            r"Regions served here: us-east-1, eu-central-1\."
        ),
    ),
    "stale": (
        lambda a: shifted(a, minutes=-16),
        ("SignatureDoesNotMatch", "InvalidSignatureException", 403),
        rf"Signature expired: {STAMP} is now earlier than {STAMP} \({STAMP} - 15 min\.\)",
    ),
    "future": (
        lambda a: shifted(a, minutes=16),
        ("SignatureDoesNotMatch", "InvalidSignatureException", 403),
        rf"Signature not yet current: {STAMP} is still later than {STAMP} \({STAMP} \+ 15 min\.\)",
    ),
    "presigned, run out": (
        lambda a: shifted(lambda: a(presigned=True), minutes=-61),
        ("RequestExpired", "RequestExpired", 400),
        r"Request has expired\.",
    ),
    "another scheme": (
        lambda a: with_authorization(a(), "Bearer abc"),
        ("IncompleteSignature", "IncompleteSignatureException", 400),
        r"Unsupported AWS 'algorithm': 'Bearer'\.",
    ),
    "no credential": (
        lambda a: with_authorization(a(), "AWS4-HMAC-SHA256 SignedHeaders=host, Signature=ab"),
        ("IncompleteSignature", "IncompleteSignatureException", 400),
        r"Authorization header requires 'Credential' parameter\.",
    ),
    "nothing but the algorithm": (
        lambda a: with_authorization(a(), "AWS4-HMAC-SHA256"),
        ("IncompleteSignature", "IncompleteSignatureException", 400),
        (
            r"Authorization header requires 'Credential' parameter\. "
            r"Authorization header requires 'SignedHeaders' parameter\."
        ),
    ),
    "no signature": (
        lambda a: with_authorization(a(), a().header("authorization").partition(", Signature")[0]),
        ("IncompleteSignature", "IncompleteSignatureException", 400),
        r"Authorization header requires 'Signature' parameter\.",
    ),
    "short credential": (
        lambda a: with_authorization(
            a(), "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=ab"
        ),
        ("IncompleteSignature", "IncompleteSignatureException", 400),
        r"Credential must have exactly 5 slash-delimited elements, .* got 'a/b'\.",
    ),
    "no date": (
        lambda a: a().without("x-amz-date"),
        ("IncompleteSignature", "IncompleteSignatureException", 400),
        r"Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header\.",
    ),
    "no such date": (
        lambda a: a().with_header("X-Amz-Date", "20261332T250000Z"),
        ("IncompleteSignature", "IncompleteSignatureException", 400),
        r"Date must be in ISO-8601 'basic format'\. Got '20261332T250000Z'\.",
    ),
    "presigned, in part": (
        lambda a: a().without("authorization").but(target=a().target + "?X-Amz-Algorithm=AWS4-HMAC-SHA256"),
        ("IncompleteSignature", "IncompleteSignatureException", 400),
        r"AWS query-string parameters must include 'X-Amz-Credential'\. .*",
    ),
    "header and query at once": (
        lambda a: a().but(target=a(presigned=True).target),
        ("IncompleteSignature", "IncompleteSignatureException", 400),
        r"Only one auth mechanism allowed; .*",
    ),
    "version 3": (
        lambda a: a().without("authorization").with_header("X-Amzn-Authorization", "AWS3-HTTPS x"),
        ("InvalidClientTokenId", "UnrecognizedClientException", 403),
        re.escape(INVALID_TOKEN),
    ),
    "version 2 in the query": (
        lambda a: a().without("authorization").but(target=a().target + "?SignatureVersion=2&Signature=x"),
        ("InvalidClientTokenId", "UnrecognizedClientException", 403),
        re.escape(INVALID_TOKEN),
    ),
    "a scheme before all versions": (
        lambda a: with_authorization(a(), f"AWS {KEY}:abc"),
        ("InvalidClientTokenId", "UnrecognizedClientException", 403),
        re.escape(INVALID_TOKEN),
    ),
}


@pytest.mark.parametrize("protocol", ["v1", "v2"])
@pytest.mark.parametrize("case", REFUSALS)
def test_a_request_that_proves_nothing_gets_the_documented_error(case: str, protocol: str) -> None:
    """Each way of failing to authenticate has its code, status and sentence in both protocols (spec 7.6)."""
    wrong, (v1_code, v2_code, status), sentence = REFUSALS[case]
    desk = Desk()
    answered = ask(edge.gateway(desk), wrong(v1 if protocol == "v1" else v2))
    assert answered.code == (v1_code if protocol == "v1" else v2_code)
    assert answered.status == status
    assert re.fullmatch(sentence, answered.message)
    assert answered.headers["content-type"] == ("text/xml" if protocol == "v1" else "application/json")
    assert desk.calls == []


@pytest.mark.parametrize("asking", [lambda: v1().but(method="GET"), lambda: v2().but(method="DELETE")])
def test_another_method_is_another_request(asking: Callable[[], Asking]) -> None:
    """The method is under the signature."""
    assert ask(edge.gateway(), asking()).status == 403


def test_another_path_is_another_request() -> None:
    """The path is under the signature, as it was sent."""
    asking = v2().but(target="/v2/email/identities/example.org")
    assert ask(edge.gateway(), asking).code == "InvalidSignatureException"


def test_version_2_in_a_form_is_told_apart_from_no_signature() -> None:
    """SigV2 signs in the form itself and has its own error (spec 7.6)."""
    body = b"Action=ListIdentities&AWSAccessKeyId=x&SignatureVersion=2&Signature=y"
    headers = (("Host", edge.HOST), ("Content-Length", str(len(body))))
    assert ask(edge.gateway(), Asking("POST", "/", headers, body)).code == "InvalidClientTokenId"


@pytest.mark.parametrize("presigned", [False, True])
def test_a_caller_is_who_its_key_says(presigned: bool) -> None:
    """Account, principal and policy come with the key, the region with the scope, in both forms."""
    desk = Desk()
    asking = v2(key=NARROW_KEY, region="eu-central-1", presigned=presigned)
    ask(edge.gateway(desk), asking, client="192.0.2.7")
    ((call, asked),) = desk.calls
    assert (call.service, call.operation, call.region) == ("sesv2", "GetEmailIdentity", "eu-central-1")
    assert (call.account, call.principal) == (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/narrow")
    assert (call.access_key, call.address, call.now) == (NARROW_KEY, "192.0.2.7", 1_700_000_000_000)
    assert call.policy == '{"Statement": []}'
    assert asked.EmailIdentity == "example.com"


@pytest.mark.parametrize(("proto", "secure"), [("https", True), ("http", False)])
def test_a_call_says_how_it_came(proto: str, secure: bool) -> None:
    """Whether over TLS, as a trusted proxy says, and from which program: policies may ask."""
    desk = Desk()
    asking = v2().with_header("User-Agent", "Boto3/1.43").with_header("X-Forwarded-Proto", proto)

    ask(edge.gateway(desk, trusted_proxies=[ip_network("192.0.2.0/24")]), asking, client="192.0.2.7")

    ((call, _),) = desk.calls
    assert (call.secure, call.user_agent) == (secure, "Boto3/1.43")


UNSIGNED = {"X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD"}


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("presigned", [False, True])
@pytest.mark.parametrize("proto", ["https", "http"])
def test_a_body_that_is_not_signed_is_taken_over_tls_only(proto: str, presigned: bool, known: bool) -> None:
    """Over HTTP anybody on the way could exchange it; where keys are not checked none is signed."""
    desk = Desk()
    authenticator = Authenticator(edge.KEYS.get, edge.REGIONS, strict=known)
    app = edge.gateway(desk, authenticator=authenticator, trusted_proxies=[ip_network("192.0.2.0/24")])
    asking = signed(
        "POST",
        "/v2/email/identities" + ("?X-Amz-Content-Sha256=UNSIGNED-PAYLOAD" if presigned else ""),
        b'{"EmailIdentity": "one.example"}',
        headers={} if presigned else UNSIGNED,
        presigned=presigned,
        key=KEY if known else "test",
        unsigned=True,
    )
    asking = asking.but(body=asking.body.replace(b"one", b"two")).with_header("X-Forwarded-Proto", proto)
    if not known:
        asking = asking.with_header("Host", "localhost")

    answered = ask(app, asking)

    if known and proto == "http":
        assert (answered.code, answered.status) == ("InvalidSignatureException", 403)
        told = "'UNSIGNED-PAYLOAD' is taken over HTTPS only: over HTTP the signature covers the body."
        assert answered.message == told
        assert desk.calls == []
    else:
        assert answered.status == 200
        assert desk.calls[0][1].EmailIdentity == "two.example"


def test_v1_is_answered_in_xml_under_the_request_id_of_the_header() -> None:
    """The id in the body is the id in the header and in the call."""
    desk = Desk()
    answered = ask(edge.gateway(desk), v1("VerifyEmailIdentity&EmailAddress=a%40example.com"))
    assert answered.status == 200
    assert answered.headers["content-type"] == "text/xml"
    request_id = answered.headers["x-amzn-requestid"]
    assert f"<RequestId>{request_id}</RequestId>".encode() in answered.body
    assert desk.calls[0][0].request_id == request_id
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}", request_id)


def test_v1_by_get() -> None:
    """The Query protocol is served by GET as well, signed in the query string (spec 2.1)."""
    desk = Desk()
    target = "/?Action=GetIdentityVerificationAttributes&Identities.member.1=a%2Bb%40example.com"
    assert ask(edge.gateway(desk), signed("GET", target, presigned=True)).status != 403
    assert desk.calls[0][1].Identities == ["a+b@example.com"]


def test_sts_answers_under_its_own_scope_and_name_space() -> None:
    """GetCallerIdentity is scoped to sts; its answers and errors have the name space of STS."""
    body = b"Action=GetCallerIdentity&Version=2011-06-15"
    good = ask(edge.gateway(), signed("POST", "/", body, service="sts", headers=edge.FORM))
    assert good.status == 200
    assert b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">' in good.body
    bad = ask(edge.gateway(), signed("POST", "/", body, service="sts", secret="x", headers=edge.FORM))
    assert b'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">' in bad.body


@pytest.mark.parametrize(
    ("service", "body", "right"),
    [
        ("sts", b"Action=ListIdentities&Version=2010-12-01", "ses"),
        ("ses", b"Action=GetCallerIdentity&Version=2011-06-15", "sts"),
    ],
)
def test_a_signature_for_one_service_is_none_for_the_other(service: str, body: bytes, right: str) -> None:
    """The scope of a Query request has to name the service that its Action belongs to."""
    answered = ask(edge.gateway(), signed("POST", "/", body, service=service, headers=edge.FORM))
    assert (answered.code, answered.status) == ("SignatureDoesNotMatch", 403)
    assert answered.message == f"Credential should be scoped to correct service: '{right}'."


@pytest.mark.parametrize(
    ("asking", "code", "status"),
    [
        (lambda: v1(""), "MissingAction", 400),
        (lambda: v1("Nonsense"), "InvalidAction", 400),
        (lambda: signed("GET", "/v2/email/nonsense"), "UnknownOperationException", 404),
        (lambda: signed("PATCH", "/v2/email/identities"), "MethodNotAllowedException", 405),
        (lambda: signed("OPTIONS", "/v2/email/identities"), "MethodNotAllowedException", 405),
        (lambda: signed("PUT", "/"), "MethodNotAllowed", 405),
        (lambda: signed("OPTIONS", "/"), "MethodNotAllowed", 405),
        (lambda: signed("POST", "/v2/email/identities", b"{"), "SerializationException", 400),
        (lambda: signed("GET", "/elsewhere"), "NotFoundException", 404),
        (lambda: signed("GET", "/indicia/v1/elsewhere"), "NotFoundException", 404),
    ],
)
def test_what_is_not_there_has_the_error_of_its_protocol(
    asking: Callable[[], Asking], code: str, status: int
) -> None:
    """Unknown operations, paths, methods and bodies that are none: each protocol has its way of telling."""
    answered = ask(edge.gateway(), asking())
    assert (answered.code, answered.status) == (code, status)


@pytest.mark.parametrize(("asking", "code"), [(v1, "NotImplemented"), (v2, "NotImplementedException")])
def test_an_operation_that_is_not_built_answers_501(asking: Callable[[], Asking], code: str) -> None:
    """The fault of the desk is answered in the protocol of the request."""
    fault = Fault(FaultKind.NOT_IMPLEMENTED, "It is modelled but not built.")
    desk = Desk(faults={"ListIdentities": fault, "GetEmailIdentity": fault})
    answered = ask(edge.gateway(desk), asking())
    assert (answered.code, answered.status) == (code, 501)


@pytest.mark.parametrize(("asking", "code"), [(v1, "InternalFailure"), (v2, "InternalServiceErrorException")])
def test_a_mistake_of_ours_is_answered_and_logged_without_its_text(
    asking: Callable[[], Asking], code: str
) -> None:
    """An exception that is no fault leaves nothing of its text in the answer, and its place in the log."""
    mistake = RuntimeError("hunter2")
    desk = Desk(faults={"ListIdentities": mistake, "GetEmailIdentity": mistake})
    with capture_logs() as logs:
        answered = ask(edge.gateway(desk), asking())
    assert (answered.code, answered.status) == (code, 500)
    (line,) = [line for line in logs if line["event"] == "mistake"]
    assert line["request_id"] == answered.headers["x-amzn-requestid"]
    assert line["error"] == "RuntimeError"
    assert any("edge.py" in place for place in line["places"])
    assert "hunter2" not in repr(logs) + answered.body.decode()


SMALL = RequestLimits(control=2000, v1_send=20_000, v2_send=40_000, body_seconds=0.05)


@pytest.mark.parametrize("pieces", [1, 7, 40])
@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(
    ("method", "target", "begin", "most"),
    [
        ("POST", "/", b"Action=ListIdentities&X=", 2000),
        ("POST", "/", b"Action=SendRawEmail&X=", 20_000),
        ("POST", "/", b"X=&Action=SendEmailX&X=", 2000),
        ("POST", "/v2/email/identities", b"", 2000),
        ("POST", "/v2/email/outbound-emails", b"", 40_000),
        ("POST", "/indicia/v1/echo", b"", 2000),
    ],
)
def test_a_body_may_be_as_large_as_its_operation_allows(
    method: str, target: str, begin: bytes, most: int, announced: bool, pieces: int
) -> None:
    """One octet over the limit of the operation is 413, with or without Content-Length; the limit is not."""
    app = edge.gateway(limits=SMALL, routes=[Route("POST", "/indicia/v1/echo", "Echo", echo)])
    for size, refused in ((most, False), (most + 1, True)):
        asking = signed(method, target, begin + b"x" * (size - len(begin)), headers=edge.FORM)
        if not announced:
            asking = asking.without("content-length").with_header("Transfer-Encoding", "chunked")
        answered = ask(app, asking, pieces=pieces)
        assert (answered.status == 413) is refused
        if refused:
            assert answered.headers["connection"] == "close"
            assert answered.code.startswith("RequestEntityTooLarge")


def test_nothing_is_read_of_a_body_that_is_announced_too_large() -> None:
    """Where Content-Length tells, the refusal costs no reading."""
    asking = v2().but(method="POST", target="/v2/email/identities").with_header("Content-Length", "2001")
    assert received_by(edge.gateway(limits=SMALL), asking) == (413, 0)


@pytest.mark.parametrize("target", ["/", "/v2/email/identities"])
def test_nothing_is_read_of_an_unsigned_request(target: str) -> None:
    """Without a signature there is nothing to check the body against."""
    asking = Asking("POST", target, (("Host", edge.HOST), ("Content-Length", "900000")))
    assert received_by(edge.gateway(), asking) == (403, 0)


def received_by(app: Gateway, asking: Asking) -> tuple[int, int]:
    """The status that `app` answers, and how often it asked for a piece of the body."""
    asked = 0
    statuses = []

    async def receive() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        statuses.append(message.get("status"))

    headers = [(n.lower().encode(), v.encode()) for n, v in asking.headers]
    scope = {"type": "http", "method": asking.method, "path": asking.target, "query_string": b""}
    asyncio.run(app({**scope, "raw_path": asking.target.encode(), "headers": headers}, receive, send))
    return statuses[0], asked


def test_a_body_that_does_not_come_is_408() -> None:
    """A request whose body is not whole in time is refused, and the connection with it."""
    app = edge.gateway(limits=SMALL)
    asking = signed("POST", "/v2/email/identities", b"{}")
    answers: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        answers.append(message)

    headers = [(n.lower().encode(), v.encode()) for n, v in asking.headers]
    scope = {"type": "http", "method": "POST", "path": asking.target, "query_string": b""}
    asyncio.run(app({**scope, "raw_path": asking.target.encode(), "headers": headers}, receive, send))
    assert answers[0]["status"] == 408
    assert (b"connection", b"close") in answers[0]["headers"]
    assert (b"x-amzn-errortype", b"RequestTimeoutException") in answers[0]["headers"]


def test_a_client_that_leaves_is_answered_nothing() -> None:
    """A disconnect while the body is read ends the request without an answer, and is logged."""
    with capture_logs() as logs:
        assert_no_answer = received_nothing(edge.gateway(), signed("POST", "/v2/email/identities", b"{}"))
    assert assert_no_answer
    assert logs[-1]["fault"] == "disconnected"


def received_nothing(app: Gateway, asking: Asking) -> bool:
    """Whether `app` sends nothing to a client that disconnects."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(n.lower().encode(), v.encode()) for n, v in asking.headers]
    scope = {"type": "http", "method": "POST", "path": asking.target, "query_string": b""}
    asyncio.run(app({**scope, "raw_path": asking.target.encode(), "headers": headers}, receive, send))
    return not sent


async def echo(call: Any, asked: Asked) -> CallReply:
    """Answer what was asked, by whom."""
    told = {"account": call.account, "labels": asked.labels, "query": asked.query, "size": len(asked.body)}
    return CallReply(msgspec.json.encode(told))


ROUTES = [
    Route("GET", "/indicia/v1/identities/{name}/records", "GetRecords", echo),
    Route("POST", "/indicia/v1/sandbox/clock", "MoveClock", echo, Access.LOCAL),
    Route("GET", "/indicia/v1/openapi.json", "Describe", echo, Access.OPEN),
]


def test_a_route_of_ours_is_signed_like_any_operation() -> None:
    """Labels are decoded after matching; an unsigned request is refused in JSON with code and message."""
    app = edge.gateway(routes=ROUTES)
    good = ask(app, signed("GET", "/indicia/v1/identities/a%2Fb%40example.com/records?format=json"))
    assert msgspec.json.decode(good.body) == {
        "account": ACCOUNT,
        "labels": {"name": "a/b@example.com"},
        "query": {"format": "json"},
        "size": 0,
    }
    bad = ask(app, Asking("GET", "/indicia/v1/identities/x/records", (("Host", "h"),)))
    assert bad.status == 403
    assert msgspec.json.decode(bad.body) == {
        "code": "MissingAuthenticationTokenException",
        "message": "Missing Authentication Token",
    }


LOCAL = (("Host", "localhost:8465"), ("Content-Type", "application/json"))


@pytest.mark.parametrize(
    ("client", "headers", "status"),
    [
        ("127.0.0.1", LOCAL, 200),
        ("::1", (("Host", "[::1]:8465"), LOCAL[1]), 200),
        ("127.0.0.1", (("Host", "127.0.0.1"), ("Content-Type", "application/json; charset=utf-8")), 200),
        ("192.0.2.1", LOCAL, 403),
        ("127.0.0.1", (("Host", "evil.example:8465"), LOCAL[1]), 403),
        ("127.0.0.1", (("Host", "localhost.evil.example"), LOCAL[1]), 403),
        ("127.0.0.1", (LOCAL[0], ("Content-Type", "text/plain")), 403),
        ("127.0.0.1", LOCAL[:1], 403),
        ("127.0.0.1", LOCAL[1:], 403),
    ],
)
def test_a_local_route_answers_this_machine_alone(
    client: str, headers: tuple[tuple[str, str], ...], status: int
) -> None:
    """Unsigned calls need a loopback client, a loopback Host and a JSON content type (contract)."""
    app = edge.gateway(routes=ROUTES)
    asking = Asking("POST", "/indicia/v1/sandbox/clock", (*headers, ("Content-Length", "2")), b"{}")
    assert ask(app, asking, client=client).status == status


async def page(scope: Any, receive: Any, send: Any) -> None:
    """Answer the size of the body, the scheme and the address."""
    message = await receive()
    body = f"{len(message['body'])} {scope['scheme']} {scope['client'][0]}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


MOUNTS = [("/verify/", page), ("/healthz", page)]


def test_mounted_applications_answer_below_their_path_and_nowhere_else() -> None:
    """A mount is for a prefix or one path; its answers carry a request id and its bodies have a limit."""
    app = edge.gateway(mounts=MOUNTS, limits=SMALL)
    answered = ask(app, Asking("POST", "/verify/token", (("Content-Length", "3"),), b"a=b"))
    assert (answered.status, answered.body) == (200, b"3 http 192.0.2.1")
    assert "x-amzn-requestid" in answered.headers
    assert ask(app, Asking("GET", "/healthz")).status == 200
    assert ask(app, Asking("GET", "/healthz/more")).status == 404
    assert ask(app, Asking("GET", "/verify")).status == 404
    assert ask(app, Asking("POST", "/verify/token", (("Content-Length", "2001"),))).status == 413


@pytest.mark.parametrize(
    ("client", "forwarded", "seen"),
    [
        ("10.0.0.1", "198.51.100.7", "https 198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.7, 10.0.0.2", "https 198.51.100.7"),
        ("10.0.0.1", "nonsense", "https unknown"),
        ("10.0.0.1", "198.51.100.7:4711", "https 198.51.100.7"),
        ("10.0.0.1", "2001:db8::7", "https 2001:db8::7"),
        ("192.0.2.1", "198.51.100.7", "http 192.0.2.1"),
    ],
)
def test_only_trusted_proxies_are_believed(client: str, forwarded: str, seen: str) -> None:
    """The address is the last one that no trusted proxy has; others' headers count for nothing."""
    app = edge.gateway(mounts=MOUNTS, trusted_proxies=[ip_network("10.0.0.0/8")])
    headers = (("X-Forwarded-For", forwarded), ("X-Forwarded-Proto", "https"))
    assert ask(app, Asking("GET", "/healthz", headers), client=client).body.decode() == f"0 {seen}"


@pytest.mark.parametrize(
    ("key", "account"),
    [("111122223333", "111122223333"), ("test", "000000000000"), ("12345678901x", "000000000000")],
)
def test_the_sandbox_takes_any_key(key: str, account: str) -> None:
    """Without strict checks a key id of twelve digits is that account, any other 000000000000 (contract)."""
    desk = Desk()
    app = edge.gateway(desk, authenticator=Authenticator(edge.KEYS.get, edge.REGIONS, strict=False))
    ask(app, v2(key=key, secret="whatever").with_header("Host", "localhost:8465"))
    assert desk.calls[0][0].account == account
    assert desk.calls[0][0].principal == f"arn:aws:iam::{account}:root"


def test_the_sandbox_checks_keys_that_were_made_in_full() -> None:
    """A known key with a wrong secret is refused, and so are an unsigned request and a region not served."""
    app = edge.gateway(authenticator=Authenticator(edge.KEYS.get, edge.REGIONS, strict=False))
    assert ask(app, v2(secret="whatever")).code == "InvalidSignatureException"
    assert ask(app, v2().without("authorization")).code == "MissingAuthenticationTokenException"
    assert ask(app, v2(key="test", region="mars-north-1")).message.endswith("us-east-1, eu-central-1.")


def test_one_line_a_request_with_nothing_secret_in_it() -> None:
    """The line names caller, operation and outcome, and holds no signature, query, token or secret."""
    app = edge.gateway(mounts=MOUNTS)
    header, query = v2(), v2(presigned=True)
    misplaced = with_authorization(v2(), header.header("authorization").replace(KEY, "s" * 40))
    with capture_logs() as logs:
        for asking in (
            header,
            query,
            misplaced,
            Asking("GET", "/verify/a-token-of-somebody"),
            v2(key=UNKNOWN_KEY),
        ):
            ask(app, asking)
    assert [line["event"] for line in logs] == ["request"] * 5
    good = logs[0]
    assert (good["method"], good["path"]) == ("GET", "/v2/email/identities/{EmailIdentity}")
    assert (good["operation"], good["account"], good["access_key"]) == ("GetEmailIdentity", ACCOUNT, KEY)
    assert good["request_id"]
    assert good["ms"] >= 0
    assert logs[4]["access_key"] == UNKNOWN_KEY
    assert logs[4]["fault"] == "unknown_key"
    assert logs[4]["account"] == ""
    text = repr(logs)
    for secret in (
        "a-token-of-somebody",
        edge.SECRET,
        "s" * 40,
        header.header("authorization")[-64:],
        "X-Amz",
    ):
        assert secret not in text
    assert re.search(r"Signature=(\w+)", query.target)[1] not in text


def test_every_request_is_counted() -> None:
    """The counting port hears service, operation, status and time of each request."""
    seen: list[tuple[str, str, int]] = []
    app = edge.gateway(
        observe=lambda service, operation, status, _: seen.append((service, operation, status))
    )
    ask(app, v1())
    ask(app, v2(secret="x"))
    assert seen[1:] == [("sesv2", "GetEmailIdentity", 403)]
    assert seen[0][:2] == ("ses", "ListIdentities")


RAW = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60)
TARGETS = st.one_of(
    RAW.map(lambda text: "/" + text),
    st.tuples(
        st.sampled_from(["/", "/v2/email/identities/", "/v1/email/", "/indicia/v1/", "/verify/", ""]), RAW
    ).map("".join),
    st.tuples(st.sampled_from(["/?", "/v2/email/identities?"]), RAW).map("".join),
)
NAMES = st.one_of(
    st.sampled_from(
        ["Authorization", "X-Amz-Date", "Host", "Content-Length", "X-Amz-Content-Sha256", "X-Forwarded-For"]
    ),
    st.text("abcXYZ-", min_size=1, max_size=8),
)
VALUES = st.one_of(
    RAW,
    st.tuples(st.just("AWS4-HMAC-SHA256 Credential="), RAW, st.just(", SignedHeaders="), RAW).map("".join),
    st.sampled_from(
        [v2().header("authorization"), v2().header("x-amz-date"), "0", "5", "99999999999999999999"]
    ),
)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "BREW"]),
    TARGETS,
    st.lists(st.tuples(NAMES, VALUES), max_size=8),
    st.binary(max_size=200),
    st.booleans(),
)
def test_no_input_makes_a_500(
    method: str, target: str, headers: list[tuple[str, str]], body: bytes, resigned: bool
) -> None:
    """Whatever comes in is answered below 500 or with 501, in the protocol of its path."""
    asking = Asking(method, target, tuple(headers), body)
    if resigned:  # past the signature, to what lies behind it
        given_headers = {name: value for name, value in headers if name.startswith("X-") and value.isascii()}
        asking = signed(method, "/" + target.lstrip("/").replace("#", ""), body, headers=given_headers)
    app = edge.gateway(mounts=MOUNTS, routes=ROUTES, trusted_proxies=[ip_network("192.0.2.0/24")])
    try:
        with capture_logs():
            answered = ask(app, asking)
    except IndexError:  # nothing was sent: the body that was announced never came
        assert not body or any(name == "Content-Length" for name, _ in headers)
        return
    assert answered.status < 500 or answered.status == 501
    assert "x-amzn-requestid" in answered.headers
