"""Every way in which a request can be refused: one closed list.

A refusal is raised as a `Fault` of one kind, with a sentence for the caller. `wire.aws.faults` turns kinds
into codes, statuses and bodies, one table a protocol; nothing else does. What is not a `Fault` is a mistake
of ours and leaves as `INTERNAL` with nothing of its text.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, NoReturn


class FaultKind(Enum):
    """What went wrong, in words that belong to no protocol."""

    # What was asked for does not hold together.
    INVALID_PARAMETER = "invalid_parameter"
    VALIDATION = "validation"
    SERIALIZATION = "serialization"
    MALFORMED_INPUT = "malformed_input"
    MALFORMED_QUERY = "malformed_query"
    MISSING_ACTION = "missing_action"
    UNKNOWN_OPERATION = "unknown_operation"
    NOT_IMPLEMENTED = "not_implemented"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    TOO_LARGE = "too_large"
    HEADERS_TOO_LARGE = "headers_too_large"
    TOO_SLOW = "too_slow"
    INVALID_NEXT_TOKEN = "invalid_next_token"  # noqa: S105 - a page token, no secret

    # What was asked about is not there, or is there already.
    NOT_FOUND = "not_found"
    ALREADY_EXISTS = "already_exists"
    CONFIGURATION_SET_NOT_FOUND = "configuration_set_not_found"
    CONFIGURATION_SET_EXISTS = "configuration_set_exists"
    TRACKING_OPTIONS_NOT_FOUND = "tracking_options_not_found"
    TRACKING_OPTIONS_EXIST = "tracking_options_exist"
    INVALID_TRACKING_OPTIONS = "invalid_tracking_options"
    TEMPLATE_NOT_FOUND = "template_not_found"
    TEMPLATE_EXISTS = "template_exists"
    FROM_NOT_VERIFIED = "from_not_verified"
    INVALID_POLICY = "invalid_policy"
    INVALID_CONTENT = "invalid_content"

    # It may not be done, or not now.
    LIMIT_EXCEEDED = "limit_exceeded"
    THROTTLED = "throttled"
    CONFLICT = "conflict"
    CONCURRENT_MODIFICATION = "concurrent_modification"
    PRODUCTION_ACCESS_NOT_GRANTED = "production_access_not_granted"
    MESSAGE_REJECTED = "message_rejected"
    MAIL_FROM_NOT_VERIFIED = "mail_from_not_verified"
    ACCOUNT_SENDING_PAUSED = "account_sending_paused"

    # Who is asking.
    MISSING_AUTHENTICATION = "missing_authentication"
    UNKNOWN_KEY = "unknown_key"
    WRONG_SIGNATURE = "wrong_signature"
    INCOMPLETE_SIGNATURE = "incomplete_signature"
    REQUEST_EXPIRED = "request_expired"
    ACCESS_DENIED = "access_denied"

    # Our side.
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class Fault(Exception):
    """A request that is refused, and the sentence that says why.

    `message` is shown to the caller as it is: it quotes nothing secret. `members` are the modelled extra
    members of the error shape (SES v1: `ConfigurationSetName`, `Name`).
    """

    def __init__(self, kind: FaultKind, message: str, **members: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.members = members

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep a fault whole when it crosses a process boundary."""
        return (_rebuild, (self.kind, self.message, self.members))


def _rebuild(kind: FaultKind, message: str, members: dict[str, str]) -> Fault:
    return Fault(kind, message, **members)


def refuse(kind: FaultKind, message: str, **members: str) -> NoReturn:
    """Raise the fault. Exists so that a check reads as one line."""
    raise Fault(kind, message, **members)
