"""Identities as lists show them: kind, name and own verification status, in the order of the list.

The status follows from the states of facets, by `domain.proofs.transitions.own_status` alone. Whoever
stores a state brings it up to date in the same transaction, so that a list never says anything else than the
identity.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Final, NamedTuple, TypeAlias

import msgspec
import sqlalchemy as sa

from indicia.domain.identities.identity import Facet, FacetState, Identity, IdentityKind, Status
from indicia.domain.proofs.transitions import own_status
from indicia.store.engine import documents, rows
from indicia.store.engine.columns import Word
from indicia.store.engine.prepared import SQLITE, Prepared
from indicia.store.engine.session import Session
from indicia.store.identities import tables as identities_tables
from indicia.store.proofs import tables

_l, _i, _f = tables.listed.c, identities_tables.identity.c, tables.facet_state.c
_c = tables.carried_proof.c


class Page(NamedTuple):
    """Some identities in the order of their names, column by column. `more` says whether others follow.

    By columns, because a thousand are on a page: a value for each takes longer to make than all of them to
    read.
    """

    names: Sequence[str]
    kinds: Sequence[IdentityKind]
    statuses: Sequence[Status]
    more: bool


class _Proof(NamedTuple):
    """What of a facet's state counts for its identity."""

    status: Status


_INSERT = Prepared(sa.insert(tables.listed))


def insert(s: Session, identity: Identity, facets: Mapping[Facet, FacetState]) -> None:
    """List a new identity, which has these facets from its beginning."""
    s.later(_INSERT, **_key(identity), status=own_status(facets).value)


def _key(identity: Identity) -> dict[str, str]:
    return {
        "account": identity.account,
        "region": identity.region,
        "kind": identity.kind.value,
        "name": identity.name,
    }


_PROOFS = Prepared(
    sa.select(_i.id, _f.facet, _f.status, _c.status)
    .select_from(
        identities_tables.identity.outerjoin(tables.facet_state, _f.identity_id == _i.id).outerjoin(
            tables.carried_proof, _c.identity_id == _i.id
        )
    )
    .where(_i.id.in_(sa.bindparam("ids", expanding=True)))
)
_SET_STATUS = Prepared(
    sa.update(tables.listed)
    .where(
        sa.tuple_(_l.account, _l.region, _l.kind, _l.name)
        == sa.select(_i.account, _i.region, _i.kind, _i.name)
        .where(_i.id == sa.bindparam("of_id"))
        .scalar_subquery(),
        _l.status != sa.bindparam("now_is"),
    )
    .values(status=sa.bindparam("now_is"))
)


def proofs_changed(s: Session, identity_ids: Collection[int]) -> None:
    """List these identities, whose proofs changed, with the status that they have now.

    Two who store proofs of one identity at the same moment would not see each other's: they hold its row, or
    that of the one proof it can have.
    """
    proofs: dict[int, dict[Facet, _Proof]] = {identity_id: {} for identity_id in identity_ids}
    if not proofs:
        return
    for identity_id, facet, status, carried in s.all(_PROOFS, ids=list(proofs)):
        if facet is not None:
            proofs[identity_id][rows.FACETS[facet]] = _Proof(rows.STATUSES[status])
        if carried is not None:
            proofs[identity_id][Facet.CARRIED_DKIM] = _Proof(rows.STATUSES[carried])
    s.many(
        _SET_STATUS,
        [
            {"of_id": identity_id, "now_is": own_status(proved).value}
            for identity_id, proved in proofs.items()
        ],
    )


# Spelled out, so that both databases see that there is one way through the key for each.
_KINDS: Final = {kind: sa.literal_column(f"'{kind.value}'", Word) for kind in IdentityKind}
_STATUSES = Prepared(
    sa.select(_l.name, _l.status).where(
        _l.account == sa.bindparam("account"),
        _l.region == sa.bindparam("region"),
        _l.kind.in_(_KINDS.values()),
        _l.name.in_(sa.bindparam("names", expanding=True)),
    )
)


def statuses(s: Session, account: str, region: str, names: Sequence[str]) -> dict[str, Status]:
    """Return the own status of those of the named identities that exist, by name."""
    if not names:
        return {}
    found = s.all(_STATUSES, account=account, region=region, names=names)
    return {name: rows.STATUSES[status] for name, status in found}


_ALL_KINDS: Final = tuple(IdentityKind)


@cache
def _page_statement(kind: IdentityKind | None, *, contains: bool, status: bool) -> Prepared:
    """Return the statement of one row: a document for each kind, or for the one that is asked for."""

    def on(dialect: str) -> sa.Executable:
        kinds = _ALL_KINDS if kind is None else (kind,)
        return sa.select(*(_of_kind(dialect, each, contains=contains, status=status) for each in kinds))

    return Prepared(on)


def _of_kind(
    dialect: str, kind: IdentityKind, *, contains: bool, status: bool
) -> sa.ScalarSelect[tuple[object, ...]]:
    """Return the names and statuses of the next identities of a kind, as one document."""
    chosen = sa.select(_l.name, _l.status).where(
        _l.account == sa.bindparam("account"),
        _l.region == sa.bindparam("region"),
        _l.kind == _KINDS[kind],
        _l.name > sa.bindparam("after"),
    )
    if contains:
        place = sa.func.instr if dialect == SQLITE else sa.func.strpos
        chosen = chosen.where(place(_l.name, sa.bindparam("contains", type_=sa.Text)) > 0)
    if status:
        chosen = chosen.where(_l.status == sa.bindparam("status"))
    found = chosen.order_by(_l.name).limit(sa.bindparam("limit")).subquery().c
    columns = documents.in_columns(dialect, found.name, found.status)
    return sa.select(documents.fetched(dialect, columns)).scalar_subquery()


_read_columns: Final = msgspec.json.Decoder(tuple[list[str], list[Status]]).decode


def page(
    s: Session,
    account: str,
    region: str,
    *,
    after: str,
    size: int,
    kind: IdentityKind | None = None,
    contains: str | None = None,
    status: Status | None = None,
) -> Page:
    """Return the next identities in the order of their names, at most `size`, beginning behind `after`.

    Any page costs what the first one costs. `status` is the identity's own verification status. Looking for
    a part of a name or for a status that few have reads what lies between.
    """
    statement = _page_statement(kind, contains=contains is not None, status=status is not None)
    given: dict[str, str] = {}
    if contains is not None:
        given["contains"] = contains
    if status is not None:
        given["status"] = status.value
    row = s.one(statement, account=account, region=region, after=after, limit=size + 1, **given)
    assert row is not None
    parts = [
        (names, [each] * len(names), statuses)
        for each, text in zip(_ALL_KINDS if kind is None else (kind,), row, strict=True)
        for names, statuses in (_read_columns(text),)
        if names
    ]
    names, kinds, statuses = parts[0] if len(parts) == 1 else _merged(parts)
    return Page(names[:size], kinds[:size], statuses[:size], len(names) > size)


# Names, kinds, statuses.
_Columns: TypeAlias = tuple[list[str], list[IdentityKind], list[Status]]


def _merged(parts: Sequence[_Columns]) -> _Columns:
    """Return the rows of all parts in the order of names, in which they are in each of them."""
    rows = sorted((row for part in parts for row in zip(*part, strict=True)), key=itemgetter(0))
    return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]
