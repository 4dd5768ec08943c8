"""Proofs that are carried: what proved a domain before its owner changed what should be published.

One row an identity, written by whoever changes its expectation, and from then on by the verifier alone. While
there is one, the keys of its token set stay published.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from indicia.domain.identities.identity import CarriedProof, FacetState, TokenSetKind
from indicia.domain.time import Instant
from indicia.store.dkim import tables as dkim_tables
from indicia.store.engine import documents, rows
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.engine.upsert import insert_or_replace
from indicia.store.identities import tables as identities_tables
from indicia.store.proofs import tables

_c, _i, _t = tables.carried_proof.c, identities_tables.identity.c, dkim_tables.token_set.c
_PUT = insert_or_replace(tables.carried_proof)
_GET = Prepared(
    lambda dialect: sa.select(documents.fetched(dialect, documents.carried(dialect))).where(
        _i.id == sa.bindparam("of_id")
    )
)
_read = documents.reader(CarriedProof)


def put(s: Session, identity_id: int, token_set_id: int, state: FacetState) -> None:
    """Carry what the records of the token set have proved. Lists tell it once DKIM's own state is put."""
    s.run(_PUT, **rows.carried_columns(identity_id, token_set_id, state))


def get(s: Session, identity_id: int) -> CarriedProof | None:
    """Return what is carried of the identity, None where nothing is."""
    row = s.one(_GET, of_id=identity_id)
    return None if row is None or row[0] is None else _read(row[0])


_MOVE = Prepared(
    sa.update(tables.carried_proof)
    .where(_c.identity_id == sa.bindparam("of_id"))
    .values(
        {
            name: sa.bindparam(name)
            for name in ("status", "since", "deadline", "absent_since", "error", "held_until")
        }
    )
)


def move(s: Session, states: Sequence[tuple[int, FacetState]]) -> None:
    """Store what was found of carried proofs, each by the id of its identity."""
    s.many(
        _MOVE,
        [
            {"of_id": identity_id, **rows.carried_columns(identity_id, 0, state)}
            for identity_id, state in states
        ],
    )


_OF = Prepared(sa.select(_c.token_set_id).where(_c.identity_id.in_(sa.bindparam("ids", expanding=True))))
_END = Prepared(sa.delete(tables.carried_proof).where(_c.identity_id == sa.bindparam("of_id")))
# Whoever keeps the keys takes the steps that follow.
_ABANDON = Prepared(
    sa.update(dkim_tables.token_set)
    .where(
        _t.id == sa.bindparam("of_id"),
        _t.abandoned_at.is_(None),
        ~sa.exists().where(_i.token_set_id == _t.id),
        ~sa.exists().where(_c.token_set_id == _t.id),
    )
    .values(abandoned_at=sa.bindparam("at"), due_at=sa.bindparam("at"))
)


def end(s: Session, identity_ids: Sequence[int], now: Instant) -> None:
    """Carry nothing of these identities any more. Keys that nobody uses then begin to be withdrawn."""
    if not identity_ids:
        return
    left = sorted({row[0] for row in s.all(_OF, ids=list(identity_ids))})
    s.many(_END, [{"of_id": each} for each in sorted(identity_ids)])
    s.many(_ABANDON, [{"of_id": each, "at": now} for each in left])


_HOLDS = Prepared(
    sa.select(_c.identity_id)
    .join(dkim_tables.token_set, _t.id == _c.token_set_id)
    .where(_c.token_set_id == sa.bindparam("token_set_id"), _t.kind == TokenSetKind.EASY.value)
    .limit(1)
)


def holds(s: Session, token_set_id: int) -> bool:
    """Say whether keys of ours have to stay published for a proof that is carried.

    Of an uploaded key the record is looked at, which its owner publishes: we need no key for that.
    """
    return s.one(_HOLDS, token_set_id=token_set_id) is not None
