"""Migrations: a new database, an older one, one that is newer."""

from __future__ import annotations

import multiprocessing
import sqlite3
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from postgres import PostgresServer
from schemas import connect, dialect

from indicia.domain.faults import Fault
from indicia.store.engine import schema
from indicia.store.engine.columns import metadata
from indicia.store.engine.opening import open_database


def engine(url: str) -> sa.Engine:
    """What SQLAlchemy inspects the database with."""
    name = "sqlite+pysqlite://" if url.startswith("sqlite") else "postgresql+psycopg://"
    return sa.create_engine(name, creator=lambda: connect(url), poolclass=sa.pool.NullPool)


def _index(found: dict[str, object]) -> str:
    options = found.pop("dialect_options", {})
    return f"{found} {[(name, str(value)) for name, value in sorted(options.items())]}"


def shape(url: str) -> dict[str, object]:
    """Everything the database says of its tables, for comparison."""
    bound = engine(url)
    inspector = sa.inspect(bound)
    found: dict[str, object] = {}
    for table in sorted(inspector.get_table_names()):
        found[table] = (
            [(c["name"], repr(c["type"]), c["nullable"]) for c in inspector.get_columns(table)],
            inspector.get_pk_constraint(table),
            sorted(map(repr, inspector.get_foreign_keys(table))),
            sorted(map(_index, inspector.get_indexes(table))),
            sorted(map(repr, inspector.get_unique_constraints(table))),
        )
    if not url.startswith("sqlite"):
        with bound.connect() as connection:
            found["storage"] = connection.exec_driver_sql(
                "SELECT relname, reloptions FROM pg_class WHERE reloptions IS NOT NULL "
                "AND relnamespace = 'public'::regnamespace ORDER BY relname"
            ).fetchall()
    else:
        with bound.connect() as connection:
            found["without rowid"] = connection.exec_driver_sql(
                "SELECT name FROM pragma_table_list WHERE wr = 1 AND schema = 'main' ORDER BY name"
            ).fetchall()
    return found


def step_by_step(url: str) -> None:
    """Migrate from nothing through every step."""
    connection = connect(url)
    schema.upgrade(dialect(url), connection)
    connection.close()


def test_the_steps_lead_to_the_tables(empty: str):
    """Upgrading from nothing, step by step, makes the tables declared; alembic sees no difference."""
    step_by_step(empty)
    assert schema.check(empty) is schema.Schema.UP_TO_DATE
    with engine(empty).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_making_at_once_equals_the_steps(empty: str, tmp_path: Path, request: pytest.FixtureRequest):
    """A new database, made without alembic, is the same as one that went through every step."""
    assert schema.check(empty) is schema.Schema.EMPTY
    assert schema.migrate(empty) == schema.Migration(None, schema.REVISIONS[-1], None)
    assert schema.check(empty) is schema.Schema.UP_TO_DATE
    if dialect(empty) == "sqlite":
        stepped = f"sqlite:///{tmp_path / 'stepped.db'}"
        step_by_step(stepped)
        assert shape(empty) == shape(stepped)
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        name = server.create()
        step_by_step(server.url(name))
        assert shape(empty) == shape(server.url(name))
        server.drop(name)


def test_the_steps_are_those_the_program_knows():
    """The list in the program is the chain of the step modules, oldest first."""
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    chain = [step.revision for step in ScriptDirectory.from_config(configuration).walk_revisions()]
    assert tuple(reversed(chain)) == schema.REVISIONS


def test_migrating_again_changes_nothing(empty: str):
    """An up-to-date schema is left as it is."""
    schema.migrate(empty)
    before = shape(empty)
    assert schema.migrate(empty).before == schema.REVISIONS[-1]
    assert shape(empty) == before


def test_a_newer_schema_is_refused(empty: str):
    """What a newer program migrated is left alone, with a sentence that names both revisions."""
    schema.migrate(empty)
    connection = connect(empty)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    before = shape(empty)
    assert schema.check(empty) is schema.Schema.NEWER
    with pytest.raises(schema.NewerSchemaError, match=f"9999.*{schema.REVISIONS[-1]}"):
        schema.migrate(empty)
    assert shape(empty) == before


def test_an_older_schema_is_older(empty: str, monkeypatch: pytest.MonkeyPatch):
    """A revision that is not the last one known is older, and checking migrates nothing."""
    schema.migrate(empty)
    monkeypatch.setattr(schema, "REVISIONS", (*schema.REVISIONS, "next"))
    assert schema.check(empty) is schema.Schema.OLDER


def test_an_older_file_is_copied_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Before a step touches a SQLite file there is a copy beside it, whole and for the owner alone."""
    path = tmp_path / "indicia.db"
    url = f"sqlite:///{path}"
    schema.migrate(url)
    database = open_database(url)
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO meta VALUES ('kept', 'yes')")
    connection.close()
    monkeypatch.setattr(schema, "REVISIONS", (*schema.REVISIONS, "next"))
    done = schema.migrate(url)
    assert done.copy is not None
    assert done.copy.parent == tmp_path
    assert done.copy.stat().st_mode & 0o777 == 0o600
    copy = sqlite3.connect(done.copy)
    assert copy.execute("SELECT value FROM meta WHERE key = 'kept'").fetchone() == ("yes",)
    assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    copy.close()
    database.close()


def test_checking_makes_no_file(tmp_path: Path):
    """Looking for a database that is not there does not make one."""
    assert schema.check(f"sqlite:///{tmp_path / 'absent.db'}") is schema.Schema.EMPTY
    assert list(tmp_path.iterdir()) == []


def test_two_that_start_at_once_make_one_schema(empty: str):
    """Several processes that find an empty database all end with the schema, and none with an error."""
    spawn = multiprocessing.get_context("spawn")
    starting = [spawn.Process(target=schema.migrate, args=(empty,)) for _ in range(3)]
    for each in starting:
        each.start()
    for each in starting:
        each.join()
    assert [each.exitcode for each in starting] == [0, 0, 0]
    assert schema.check(empty) is schema.Schema.UP_TO_DATE


def test_a_database_that_does_not_answer_is_a_fault():
    """Checking and migrating say that the database does not answer."""
    url = "postgresql://user@127.0.0.1:1/db"
    for call in (schema.check, schema.migrate):
        with pytest.raises(Fault, match="does not answer"):
            call(url)


def test_the_hot_tables_have_room_on_postgresql(postgres_url: str):
    """Fill factor and early vacuum are set where every check writes."""
    with psycopg.connect(postgres_url) as connection:
        row = connection.execute("SELECT reloptions FROM pg_class WHERE relname = 'verification'").fetchone()
    assert row is not None
    assert "fillfactor=70" in row[0]
    assert "autovacuum_vacuum_scale_factor=0.01" in row[0]
