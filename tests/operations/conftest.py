"""Operations are tried through the dispatch, on a real database of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import Desk
from postgres import PostgresServer, postgres_server, postgres_url

from indicia.store.engine import schema
from indicia.store.engine.database import Database
from indicia.store.engine.opening import open_database

__all__ = ["postgres_server", "postgres_url"]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An open database with the present schema, once of each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'indicia.db'}"
        schema.migrate(url)
    else:
        url = str(request.getfixturevalue("postgres_url"))
    opened = open_database(url)
    yield opened
    opened.close()


@pytest.fixture
def another_database(
    request: pytest.FixtureRequest, database: Database, tmp_path: Path
) -> Iterator[Database]:
    """A second database of the same kind, for what needs two installations."""
    if database.dialect == "sqlite":
        url = f"sqlite:///{tmp_path / 'another.db'}"
        schema.migrate(url)
        opened = open_database(url)
        yield opened
        opened.close()
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.create_migrated()
    opened = open_database(server.url(name))
    yield opened
    opened.close()
    server.drop(name)


@pytest.fixture
def desk(database: Database) -> Desk:
    """A desk of one account in one region, with an empty key pool."""
    return Desk(database)


@pytest.fixture
def sqlite_desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk on SQLite alone, for what does not touch the database much."""
    url = f"sqlite:///{tmp_path / 'one.db'}"
    schema.migrate(url)
    opened = open_database(url)
    yield Desk(opened)
    opened.close()
