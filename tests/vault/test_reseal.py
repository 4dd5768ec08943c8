"""After a rotation everything is sealed anew."""

from __future__ import annotations

from functools import partial

import pytest
import sqlalchemy as sa

from indicia.mail.message import compose
from indicia.store.accounts import tables
from indicia.store.accounts.tables import ACCESS_KEY_SECRET
from indicia.store.dkim import keys
from indicia.store.dkim.tables import POOLED_PRIVATE_KEY, PRIVATE_KEY
from indicia.store.engine import sealed_columns
from indicia.store.engine.database import Database
from indicia.store.engine.ids import new_id
from indicia.store.engine.owned import Sealed
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.verification_mail.tables import OUTBOX_PAYLOAD
from indicia.vault import purposes
from indicia.vault.keyring import Keyring, KeyringError
from indicia.vault.reseal import reseal

OLD = Keyring((bytes(32),))
NEW = Keyring((b"\x01" * 32, bytes(32)))


def _pooled(s: Session, ring: Keyring, count: int) -> None:
    for number in range(count):
        private = ring.seal(b"private %d" % number, purposes.PRIVATE_KEY)
        keys.add_pooled(s, keys.PooledKey(new_id(), 1024, str(number), private, 1))


def _access_keys(s: Session, ring: Keyring) -> None:
    insert = Prepared(sa.insert(tables.access_key))
    for identifier in ("AKIAAAAAAAAAAAAAAAAA", "AKIABBBBBBBBBBBBBBBB"):
        s.run(
            insert, id=identifier, account="000000000000", user_name=None,
            secret=ring.seal(identifier.encode(), purposes.access_key(identifier)), policy=None,
            created_at=1, revoked_at=None,
        )  # fmt: skip


def _all(database: Database, sealed: Sealed) -> list[tuple[int | str, bytes]]:
    return database.read(partial(sealed_columns.page, sealed=sealed, after=None, limit=10_000))


def test_everything_anew(database: Database) -> None:
    """Every sealed value opens to what it was, under the first key; a second time there is nothing to do."""
    database.write(partial(_pooled, ring=OLD, count=450))
    database.write(partial(_pooled, ring=NEW, count=3))
    database.write(partial(_access_keys, ring=OLD))

    assert reseal(database, NEW) == 452
    assert reseal(database, NEW) == 0
    pooled = _all(database, POOLED_PRIVATE_KEY)
    assert len(pooled) == 453
    assert all(NEW.is_current(octets) for _, octets in pooled)
    opened = [NEW.open(octets, purposes.PRIVATE_KEY) for _, octets in pooled]
    assert sorted(opened) == sorted(
        [b"private %d" % n for n in range(450)] + [b"private %d" % n for n in range(3)]
    )
    for identifier, octets in _all(database, ACCESS_KEY_SECRET):
        assert NEW.is_current(octets)
        assert NEW.open(octets, purposes.access_key(str(identifier))) == str(identifier).encode()


def test_key_that_is_missing(database: Database) -> None:
    """A value under a key that is not in the ring stops it, naming the key."""
    database.write(partial(_pooled, ring=OLD, count=1))
    with pytest.raises(KeyringError, match=OLD.fingerprint):
        reseal(database, Keyring((b"\x01" * 32,)))


def test_purposes_are_those_in_use() -> None:
    """Who seals elsewhere names the purposes that sealing anew will name."""
    assert OUTBOX_PAYLOAD.purpose_of(1) == compose.SEALED_AS
    assert PRIVATE_KEY.purpose_of(1) == POOLED_PRIVATE_KEY.purpose_of(1) == purposes.PRIVATE_KEY
