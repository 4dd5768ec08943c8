"""Identities: what people set, and the whole of one as the API shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import sqlalchemy as sa

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identities.identity import (
    CarriedProof,
    ErrorType,
    Facet,
    FacetState,
    Identity,
    IdentityKind,
    TokenSet,
)
from indicia.domain.records.observation import Soa
from indicia.domain.time import Instant
from indicia.store.diagnosis import recommendations
from indicia.store.dkim import tables as dkim_tables
from indicia.store.engine import documents, rows
from indicia.store.engine.prepared import SQLITE, Cell, Prepared
from indicia.store.engine.session import Session
from indicia.store.engine.upsert import dialect_insert, insert_or_nothing
from indicia.store.identities import tables
from indicia.store.proofs import facets, listed
from indicia.store.subjects import WITH_IDENTITY
from indicia.store.verification import tables as verification_tables

_i = tables.identity.c


@dataclass(frozen=True, slots=True)
class IdentityView:
    """Everything the API shows of one identity, as of one moment.

    `due_at` is when it is looked at next, None when never. `error` and `soa` are those of the last check. The
    state of what is `carried` is among the facets.
    """

    identity: Identity
    token_set: TokenSet | None
    facets: dict[Facet, FacetState]
    last_checked_at: Instant | None
    last_success_at: Instant | None
    error: ErrorType | None
    soa: Soa | None
    tags: tuple[tuple[str, str], ...]
    policies: dict[str, str]
    due_at: Instant | None
    carried: CarriedProof | None = None

    def __post_init__(self) -> None:
        """Put the state of what is carried among the facets."""
        if self.carried is not None:
            self.facets[Facet.CARRIED_DKIM] = self.carried.state


_INSERT = insert_or_nothing(tables.identity)
_ADD = Prepared(sa.insert(tables.identity))


def _count_up(dialect: str) -> sa.Executable:
    counter = dialect_insert(tables.identity_count, dialect).values(
        account=sa.bindparam("account"), region=sa.bindparam("region"), identities=sa.bindparam("more")
    )
    counted = tables.identity_count.c.identities + counter.excluded.identities
    return counter.on_conflict_do_update(index_elements=["account", "region"], set_={"identities": counted})


_COUNT_UP = Prepared(_count_up)
_COUNT_DOWN = Prepared(
    sa.update(tables.identity_count)
    .where(
        tables.identity_count.c.account == sa.bindparam("of_account"),
        tables.identity_count.c.region == sa.bindparam("of_region"),
    )
    .values(identities=tables.identity_count.c.identities - sa.bindparam("fewer"))
)
_COUNT = Prepared(
    sa.select(tables.identity_count.c.identities).where(
        tables.identity_count.c.account == sa.bindparam("account"),
        tables.identity_count.c.region == sa.bindparam("region"),
    )
)


def insert(s: Session, identity: Identity) -> None:
    """Add an identity. Fault ALREADY_EXISTS when its account has one of that name in that region."""
    if s.run(_INSERT, **rows.identity_columns(identity)) == 0:
        raise _taken(identity)
    listed.insert(s, identity, {})
    s.later(_COUNT_UP, account=identity.account, region=identity.region, more=1)


def add(s: Session, *added: tuple[Identity, Mapping[Facet, FacetState]]) -> None:
    """Add identities with their first facets. Their names were found to be free; `count_up` comes next.

    Fault ALREADY_EXISTS when one was taken meanwhile, which it cannot be while SQLite's one writer writes. Of
    several it is not known which: each is to be added again by itself.
    """
    columns = [rows.identity_columns(identity) for identity, _ in added]
    if s.dialect == SQLITE:
        for each in columns:
            s.later(_ADD, **each)
    elif s.many(_INSERT, columns) < len(columns):
        raise _taken(added[0][0])
    for identity, states in added:
        listed.insert(s, identity, states)
        facets.put_first(s, identity.id, states)


def room(s: Session, account: str, region: str, most: int | None) -> int | None:
    """Return how many more identities the account may have in the region; None for any number.

    `most` is how many it may have in all, None for any number.
    """
    return None if most is None else max(0, most - count(s, account, region))


def count_up(s: Session, account: str, region: str, more: int, most: int | None) -> bool:
    """Count so many more identities, which were added before: who deletes takes them in this order too.

    False where they are more than there may be. Where others write at the same time, they can have taken the
    `room` that there was.
    """
    if most is None or s.dialect == SQLITE:
        s.later(_COUNT_UP, account=account, region=region, more=more)
        return True
    s.run(_COUNT_UP, account=account, region=region, more=more)
    return count(s, account, region) <= most


def count(s: Session, account: str, region: str) -> int:
    """Return how many identities the account has in the region, without counting them."""
    row = s.one(_COUNT, account=account, region=region)
    return 0 if row is None else int(row[0])


_BY_NAME = (
    _i.account == sa.bindparam("account"),
    _i.region == sa.bindparam("region"),
    _i.name == sa.bindparam("name"),
)
_BY_NAMES = (*_BY_NAME[:2], _i.name.in_(sa.bindparam("names", expanding=True)))

_GET = Prepared(sa.select(*rows.IDENTITY).where(*_BY_NAME))
_BY_ID = Prepared(sa.select(*rows.IDENTITY).where(_i.id == sa.bindparam("id")))
_NAMES: Final = 4096  # asked for in one statement
_PRESENT = Prepared(sa.select(_i.name).where(*_BY_NAMES))
_MANY = Prepared(sa.select(*rows.IDENTITY).where(*_BY_NAMES))
_SHARING = Prepared(
    sa.select(*rows.IDENTITY).where(_i.token_set_id == sa.bindparam("token_set_id")).order_by(_i.id)
)


_SHARING_IDS = Prepared(
    sa.select(_i.id).where(_i.token_set_id.in_(sa.bindparam("ids", expanding=True))).order_by(_i.id)
)


def get(s: Session, account: str, region: str, name: str) -> Identity | None:
    """Return the identity of that name, None when there is none."""
    row = s.one(_GET, account=account, region=region, name=name)
    return None if row is None else rows.identity(row)


def present(s: Session, account: str, region: str, names: Sequence[str]) -> frozenset[str]:
    """Return those of the names, however many, that identities have."""
    return frozenset(
        row[0]
        for at in range(0, len(names), _NAMES)
        for row in s.all(_PRESENT, account=account, region=region, names=names[at : at + _NAMES])
    )


def by_id(s: Session, identity_id: int) -> Identity | None:
    """Return the identity, None when it is gone."""
    row = s.one(_BY_ID, id=identity_id)
    return None if row is None else rows.identity(row)


def many(s: Session, account: str, region: str, names: Sequence[str]) -> dict[str, Identity]:
    """Return those of the named identities that exist, by name."""
    if not names:
        return {}
    return {row[4]: rows.identity(row) for row in s.all(_MANY, account=account, region=region, names=names)}


def sharing(s: Session, token_set_id: int) -> list[Identity]:
    """Return every identity that is published under the token set: a parent and its replicas."""
    return [rows.identity(row) for row in s.all(_SHARING, token_set_id=token_set_id)]


def sharing_ids(s: Session, token_set_ids: Sequence[int]) -> list[int]:
    """Return the id of every identity that is published under one of these token sets."""
    return [row[0] for row in s.all(_SHARING_IDS, ids=sorted(token_set_ids))] if token_set_ids else []


_FIXED: Final = frozenset({"id", "account", "region", "kind", "name", "created_at"})
_UPDATE = Prepared(
    sa.update(tables.identity)
    .where(_i.id == sa.bindparam("of_id"), _i.version == sa.bindparam("expected"))
    .values({column.name: sa.bindparam(column.name) for column in rows.IDENTITY if column.name not in _FIXED})
)


def update(s: Session, identity: Identity, expected_version: int) -> Identity:
    """Store what people set and return it with its new version.

    Fault CONCURRENT_MODIFICATION when the stored version is not the expected one: somebody was faster.
    """
    changed = replace(identity, version=expected_version + 1)
    columns = {name: value for name, value in rows.identity_columns(changed).items() if name not in _FIXED}
    if s.run(_UPDATE, of_id=identity.id, expected=expected_version, **columns) == 0:
        raise _overtaken()
    if identity.kind is IdentityKind.DOMAIN:
        recommendations.settings_changed(s, identity.id)
    return changed


_LOCK = Prepared(sa.select(_i.id).where(_i.id == sa.bindparam("id")).with_for_update())
_DELETE_PARTS = tuple(
    Prepared(
        sa.delete(part.table).where(
            *(part.table.c[column] == sa.bindparam(of) for column, of in part.by.items())
        )
    )
    for part in WITH_IDENTITY
)
_DELETE = Prepared(sa.delete(tables.identity).where(_i.id == sa.bindparam("id")))


def lock(s: Session, identity_id: int) -> bool:
    """Let nobody else change or delete the identity before this transaction ends. False when it is gone."""
    return s.one(_LOCK, id=identity_id) is not None


def delete(s: Session, identity: Identity) -> None:
    """Remove the identity with everything that its subjects declare to go with it.

    Its token set and tokens stay, since no token is issued twice, and its keys stay published until
    `keys.withdraw_for`. Fault CONCURRENT_MODIFICATION when it is gone already.
    """
    if not lock(s, identity.id):
        raise _overtaken()
    told: dict[str, Cell] = {
        "id": identity.id,
        "account": identity.account,
        "region": identity.region,
        "kind": identity.kind.value,
        "name": identity.name,
        "resource": f"identity/{identity.name}",
    }
    for part in _DELETE_PARTS:
        s.run(part, **told)
    s.run(_DELETE, id=identity.id)
    s.run(_COUNT_DOWN, of_account=identity.account, of_region=identity.region, fewer=1)


def _taken(identity: Identity) -> Fault:
    return Fault(FaultKind.ALREADY_EXISTS, f"Email identity {identity.name} already exist.")


def _overtaken() -> Fault:
    return Fault(
        FaultKind.CONCURRENT_MODIFICATION, "The resource is being modified by another operation or thread."
    )


def _view_statement(dialect: str) -> sa.Select[tuple[object, ...]]:
    v = verification_tables.verification.c
    whole = documents.document(
        dialect,
        {
            "identity": documents.identity(dialect),
            "token_set": documents.token_set(dialect),
            "facets": documents.facets(dialect),
            "last_checked_at": v.last_checked_at,
            "last_success_at": v.last_success_at,
            "error": v.error,
            "soa": documents.soa(dialect),
            "tags": documents.tags(dialect),
            "policies": documents.policies(dialect),
            "due_at": v.due_at,
            "carried": documents.carried(dialect),
        },
    )
    return sa.select(documents.fetched(dialect, whole)).select_from(
        tables.identity.outerjoin(
            dkim_tables.token_set, dkim_tables.token_set.c.id == _i.token_set_id
        ).outerjoin(verification_tables.verification, v.identity_id == _i.id)
    )


_VIEW = Prepared(lambda dialect: _view_statement(dialect).where(*_BY_NAME))
_VIEW_MANY = Prepared(lambda dialect: _view_statement(dialect).where(*_BY_NAMES))
_VIEW_BY_ID = Prepared(lambda dialect: _view_statement(dialect).where(_i.id == sa.bindparam("id")))


_read_view = documents.reader(IdentityView)


def view(s: Session, account: str, region: str, name: str) -> IdentityView | None:
    """Return everything about the identity of that name, in one statement; None when there is none."""
    row = s.one(_VIEW, account=account, region=region, name=name)
    return None if row is None else _read_view(row[0])


def view_by_id(s: Session, identity_id: int) -> IdentityView | None:
    """Return everything about the identity, None when it is gone."""
    row = s.one(_VIEW_BY_ID, id=identity_id)
    return None if row is None else _read_view(row[0])


def view_many(s: Session, account: str, region: str, names: Sequence[str]) -> dict[str, IdentityView]:
    """Return everything about those of the named identities that exist, by name, in one statement."""
    if not names:
        return {}
    found = s.all(_VIEW_MANY, account=account, region=region, names=names)
    return {view.identity.name: view for view in (_read_view(row[0]) for row in found)}


@dataclass(frozen=True, slots=True)
class IdentityStanding:
    """How far an identity has proved itself, and its token. What is `carried` is among the facets."""

    name: str
    legacy_token: str
    facets: dict[Facet, FacetState]
    carried: CarriedProof | None = None

    def __post_init__(self) -> None:
        """Put the state of what is carried among the facets."""
        if self.carried is not None:
            self.facets[Facet.CARRIED_DKIM] = self.carried.state


def _standing_statement(dialect: str) -> sa.Select[tuple[object, ...]]:
    members = {
        "name": _i.name,
        "legacy_token": _i.legacy_token,
        "facets": documents.facets(dialect),
        "carried": documents.carried(dialect),
    }
    return sa.select(documents.fetched(dialect, documents.document(dialect, members))).where(*_BY_NAMES)


_STANDING = Prepared(_standing_statement)
_read_standing = documents.reader(IdentityStanding)


def standing_many(s: Session, account: str, region: str, names: Sequence[str]) -> dict[str, IdentityStanding]:
    """Return how those of the named identities that exist stand, by name, in one statement."""
    if not names:
        return {}
    found = [_read_standing(row[0]) for row in s.all(_STANDING, account=account, region=region, names=names)]
    return {standing.name: standing for standing in found}
