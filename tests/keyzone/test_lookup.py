"""The key zone on a real store, both kinds."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable
from pathlib import Path

import dns.message
import dns.rcode
import pytest
from zonedata import KEYLESS, LONG, LONG_KEY, NAMESERVERS, NEVER, SHORT, SHORT_KEY, ZONE, question

from indicia.domain.identities.identity import KeyLength, TokenSet, TokenSetKind
from indicia.keyzone.lookup import in_database, published_keys, zones_of
from indicia.keyzone.responder import Responder
from indicia.store.dkim import keys, zones
from indicia.store.engine import schema
from indicia.store.engine.database import Database
from indicia.store.engine.ids import new_id
from indicia.store.engine.prepared import SQLITE, Prepared
from indicia.store.engine.session import Session


def _fill(s: Session) -> int:
    """Issue three tokens, publish keys under two of them; return the id of the set."""
    token_set = TokenSet(
        new_id(), TokenSetKind.EASY, (LONG, SHORT, KEYLESS), ZONE, KeyLength.RSA_2048_BIT, 1, has_key=False
    )
    zones.add(s, ZONE, 1)
    keys.insert_token_set(s, token_set, 1)
    for token, key in ((LONG, LONG_KEY), (SHORT, SHORT_KEY)):
        keys.publish(s, token_set.id, ZONE, token, keys.PooledKey(new_id(), 2048, key, b"sealed", 1), 2)
    return token_set.id


def test_what_the_store_says(database: Database) -> None:
    """What is published is answered, an issued token without a key has no data, another token no name."""
    set_id = database.write(_fill)
    server = Responder(in_database(database), NAMESERVERS, lambda: 1)
    server.serve(zones_of(database)())

    async def ask(token: str) -> dns.message.Message:
        answer = server.respond(question(f"{token}.{ZONE}"), 0.0, datagram=True)
        assert answer is not None
        return dns.message.from_wire(await answer if isinstance(answer, Awaitable) else answer)

    async def scenario() -> None:
        answers = [await ask(token) for token in (LONG, SHORT, KEYLESS, NEVER)]
        assert [len(answer.answer) for answer in answers] == [1, 1, 0, 0]
        assert [answer.rcode() for answer in answers] == [0, 0, 0, dns.rcode.NXDOMAIN]
        (rdata,) = answers[0].answer[0]
        assert b"".join(rdata.strings).decode() == f"p={LONG_KEY}"
        await database.writing(lambda s: keys.withdraw_for(s, set_id, 3))
        server.forget(ZONE, LONG)
        gone = await ask(LONG)
        assert (gone.rcode(), gone.answer) == (dns.rcode.NOERROR, [])

    asyncio.run(scenario())


def test_keys_to_export(database: Database) -> None:
    """Every published key of the zone is listed once, in order, across pages; what has no key is left out."""

    def many(s: Session) -> None:
        for number in range(700):
            tokens = tuple(f"{letter}{number:031d}" for letter in "xyz")
            token_set = TokenSet(
                new_id(), TokenSetKind.EASY, tokens, ZONE, KeyLength.RSA_1024_BIT, 1, has_key=False
            )
            keys.insert_token_set(s, token_set, 1)
            for token in tokens[:2]:
                keys.publish(s, token_set.id, ZONE, token, keys.PooledKey(new_id(), 1024, token, b"-", 1), 2)

    database.write(many)
    expected = [(f"{letter}{number:031d}",) * 2 for letter in "xy" for number in range(700)]

    assert list(published_keys(database, ZONE)) == expected


@pytest.mark.parametrize(
    ("statement", "given"),
    [
        (keys._AT_NAME, {"zone": ZONE, "token": LONG}),
        (keys._OF_ZONE, {"zone": ZONE, "after": "", "limit": 10}),
    ],
    ids=["lookup", "zone_page"],
)
def test_no_statement_reads_every_key(
    tmp_path: Path, statement: Prepared, given: dict[str, str | int]
) -> None:
    """SQLite finds a name through its indexes, however many keys there are.

    The plan is read because the answer does not show it: with the whole table scanned, one lookup among
    50,000 keys took 44 ms.
    """
    path = tmp_path / "indicia.db"
    schema.migrate(f"sqlite:///{path}")
    sql, values = statement.bind(SQLITE, given)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]

    assert any("uq_published_key_live (zone=? AND token=?)" in step for step in steps)
    assert not any(step.startswith("SCAN") for step in steps)
