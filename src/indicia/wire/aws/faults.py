"""Refusals on the wire: the one place where kinds of faults become codes, statuses and bodies.

One table a protocol, each total over `FaultKind`. Codes and statuses: spec 7.2 (v2), 7.3 (v1), 7.6 (both).
Where a protocol has no code of its own for a kind, the comment on the line says what stands in.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from indicia.domain.faults import Fault, FaultKind
from indicia.wire.aws.xml import NAMESPACES, escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Protocol(Enum):
    """In which protocol a request was made, and is answered."""

    SES_V1 = "ses"
    STS = "sts"
    SES_V2 = "sesv2"
    INDICIA = "indicia"


def protocol_of(path: bytes) -> Protocol:
    """In which protocol a request to `path` is made (contract, HTTP)."""
    if path == b"/":
        return Protocol.SES_V1
    if path.startswith((b"/v2/", b"/v1/")):
        return Protocol.SES_V2
    return Protocol.INDICIA


class ProtocolRefusal(NamedTuple):
    """What a kind of fault is called in one protocol, and with which HTTP status it goes out."""

    code: str
    status: int


class HttpAnswer(NamedTuple):
    """An HTTP answer, but for what every answer has. `headers` are further ones."""

    status: int
    content_type: bytes
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


K = FaultKind

# SES v1 and STS. The suffix `Exception` is dropped but for the three codes where the live service keeps it
# (spec 7.3): SDKs match on exactly these.
V1: Mapping[FaultKind, ProtocolRefusal] = {
    K.INVALID_PARAMETER: ProtocolRefusal("InvalidParameterValue", 400),
    K.VALIDATION: ProtocolRefusal("ValidationError", 400),
    K.SERIALIZATION: ProtocolRefusal("MalformedInput", 400),
    K.MALFORMED_INPUT: ProtocolRefusal("MalformedInput", 400),
    K.MALFORMED_QUERY: ProtocolRefusal("MalformedQueryString", 404),
    K.MISSING_ACTION: ProtocolRefusal("MissingAction", 400),
    K.UNKNOWN_OPERATION: ProtocolRefusal("InvalidAction", 400),
    K.NOT_IMPLEMENTED: ProtocolRefusal("NotImplemented", 501),
    K.METHOD_NOT_ALLOWED: ProtocolRefusal("MethodNotAllowed", 405),
    K.TOO_LARGE: ProtocolRefusal("RequestEntityTooLarge", 413),
    K.HEADERS_TOO_LARGE: ProtocolRefusal("RequestHeaderFieldsTooLarge", 431),
    K.TOO_SLOW: ProtocolRefusal("RequestTimeout", 408),
    K.INVALID_NEXT_TOKEN: ProtocolRefusal("InvalidParameterValue", 400),  # v1 has no shape for it
    K.NOT_FOUND: ProtocolRefusal("InvalidParameterValue", 400),  # as v1 says of a missing identity (spec 7.4)
    K.ALREADY_EXISTS: ProtocolRefusal("AlreadyExists", 400),
    K.CONFIGURATION_SET_NOT_FOUND: ProtocolRefusal("ConfigurationSetDoesNotExist", 400),
    K.CONFIGURATION_SET_EXISTS: ProtocolRefusal("ConfigurationSetAlreadyExists", 400),
    K.TRACKING_OPTIONS_NOT_FOUND: ProtocolRefusal("TrackingOptionsDoesNotExistException", 400),
    K.TRACKING_OPTIONS_EXIST: ProtocolRefusal("TrackingOptionsAlreadyExistsException", 400),
    K.INVALID_TRACKING_OPTIONS: ProtocolRefusal("InvalidTrackingOptions", 400),
    K.TEMPLATE_NOT_FOUND: ProtocolRefusal("CustomVerificationEmailTemplateDoesNotExist", 400),
    K.TEMPLATE_EXISTS: ProtocolRefusal("CustomVerificationEmailTemplateAlreadyExists", 400),
    K.FROM_NOT_VERIFIED: ProtocolRefusal("FromEmailAddressNotVerified", 400),
    K.INVALID_POLICY: ProtocolRefusal("InvalidPolicy", 400),
    K.INVALID_CONTENT: ProtocolRefusal("CustomVerificationEmailInvalidContent", 400),
    K.LIMIT_EXCEEDED: ProtocolRefusal("LimitExceeded", 400),
    K.THROTTLED: ProtocolRefusal("Throttling", 400),
    K.CONFLICT: ProtocolRefusal("InvalidParameterValue", 400),  # v1 has no shape for it
    K.CONCURRENT_MODIFICATION: ProtocolRefusal(
        "ServiceUnavailable", 503
    ),  # v1 has no shape; SDKs try a 5xx again
    K.PRODUCTION_ACCESS_NOT_GRANTED: ProtocolRefusal("ProductionAccessNotGranted", 400),
    K.MESSAGE_REJECTED: ProtocolRefusal("MessageRejected", 400),
    K.MAIL_FROM_NOT_VERIFIED: ProtocolRefusal("MailFromDomainNotVerifiedException", 400),
    K.ACCOUNT_SENDING_PAUSED: ProtocolRefusal("AccountSendingPausedException", 400),
    K.MISSING_AUTHENTICATION: ProtocolRefusal("MissingAuthenticationToken", 403),
    K.UNKNOWN_KEY: ProtocolRefusal("InvalidClientTokenId", 403),
    K.WRONG_SIGNATURE: ProtocolRefusal("SignatureDoesNotMatch", 403),
    K.INCOMPLETE_SIGNATURE: ProtocolRefusal("IncompleteSignature", 400),
    K.REQUEST_EXPIRED: ProtocolRefusal("RequestExpired", 400),
    K.ACCESS_DENIED: ProtocolRefusal("AccessDenied", 403),
    K.UNAVAILABLE: ProtocolRefusal("ServiceUnavailable", 503),
    K.INTERNAL: ProtocolRefusal("InternalFailure", 500),
}

V2: Mapping[FaultKind, ProtocolRefusal] = {
    K.INVALID_PARAMETER: ProtocolRefusal("BadRequestException", 400),
    K.VALIDATION: ProtocolRefusal("BadRequestException", 400),
    K.SERIALIZATION: ProtocolRefusal("SerializationException", 400),
    K.MALFORMED_INPUT: ProtocolRefusal("SerializationException", 400),
    K.MALFORMED_QUERY: ProtocolRefusal("MalformedQueryString", 404),
    K.MISSING_ACTION: ProtocolRefusal("UnknownOperationException", 404),  # v2 has no Action to miss
    K.UNKNOWN_OPERATION: ProtocolRefusal("UnknownOperationException", 404),
    K.NOT_IMPLEMENTED: ProtocolRefusal("NotImplementedException", 501),
    K.METHOD_NOT_ALLOWED: ProtocolRefusal("MethodNotAllowedException", 405),
    K.TOO_LARGE: ProtocolRefusal("RequestEntityTooLargeException", 413),
    K.HEADERS_TOO_LARGE: ProtocolRefusal("RequestHeaderFieldsTooLargeException", 431),
    K.TOO_SLOW: ProtocolRefusal("RequestTimeoutException", 408),
    K.INVALID_NEXT_TOKEN: ProtocolRefusal("InvalidNextTokenException", 400),
    K.NOT_FOUND: ProtocolRefusal("NotFoundException", 404),
    K.ALREADY_EXISTS: ProtocolRefusal("AlreadyExistsException", 400),
    K.CONFIGURATION_SET_NOT_FOUND: ProtocolRefusal("NotFoundException", 404),
    K.CONFIGURATION_SET_EXISTS: ProtocolRefusal("AlreadyExistsException", 400),
    K.TRACKING_OPTIONS_NOT_FOUND: ProtocolRefusal("NotFoundException", 404),
    K.TRACKING_OPTIONS_EXIST: ProtocolRefusal("AlreadyExistsException", 400),
    K.INVALID_TRACKING_OPTIONS: ProtocolRefusal("BadRequestException", 400),
    K.TEMPLATE_NOT_FOUND: ProtocolRefusal("NotFoundException", 404),
    K.TEMPLATE_EXISTS: ProtocolRefusal("AlreadyExistsException", 400),
    K.FROM_NOT_VERIFIED: ProtocolRefusal("NotFoundException", 404),
    K.INVALID_POLICY: ProtocolRefusal("BadRequestException", 400),
    K.INVALID_CONTENT: ProtocolRefusal("BadRequestException", 400),
    K.LIMIT_EXCEEDED: ProtocolRefusal("LimitExceededException", 400),
    K.THROTTLED: ProtocolRefusal("TooManyRequestsException", 429),
    K.CONFLICT: ProtocolRefusal("ConflictException", 409),
    K.CONCURRENT_MODIFICATION: ProtocolRefusal("ConcurrentModificationException", 500),
    K.PRODUCTION_ACCESS_NOT_GRANTED: ProtocolRefusal("BadRequestException", 400),
    K.MESSAGE_REJECTED: ProtocolRefusal("MessageRejected", 400),
    K.MAIL_FROM_NOT_VERIFIED: ProtocolRefusal("MailFromDomainNotVerifiedException", 400),
    K.ACCOUNT_SENDING_PAUSED: ProtocolRefusal("SendingPausedException", 400),
    K.MISSING_AUTHENTICATION: ProtocolRefusal("MissingAuthenticationTokenException", 403),
    K.UNKNOWN_KEY: ProtocolRefusal("UnrecognizedClientException", 403),
    K.WRONG_SIGNATURE: ProtocolRefusal("InvalidSignatureException", 403),
    K.INCOMPLETE_SIGNATURE: ProtocolRefusal("IncompleteSignatureException", 400),
    K.REQUEST_EXPIRED: ProtocolRefusal("RequestExpired", 400),
    K.ACCESS_DENIED: ProtocolRefusal("AccessDeniedException", 403),
    K.UNAVAILABLE: ProtocolRefusal("ServiceUnavailable", 503),
    K.INTERNAL: ProtocolRefusal("InternalServiceErrorException", 500),
}

# `/indicia/v1/`: "the matching HTTP status" (contract), where v1 and v2 are bound to the vendor's habits.
INDICIA: Mapping[FaultKind, ProtocolRefusal] = {
    **V2,
    K.MALFORMED_INPUT: ProtocolRefusal("BadRequestException", 400),
    K.MALFORMED_QUERY: ProtocolRefusal("BadRequestException", 400),
    K.UNKNOWN_OPERATION: ProtocolRefusal("NotFoundException", 404),
    K.MISSING_ACTION: ProtocolRefusal("NotFoundException", 404),
    K.INVALID_NEXT_TOKEN: ProtocolRefusal("BadRequestException", 400),
    K.ALREADY_EXISTS: ProtocolRefusal("AlreadyExistsException", 409),
    K.CONFIGURATION_SET_EXISTS: ProtocolRefusal("AlreadyExistsException", 409),
    K.TRACKING_OPTIONS_EXIST: ProtocolRefusal("AlreadyExistsException", 409),
    K.TEMPLATE_EXISTS: ProtocolRefusal("AlreadyExistsException", 409),
    K.CONCURRENT_MODIFICATION: ProtocolRefusal("ConcurrentModificationException", 409),
    K.INTERNAL: ProtocolRefusal("InternalFailure", 500),
}

TABLES: Mapping[Protocol, Mapping[FaultKind, ProtocolRefusal]] = {
    Protocol.SES_V1: V1,
    Protocol.STS: V1,
    Protocol.SES_V2: V2,
    Protocol.INDICIA: INDICIA,
}


class MethodNotAllowed(Fault):
    """A path was asked with a method that it does not answer; the refusal names those that it does."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self.allowed = ", ".join(sorted(allowed))
        super().__init__(FaultKind.METHOD_NOT_ALLOWED, f"This path answers {self.allowed} only.")


# After these the rest of the request is not read, so the connection cannot carry another one.
_ENDS_CONNECTION = {K.TOO_LARGE, K.HEADERS_TOO_LARGE, K.TOO_SLOW}
CLOSE = (b"connection", b"close")

_json = msgspec.json.Encoder()


def answer(protocol: Protocol, fault: Fault, request_id: str) -> HttpAnswer:
    """`fault` as `protocol` says it."""
    refusal = TABLES[protocol][fault.kind]
    headers = (CLOSE,) if fault.kind in _ENDS_CONNECTION else ()
    if isinstance(fault, MethodNotAllowed):
        headers = ((b"allow", fault.allowed.encode()),)  # RFC 9110 §15.5.6
    if protocol.value in NAMESPACES:
        body = _error_response(NAMESPACES[protocol.value], refusal, fault, request_id)
        return HttpAnswer(refusal.status, b"text/xml", body, headers)
    if protocol is Protocol.SES_V2:
        # Clients read the shape from the header alone (spec 7.1).
        named = (b"x-amzn-errortype", refusal.code.encode())
        body = _json.encode({"message": _sayable(fault.message)})
        return HttpAnswer(refusal.status, b"application/json", body, (named, *headers))
    body = _json.encode({"code": refusal.code, "message": _sayable(fault.message)})
    return HttpAnswer(refusal.status, b"application/json", body, headers)


def code_of(protocol: Protocol, kind: FaultKind) -> str:
    """What `protocol` calls faults of `kind`."""
    return TABLES[protocol][kind].code


def _error_response(namespace: str, refusal: ProtocolRefusal, fault: Fault, request_id: str) -> bytes:
    """The XML of an error: spec 7.1. Modelled members stand beside the message, the request id outside."""
    blame = "Sender" if refusal.status < 500 else "Receiver"
    members = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fault.members.items())
    text = (
        f'<ErrorResponse xmlns="{namespace}"><Error><Type>{blame}</Type><Code>{refusal.code}</Code>'
        f"<Message>{escape(fault.message)}</Message>{members}</Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return text.encode()


def _sayable(text: str) -> str:
    """`text` without lone surrogates, which have no UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
