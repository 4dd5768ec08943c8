"""One call of one operation by a caller who has proved who it is."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from indicia.domain.time import MINUTE, Instant, Span

# How far from ours the date of a signature may be (spec 7.3, and what the live service answers).
CLOCK_SKEW: Final[Span] = 15 * MINUTE
# Where a call comes from whose trusted proxy does not say it in a way that can be understood.
UNKNOWN_ADDRESS: Final = "unknown"


class Service(StrEnum):
    """Which API is called. The value is what logs, metrics and the audit log show."""

    SES = "ses"  # the Amazon SES API, v1
    SES_V2 = "sesv2"
    STS = "sts"
    OWN = "indicia"  # what SES has no operation for, under /indicia/v1/


class Call(NamedTuple):
    """Who calls what, from where, when.

    `principal` is the caller's ARN, `policy` the JSON text
    that limits its key, None when nothing does. `now` is the movable clock's.
    `address` is where it came from, "" when nothing is said of that, or UNKNOWN_ADDRESS. `secure` is whether
    it came over TLS.

    A named tuple, because one is made for every request: a frozen dataclass takes four times as long.
    """

    service: Service
    operation: str
    account: str
    region: str
    principal: str
    access_key: str
    address: str
    request_id: str
    now: Instant
    policy: str | None = None
    secure: bool = False
    user_agent: str = ""
