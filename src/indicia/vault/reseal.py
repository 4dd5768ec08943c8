"""After a rotation: every sealed value under the new key, while the service runs."""

from __future__ import annotations

from functools import partial
from typing import Final

from indicia.store.engine import sealed_columns
from indicia.store.engine.database import Database
from indicia.store.engine.sealed_columns import Place
from indicia.store.engine.session import Session
from indicia.vault.keyring import Keyring
from indicia.vault.purposes import purpose_of

_PAGE: Final = 200  # rows a transaction: a writer waits for no more than a few milliseconds of them


def reseal(database: Database, keyring: Keyring) -> int:
    """Return how many values were sealed anew; afterwards those of this moment are under the first key.

    A value that is changed meanwhile is left as it was changed. It may be stopped and run again at any time.

    Raises: `KeyringError` when a value is under a key that is not in the ring.
    """
    return sum(_reseal_place(database, keyring, place) for place in Place)


def _reseal_place(database: Database, keyring: Keyring, place: Place) -> int:
    after: int | str | None = None
    count = 0
    while page := database.read(partial(sealed_columns.page, place=place, after=after, limit=_PAGE)):
        after = page[-1][0]
        anew = [
            (row, old, _anew(keyring, place, row, old)) for row, old in page if not keyring.is_current(old)
        ]
        if anew:
            count += database.write(partial(_replace, place=place, anew=anew))
    return count


def _anew(keyring: Keyring, place: Place, row: int | str, old: bytes) -> bytes:
    purpose = purpose_of(place, row)
    return keyring.seal(keyring.open(old, purpose), purpose)


def _replace(s: Session, *, place: Place, anew: list[tuple[int | str, bytes, bytes]]) -> int:
    return sum(sealed_columns.replace(s, place, row, old, new) for row, old, new in anew)
