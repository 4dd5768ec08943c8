"""An open database of each kind, for tests of what stands on the store.

A conftest takes the fixtures by name: `from databases import database, postgres_server, postgres_url`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import postgres_server, postgres_url

from indicia.store.engine import schema
from indicia.store.engine.database import Database
from indicia.store.engine.opening import open_database

__all__ = ["database", "postgres_server", "postgres_url"]


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
