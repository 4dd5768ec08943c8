"""A database of before the carried proofs, with data: what it carried is looked at from now on."""

from __future__ import annotations

from schemas import connect, dialect
from values import ACCOUNT, REGION, identity, token_set

from indicia.domain.identities.identity import Facet, FacetState, Status, TokenSet
from indicia.store.engine import rows, schema
from indicia.store.engine.database import Database
from indicia.store.engine.opening import open_database
from indicia.store.engine.session import Session
from indicia.store.identities import identities

SINCE = 1_000_000


def before(url: str, states: dict[str, tuple[TokenSet | None, TokenSet | None, Status]]) -> None:
    """Make the schema of before, with an identity of each name: its set, the one it left, what counts."""
    connection = connect(url)
    schema.upgrade(dialect(url), connection, "0007")
    mark = "?" if dialect(url) == "sqlite" else "%s"
    cursor = connection.cursor()

    def insert(table: str, row: dict[str, object]) -> None:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join([mark] * len(row))})",  # noqa: S608 - names of ours
            tuple(row.values()),
        )

    for name, (present, left, carried) in states.items():
        for each, abandoned_at in ((present, None), (left, SINCE)):
            if each is not None:
                insert("token_set", _set_columns(each, name, abandoned_at))
        made = identity(name, token_set_id=None if present is None else present.id)
        insert("identity", dict(rows.identity_columns(made)))
        state = FacetState(Facet.DKIM, Status.PENDING, 2, since=SINCE, deadline=SINCE + 9)
        insert("facet_state", {**rows.facet_columns(made.id, state), "carried": carried.value})
        key = {"account": ACCOUNT, "region": REGION, "kind": made.kind.value, "name": name}
        insert("listed", {**key, "status": carried.value})
    connection.commit()
    connection.close()


def _set_columns(each: TokenSet, domain: str, abandoned_at: int | None) -> dict[str, object]:
    return {
        "id": each.id, "kind": each.kind.value, "zone": each.zone, "domain": domain,
        "token1": each.tokens[0], "token2": each.tokens[1], "token3": each.tokens[2],
        "key_length": None, "key_made_at": 1, "has_key": 1, "public_key": "", "awaited": 0,
        "length_chosen_at": 1, "abandoned_at": abandoned_at, "home": "", "created_at": 1,
    }  # fmt: skip


def test_what_was_carried_is_carried_on(empty: str) -> None:
    """By the set that was left, or the present one; with its deadline. Where neither is known it ends."""
    left, changed, present = token_set(), token_set(), token_set()
    before(
        empty,
        {
            "left.example": (changed, left, Status.SUCCESS),
            "length.example": (present, None, Status.TEMPORARY_FAILURE),
            "neither.example": (None, None, Status.SUCCESS),
        },
    )
    assert schema.migrate(empty).before == "0007"
    database = open_database(empty)
    try:
        views = database.read(
            lambda s: identities.view_many(
                s, ACCOUNT, REGION, ["left.example", "length.example", "neither.example"]
            )
        )
        carried = {name: view.carried for name, view in views.items()}
        assert carried["neither.example"] is None
        of_left, of_present = carried["left.example"], carried["length.example"]
        assert of_left is not None
        assert of_present is not None
        assert (of_left.token_set.id, of_left.state.status, of_left.state.deadline) == (
            left.id,
            Status.SUCCESS,
            None,
        )
        assert (of_present.token_set.id, of_present.state.status, of_present.state.deadline) == (
            present.id,
            Status.TEMPORARY_FAILURE,
            SINCE + 9,
        )
        assert _listed(database) == {
            "left.example": "SUCCESS",
            "length.example": "TEMPORARY_FAILURE",
            "neither.example": "PENDING",
        }
    finally:
        database.close()


def _listed(database: Database) -> dict[str, str]:
    from indicia.store.proofs import listed

    def page(s: Session) -> dict[str, str]:
        found = listed.page(s, ACCOUNT, REGION, after="", size=9)
        return {name: status.value for name, status in zip(found.names, found.statuses, strict=True)}

    return database.read(page)
