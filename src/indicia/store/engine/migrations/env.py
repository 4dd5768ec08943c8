"""What alembic runs to migrate: on the connection that `store.engine.schema` gives it, and no other."""

from __future__ import annotations

from alembic import context

from indicia.store.engine.columns import metadata
from indicia.store.subjects import TABLES

assert TABLES  # each is in the metadata once its subject was imported

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
