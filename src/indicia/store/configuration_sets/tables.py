"""The table of configuration sets."""

from __future__ import annotations

import sqlalchemy as sa

from indicia.store.engine.columns import big, metadata, text, word
from indicia.store.engine.owned import Owned

configuration_set = sa.Table(
    "configuration_set",
    metadata,
    word("account", primary_key=True),
    word("region", primary_key=True),
    word("name", primary_key=True),
    big("created_at"),
    text("options"),
)

OWNED = Owned(tables=(configuration_set,), emptied=(configuration_set,))
