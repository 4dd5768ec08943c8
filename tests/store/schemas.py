"""Databases with an older schema, and what is in them."""

from __future__ import annotations

from indicia.store.engine.postgresql import connect as connect_postgres
from indicia.store.engine.sqlite import connect as connect_sqlite


def connect(url: str):
    """A connection of the driver's own."""
    if url.startswith("sqlite"):
        return connect_sqlite(url.removeprefix("sqlite:///"))
    return connect_postgres(url)


def dialect(url: str) -> str:
    """The kind of database behind the URL."""
    return url.partition(":")[0]
