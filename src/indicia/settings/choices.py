"""Settings whose values are a closed list."""

from __future__ import annotations

from enum import Enum


class Danger(Enum):
    """The name of a refusal, as `INDICIA_UNSAFE` waives it."""

    SERVICE_DOMAIN = "service-domain"
    INSTANT_VERIFICATION = "instant-verification"
    PRIVATE_ADDRESSES = "private-addresses"
    PLAIN_HTTP = "plain-http"


class VerificationMode(Enum):
    """How an identity becomes verified."""

    DNS = "dns"
    INSTANT = "instant"


class LogFormat(Enum):
    """How log lines look."""

    CONSOLE = "console"
    JSON = "json"
