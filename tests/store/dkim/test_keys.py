"""Token sets, published keys and the pool."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import sqlalchemy as sa
from values import ZONE, pooled_key, token_set

from indicia.domain.identities.identity import KeyLength
from indicia.store.dkim import keys, tables, zones
from indicia.store.engine.database import Database
from indicia.store.engine.prepared import Prepared

INTEGRITY = (sqlite3.IntegrityError, psycopg.errors.UniqueViolation)


def issue(database: Database, *tokens: str):
    """Store a token set with these tokens."""
    issued = token_set(*tokens)
    database.write(lambda s: keys.insert_token_set(s, issued, 1_000))
    return issued


def test_a_token_set_comes_back_as_issued(database: Database):
    """Its tokens in their order, its zone, the chosen length, no key."""
    issued = issue(database, "t1", "t2", "t3")
    assert database.read(lambda s: keys.get_token_set(s, issued.id)) == issued
    assert database.read(lambda s: keys.get_token_set(s, 404)) is None


def test_a_token_is_never_issued_twice(database: Database):
    """Not even when the first set's keys are withdrawn; in another zone it is another token."""
    first = issue(database, "t1", "t2", "t3")
    database.write(lambda s: keys.withdraw_for(s, first.id, 5))
    with pytest.raises(INTEGRITY):
        issue(database, "x1", "x2", "t3")
    assert database.read(lambda s: keys.lookup(s, ZONE, "x1")) is None
    other = token_set("t1", "t2", "t3", zone="dkim.other.test")
    database.write(lambda s: keys.insert_token_set(s, other, 1))


def test_a_token_is_unknown_then_without_a_key_then_with_one(database: Database):
    """The three answers of the key zone, and back to none when the key is withdrawn."""
    assert database.read(lambda s: keys.lookup(s, ZONE, "t1")) is None
    issued = issue(database, "t1", "t2", "t3")
    assert database.read(lambda s: keys.lookup(s, ZONE, "t1")) is keys.NoKeyYet.NO_KEY_YET
    made = database.write(lambda s: keys.publish(s, issued.id, ZONE, "t1", pooled_key(public_key="PUB"), 7))
    assert database.read(lambda s: keys.lookup(s, ZONE, "t1")) == "PUB"
    assert database.read(lambda s: keys.lookup(s, ZONE, "t2")) is keys.NoKeyYet.NO_KEY_YET
    assert database.read(lambda s: keys.lookup(s, "dkim.other.test", "t1")) is None
    database.write(lambda s: keys.withdraw(s, made.id, 9))
    assert database.read(lambda s: keys.lookup(s, ZONE, "t1")) is keys.NoKeyYet.NO_KEY_YET


def test_the_key_in_use_shows_on_its_set(database: Database):
    """Publishing with `in_use` changes what the set shows; publishing ahead of a rotation does not."""
    issued = issue(database, "t1", "t2", "t3")
    database.write(lambda s: keys.publish(s, issued.id, ZONE, "t1", pooled_key(1024, "ONE"), 7))
    shown = database.read(lambda s: keys.get_token_set(s, issued.id))
    assert shown is not None
    assert (shown.has_key, shown.public_key, shown.key_length, shown.key_made_at) == (
        True,
        "ONE",
        KeyLength.RSA_1024_BIT,
        7,
    )
    coming = database.write(
        lambda s: keys.publish(s, issued.id, ZONE, "t2", pooled_key(2048, "TWO"), 8, in_use=False)
    )
    assert database.read(lambda s: keys.get_token_set(s, issued.id)) == shown
    database.write(lambda s: keys.put_in_use(s, coming, 9))
    shown = database.read(lambda s: keys.get_token_set(s, issued.id))
    assert shown is not None
    assert (shown.public_key, shown.key_length, shown.key_made_at) == ("TWO", KeyLength.RSA_2048_BIT, 9)


def test_a_token_holds_one_live_key(database: Database):
    """A second key under a token waits until the first is withdrawn."""
    issued = issue(database, "t1", "t2", "t3")
    first = database.write(lambda s: keys.publish(s, issued.id, ZONE, "t1", pooled_key(), 7))
    with pytest.raises(INTEGRITY):
        database.write(lambda s: keys.publish(s, issued.id, ZONE, "t1", pooled_key(), 8))
    database.write(lambda s: keys.withdraw(s, first.id, 9))
    database.write(lambda s: keys.publish(s, issued.id, ZONE, "t1", pooled_key(public_key="NEW"), 10))
    assert database.read(lambda s: keys.lookup(s, ZONE, "t1")) == "NEW"


def test_a_withdrawn_key_is_erased(database: Database):
    """A live key has a private half that is not shown; a withdrawn one is not live, and has none."""
    issued = issue(database, "t1", "t2", "t3")
    database.write(lambda s: keys.publish(s, issued.id, ZONE, "t1", pooled_key(), 7))
    (live,) = database.read(lambda s: keys.published(s, issued.id))
    assert live.private_key == b"sealed"
    assert "sealed" not in repr(live)
    assert database.write(lambda s: keys.withdraw_for(s, issued.id, 30)) == 1
    assert database.write(lambda s: keys.withdraw_for(s, issued.id, 31)) == 0
    assert database.read(lambda s: keys.published(s, issued.id)) == []
    rest = sa.select(tables.published_key.c.private_key, tables.published_key.c.withdrawn_at)
    assert database.read(lambda s: s.all(Prepared(rest))) == [(b"", 30)]


def test_a_zone_is_read_page_by_page(database: Database):
    """Every token in order, with its key or without."""
    issued = issue(database, "c", "a", "b")
    database.write(lambda s: keys.publish(s, issued.id, ZONE, "b", pooled_key(public_key="PUB"), 7))
    assert database.read(lambda s: keys.zone_page(s, ZONE, after="", limit=2)) == [("a", None), ("b", "PUB")]
    assert database.read(lambda s: keys.zone_page(s, ZONE, after="b", limit=2)) == [("c", None)]


def test_every_zone_ever_used_is_known(database: Database):
    """A zone is noted once and stays."""
    for name in ("dkim.b.test", "dkim.a.test", "dkim.b.test"):
        database.write(lambda s, name=name: zones.add(s, name, 1))
    assert database.read(zones.names) == ["dkim.a.test", "dkim.b.test"]


def test_the_pool_gives_each_key_once(database: Database):
    """Many takers at once: every key goes to one of them, and then there is none."""
    for number in range(20):
        key = pooled_key(2048, f"K{number}")
        database.write(lambda s, key=key: keys.add_pooled(s, key))
    database.write(lambda s: keys.add_pooled(s, pooled_key(1024, "short")))
    assert database.read(lambda s: keys.count_pooled(s, 2048)) == 20
    with ThreadPoolExecutor(5) as pool:
        taken = list(pool.map(lambda _: database.write(lambda s: keys.take_spare(s, 2048, 1)), range(20)))
    assert {key.public_key for taken_at_once in taken for key in taken_at_once} == {
        f"K{number}" for number in range(20)
    }
    assert database.write(lambda s: keys.take_spare(s, 2048, 1)) == []
    assert database.read(lambda s: keys.count_pooled(s, 1024)) == 1
