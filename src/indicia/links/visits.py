"""What a visit to a link finds and does, and the port through which the pages reach the store.

Opening a page changes nothing. The three things that a person can do there are one transaction each.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from indicia.domain.time import Instant
    from indicia.domain.verification_mail.links import LinkState
    from indicia.store.verification_mail.links import RedirectTargets


class Act(Enum):
    """What a button on a page does."""

    CONFIRM = "confirm"
    STOP = "stop"
    ALLOW = "allow"


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """The request behind a link: who wants what, since when, until when."""

    address: str
    account: str
    region: str
    asked_at: Instant
    expires_at: Instant


@dataclass(frozen=True, slots=True)
class VisitFindings:
    """What a visit finds.

    `request` is None when the link is unknown. `mailbox` is where the mail with the link went; it is known
    longer than the request, so that "this was not me" works on when the caller has deleted the identity; None
    when no such mail was ever sent. `stopped` is whether that mailbox is on the stop list, `changed` whether
    this very visit changed anything. `landing` is where visits to the link end in place of our own pages,
    None for those of our own mails.
    """

    state: LinkState
    request: LinkRequest | None
    mailbox: str | None
    stopped: bool
    changed: bool = False
    landing: RedirectTargets | None = None


class Links(Protocol):
    """Where links are looked up and acted upon, by the hash of their token."""

    async def look(self, token_hash: bytes) -> VisitFindings:
        """Return what is there. Nothing is different afterwards."""

    async def act(self, token_hash: bytes, act: Act, address: str) -> VisitFindings:
        """Return what is there after the act, which has been done where the link allows it, durably.

        `address` is where the visitor comes from.
        """
