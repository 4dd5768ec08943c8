"""Token sets, the keys published under their tokens, and the pool that keys come from.

Private keys arrive and leave sealed by the keyring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import sqlalchemy as sa

from indicia.domain.identities.identity import KeyLength, TokenSet, TokenSetKind
from indicia.domain.time import Instant
from indicia.store.dkim import tables
from indicia.store.engine import queue, rows
from indicia.store.engine.ids import new_id
from indicia.store.engine.prepared import SQLITE, Cell, Prepared
from indicia.store.engine.session import Session


@dataclass(frozen=True, slots=True)
class PooledKey:
    """A key pair nobody uses yet. `public_key` is the base64 SubjectPublicKeyInfo."""

    id: int
    bits: int
    public_key: str
    private_key: bytes = field(repr=False)
    created_at: Instant


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A key under a token of a zone; or an uploaded one under its selector, with an empty zone.

    `domain.dkim.rotation.KeyLife` says what the instants mean. A withdrawn key has no private half.
    """

    id: int
    token_set_id: int
    zone: str
    token: str
    public_key: str
    private_key: bytes = field(repr=False)
    bits: int
    created_at: Instant
    published_at: Instant
    seen_at: Instant | None = None
    signing_at: Instant | None = None
    retired_at: Instant | None = None
    withdrawn_at: Instant | None = None
    absent_since: Instant | None = None
    lost_at: Instant | None = None


class NoKeyYet(Enum):
    """The token was issued, and there is no key under it now: the name exists, without data."""

    NO_KEY_YET = "no key yet"


_t = tables.token_set.c
_k = tables.published_key.c
_p = tables.pooled_key.c

_INSERT_SET = Prepared(sa.insert(tables.token_set))
_INSERT_TOKEN = Prepared(sa.insert(tables.token))
_GET_SET = Prepared(sa.select(*rows.TOKEN_SET).where(_t.id == sa.bindparam("id")))
_HOLD_SET = Prepared(sa.select(*rows.TOKEN_SET).where(_t.id == sa.bindparam("id")).with_for_update())


def insert_token_set(
    s: Session, token_set: TokenSet, created_at: Instant, *, domain: str = "", home: str = ""
) -> None:
    """Add a token set and issue its tokens for good. A token that was issued before: an integrity error.

    `home` is the region of the other installation that makes its keys, empty for this one.
    """
    easy = token_set.kind is TokenSetKind.EASY
    tokens = token_set.tokens
    s.later(
        _INSERT_SET,
        id=token_set.id,
        kind=token_set.kind.value,
        zone=token_set.zone,
        domain=domain,
        token1=tokens[0],
        token2=tokens[1] if easy else None,
        token3=tokens[2] if easy else None,
        key_length=None if token_set.key_length is None else token_set.key_length.value,
        key_made_at=token_set.key_made_at,
        has_key=int(token_set.has_key),
        public_key=token_set.public_key,
        awaited=int(token_set.awaited),
        wanted_length=None if token_set.wanted_length is None else token_set.wanted_length.value,
        length_chosen_at=created_at,
        rotation_asked_at=None,
        abandoned_at=None,
        due_at=None,
        home=home,
        created_at=created_at,
    )
    if easy:
        for position, token in enumerate(tokens):
            s.later(
                _INSERT_TOKEN, zone=token_set.zone, token=token, token_set_id=token_set.id, position=position
            )


def get_token_set(s: Session, token_set_id: int) -> TokenSet | None:
    """Return the token set, None when there is none."""
    row = s.one(_GET_SET, id=token_set_id)
    return None if row is None else rows.token_set(row, 0)


def hold_token_set(s: Session, token_set_id: int) -> TokenSet | None:
    """Return the token set as it is now; nobody else changes it before this transaction ends."""
    row = s.one(_HOLD_SET, id=token_set_id)
    return None if row is None else rows.token_set(row, 0)


PUBLISHED: Final = (
    _k.id, _k.token_set_id, _k.zone, _k.token, _k.public_key, _k.private_key, _k.bits, _k.created_at,
    _k.published_at, _k.seen_at, _k.signing_at, _k.retired_at, _k.withdrawn_at, _k.absent_since, _k.lost_at,
)  # fmt: skip
_PUBLISH = Prepared(sa.insert(tables.published_key))
_IN_USE: Final = {
    "has_key": 1,
    "public_key": sa.bindparam("public_key"),
    "key_length": sa.bindparam("key_length"),
    "key_made_at": sa.bindparam("key_made_at"),
}
_USE = Prepared(sa.update(tables.token_set).where(_t.id == sa.bindparam("of_id")).values(_IN_USE))
_AWAIT = Prepared(sa.update(tables.token_set).where(_t.id == sa.bindparam("of_id")).values(awaited=1))
_USE_AND_AWAIT = Prepared(
    sa.update(tables.token_set).where(_t.id == sa.bindparam("of_id")).values({**_IN_USE, "awaited": 1})
)
_USE_FIRST = Prepared(
    sa.update(tables.token_set)
    .where(_t.id == sa.bindparam("of_id"))
    .values({**_IN_USE, "awaited": 1, "due_at": None})
)


def publish(  # noqa: PLR0917 - set, place, key: the order of the sentence
    s: Session, token_set_id: int, zone: str, token: str, key: PooledKey, now: Instant, *, in_use: bool = True
) -> PublishedKey:
    """Put a key under a token. With `in_use` it becomes the key of the set; else that is for `put_in_use`.

    The set awaits that it is seen. A token that has a live key takes no second one: an integrity error.
    """
    key_id = _put_under(s, token_set_id, zone, token, key, now)
    published = PublishedKey(
        key_id, token_set_id, zone, token, key.public_key, key.private_key, key.bits, key.created_at, now
    )
    if in_use:
        _set_in_use(s, _USE_AND_AWAIT, published, now)
    else:
        s.run(_AWAIT, of_id=token_set_id)
    return published


def publish_first(s: Session, token_set: TokenSet, key: PooledKey, now: Instant) -> None:
    """Put a key under the first token of a set that is inserted with it as its key."""
    _put_under(s, token_set.id, token_set.zone, token_set.tokens[0], key, now)


def publish_firsts(s: Session, given: Sequence[tuple[TokenSet, PooledKey]], now: Instant) -> None:
    """Put a key under the first token of each set, which has none: it is the set's, and awaited."""
    for token_set, key in given:
        publish_first(s, token_set, key, now)
    s.many(_USE_FIRST, [_in_use(token_set.id, key.public_key, key.bits, now) for token_set, key in given])


def _put_under(  # noqa: PLR0917 - as `publish`
    s: Session, token_set_id: int, zone: str, token: str, key: PooledKey, now: Instant
) -> int:
    key_id = new_id()
    s.later(
        _PUBLISH,
        id=key_id,
        token_set_id=token_set_id,
        zone=zone,
        token=token,
        public_key=key.public_key,
        private_key=key.private_key,
        bits=key.bits,
        created_at=key.created_at,
        published_at=now,
        seen_at=None,
        signing_at=None,
        retired_at=None,
        withdrawn_at=None,
        absent_since=None,
        lost_at=None,
    )
    return key_id


def put_in_use(s: Session, key: PublishedKey, at: Instant) -> None:
    """Make a published key the one its set is shown with. `at` is shown as when the key was made."""
    _set_in_use(s, _USE, key, at)


_LENGTHS: Final = {each.bits: each.value for each in KeyLength}  # uploaded keys have any length


def _set_in_use(s: Session, statement: Prepared, key: PublishedKey, at: Instant) -> None:
    s.run(statement, **_in_use(key.token_set_id, key.public_key, key.bits, at))


def _in_use(token_set_id: int, public_key: str, bits: int, at: Instant) -> dict[str, Cell]:
    length = _LENGTHS.get(bits)
    return {"of_id": token_set_id, "public_key": public_key, "key_length": length, "key_made_at": at}


def store_uploaded(
    s: Session, token_set_id: int, selector: str, key: PooledKey, now: Instant
) -> PublishedKey:
    """Keep the private key of a BYODKIM set. It is published by its owner, never in our zone."""
    return publish(s, token_set_id, "", selector, key, now)


_OF_SET = Prepared(
    sa.select(*PUBLISHED)
    .where(_k.token_set_id == sa.bindparam("token_set_id"), _k.withdrawn_at.is_(None))
    .order_by(_k.published_at, _k.id)
)
_SIGNING = Prepared(
    sa.select(*PUBLISHED)
    .where(
        _k.token_set_id == sa.bindparam("token_set_id"),
        _k.signing_at.is_not(None),
        _k.retired_at.is_(None),
        _k.withdrawn_at.is_(None),
    )
    .order_by(_k.signing_at.desc())
    .limit(1)
)
# The condition of the partial index is repeated as it stands there: else SQLite reads every key there is.
_LIVE_KEY = (
    sa.select(_k.public_key)
    .where(
        _k.zone == tables.token.c.zone,
        _k.token == tables.token.c.token,
        _k.withdrawn_at.is_(None),
        _k.zone != sa.literal_column("''"),
    )
    .scalar_subquery()
)
_AT_NAME = Prepared(
    sa.select(_LIVE_KEY).where(
        tables.token.c.zone == sa.bindparam("zone"), tables.token.c.token == sa.bindparam("token")
    )
)
_OF_ZONE = Prepared(
    sa.select(tables.token.c.token, _LIVE_KEY)
    .where(tables.token.c.zone == sa.bindparam("zone"), tables.token.c.token > sa.bindparam("after"))
    .order_by(tables.token.c.token)
    .limit(sa.bindparam("limit"))
)


def lookup(s: Session, zone: str, token: str) -> str | NoKeyYet | None:
    """Return the public key under a token; `NO_KEY_YET` when it has none; None when it was never issued."""
    row = s.one(_AT_NAME, zone=zone, token=token)
    if row is None:
        return None
    return NoKeyYet.NO_KEY_YET if row[0] is None else str(row[0])


def zone_page(s: Session, zone: str, *, after: str, limit: int) -> list[tuple[str, str | None]]:
    """Return the next tokens of a zone in order, each with its public key or None."""
    return [(token, key) for token, key in s.all(_OF_ZONE, zone=zone, after=after, limit=limit)]


def published(s: Session, token_set_id: int) -> list[PublishedKey]:
    """Return the live keys of a token set, the oldest first."""
    return [PublishedKey(*row) for row in s.all(_OF_SET, token_set_id=token_set_id)]


def signing(s: Session, token_set_id: int) -> PublishedKey | None:
    """Return the key that mail under the set is signed with, None while there is none."""
    row = s.one(_SIGNING, token_set_id=token_set_id)
    return None if row is None else PublishedKey(*row)


def _withdraw(*which: sa.ColumnElement[bool]) -> Prepared:
    # The private half is of no use to anybody any more, but for harm.
    return Prepared(
        sa.update(tables.published_key)
        .where(*which, _k.withdrawn_at.is_(None))
        .values(withdrawn_at=sa.bindparam("at"), private_key=b"")
    )


_WITHDRAWN = _withdraw(_k.id == sa.bindparam("of_id"))
_WITHDRAWN_ALL = _withdraw(_k.token_set_id == sa.bindparam("of_set"))


def withdraw(s: Session, key_id: int, at: Instant) -> None:
    """Take the key out of the key zone and erase its private half. Its token stays issued, without data."""
    s.run(_WITHDRAWN, of_id=key_id, at=at)


def withdraw_for(s: Session, token_set_id: int, at: Instant) -> int:
    """Withdraw every key of the set and return how many those were."""
    return s.run(_WITHDRAWN_ALL, of_set=token_set_id, at=at)


_ADD_POOLED = Prepared(sa.insert(tables.pooled_key))
_POOLED: Final = (_p.id, _p.bits, _p.public_key, _p.private_key, _p.created_at)
_OLDEST_POOLED = Prepared(
    queue.head(sa.select(*_POOLED).where(_p.bits == sa.bindparam("bits")).order_by(_p.id), "count")
)


def _spare_statement(dialect: str) -> sa.Select[tuple[object, ...]]:
    least, most = (sa.func.min, sa.func.max) if dialect == SQLITE else (sa.func.least, sa.func.greatest)
    bits = sa.bindparam("bits", type_=sa.BigInteger)
    of_length, queued = tables.pooled_key.alias(), tables.key_request.c
    pooled = sa.select(sa.func.count()).select_from(of_length).where(of_length.c.bits == bits)
    wanted = sa.select(tables.key_pool.c.wanted).where(tables.key_pool.c.bits == bits)
    reserve = sa.func.coalesce(wanted.scalar_subquery(), 0) // sa.literal_column("2")
    left = most(sa.literal_column("0"), pooled.scalar_subquery() - reserve)
    somebody_waits = sa.exists().where(queued.bits == bits, queued.by_itself == sa.literal_column("0"))
    may_take = sa.case((somebody_waits, 0), else_=least(sa.bindparam("count", type_=sa.BigInteger), left))
    return (
        sa.select(*_POOLED)
        .where(_p.bits == bits)
        .order_by(_p.id.desc())
        .limit(sa.cast(sa.select(may_take).scalar_subquery(), sa.BigInteger))
        .with_for_update(skip_locked=True)
    )


_SPARE_POOLED = Prepared(_spare_statement)
_REMOVE_POOLED = Prepared(sa.delete(tables.pooled_key).where(_p.id.in_(sa.bindparam("ids", expanding=True))))
_COUNT_POOLED = Prepared(
    sa.select(sa.func.count()).select_from(tables.pooled_key).where(_p.bits == sa.bindparam("bits"))
)


def add_pooled(s: Session, *made: PooledKey) -> None:
    """Put key pairs into the pool."""
    s.many(
        _ADD_POOLED,
        [
            {
                "id": key.id,
                "bits": key.bits,
                "public_key": key.public_key,
                "private_key": key.private_key,
                "created_at": key.created_at,
            }
            for key in made
        ],
    )


def hold_pooled(s: Session, bits: int, count: int) -> list[PooledKey]:
    """Return the oldest key pairs of that length, at most so many; nobody else takes them meanwhile."""
    return [PooledKey(*row) for row in s.all(_OLDEST_POOLED, bits=bits, count=count)]


def remove_pooled(s: Session, used: Sequence[PooledKey]) -> None:
    """Take key pairs out of the pool, for good."""
    if used:
        s.run(_REMOVE_POOLED, ids=[each.id for each in used])


def take_spare(s: Session, bits: int, count: int) -> list[PooledKey]:
    """Take key pairs that nobody waits for out of the pool, for good; at most as many as the count.

    Half of what the pool is kept filled to is for those who will: whoever only creates never has that.
    """
    taken = [PooledKey(*row) for row in s.all(_SPARE_POOLED, bits=bits, count=count)]
    remove_pooled(s, taken)
    return taken


def count_pooled(s: Session, bits: int) -> int:
    """Return how many key pairs of that length the pool holds."""
    row = s.one(_COUNT_POOLED, bits=bits)
    return 0 if row is None else int(row[0])
