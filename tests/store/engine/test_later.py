"""Rows that may wait: in by the end, or before anybody could miss them; wrong ones harm nobody else."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from values import ACCOUNT, REGION, identity, token_set

from indicia.domain.faults import Fault
from indicia.domain.identities.identity import Facet, FacetState, Status
from indicia.store.accounts import audit
from indicia.store.accounts.audit import AuditEntry
from indicia.store.dkim import keys
from indicia.store.engine import meta
from indicia.store.engine.database import Database
from indicia.store.engine.opening import open_database
from indicia.store.engine.session import Session
from indicia.store.identities import identities
from indicia.store.proofs import facets

WRONG = (sqlite3.IntegrityError, psycopg.errors.IntegrityError, UnicodeEncodeError)


def entry(number: int) -> AuditEntry:
    """A line of the audit log that is known by its request."""
    return AuditEntry(1, ACCOUNT, "root", "AKIA", "::1", "sesv2:Get", "*", "success", str(number))


def noted(database: Database) -> list[str]:
    """The requests in the audit log, in the order in which they were noted."""
    return [each.request_id for each in database.read(lambda s: audit.latest(s, ACCOUNT, limit=10_000))][::-1]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 64, 300])
def test_any_number_of_rows_is_in_by_the_end(database: Database, count: int):
    """However many wait, each goes in once, in the order in which it came."""
    database.write(lambda s: audit.append_all(s, [entry(number) for number in range(count)]))

    assert noted(database) == [str(number) for number in range(count)]


def test_whoever_reads_the_table_finds_what_waits(database: Database):
    """Within the transaction, before its end; so does whoever changes the rows."""
    made = identity("example.com")
    state = FacetState(Facet.DKIM, Status.PENDING, 1, since=1, deadline=9)

    def work(s: Session) -> tuple[object, object, int]:
        identities.insert(s, made)
        facets.put(s, made.id, state)
        found = facets.get_all(s, made.id)
        identities.delete(s, made)
        return found, facets.get_all(s, made.id), identities.count(s, ACCOUNT, REGION)

    assert database.write(work) == ({Facet.DKIM: state}, {}, 0)


def test_none_goes_in_before_what_it_refers_to(database: Database):
    """Whoever let rows of its kind wait before: a facet, then a token set, its identity and its facet."""
    first, tokens = identity("first.example.com"), token_set()
    made = identity("example.com", token_set_id=tokens.id)
    state = FacetState(Facet.DKIM, Status.PENDING, 1, since=1, deadline=9)
    database.write(lambda s: identities.insert(s, first))

    def work(s: Session) -> None:
        facets.put(s, first.id, state)
        keys.insert_token_set(s, tokens, 1)
        identities.add(s, (made, {}))
        facets.put(s, made.id, state)

    database.write(work)

    assert database.read(lambda s: facets.get_all(s, made.id)) == {Facet.DKIM: state}
    assert database.read(lambda s: identities.get(s, ACCOUNT, REGION, "example.com")) == made


def test_a_name_that_was_taken_meanwhile_is_refused(database: Database):
    """Only where others write at the same time can it be; the identity that is there stays."""
    first = identity("example.com")
    database.write(lambda s: identities.insert(s, first))

    with pytest.raises((Fault, sqlite3.IntegrityError)):
        database.write(lambda s: identities.add(s, (identity("example.com"), {})))

    assert database.read(lambda s: identities.get(s, ACCOUNT, REGION, "example.com")) == first


@pytest.mark.parametrize(("most", "left"), [(None, None), (9, 7), (3, 1), (2, 0), (1, 0)])
def test_there_is_room_for_as_many_as_there_may_be(database: Database, most: int | None, left: int | None):
    """Two are there; what was counted in this transaction counts."""

    def work(s: Session) -> int | None:
        identities.count_up(s, ACCOUNT, REGION, 2, None)
        return identities.room(s, ACCOUNT, REGION, most)

    assert database.write(work) == left
    assert database.read(lambda s: identities.room(s, ACCOUNT, REGION, most)) == left
    assert database.read(lambda s: identities.room(s, ACCOUNT, "us-east-1", 5)) == 5


def test_room_that_others_have_taken_is_noticed(postgres_url: str):
    """Whoever counts last is told, where several write at the same time."""
    database = open_database(postgres_url)
    database.write(lambda s: identities.count_up(s, ACCOUNT, REGION, 2, None))

    assert database.write(lambda s: identities.count_up(s, ACCOUNT, REGION, 1, 3))
    assert not database.write(lambda s: identities.count_up(s, ACCOUNT, REGION, 1, 3))
    database.close()


def test_a_wrong_row_fails_its_own_work_only(database: Database):
    """Of many writes at once the one whose row cannot be there fails, at the end, and leaves nothing."""
    tokens = token_set()
    database.write(lambda s: keys.insert_token_set(s, tokens, 1))

    def work(number: int) -> bool:
        def unit(s: Session) -> None:
            audit.append(s, entry(number))
            meta.put(s, f"key{number}", "there")
            if number % 20 == 0:
                keys.insert_token_set(s, token_set(*tokens.tokens), 1)
            elif number % 10 == 0:
                audit.append(s, replace(entry(number), resource="\ud800"))

        if number % 10:
            database.write(unit)
            return True
        with pytest.raises(WRONG):
            database.write(unit)
        return False

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(work, range(60)))

    assert outcomes == [number % 10 != 0 for number in range(60)]
    assert sorted(map(int, noted(database))) == [number for number in range(60) if number % 10]
    assert [database.read(lambda s, n=n: meta.get(s, f"key{n}")) is not None for n in range(60)] == outcomes


def test_what_a_refusal_let_wait_is_not_there(database: Database):
    """A work that raises after it has let rows wait, and nothing else, leaves none of them."""

    class Mistake(Exception):
        pass

    def work(number: int) -> None:
        def unit(s: Session) -> None:
            audit.append(s, entry(number))
            if number % 3 == 0:
                raise Mistake

        if number % 3:
            database.write(unit)
        else:
            with pytest.raises(Mistake):
                database.write(unit)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(60)))

    assert sorted(map(int, noted(database))) == [number for number in range(60) if number % 3]


@given(st.integers(0, 2000))
def test_portions_add_up_in_few_lengths(count: int):
    """Powers of two, the largest first, and a short rest: few texts are kept for every number of rows."""
    portions = list(audit._APPEND.portions(count))

    assert sum(portions) == count
    assert portions == sorted(portions, reverse=True)
    assert {length & (length - 1) for length in portions[:-1]} <= {0}
    assert set(portions) <= {128, 64, 32, *range(17)}


def test_a_reading_work_can_let_no_rows_wait(database: Database):
    """It is told so, and what the next one reads is what is there."""
    with pytest.raises((sqlite3.OperationalError, psycopg.errors.ReadOnlySqlTransaction)):
        database.read(lambda s: audit.append(s, entry(1)))

    assert noted(database) == []
