"""What every subject of the store owns, put together: all tables, and what is done with all of them.

A table is in the store when its subject declares it (`tables` in each); nobody keeps a list beside that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from indicia.store.accounts import tables as accounts
from indicia.store.configuration_sets import tables as configuration_sets
from indicia.store.diagnosis import tables as diagnosis
from indicia.store.dkim import tables as dkim
from indicia.store.engine import tables as engine
from indicia.store.engine.columns import metadata
from indicia.store.engine.owned import Forgotten, Sealed, WithIdentity
from indicia.store.events import tables as events
from indicia.store.identities import tables as identities
from indicia.store.installation import tables as installation
from indicia.store.policies import tables as policies
from indicia.store.proofs import tables as proofs
from indicia.store.verification import tables as verification
from indicia.store.verification_mail import tables as verification_mail

SUBJECTS: Final = (
    engine.OWNED,
    installation.OWNED,
    accounts.OWNED,
    identities.OWNED,
    proofs.OWNED,
    verification.OWNED,
    dkim.OWNED,
    verification_mail.OWNED,
    configuration_sets.OWNED,
    policies.OWNED,
    diagnosis.OWNED,
    events.OWNED,
)

# Parents before children, as foreign keys say.
TABLES: Final[Sequence[sa.Table]] = metadata.sorted_tables
SEALED: Final[tuple[Sealed, ...]] = tuple(each for subject in SUBJECTS for each in subject.sealed)
FORGOTTEN: Final[tuple[Forgotten, ...]] = tuple(each for subject in SUBJECTS for each in subject.forgotten)
STORAGE: Final[dict[sa.Table, str]] = {
    table: parameters for subject in SUBJECTS for table, parameters in subject.storage.items()
}


def _children_first(tables: Sequence[sa.Table]) -> tuple[sa.Table, ...]:
    wanted = set(tables)
    return tuple(table for table in reversed(TABLES) if table in wanted)


EMPTIED: Final = _children_first([table for subject in SUBJECTS for table in subject.emptied])
_GO: Final = {each.table: each for subject in SUBJECTS for each in subject.with_identity}
WITH_IDENTITY: Final[tuple[WithIdentity, ...]] = tuple(_GO[table] for table in _children_first(list(_GO)))
