"""The lives of published keys: what stage each is at, and which token set has a step to take next.

`domain.dkim.rotation` says which steps there are. A set is due at the instant of its next one; the lock on
its row is the lease under which a step is taken, and ends with the transaction that takes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from indicia.domain.dkim.rotation import KeyLife, KeySet, Stage
from indicia.domain.identities.identity import KeyLength, TokenSet, TokenSetKind
from indicia.domain.time import Instant
from indicia.domain.verification.key_sight import LiveKey
from indicia.store.dkim import key_requests, keys, tables
from indicia.store.dkim.keys import PublishedKey
from indicia.store.engine import rows
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.queue import DueQueue
from indicia.store.engine.session import Session

_t = tables.token_set.c
_k = tables.published_key.c
_queue = DueQueue(tables.token_set)


@dataclass(frozen=True, slots=True)
class StoredKeys:
    """A token set with its live keys, held by the transaction that read it.

    `home` is the region of the other installation that makes its keys, empty for this one.
    """

    token_set: TokenSet
    keys: tuple[PublishedKey, ...]
    life: KeySet
    length_chosen_at: Instant
    home: str


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a look at a key changes of it."""

    token_set_id: int
    key_id: int
    seen_at: Instant | None
    absent_since: Instant | None
    lost_at: Instant | None


_LIFE: Final = (*rows.TOKEN_SET, _t.length_chosen_at, _t.rotation_asked_at, _t.abandoned_at, _t.home)
_LIFE_AT: Final = len(rows.TOKEN_SET)
_OF_ID = sa.select(*_LIFE).where(_t.id == sa.bindparam("id"))
_READ = Prepared(_OF_ID)
_HOLD = Prepared(_OF_ID.with_for_update())
_HOLD_FREE = Prepared(_OF_ID.with_for_update(skip_locked=True))
_FREED = Prepared(
    sa.select(_k.token, sa.func.max(_k.withdrawn_at))
    .where(_k.token_set_id == sa.bindparam("token_set_id"), _k.withdrawn_at.is_not(None))
    .group_by(_k.token)
)


def hold(s: Session, token_set_id: int, *, wait: bool = True) -> StoredKeys | None:
    """Return the set and its keys as they are now; nobody else changes them before this transaction ends.

    None when there is no such set or, without `wait`, when another transaction holds it.
    """
    return _stored(s, _HOLD if wait else _HOLD_FREE, token_set_id)


def read(s: Session, token_set_id: int) -> StoredKeys | None:
    """Return the set and its keys, None when there is no such set."""
    return _stored(s, _READ, token_set_id)


def _stored(s: Session, statement: Prepared, token_set_id: int) -> StoredKeys | None:
    row = s.one(statement, id=token_set_id)
    if row is None:
        return None
    token_set = rows.token_set(row, 0)
    assert token_set is not None
    live = tuple(keys.published(s, token_set_id))
    chosen_at, asked_at, abandoned_at, home = row[_LIFE_AT:]
    freed: dict[str, Instant] = dict(s.all(_FREED, token_set_id=token_set_id))
    ours = token_set.kind is TokenSetKind.EASY
    life = KeySet(
        tuple(_life(key, token_set) for key in live),
        _wanted_bits(token_set) if ours else None,
        len(token_set.tokens),
        tuple(freed.get(token) for token in token_set.tokens),
        ours,
        asked_at,
        abandoned_at,
        token_set.id,
    )
    return StoredKeys(token_set, live, life, chosen_at, home)


def live(s: Session, token_set_id: int) -> tuple[LiveKey, ...]:
    """Return the live keys of the set as the verifier looks for them, the oldest first."""
    stored = read(s, token_set_id)
    if stored is None:
        return ()
    lives = {life.id: life for life in stored.life.keys}
    return tuple(LiveKey(lives[key.id], key.token, key.public_key) for key in stored.keys)


@dataclass(frozen=True, slots=True)
class StoredSigningKey:
    """The key that signs for a set, with its private half sealed, and its life."""

    key: PublishedKey
    life: KeyLife


def signing(s: Session, token_set: TokenSet) -> StoredSigningKey | None:
    """Return the key that mail under the set is signed with, None while there is none."""
    key = keys.signing(s, token_set.id)
    return None if key is None else StoredSigningKey(key, _life(key, token_set))


def _wanted_bits(token_set: TokenSet) -> int | None:
    wanted = token_set.wanted_length or token_set.key_length
    return None if wanted is None else wanted.bits


def _life(key: PublishedKey, token_set: TokenSet) -> KeyLife:
    return KeyLife(
        key.id,
        token_set.tokens.index(key.token),
        key.bits,
        key.published_at,
        key.seen_at,
        key.signing_at,
        key.retired_at,
        key.withdrawn_at,
        key.absent_since,
        key.lost_at,
    )


def _mark(column: str) -> Prepared:
    return Prepared(
        sa.update(tables.published_key)
        .where(_k.id == sa.bindparam("of_id"), _k[column].is_(None), _k.withdrawn_at.is_(None))
        .values({column: sa.bindparam("at")})
    )


_SIGNING, _RETIRED = _mark("signing_at"), _mark("retired_at")


def enter(s: Session, key: PublishedKey, stage: Stage, at: Instant) -> None:
    """Store that a key enters a stage. The set is shown with the key that signs."""
    if stage is Stage.SIGNING:
        s.run(_SIGNING, of_id=key.id, at=at)
        keys.put_in_use(s, key, key.published_at)
    elif stage is Stage.RETIRED:
        s.run(_RETIRED, of_id=key.id, at=at)
    else:
        assert stage is Stage.WITHDRAWN, stage
        keys.withdraw(s, key.id, at)


# Not held at once, but one after the other, each with what belongs to it (`hold`): whoever writes back checks
# holds their schedules and wants the sets, whoever takes steps the other way round, for a moment each.
_DUE = Prepared(_queue.first(_t.id).limit(sa.bindparam("limit")))
_SCHEDULE = Prepared(
    sa.update(tables.token_set)
    .where(_t.id == sa.bindparam("of_id"))
    .values(due_at=sa.bindparam("due_at"), awaited=sa.bindparam("awaited"))
)


def due(s: Session, now: Instant, limit: int) -> list[int]:
    """Return the sets that have a step to take, the longest waiting first."""
    return [row[0] for row in s.all(_DUE, now=now, limit=limit)]


def earliest_due(s: Session) -> Instant | None:
    """Return when the next step is due, None when none is."""
    return _queue.earliest_due(s)


def schedule(s: Session, token_set_id: int, due_at: Instant | None, *, awaited: bool) -> None:
    """Store when the set has its next step, and whether the verifier has to look at its keys themselves."""
    s.run(_SCHEDULE, of_id=token_set_id, due_at=due_at, awaited=int(awaited))


_BRING_FORWARD = Prepared(
    sa.update(tables.token_set)
    .where(_t.id == sa.bindparam("of_id"), _t.abandoned_at.is_(None))
    .values(due_at=sa.bindparam("now"))
)


def bring_forward(s: Session, token_set_id: int, now: Instant) -> None:
    """Let whoever keeps the keys look at the set now. One that nobody uses any more has nothing to take."""
    s.run(_BRING_FORWARD, of_id=token_set_id, now=now)


_WANT = Prepared(
    sa.update(tables.token_set)
    .where(_t.id == sa.bindparam("of_id"))
    .values(wanted_length=sa.bindparam("length"), length_chosen_at=sa.bindparam("at"))
)
_WANT_FIRST = Prepared(
    sa.update(tables.token_set)
    .where(_t.id == sa.bindparam("of_id"), _t.has_key == 0)
    .values(key_length=sa.bindparam("length"), key_made_at=sa.bindparam("at"))
)
_ASK = Prepared(
    sa.update(tables.token_set)
    .where(_t.id == sa.bindparam("of_id"))
    .values(rotation_asked_at=sa.bindparam("at"))
)
_ABANDON = Prepared(
    sa.update(tables.token_set)
    .where(_t.id == sa.bindparam("of_id"), _t.abandoned_at.is_(None))
    .values(abandoned_at=sa.bindparam("at"))
)


def want_length(s: Session, token_set_id: int, length: KeyLength, at: Instant) -> None:
    """Store the length of the next key. A set without one is shown with it from now on."""
    s.run(_WANT, of_id=token_set_id, length=length.value, at=at)
    s.run(_WANT_FIRST, of_id=token_set_id, length=length.value, at=at)


def ask_rotation(s: Session, token_set_id: int, at: Instant) -> None:
    """Store that somebody wants the next key."""
    s.run(_ASK, of_id=token_set_id, at=at)


def abandon(s: Session, token_set_id: int, at: Instant) -> None:
    """Store that no identity uses the set any more, which needs no key then."""
    s.run(_ABANDON, of_id=token_set_id, at=at)
    key_requests.withdraw(s, [token_set_id])


_HOLD_ALL = Prepared(
    sa.select(_t.id).where(_t.id.in_(sa.bindparam("ids", expanding=True))).order_by(_t.id).with_for_update()
)
_SIGHT = Prepared(
    sa.update(tables.published_key)
    .where(_k.id == sa.bindparam("of_id"), _k.withdrawn_at.is_(None))
    .values(
        seen_at=sa.bindparam("seen_at"),
        absent_since=sa.bindparam("absent_since"),
        lost_at=sa.bindparam("lost_at"),
    )
)
_unseen = tables.published_key.alias().c
_TOUCH = Prepared(
    sa.update(tables.token_set)
    .where(_t.id == sa.bindparam("of_id"))
    .values(
        due_at=sa.bindparam("now"),
        awaited=sa.case(
            (_t.home != sa.literal_column("''"), 1),
            (
                sa.exists().where(
                    _unseen.token_set_id == _t.id,
                    _unseen.retired_at.is_(None),
                    _unseen.withdrawn_at.is_(None),
                    sa.or_(_unseen.seen_at.is_(None), _unseen.absent_since.is_not(None)),
                ),
                1,
            ),
            else_=0,
        ),
    )
)


def sight(s: Session, sightings: Sequence[Sighting], now: Instant) -> None:
    """Store what looks at keys found. What follows from it is a step that is due now."""
    if not sightings:
        return
    ordered = sorted(sightings, key=lambda each: each.key_id)
    sets = sorted({each.token_set_id for each in ordered})
    s.all(_HOLD_ALL, ids=sets)  # the set before its keys, as whoever takes a step does
    s.many(
        _SIGHT,
        [
            {
                "of_id": each.key_id,
                "seen_at": each.seen_at,
                "absent_since": each.absent_since,
                "lost_at": each.lost_at,
            }
            for each in ordered
        ],
    )
    s.many(_TOUCH, [{"of_id": each, "now": now} for each in sets])


_LEFT = Prepared(
    sa.select(*rows.TOKEN_SET)
    .where(
        _t.domain == sa.bindparam("domain"),
        _t.kind == TokenSetKind.EASY.value,
        _t.abandoned_at.is_not(None),
    )
    .order_by(_t.id.desc())
    .limit(sa.bindparam("limit"))
)


def left_by(s: Session, domain: str, *, limit: int) -> list[TokenSet]:
    """Return the Easy DKIM token sets that identities of this name left, anybody's, the newest first."""
    found = [rows.token_set(row, 0) for row in s.all(_LEFT, domain=domain, limit=limit)]
    return [token_set for token_set in found if token_set is not None]


_ISSUED_TO = Prepared(
    sa.select(tables.token.c.token_set_id).where(
        tables.token.c.zone == sa.bindparam("zone"), tables.token.c.token == sa.bindparam("token")
    )
)
_OFFERED = Prepared(
    sa.update(tables.token_set)
    .where(_t.id == sa.bindparam("of_id"))
    .values(has_key=sa.bindparam("has_key"), wanted_length=sa.bindparam("length"))
)


def issued_to(s: Session, zone: str, token: str) -> int | None:
    """Return the token set that a token was ever issued to, None for none."""
    row = s.one(_ISSUED_TO, zone=zone, token=token)
    return None if row is None else int(row[0])


def follow(s: Session, token_set_id: int, length: KeyLength, *, has_key: bool) -> None:
    """Store what another installation says of a set of its own."""
    s.run(_OFFERED, of_id=token_set_id, has_key=int(has_key), length=length.value)
