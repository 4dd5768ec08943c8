"""Mailboxes in the values of From, To and their like: a display name and an address (RFC 5322 §3.4)."""

from __future__ import annotations

from email.utils import getaddresses
from typing import Final, NamedTuple

LONGEST: Final = 2048
"""Characters of one value: an address of 320, and a display name in encoded words."""


class Mailbox(NamedTuple):
    """One mailbox; both are empty where the value cannot be understood."""

    name: str
    address: str


def parse_mailboxes(value: str) -> list[Mailbox]:
    """Return the mailboxes of one value, in order.

    Raises: `ValueError` for one that is too long, or nests comments, groups or routes too deeply to be read.
    """
    if len(value) > LONGEST:
        raise ValueError(f"longer than {LONGEST} characters")
    try:
        return [Mailbox(*found) for found in getaddresses([value])]
    except RecursionError:
        raise ValueError("nested too deeply") from None
