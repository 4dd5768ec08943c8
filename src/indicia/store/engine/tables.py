"""The tables of the engine itself: facts about the installation, and rates that processes keep together."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from indicia.domain.time import DAY, Span
from indicia.store.engine.columns import big, metadata, text, word
from indicia.store.engine.owned import Age, Forgotten, Owned

meta = sa.Table("meta", metadata, word("key", primary_key=True), text("value"))

# What all processes together may still spend of a rate; a process leases some of it at a time.
rate_budget = sa.Table("rate_budget", metadata, word("key", primary_key=True), big("parts"), big("at"))

BUDGETS_KEPT: Final[Span] = DAY  # what is left of an allowance; who has not come for so long has all of it

OWNED = Owned(
    tables=(meta, rate_budget),
    forgotten=(Forgotten("budgets", rate_budget.c.at, Age.REAL, BUDGETS_KEPT),),
)
