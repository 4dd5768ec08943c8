"""Results as XML: golden bytes, and characters that XML has trouble with."""

from xml.etree import ElementTree as ET

import pytest
from botocore.parsers import create_parser
from hypothesis import given
from hypothesis import strategies as st
from shape_examples import model, plain
from shape_strategies import XML_TEXT, structs

from indicia.wire import shapes
from indicia.wire.aws import xml
from indicia.wire.shapes import ses, sts
from indicia.wire.shapes.rules import timestamp

SES = shapes.operations("ses")
MODEL = model("ses")
HEAD = '<{0}Response xmlns="http://ses.amazonaws.com/doc/2010-12-01/">'
TAIL = "<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></{0}Response>"


def golden(name: str, inner: str) -> bytes:
    """The whole body of an answer of SES."""
    return (HEAD.format(name) + inner + TAIL.format(name)).encode()


def test_a_map_of_structures() -> None:
    """A map is entries of key and value; an absent member is not there."""
    result = ses.GetIdentityVerificationAttributesResponse(
        VerificationAttributes={
            "example.com": ses.IdentityVerificationAttributes(
                VerificationStatus="Pending", VerificationToken="dG9rZW4="
            ),
            "a<b>&c@example.com": ses.IdentityVerificationAttributes(VerificationStatus="Success"),
        }
    )

    assert xml.encode(SES["GetIdentityVerificationAttributes"], result, "r-1") == golden(
        "GetIdentityVerificationAttributes",
        "<GetIdentityVerificationAttributesResult><VerificationAttributes>"
        "<entry><key>example.com</key><value><VerificationStatus>Pending</VerificationStatus>"
        "<VerificationToken>dG9rZW4=</VerificationToken></value></entry>"
        "<entry><key>a&lt;b&gt;&amp;c@example.com</key><value>"
        "<VerificationStatus>Success</VerificationStatus></value></entry>"
        "</VerificationAttributes></GetIdentityVerificationAttributesResult>",
    )


def test_a_list() -> None:
    """A list is `member` elements."""
    result = ses.VerifyDomainDkimResponse(DkimTokens=["a", "b", "c"])

    assert xml.encode(SES["VerifyDomainDkim"], result, "r-1") == golden(
        "VerifyDomainDkim",
        "<VerifyDomainDkimResult><DkimTokens><member>a</member><member>b</member><member>c</member>"
        "</DkimTokens></VerifyDomainDkimResult>",
    )


def test_an_empty_list_and_an_empty_map_are_there() -> None:
    """An SDK finds an empty list where there is nothing to list."""
    identities = xml.encode(SES["ListIdentities"], ses.ListIdentitiesResponse(Identities=[]), "r-1")
    policies = xml.encode(SES["GetIdentityPolicies"], ses.GetIdentityPoliciesResponse(Policies={}), "r-1")

    assert identities == golden(
        "ListIdentities", "<ListIdentitiesResult><Identities/></ListIdentitiesResult>"
    )
    assert policies == golden(
        "GetIdentityPolicies", "<GetIdentityPoliciesResult><Policies/></GetIdentityPoliciesResult>"
    )


def test_an_empty_result() -> None:
    """An operation whose result has no members answers an empty element (spec 2.3)."""
    found = xml.encode(SES["VerifyEmailIdentity"], ses.VerifyEmailIdentityResponse(), "r-1")

    assert found == golden("VerifyEmailIdentity", "<VerifyEmailIdentityResult/>")


@pytest.mark.parametrize("name", ["VerifyEmailAddress", "DeleteVerifiedEmailAddress"])
def test_an_operation_without_a_result(name: str) -> None:
    """The deprecated operations have no Result element at all (spec 2.3)."""
    assert xml.encode(SES[name], None, "r-1") == golden(name, "")


def test_booleans_numbers_and_moments() -> None:
    """A flag is a word, a quota has a fraction, a moment is ISO 8601 in UTC with milliseconds."""
    flags = ses.IdentityDkimAttributes(DkimEnabled=False, DkimVerificationStatus="NotStarted")
    quota = ses.GetSendQuotaResponse(Max24HourSend=200.0, MaxSendRate=1.0, SentLast24Hours=0.0)
    points = [
        ses.SendDataPoint(Timestamp=timestamp(1790312384592), Bounces=7),
        ses.SendDataPoint(Timestamp=timestamp(0)),
    ]

    dkim = xml.encode(
        SES["GetIdentityDkimAttributes"],
        ses.GetIdentityDkimAttributesResponse(DkimAttributes={"a.b": flags}),
        "r-1",
    )
    sending = xml.encode(SES["GetSendQuota"], quota, "r-1")
    statistics = xml.encode(
        SES["GetSendStatistics"], ses.GetSendStatisticsResponse(SendDataPoints=points), "r-1"
    )

    assert b"<DkimEnabled>false</DkimEnabled>" in dkim
    assert b"<Max24HourSend>200.0</Max24HourSend>" in sending
    assert b"<Timestamp>2026-09-25T04:59:44.592Z</Timestamp>" in statistics
    assert b"<Bounces>7</Bounces>" in statistics
    assert b"<Timestamp>1970-01-01T00:00:00.000Z</Timestamp>" in statistics


def test_sts_answers_in_its_own_namespace() -> None:
    """GetCallerIdentity is of another API."""
    result = sts.GetCallerIdentityResponse(
        UserId="AIDA", Account="111122223333", Arn="arn:aws:iam::111122223333:root"
    )

    assert xml.encode(shapes.operations("sts")["GetCallerIdentity"], result, "r-1") == (
        b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        b"<GetCallerIdentityResult><UserId>AIDA</UserId><Account>111122223333</Account>"
        b"<Arn>arn:aws:iam::111122223333:root</Arn></GetCallerIdentityResult>"
        b"<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain", "plain"),
        ("", ""),
        ("a<b>c&d", "a&lt;b&gt;c&amp;d"),
        ('"quoted"', "&quot;quoted&quot;"),
        ("&lt;", "&amp;lt;"),
        ("]]>", "]]&gt;"),
        ("line\r\nline", "line&#xD;\nline"),
        ("a\x00b\x1bc\ufffe\ud800", "a\ufffdb\ufffdc\ufffd\ufffd"),
        ("tab\té\u2603\U0001f600", "tab\té\u2603\U0001f600"),
    ],
)
def test_text_is_escaped(text: str, written: str) -> None:
    """What means something to XML is written as a reference; what XML cannot hold is replaced."""
    assert written == xml.escape(text)


@given(st.text(st.characters(exclude_categories=[])))
def test_escaped_text_is_always_well_formed(text: str) -> None:
    """Any text at all can stand in an element."""
    element = ET.fromstring(f"<a>{xml.escape(text)}</a>".encode())  # noqa: S314 our own text, that is the point

    assert element.tag == "a"


@given(st.data())
def test_an_sdk_reads_what_was_written(data: st.DataObject) -> None:
    """An answer of any content reaches an SDK unchanged."""
    name = data.draw(st.sampled_from(["GetIdentityVerificationAttributes", "ListIdentities", "GetTemplate"]))
    operation = SES[name]
    assert operation.response is not None
    result = data.draw(structs(operation.response, XML_TEXT))

    body = xml.encode(operation, result, "r-1")

    output = MODEL.operation_model(name).output_shape
    parsed = create_parser("query").parse({"status_code": 200, "headers": {}, "body": body}, output)
    assert plain(result) == plain(parsed)
