"""Which schema a database has, and how it gets the present one.

An empty database is given the present schema at once, in one transaction. An older one is taken through the
steps in `migrations` by alembic, which is imported only then: a start has no time for it. A newer one is left
alone.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final, Protocol

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

from indicia.private_files import sync_folder
from indicia.store.engine.prepared import POSTGRESQL, SQLITE, dialect_of
from indicia.store.subjects import STORAGE, TABLES

# The steps in `migrations/versions`, oldest first. A test compares.
REVISIONS: Final = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
)

_HAS_VERSION: Final = {
    SQLITE: "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'",
    POSTGRESQL: "SELECT count(to_regclass('alembic_version'))",
}
# As alembic makes it.
_VERSION_TABLE: Final = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
    "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)
_LOCK: Final = 0x696E6469  # "indi": PostgreSQL's advisory lock of those who migrate


class _Cursor(Protocol):
    def execute(self, sql: Any, /) -> Any: ...

    def fetchone(self) -> Any: ...

    def close(self) -> None: ...


class _Connection(Protocol):
    """What sqlite3 and psycopg connections have in common, as far as it is used here."""

    def cursor(self) -> _Cursor: ...


class Schema(Enum):
    """How the schema of a database compares with the one this program works on."""

    UP_TO_DATE = "up to date"
    EMPTY = "empty"
    OLDER = "older"
    NEWER = "newer"


class NewerSchemaError(Exception):
    """The database was migrated by a newer program. Nothing was changed."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"The database has schema {found}, newer than {REVISIONS[-1]}, the newest this version knows. "
            "Use the newer version, or the copy it made of the database before it migrated."
        )


@dataclass(frozen=True, slots=True)
class Migration:
    """What a migration did: from which revision (None: from nothing), and where the copy of the file is."""

    before: str | None
    after: str
    copy: Path | None


def check(url: str) -> Schema:
    """Return how the schema of the database compares. Changes nothing, makes no file.

    Raises Fault UNAVAILABLE when the database does not answer.
    """
    if url.startswith("sqlite:///") and not Path(_path(url)).exists():
        return Schema.EMPTY
    with _opened(url) as (dialect, connection):
        return _compare(_revision(dialect, connection))


def require_known(url: str) -> None:
    """Return when this program knows the schema. Changes nothing.

    Raises `NewerSchemaError` when a newer program made it; Fault UNAVAILABLE as `check` does.
    """
    with _opened(url) as (dialect, connection):
        revision = _revision(dialect, connection)
    if revision is not None and _compare(revision) is Schema.NEWER:
        raise NewerSchemaError(revision)


def migrate(url: str) -> Migration:
    """Bring the schema up to date and return what that took.

    A SQLite file that holds an older schema is copied beside itself first. Raises `NewerSchemaError`, with
    nothing changed, when the schema is newer; Fault UNAVAILABLE when the database does not answer.
    """
    with _opened(url) as (dialect, connection):
        before = _revision(dialect, connection)
        schema = _compare(before)
        if before is not None and schema is Schema.NEWER:
            raise NewerSchemaError(before)
        copy = None
        if schema is Schema.EMPTY:
            _create(dialect, connection)
        elif schema is Schema.OLDER:
            copy = _copy(Path(_path(url)), before) if dialect == SQLITE else None
            upgrade(dialect, connection)
        return Migration(before, REVISIONS[-1], copy)


def _compare(revision: str | None) -> Schema:
    if revision is None:
        return Schema.EMPTY
    if revision == REVISIONS[-1]:
        return Schema.UP_TO_DATE
    return Schema.OLDER if revision in REVISIONS else Schema.NEWER


def _path(url: str) -> str:
    return url.removeprefix("sqlite:///")


@contextmanager
def _opened(url: str) -> Iterator[tuple[str, _Connection]]:
    """Open a connection of the driver's own, with BEGIN and COMMIT left to us. Drivers: see database.py."""
    if url.startswith("sqlite:///"):
        from indicia.store.engine.sqlite import connect

        with closing(connect(_path(url))) as connection:
            yield SQLITE, connection
    else:
        from indicia.store.engine.postgresql import connect as connect_postgres

        with closing(connect_postgres(url)) as held:
            held.autocommit = True
            yield POSTGRESQL, held


def _revision(dialect: str, connection: _Connection) -> str | None:
    """Return the revision the database is at, None when it has no schema of ours."""
    with closing(connection.cursor()) as cursor:
        cursor.execute(_HAS_VERSION[dialect])
        if cursor.fetchone()[0] == 0:
            return None
        cursor.execute("SELECT version_num FROM alembic_version")
        row = cursor.fetchone()
        return None if row is None else str(row[0])


def definitions(dialect: str) -> list[str]:
    """Return the statements that make the present schema in an empty database."""
    parts: list[CreateTable | CreateIndex] = []
    for table in TABLES:
        parts.append(CreateTable(table))
        parts.extend(CreateIndex(index) for index in sorted(table.indexes, key=_name))
    if dialect == POSTGRESQL:
        _share_conditions()
    compiled = [str(part.compile(dialect=dialect_of(dialect))).strip() for part in parts]
    if dialect == POSTGRESQL:
        compiled += [f"ALTER TABLE {table.name} SET ({text})" for table, text in STORAGE.items()]
    return compiled


def _share_conditions() -> None:
    """Let partial indexes be so on PostgreSQL too.

    Their conditions stand beside the tables for SQLite alone: PostgreSQL's would import it at each start.
    """
    for table in TABLES:
        for index in table.indexes:
            where = index.dialect_options[SQLITE].get("where")
            if where is not None:
                index.dialect_options[POSTGRESQL]["where"] = where


def _name(index: sa.Index) -> str:
    return str(index.name)


@contextmanager
def _alone(dialect: str, connection: _Connection) -> Iterator[_Cursor]:
    """Hold a transaction in which no other process migrates."""
    with closing(connection.cursor()) as cursor:
        cursor.execute("BEGIN IMMEDIATE" if dialect == SQLITE else "BEGIN")
        try:
            if dialect == POSTGRESQL:
                cursor.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
            yield cursor
        except BaseException:
            cursor.execute("ROLLBACK")
            raise
        cursor.execute("COMMIT")


def _create(dialect: str, connection: _Connection) -> None:
    with _alone(dialect, connection) as cursor:
        if _revision(dialect, connection) is not None:
            return  # another process was faster
        for statement in definitions(dialect):
            cursor.execute(statement)
        cursor.execute(_VERSION_TABLE)
        cursor.execute(f"INSERT INTO alembic_version VALUES ('{REVISIONS[-1]}')")  # noqa: S608 - our own text


def upgrade(dialect: str, connection: _Connection, revision: str = "head") -> None:
    """Take the schema through the steps up to a revision, all of them or none."""
    # 0.2 s that only a migration needs.
    from alembic import command
    from alembic.config import Config

    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    name = "sqlite+pysqlite://" if dialect == SQLITE else "postgresql+psycopg://"
    engine = sa.create_engine(name, creator=lambda: connection, poolclass=sa.pool.StaticPool)
    if dialect == SQLITE:
        # Python's driver begins no transaction for DDL; this one must hold all of it.
        sa.event.listen(engine, "begin", lambda begun: begun.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.begin() as begun:
        if dialect == POSTGRESQL:
            begun.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        configuration.attributes["connection"] = begun
        command.upgrade(configuration, revision)


def _copy(path: Path, revision: str | None) -> Path:
    """Copy a database file, with what is still in its log, beside itself. Return where to."""
    copy = path.with_name(f"{path.name}.{revision}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    copy.touch(mode=0o600, exist_ok=False)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    sync_folder(copy.parent)
    return copy
