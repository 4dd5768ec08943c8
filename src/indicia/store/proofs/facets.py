"""The state of each facet: what the verifier found, and where a person's request starts it anew."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from indicia.domain.identities.identity import Facet, FacetState
from indicia.domain.proofs.transitions import OWN_PROOF
from indicia.store.engine import rows
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.engine.upsert import insert_or_replace
from indicia.store.proofs import carried, listed, tables

_f = tables.facet_state.c
_PUT = insert_or_replace(tables.facet_state)
_ALL = Prepared(
    sa.select(*rows.FACET).where(_f.identity_id == sa.bindparam("identity_id")).order_by(_f.facet)
)
_REMOVE = Prepared(
    sa.delete(tables.facet_state).where(
        _f.identity_id == sa.bindparam("identity_id"), _f.facet == sa.bindparam("facet")
    )
)


def put_first(s: Session, identity_id: int, states: Mapping[Facet, FacetState]) -> None:
    """Store the states of a new identity's facets, which is listed with them already."""
    for state in states.values():
        s.later(_PUT, **rows.facet_columns(identity_id, state))


def put(s: Session, identity_id: int, state: FacetState) -> None:
    """Store the state of a facet that is not carried, over the one it had. Lists tell what follows."""
    assert state.facet is not Facet.CARRIED_DKIM, "what is carried has a table of its own"
    s.later(_PUT, **rows.facet_columns(identity_id, state))
    if state.facet in OWN_PROOF:
        listed.proofs_changed(s, [identity_id])


def get_all(s: Session, identity_id: int) -> dict[Facet, FacetState]:
    """Return the state of every facet the identity has, that of what is carried included."""
    states = [rows.facet_state(row) for row in s.all(_ALL, identity_id=identity_id)]
    found = {state.facet: state for state in states}
    kept = carried.get(s, identity_id)
    return found if kept is None else found | {kept.state.facet: kept.state}


def remove(s: Session, identity_id: int, facet: Facet) -> None:
    """Forget a facet that is no longer expected, as MAIL FROM once it is taken back; so do lists."""
    s.run(_REMOVE, identity_id=identity_id, facet=facet.value)
    if facet in OWN_PROOF:
        listed.proofs_changed(s, [identity_id])
