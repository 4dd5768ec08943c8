"""Wide reads as one JSON document each: written by the database, read by msgspec into the domain's values.

An identity as the API shows it is forty columns of three tables and three lists. As a document, whose members
are named like the fields of the value it becomes, it is read in half the time that fetching and assembling it
in Python takes, in one statement on either database, and its types are checked on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
import sqlalchemy as sa

from indicia.domain.identities.identity import Facet
from indicia.store.dkim import tables as dkim_tables
from indicia.store.engine import rows
from indicia.store.engine.columns import Word
from indicia.store.engine.prepared import SQLITE
from indicia.store.identities import tables as identities_tables
from indicia.store.policies import tables as policies_tables
from indicia.store.proofs import tables as proofs_tables
from indicia.store.verification import tables as verification_tables

T = TypeVar("T")
Column: TypeAlias = sa.ColumnElement[Any]

_i = identities_tables.identity.c
_t = dkim_tables.token_set.c
_f = proofs_tables.facet_state.c
_v = verification_tables.verification.c
_c = proofs_tables.carried_proof.c
_TOKENS: Final = (_t.token1, _t.token2, _t.token3)


def reader(value: type[T]) -> Callable[[str], T]:
    """Return what reads a document into a dataclass of the domain. Truth values are stored as 0 and 1."""
    return msgspec.json.Decoder(value, strict=False).decode


def document(dialect: str, members: Mapping[str, Column]) -> Column:
    """Return an object with these members."""
    named = [part for name, column in members.items() for part in (sa.literal_column(f"'{name}'"), column)]
    return sa.func.json_object(*named) if dialect == SQLITE else sa.func.json_build_object(*named)


def fetched(dialect: str, made: Column) -> Column:
    """Return a document as the text in which it is fetched."""
    return made if dialect == SQLITE else sa.cast(made, sa.Text)


def identity(dialect: str) -> Column:
    """Return the `Identity` that is selected from."""
    return document(dialect, _named(rows.IDENTITY))


def token_set(dialect: str) -> Column:
    """Return the `TokenSet` that is selected from; null where an outer join found none."""
    others = [column for column in rows.TOKEN_SET if column.name not in {"token1", "token2", "token3"}]
    tokens = sa.case((_t.token2.is_(None), _array(dialect, _t.token1)), else_=_array(dialect, *_TOKENS))
    return sa.case((_t.id.is_not(None), document(dialect, {**_named(others), "tokens": tokens})))


def soa(dialect: str) -> Column:
    """Return the `Soa` of the verification that is selected from; null where none is known."""
    members = {
        "zone": _v.soa_zone,
        "primary": _v.soa_primary,
        "admin": _v.soa_admin,
        "serial": _v.soa_serial,
        "minimum": _v.soa_minimum,
    }
    return sa.case((_v.soa_primary.is_not(None), document(dialect, members)))


def facets(dialect: str) -> Column:
    """Return every `FacetState` of the identity that is selected from, by facet."""
    states = sa.select(_mapping(dialect, _f.facet, document(dialect, _named(rows.FACET))))
    return states.where(_f.identity_id == _i.id).correlate(identities_tables.identity).scalar_subquery()


def carried(dialect: str) -> Column:
    """Return the `CarriedProof` of the identity that is selected from; null where nothing is carried."""
    state = {column.name: _c[column.name] for column in rows.FACET if column.name != "facet"}
    facet = sa.literal_column(f"'{Facet.CARRIED_DKIM.value}'", Word)
    members = {"state": document(dialect, {"facet": facet, **state}), "token_set": token_set(dialect)}
    found = (
        sa.select(document(dialect, members))
        .select_from(proofs_tables.carried_proof.join(dkim_tables.token_set, _t.id == _c.token_set_id))
        .where(_c.identity_id == _i.id)
    )
    return found.correlate(identities_tables.identity).scalar_subquery()


def tags(dialect: str) -> Column:
    """Return key and value of every tag of the identity that is selected from, in the order of the keys."""
    t = identities_tables.tag.c
    resource = sa.literal_column("'identity/'", Word) + _i.name
    found = _ordered(
        sa.select(t.key, t.value)
        .where(t.account == _i.account, t.region == _i.region, t.resource == resource)
        .order_by(t.key)
    )
    return sa.select(_list(dialect, _array(dialect, found.c.key, found.c.value))).scalar_subquery()


def policies(dialect: str) -> Column:
    """Return every policy of the identity that is selected from, by name, in the order of the names."""
    p = policies_tables.policy.c
    found = _ordered(sa.select(p.name, p.document).where(p.identity_id == _i.id).order_by(p.name))
    return sa.select(_mapping(dialect, found.c.name, found.c.document)).scalar_subquery()


def in_columns(dialect: str, *columns: Column) -> Column:
    """Return what is selected from column by column, each a list of its values, in the order of the rows."""
    return _array(dialect, *(_list(dialect, column) for column in columns))


def _named(columns: Sequence[sa.Column[Any]]) -> dict[str, Column]:
    return {column.name: column for column in columns}


def _ordered(selected: sa.Select[Any]) -> sa.Subquery:
    """Return rows whose order an aggregate keeps. SQLite's have no ORDER BY of their own before 3.44."""
    return selected.correlate(identities_tables.identity).subquery()


def _array(dialect: str, *columns: Column) -> Column:
    return sa.func.json_array(*columns) if dialect == SQLITE else sa.func.json_build_array(*columns)


def _list(dialect: str, item: Column) -> Column:
    if dialect == SQLITE:
        return sa.func.json_group_array(item)
    return sa.func.coalesce(sa.func.json_agg(item), sa.literal_column("'[]'::json"))


def _mapping(dialect: str, key: Column, value: Column) -> Column:
    if dialect == SQLITE:
        return sa.func.json_group_object(key, value)
    return sa.func.coalesce(sa.func.json_object_agg(key, value), sa.literal_column("'{}'::json"))


def rows_given(parameter: str, types: Mapping[str, Any]) -> Mapping[str, Column]:
    """Return the columns of rows that are given as one JSON array of objects. For PostgreSQL."""
    columns = [sa.column(name, kind) for name, kind in types.items()]
    given = sa.func.json_to_recordset(sa.cast(sa.bindparam(parameter), sa.JSON)).table_valued(
        *columns, name="given"
    )
    return dict(given.render_derived(with_types=True).c.items())
