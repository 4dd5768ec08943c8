"""The queue of token sets that need a key while there is none for them.

There is one for each length, by `place`, which `domain.fairness` gives out so that accounts take turns;
behind it stand those whose rotation has come by itself. A set is in it once, whoever of its identities was
seen. There are no due times: who comes is served as soon as there is a key. Who takes the head of it holds
the sets until the end of the transaction; on PostgreSQL several do so side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import sqlalchemy as sa

from indicia.domain.fairness import places
from indicia.domain.identities.identity import KeyLength, TokenSet
from indicia.domain.time import Instant
from indicia.store.dkim import tables
from indicia.store.engine import queue, rows
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.engine.upsert import insert_or_nothing
from indicia.store.identities import tables as identities_tables
from indicia.store.verification import tables as verification_tables

_r, _t = tables.key_request.c, tables.token_set.c
_i, _v = identities_tables.identity.c, verification_tables.verification.c


@dataclass(frozen=True, slots=True)
class KeySight:
    """What a check saw of the records of an identity whose token set has no key.

    `at` is when all of them were seen, None where one was absent. `generation` is that of the expectation.
    """

    token_set_id: int
    identity_id: int
    generation: int
    account: str
    bits: int
    at: Instant | None


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """A token set that needs a key of `bits`, on behalf of an account.

    `by_itself`: nobody asked for it and nobody waits. `sight` is what the key completes, if anything.
    """

    token_set_id: int
    account: str
    bits: int
    by_itself: bool = False
    sight: KeySight | None = None


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    """One at the head of the queue: its request, and its set as it is now.

    `abandoned` is whether no identity uses the set any more.
    """

    request: KeyRequest
    token_set: TokenSet
    abandoned: bool


_STANDING = Prepared(
    sa.select(_t.id, _t.has_key, _t.abandoned_at, _t.home, _r.bits, _r.by_itself)
    .select_from(tables.token_set.outerjoin(tables.key_request, _r.token_set_id == _t.id))
    .where(_t.id.in_(sa.bindparam("ids", expanding=True)))
)
_OF_QUEUE: Final = (_r.bits == sa.bindparam("bits"), _r.by_itself == sa.bindparam("by_itself"))
_TURN = Prepared(sa.select(_r.place).where(*_OF_QUEUE).order_by(_r.place).limit(1))
_LAST = Prepared(
    sa.select(_r.place)
    .where(_r.account == sa.bindparam("account"), *_OF_QUEUE)
    .order_by(_r.place.desc())
    .limit(1)
)
_FILE = insert_or_nothing(tables.key_request)
_SEE_AGAIN = Prepared(
    sa.update(tables.key_request)
    .where(
        _r.token_set_id == sa.bindparam("of_id"),
        sa.or_(_r.identity_id.is_(None), _r.identity_id == sa.bindparam("seen_id")),
    )
    .values(
        identity_id=sa.bindparam("seen_id"),
        generation=sa.bindparam("generation"),
        seen_at=sa.bindparam("seen_at"),
    )
)
_MISS = Prepared(
    sa.delete(tables.key_request).where(
        _r.token_set_id == sa.bindparam("of_id"), _r.identity_id == sa.bindparam("missed_id")
    )
)
_REMOVE = Prepared(
    sa.delete(tables.key_request).where(_r.token_set_id.in_(sa.bindparam("ids", expanding=True)))
)


def note(s: Session, sights: Iterable[KeySight]) -> None:
    """Queue up the sets whose records were seen, and keep their sights fresh; drop those that were missed."""
    seen: list[KeyRequest] = []
    missed: list[KeySight] = []
    for each in sights:
        if each.at is None:
            missed.append(each)
        else:
            seen.append(KeyRequest(each.token_set_id, each.account, each.bits, sight=each))
    s.many(_MISS, [{"of_id": each.token_set_id, "missed_id": each.identity_id} for each in missed])
    file(s, seen)


def file(s: Session, wanted: Iterable[KeyRequest]) -> None:
    """Queue up these sets, each behind what its account has in the queue already.

    A set that stands there keeps its place, unless it needs a key of another length or somebody waits for it
    now, and has the newer sight where that is of the same identity. A set that can have no key of ours, or
    has its first one already where that is what was wanted, is left out.
    """
    by_id = {each.token_set_id: each for each in wanted}
    if not by_id:
        return
    fresh: list[KeyRequest] = []
    moved: list[int] = []
    seen: list[KeySight] = []
    for set_id, has_key, abandoned_at, home, bits, by_itself in s.all(_STANDING, ids=sorted(by_id)):
        request = by_id[set_id]
        if abandoned_at is not None or home:
            continue
        if bits is None:
            if not (request.sight and has_key):
                fresh.append(request)
        elif bits != request.bits or (by_itself and not request.by_itself):
            moved.append(set_id)
            fresh.append(request)
        elif request.sight is not None:
            seen.append(request.sight)
    withdraw(s, moved)
    s.many(
        _SEE_AGAIN,
        [
            {
                "of_id": sight.token_set_id,
                "seen_id": sight.identity_id,
                "generation": sight.generation,
                "seen_at": sight.at,
            }
            for sight in seen
        ],
    )
    queues: dict[tuple[int, bool], list[KeyRequest]] = {}
    for request in fresh:
        queues.setdefault((request.bits, request.by_itself), []).append(request)
    for (bits, by_itself), queued in queues.items():
        _line_up(s, bits, queued, by_itself=by_itself)


def _line_up(s: Session, bits: int, queued: Sequence[KeyRequest], *, by_itself: bool) -> None:
    of_queue = {"bits": bits, "by_itself": int(by_itself)}
    accounts = [each.account for each in queued]
    turn = s.one(_TURN, **of_queue)
    lasts = {account: s.one(_LAST, account=account, **of_queue) for account in dict.fromkeys(accounts)}
    last = {account: int(row[0]) for account, row in lasts.items() if row is not None}
    given = places(accounts, last, 0 if turn is None else int(turn[0]))
    s.many(
        _FILE,
        [
            {
                **of_queue,
                "token_set_id": each.token_set_id,
                "account": each.account,
                "place": place,
                "identity_id": None if each.sight is None else each.sight.identity_id,
                "generation": None if each.sight is None else each.sight.generation,
                "seen_at": None if each.sight is None else each.sight.at,
            }
            for each, place in zip(queued, given, strict=True)
        ],
    )


def withdraw(s: Session, token_set_ids: Sequence[int]) -> None:
    """Let these sets wait for a key no more."""
    if token_set_ids:
        s.run(_REMOVE, ids=sorted(token_set_ids))


_HEAD = Prepared(
    queue.head(
        sa.select(
            _r.token_set_id,
            _r.account,
            _r.identity_id,
            _r.generation,
            _r.seen_at,
            _t.abandoned_at,
            *rows.TOKEN_SET,
        )
        .select_from(tables.key_request.join(tables.token_set, _t.id == _r.token_set_id))
        .where(*_OF_QUEUE)
        .order_by(_r.place, _r.token_set_id)
    )
)
_SET_AT: Final = 6
_THERE = Prepared(sa.select(_i.id).where(_i.id.in_(sa.bindparam("ids", expanding=True))))
_HOLD = Prepared(
    sa.select(_i.id)
    .select_from(identities_tables.identity.join(verification_tables.verification, _v.identity_id == _i.id))
    .where(_i.id.in_(sa.bindparam("ids", expanding=True)))
    .with_for_update(skip_locked=True, key_share=True)
)


def head(s: Session, bits: int, limit: int, *, by_itself: bool = False) -> list[WaitingRequest]:
    """Return those whose turn it is, held with the identities whose sights a key completes.

    Left out is what others have in hand at this moment: nobody is waited for, so that no two wait for each
    other. A sight whose identity is gone is none.
    """
    found = s.all(_HEAD, bits=bits, by_itself=int(by_itself), limit=limit)
    ids = sorted({row[2] for row in found if row[2] is not None})
    there = {row[0] for row in s.all(_THERE, ids=ids)} if ids else set()
    held = {row[0] for row in s.all(_HOLD, ids=ids)} if ids else set()
    return [
        _waiting(row, bits, by_itself=by_itself, there=row[2] in there)
        for row in found
        if row[2] not in there or row[2] in held
    ]


def _waiting(row: tuple[object, ...], bits: int, *, by_itself: bool, there: bool) -> WaitingRequest:
    set_id, account, identity_id, generation, seen_at, abandoned_at = row[:_SET_AT]
    token_set = rows.token_set(row, _SET_AT)
    assert token_set is not None
    assert isinstance(set_id, int)
    request = KeyRequest(set_id, str(account), bits, by_itself)
    if there:
        sight = KeySight(set_id, identity_id, generation, request.account, bits, seen_at)  # type: ignore[arg-type]
        request = replace(request, sight=sight)
    return WaitingRequest(request, token_set, abandoned_at is not None)


_p, _w = tables.pooled_key.c, tables.key_pool.c
_LENGTHS: Final = tuple(length.bits for length in KeyLength)


def _waits(bits: int, *, by_itself: bool) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        _r.bits == sa.literal_column(str(bits)), _r.by_itself == sa.literal_column(str(int(by_itself)))
    )


def _servable(bits: int) -> sa.ColumnElement[bool]:
    """Say whether somebody who waits for a key of that length can have one."""
    of_length = _p.bits == sa.literal_column(str(bits))
    pooled = sa.select(sa.func.count()).select_from(tables.pooled_key).where(of_length).scalar_subquery()
    wanted = sa.select(_w.wanted).where(_w.bits == sa.literal_column(str(bits))).scalar_subquery()
    spare = pooled > sa.func.coalesce(wanted, 0) // sa.literal_column("2")
    somebody, by_itself = _waits(bits, by_itself=False), _waits(bits, by_itself=True)
    return sa.or_(
        sa.and_(somebody, sa.exists().where(of_length)), sa.and_(by_itself, sa.not_(somebody), spare)
    )


def _whether(condition: sa.ColumnElement[bool]) -> Prepared:
    return Prepared(sa.select(sa.case((condition, 1), else_=0)))


_SERVABLE = _whether(sa.or_(*map(_servable, _LENGTHS)))
_SOMEBODY = _whether(sa.or_(*(_waits(bits, by_itself=False) for bits in _LENGTHS)))


def can_be_served(s: Session) -> bool:
    """Say whether there is a key for somebody in the queue."""
    row = s.one(_SERVABLE)
    return row is not None and row[0] == 1


def anybody_waits(s: Session) -> bool:
    """Say whether somebody waits for a key; not those whose rotation has come by itself."""
    row = s.one(_SOMEBODY)
    return row is not None and row[0] == 1


_COUNT = Prepared(
    sa.select(sa.func.count()).select_from(
        sa.select(sa.literal_column("1"))
        .select_from(tables.key_request)
        .where(_r.bits == sa.bindparam("bits"), _r.by_itself == sa.literal_column("0"))
        .limit(sa.bindparam("most"))
        .subquery()
    )
)


def waiting(s: Session, bits: int, most: int) -> int:
    """Return how many wait for a key of that length, `most` where there are more."""
    row = s.one(_COUNT, bits=bits, most=most)
    return 0 if row is None else int(row[0])
