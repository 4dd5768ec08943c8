"""Whether a value found in somebody's DNS is one that this service gave out, be it long ago."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from indicia.domain.observation import RecordType
from indicia.store import keys, zones
from indicia.store.database import Database
from indicia.store.session import Session


def issued_in(database: Database) -> Callable[[str, RecordType, Sequence[str]], Awaitable[bool]]:
    """Return what says of values found in place of ours whether another identity was given them."""

    async def issued(_name: str, rtype: RecordType, values: Sequence[str]) -> bool:
        if rtype is not RecordType.CNAME:
            return False
        return await database.reading(lambda s: any(_is_token(s, value.lower()) for value in values))

    return issued


def _is_token(s: Session, target: str) -> bool:
    """Say whether a CNAME target is a token of ours, with a key or without: tokens are never reused."""
    token, _, zone = target.partition(".")
    return zone in zones.names(s) and keys.lookup(s, zone, token) is not None
