"""Refusals on the wire, in each protocol."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import botocore.parsers
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicia.domain.faults import Fault, FaultKind
from indicia.wire import shapes
from indicia.wire.aws import faults
from indicia.wire.aws.faults import TABLES, V1, V2, MethodNotAllowed, Protocol, answer


@pytest.mark.parametrize("protocol", Protocol)
def test_every_table_names_every_kind(protocol: Protocol) -> None:
    """No fault can be raised that a protocol has no words for."""
    assert set(TABLES[protocol]) == set(FaultKind)


# Kinds that stand for a modelled error, and its shape in each service.
MODELLED = {
    FaultKind.ALREADY_EXISTS: ("AlreadyExistsException", "AlreadyExistsException"),
    FaultKind.NOT_FOUND: (None, "NotFoundException"),
    FaultKind.LIMIT_EXCEEDED: ("LimitExceededException", "LimitExceededException"),
    FaultKind.THROTTLED: (None, "TooManyRequestsException"),
    FaultKind.CONFLICT: (None, "ConflictException"),
    FaultKind.CONCURRENT_MODIFICATION: (None, "ConcurrentModificationException"),
    FaultKind.INVALID_NEXT_TOKEN: (None, "InvalidNextTokenException"),
    FaultKind.MESSAGE_REJECTED: ("MessageRejected", "MessageRejected"),
    FaultKind.MAIL_FROM_NOT_VERIFIED: ("MailFromDomainNotVerifiedException",) * 2,
    FaultKind.ACCOUNT_SENDING_PAUSED: ("AccountSendingPausedException", "SendingPausedException"),
    FaultKind.CONFIGURATION_SET_NOT_FOUND: ("ConfigurationSetDoesNotExistException", "NotFoundException"),
    FaultKind.CONFIGURATION_SET_EXISTS: ("ConfigurationSetAlreadyExistsException", "AlreadyExistsException"),
    FaultKind.TRACKING_OPTIONS_NOT_FOUND: ("TrackingOptionsDoesNotExistException", "NotFoundException"),
    FaultKind.TRACKING_OPTIONS_EXIST: ("TrackingOptionsAlreadyExistsException", "AlreadyExistsException"),
    FaultKind.INVALID_TRACKING_OPTIONS: ("InvalidTrackingOptionsException", "BadRequestException"),
    FaultKind.TEMPLATE_NOT_FOUND: (
        "CustomVerificationEmailTemplateDoesNotExistException",
        "NotFoundException",
    ),
    FaultKind.TEMPLATE_EXISTS: (
        "CustomVerificationEmailTemplateAlreadyExistsException",
        "AlreadyExistsException",
    ),
    FaultKind.FROM_NOT_VERIFIED: ("FromEmailAddressNotVerifiedException", "NotFoundException"),
    FaultKind.INVALID_POLICY: ("InvalidPolicyException", "BadRequestException"),
    FaultKind.INVALID_CONTENT: ("CustomVerificationEmailInvalidContentException", "BadRequestException"),
    FaultKind.PRODUCTION_ACCESS_NOT_GRANTED: ("ProductionAccessNotGrantedException", "BadRequestException"),
    FaultKind.INTERNAL: (None, "InternalServiceErrorException"),
    FaultKind.INVALID_PARAMETER: (None, "BadRequestException"),
}


@pytest.mark.parametrize("kind", MODELLED)
def test_modelled_errors_have_the_code_and_status_of_the_service_model(kind: FaultKind) -> None:
    """Where the vendor's model has a shape for a kind, code and status are the model's."""
    first, second = MODELLED[kind]
    if first is not None:
        shape = shapes.errors("ses")[first]
        assert V1[kind] == (shape.code, shape.status)
    if second is not None:
        shape = shapes.errors("sesv2")[second]
        assert V2[kind] == (shape.code, shape.status)


def test_a_v1_error_to_the_octet() -> None:
    """Type, code, message and members inside Error, the request id outside, text escaped (spec 7.1)."""
    fault = Fault(FaultKind.CONFIGURATION_SET_NOT_FOUND, "Set <a&b> is not.", ConfigurationSetName="a&b")
    assert answer(Protocol.SES_V1, fault, "the-id") == (
        400,
        b"text/xml",
        (
            b'<ErrorResponse xmlns="http://ses.amazonaws.com/doc/2010-12-01/"><Error><Type>Sender</Type>'
            b"<Code>ConfigurationSetDoesNotExist</Code><Message>Set &lt;a&amp;b&gt; is not.</Message>"
            b"<ConfigurationSetName>a&amp;b</ConfigurationSetName></Error>"
            b"<RequestId>the-id</RequestId></ErrorResponse>"
        ),
        (),
    )


def test_a_v2_error_to_the_octet() -> None:
    """The shape is in the header, the message in the body (spec 7.1)."""
    fault = Fault(FaultKind.NOT_FOUND, "Email identity <x> does not exist.")
    assert answer(Protocol.SES_V2, fault, "the-id") == (
        404,
        b"application/json",
        b'{"message":"Email identity <x> does not exist."}',
        ((b"x-amzn-errortype", b"NotFoundException"),),
    )


def test_an_error_of_ours_to_the_octet() -> None:
    """Code and message in the body (contract, HTTP)."""
    fault = Fault(FaultKind.ALREADY_EXISTS, "It is there.")
    assert answer(Protocol.INDICIA, fault, "the-id") == (
        409,
        b"application/json",
        b'{"code":"AlreadyExistsException","message":"It is there."}',
        (),
    )


@pytest.mark.parametrize("protocol", [Protocol.SES_V1, Protocol.STS])
@pytest.mark.parametrize("kind", FaultKind)
def test_blame_follows_the_status(kind: FaultKind, protocol: Protocol) -> None:
    """A fault of the service is the receiver's, any other the sender's."""
    told = answer(protocol, Fault(kind, "x"), "id")
    blame = b"Receiver" if told.status >= 500 else b"Sender"
    assert b"<Type>" + blame + b"</Type>" in told.body


@given(st.sampled_from(FaultKind), st.text())
def test_botocore_reads_back_what_was_said(kind: FaultKind, message: str) -> None:
    """Any message is well formed in every protocol and reads back, but for what cannot be written."""
    for protocol, parser in (
        (Protocol.SES_V1, botocore.parsers.QueryParser()),
        (Protocol.SES_V2, botocore.parsers.RestJSONParser()),
    ):
        told = answer(protocol, Fault(kind, message), "the-id")
        response = {"status_code": told.status, "headers": botocore_headers(told), "body": told.body}
        error = parser.parse(response, None)["Error"]
        assert error["Code"] == faults.code_of(protocol, kind)
        if message.isprintable():
            assert (error["Message"] or "") == message
    ET.fromstring(answer(Protocol.SES_V1, Fault(kind, message), "id").body)  # noqa: S314 - our own
    msgspec.json.decode(answer(Protocol.INDICIA, Fault(kind, message), "id").body)


def botocore_headers(told: faults.HttpAnswer) -> dict[str, str]:
    """The headers of an answer as botocore has them."""
    return {name.decode(): value.decode() for name, value in told.headers}


def test_a_lone_surrogate_can_be_answered() -> None:
    """A message that no encoding holds is answered all the same."""
    for protocol in Protocol:
        assert answer(protocol, Fault(FaultKind.VALIDATION, "a\ud800b"), "id").status == 400


@pytest.mark.parametrize(
    ("path", "protocol"),
    [
        (b"/", Protocol.SES_V1),
        (b"/v2/email/identities", Protocol.SES_V2),
        (b"/v1/email/identities", Protocol.SES_V2),
        (b"/indicia/v1/x", Protocol.INDICIA),
        (b"/anything", Protocol.INDICIA),
        (b"", Protocol.INDICIA),
    ],
)
def test_the_protocol_is_told_by_the_path(path: bytes, protocol: Protocol) -> None:
    """Errors that come before a request is understood are told in the protocol of its path."""
    assert faults.protocol_of(path) is protocol


@pytest.mark.parametrize("protocol", Protocol)
def test_a_wrong_method_is_told_the_right_ones(protocol: Protocol) -> None:
    """The sentence and the header Allow name the methods that the path answers (RFC 9110 §15.5.6)."""
    told = answer(protocol, MethodNotAllowed({"PUT", "GET"}), "id")

    assert told.status == 405
    assert dict(told.headers)[b"allow"] == b"GET, PUT"
    assert b"This path answers GET, PUT only." in told.body
