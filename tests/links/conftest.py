"""A database that has the present schema, of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import postgres_server, postgres_url

from indicia.store.engine import schema
from indicia.store.engine.database import Database
from indicia.store.engine.opening import open_database

__all__ = ["postgres_server", "postgres_url"]


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a fresh SQLite file with the present schema."""
    url = f"sqlite:///{tmp_path / 'indicia.db'}"
    schema.migrate(url)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """An open database, once of each kind."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    opened = open_database(str(request.getfixturevalue(name)))
    yield opened
    opened.close()
