"""`indicia migrate`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from invocation import Run
from postgres import PostgresServer


def mark(path: Path, revision: str) -> None:
    """Make a database say that it has another schema."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))


def test_the_schema_is_made_once(indicia: Run) -> None:
    """From nothing to the present one, after which there is nothing to do."""
    assert indicia("migrate", "--check", "--json").json == {"schema": "empty"}

    made = indicia("migrate", "--json").json

    assert (made["before"], made["copy"]) == (None, None)
    assert indicia("migrate", "--check").out == "The schema is up to date.\n"
    assert indicia("migrate").out == "The schema is up to date.\n"


def test_looking_makes_no_file(indicia: Run, tmp_path: Path) -> None:
    """--check leaves an empty folder empty."""
    assert indicia("migrate", "--check").status == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [("migrate",), ("migrate", "--check"), ("account", "list")])
def test_a_newer_schema_is_left_alone(indicia: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    """A database of a later version is neither changed nor worked on."""
    indicia("migrate")
    mark(tmp_path / "indicia-data" / "indicia.db", "9999")

    done = indicia(*command)

    assert done.status == 1
    assert "newer" in done.err
    assert done.err.count("\n") == 1


def test_postgresql_is_migrated_only_when_asked(indicia: Run, postgres_server: PostgresServer) -> None:
    """A command that works on the database refuses a schema that is not there, and names this one."""
    name = postgres_server.create()
    url = postgres_server.url(name)
    try:
        refused = indicia("account", "list", "--database-url", url)
        assert refused.status == 1
        assert refused.err.endswith("has no schema yet: run `indicia migrate` first\n")

        assert indicia("migrate", "--database-url", url).status == 0
        assert indicia("account", "list", "--database-url", url, "--json").json == []
    finally:
        postgres_server.drop(name)
