"""Who a look at an identity is made for."""

from __future__ import annotations

from enum import Enum, IntEnum


class AskedBy(Enum):
    """Who a verdict was found for. The value is what the history shows."""

    PERSON = "person"  # somebody asked for a look
    SCHEDULE = "schedule"  # it was due
    LINK = "link"  # somebody opened the link of a verification mail
    KEY = "key"  # the first key of its token set was published


class Waits(IntEnum):
    """Who waits for the next look, beside its schedule."""

    NOBODY = 0
    PERSON = 1  # somebody asked for it
    SERVICE = 2  # something changed of what is expected, and is looked at soon
