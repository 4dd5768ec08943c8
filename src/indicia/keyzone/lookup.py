"""What the key zone asks the store: one token of one zone, and whether there is a key for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Final, TypeAlias


class NoKeyYet(Enum):
    """The token was issued and has no published key now: the name is there, the TXT is not."""

    NO_KEY_YET = "no_key_yet"


NO_KEY_YET: Final = NoKeyYet.NO_KEY_YET

Found: TypeAlias = str | NoKeyYet | None
"""The base64 SubjectPublicKeyInfo of the published key; `NO_KEY_YET`; None for a token never issued."""

Lookup: TypeAlias = Callable[[str, str], Found | Awaitable[Found]]
"""Asked with the zone and the token, both in lower case. Synchronous where a read takes microseconds (SQLite
inline), awaitable where it waits for another machine (PostgreSQL). Raises when the store cannot answer."""
