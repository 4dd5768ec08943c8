"""One call of one operation by a caller who has proved who it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indicia.domain.time import Instant


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls what, from where, when.

    `service` is "ses", "sesv2", "sts" or "indicia". `principal` is the caller's ARN, `policy` the JSON text
    that limits its key, None when nothing does. `now` is the movable clock's.
    `secure` is whether it came over TLS.
    """

    service: str
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
