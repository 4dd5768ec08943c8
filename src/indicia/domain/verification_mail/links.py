"""The life of a verification link, who may be written to, and how often.

The link in a verification mail proves that somebody reads the mailbox, so it is treated as a password is: 256
random bits, in the mail only, stored as a hash. It works once, until it expires, and only while it is the
newest one of its identity. `LIFE` says so; what is not in the table does not happen.

A mail to an address that somebody typed into an API goes to a person who asked for nothing. How many of them
there are `domain.verification_mail.caps` bounds, and a mailbox whose reader says "this was not me" gets none
at all.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from indicia.domain.time import Instant

TOKEN_OCTETS: Final = 32  # 256 bits: not to be guessed by anybody, however many links there are
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}\Z")  # contract, HTTP: one segment of A-Za-z0-9_-


def make_token(randomness: bytes) -> str:
    """Return the token that 32 random octets spell: 43 characters, one segment of a path."""
    if len(randomness) != TOKEN_OCTETS:
        raise ValueError(f"a link token is made of {TOKEN_OCTETS} random octets, not {len(randomness)}")
    return urlsafe_b64encode(randomness).rstrip(b"=").decode("ascii")


def token_hash(token: str) -> bytes:
    """Return what is stored of a token. With 256 random bits a plain SHA-256 cannot be searched."""
    return sha256(token.encode("ascii")).digest()


def is_token(text: str) -> bool:
    """Say whether the text could be a token at all. What could not is never looked up."""
    return _TOKEN.match(text) is not None


class LinkState(Enum):
    """Where a link is in its life."""

    ISSUED = "issued"  # in the mail, waiting for its reader
    USED = "used"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"  # a newer link was made for the same identity
    STOPPED = "stopped"  # the reader of the mailbox said "this was not me"
    UNKNOWN = "unknown"  # never issued, cut off by a mail program, or its identity is deleted


class LinkEvent(Enum):
    """What can happen to a link."""

    CONFIRM = "confirm"  # the form on its page was sent
    TIME_ENDS = "time_ends"
    NEWER_LINK = "newer_link"
    STOP = "stop"  # "this was not me"


LIFE: Final[Mapping[tuple[LinkState, LinkEvent], LinkState]] = MappingProxyType(
    {
        (LinkState.ISSUED, LinkEvent.CONFIRM): LinkState.USED,
        (LinkState.ISSUED, LinkEvent.TIME_ENDS): LinkState.EXPIRED,
        (LinkState.ISSUED, LinkEvent.NEWER_LINK): LinkState.SUPERSEDED,
        (LinkState.EXPIRED, LinkEvent.NEWER_LINK): LinkState.SUPERSEDED,
        (LinkState.ISSUED, LinkEvent.STOP): LinkState.STOPPED,
        (LinkState.EXPIRED, LinkEvent.STOP): LinkState.STOPPED,
        (LinkState.SUPERSEDED, LinkEvent.STOP): LinkState.STOPPED,
    }
)


def after(state: LinkState, event: LinkEvent) -> LinkState | None:
    """Return the state that the event leads to, None where it changes nothing: USED has no way out."""
    return LIFE.get((state, event))


@dataclass(frozen=True, slots=True)
class Link:
    """What is stored of a link.

    `newest`: no later one was made for its identity. `stopped`: its mailbox is on the stop list.
    """

    expires_at: Instant
    used_at: Instant | None
    newest: bool
    stopped: bool


def state_of(link: Link | None, now: Instant) -> LinkState:
    """Return where the link is in its life at `now`, by sending it through the events that have happened."""
    if link is None:
        return LinkState.UNKNOWN
    happened = (
        (LinkEvent.CONFIRM, link.used_at is not None),
        (LinkEvent.TIME_ENDS, now >= link.expires_at),
        (LinkEvent.NEWER_LINK, not link.newest),
        (LinkEvent.STOP, link.stopped),
    )
    state = LinkState.ISSUED
    for event, did in happened:
        if did:
            state = after(state, event) or state
    return state


def mailbox_of(address: str) -> str:
    """Return the mailbox that an address leads to, in the one spelling under which mails are counted.

    `Victim+a@Example.com`, `victim+b@example.com` and `"victim"@example.com` reach one reader. Local parts
    may differ by case alone (RFC 5321 §2.4), but none are known that do, while two to the power of their
    length spellings of one mailbox would make a cap worthless.
    """
    local, _, domain = address.rpartition("@")
    if len(local) > 1 and local[0] == local[-1] == '"':
        local = re.sub(r"\\(.)", r"\1", local[1:-1])  # RFC 5321 §4.1.2: the quotes are not part of the name
    label_cut = local.partition("+")[0]
    return f"{(label_cut or local).lower()}@{domain.lower()}"


STOPPED_REFUSAL: Final = (
    "Verification email not sent: the reader of this mailbox has asked this service to send none. Only they"
    ' can allow it again, by the "this was not me" link of the last one they got. Or verify the domain.'
)
