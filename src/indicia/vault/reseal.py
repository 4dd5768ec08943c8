"""After a rotation: every sealed value under the new key, while the service runs."""

from __future__ import annotations

from functools import partial
from typing import Final

from indicia.store.engine import sealed_columns
from indicia.store.engine.database import Database
from indicia.store.engine.owned import Sealed
from indicia.store.engine.session import Session
from indicia.store.subjects import SEALED
from indicia.vault.keyring import Keyring

_PAGE: Final = 200  # rows a transaction: a writer waits for no more than a few milliseconds of them


def reseal(database: Database, keyring: Keyring) -> int:
    """Return how many values were sealed anew; afterwards those of this moment are under the first key.

    A value that is changed meanwhile is left as it was changed. It may be stopped and run again at any time.

    Raises: `KeyringError` when a value is under a key that is not in the ring.
    """
    return sum(_reseal(database, keyring, sealed) for sealed in SEALED)


def _reseal(database: Database, keyring: Keyring, sealed: Sealed) -> int:
    after: int | str | None = None
    count = 0
    while page := database.read(partial(sealed_columns.page, sealed=sealed, after=after, limit=_PAGE)):
        after = page[-1][0]
        anew = [
            (row, old, _anew(keyring, sealed.purpose_of(row), old))
            for row, old in page
            if not keyring.is_current(old)
        ]
        if anew:
            count += database.write(partial(_replace, sealed=sealed, anew=anew))
    return count


def _anew(keyring: Keyring, purpose: str, old: bytes) -> bytes:
    return keyring.seal(keyring.open(old, purpose), purpose)


def _replace(s: Session, *, sealed: Sealed, anew: list[tuple[int | str, bytes, bytes]]) -> int:
    return sum(sealed_columns.replace(s, sealed, row, old, new) for row, old, new in anew)
