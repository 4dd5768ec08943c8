"""From the URL of a database to the database."""

from __future__ import annotations

from indicia.store.engine.database import Database


def open_database(url: str) -> Database:
    """Return the database behind `sqlite:///PATH` or `postgresql://...`. Its schema is not touched.

    Raises ValueError for any other URL, Fault UNAVAILABLE when the database does not answer.
    """
    # Each driver is imported only where it is used: the embedded default needs no libpq.
    if url.startswith("sqlite:///"):
        from indicia.store.engine.sqlite import SqliteDatabase

        return SqliteDatabase(url.removeprefix("sqlite:///"))
    if url.startswith(("postgresql://", "postgres://")):
        from indicia.store.engine.postgresql import PostgresDatabase

        return PostgresDatabase(url)
    raise ValueError("a database URL is sqlite:///PATH or postgresql://...")
