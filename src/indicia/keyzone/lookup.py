"""What the key zone asks the store: one token of one zone, and whether there is a key for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Final, TypeAlias

from indicia.store.dkim import keys, zones
from indicia.store.dkim.keys import NoKeyYet
from indicia.store.engine.database import Database
from indicia.store.engine.prepared import SQLITE
from indicia.store.engine.session import Session

NO_KEY_YET: Final = NoKeyYet.NO_KEY_YET

Found: TypeAlias = str | NoKeyYet | None
"""The base64 SubjectPublicKeyInfo of the published key; `NO_KEY_YET`; None for a token never issued."""

Lookup: TypeAlias = Callable[[str, str], Found | Awaitable[Found]]
"""Asked with the zone and the token, both in lower case. Synchronous where a read takes microseconds (SQLite
inline), awaitable where it waits for another machine (PostgreSQL). Raises when the store cannot answer."""

_PAGE: Final = 1000


def in_database(database: Database) -> Lookup:
    """Return the lookup of published keys in a database, in the manner that suits it."""

    def work(zone: str, token: str) -> Callable[[Session], Found]:
        return partial(keys.lookup, zone=zone, token=token)

    if database.dialect == SQLITE:
        return lambda zone, token: database.read(work(zone, token))
    return lambda zone, token: database.reading(work(zone, token))


def zones_of(database: Database) -> Callable[[], list[str]]:
    """Return what lists every zone that was ever used."""
    return lambda: database.read(zones.names)


def published_keys(database: Database, zone: str) -> Iterator[tuple[str, str]]:
    """Yield each token of a zone that has a key, with the key, in order of the tokens, a page in memory."""
    after = ""
    while True:
        page = database.read(partial(keys.zone_page, zone=zone, after=after, limit=_PAGE))
        yield from ((token, key) for token, key in page if key is not None)
        if len(page) < _PAGE:
            return
        after = page[-1][0]
