"""What is recommended to the owners of domains, and when whose records are looked at for it.

A look changes nothing but recommendations, so two at once do no harm: there is no lease. Who takes on what is
due puts it off; if they die, it is due again then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import sqlalchemy as sa

from indicia.domain.diagnosis.recommendations import Code, Progress, Recommendation
from indicia.domain.identities.identity import Identity
from indicia.domain.time import Instant
from indicia.store.diagnosis import tables
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.queue import DueQueue
from indicia.store.engine.session import Session
from indicia.store.engine.upsert import dialect_insert, insert_or_replace
from indicia.store.identities import tables as identities_tables

_a, _r = tables.advice.c, tables.recommendation.c
_queue = DueQueue(tables.advice, key="identity_id")


@dataclass(frozen=True, slots=True)
class Turn:
    """A look that is taken on. `until` is when it is due again if nobody says that it is done."""

    identity_id: int
    until: Instant

    @property
    def id(self) -> int:
        """What logs know it by."""
        return self.identity_id


_NOW: Final = 0  # due before everything else
_OWN: Final = sa.select(
    identities_tables.identity.c.id, identities_tables.identity.c.account, sa.literal_column(str(_NOW))
).where(identities_tables.identity.c.id.in_(sa.bindparam("ids", expanding=True)))
_PUT_DUE = Prepared(
    lambda dialect: (
        dialect_insert(tables.advice, dialect)
        .from_select(["identity_id", "account", "due_at"], _OWN.order_by(identities_tables.identity.c.id))
        .on_conflict_do_update(index_elements=["identity_id"], set_={"due_at": sa.literal_column(str(_NOW))})
    )
)
_STALE = Prepared(sa.update(tables.advice).where(_a.identity_id == sa.bindparam("of_id")).values(due_at=_NOW))
_DUE = Prepared(_queue.head(_a.identity_id, where=(_a.account == sa.bindparam("account"),)))
_ACCOUNTS_DUE = Prepared(_queue.each_ready(_a.account, "accounts"))
_DONE = Prepared(
    sa.update(tables.advice).where(*_queue.put_off_until).values(due_at=sa.bindparam("due_again"))
)


def make_due(s: Session, identity_ids: Sequence[int]) -> None:
    """Let these identities be looked at soon."""
    if identity_ids:
        s.run(_PUT_DUE, ids=identity_ids)


def settings_changed(s: Session, identity_id: int) -> None:
    """Let the identity be looked at soon, if it is ever looked at."""
    s.run(_STALE, of_id=identity_id)


def anything_due(s: Session, now: Instant) -> bool:
    """Say whether a look is due that nobody has taken on."""
    return _queue.anything_due(s, now)


def next_due(s: Session, now: Instant) -> Instant | None:
    """Return the first instant after `now` at which a look becomes due, None when none does."""
    return _queue.next_due(s, now)


def accounts_due(s: Session, now: Instant, limit: int) -> list[str]:
    """Return the accounts for which a look is due, the longest waiting first."""
    return [row[0] for row in s.all(_ACCOUNTS_DUE, now=now, limit=limit)]


def take(s: Session, account: str, now: Instant, until: Instant, limit: int) -> list[Turn]:
    """Take on what is due for the account, the longest waiting first, and put it off until then."""
    ids = [row[0] for row in s.all(_DUE, account=account, now=now, limit=limit)]
    _queue.put_off(s, ids, until)
    return [Turn(identity_id, until) for identity_id in ids]


def done(s: Session, turn: Turn, due_at: Instant | None) -> None:
    """The look was made; the next is due then, or before if something changed meanwhile."""
    s.run(_DONE, of_id=turn.identity_id, until=turn.until, due_again=due_at)


_PUT = insert_or_replace(tables.recommendation)
_OF = Prepared(
    sa.select(_r.code, _r.status, _r.created_at, _r.updated_at).where(
        _r.identity_id == sa.bindparam("identity_id")
    )
)
_REMOVE = Prepared(
    sa.delete(tables.recommendation).where(
        _r.identity_id == sa.bindparam("identity_id"), _r.code == sa.bindparam("code")
    )
)


def of(s: Session, identity_id: int) -> list[Recommendation]:
    """Return what is recommended for an identity, in no order."""
    return [_recommendation(*row) for row in s.all(_OF, identity_id=identity_id)]


def replace(
    s: Session, identity: Identity, before: Iterable[Recommendation], after: Iterable[Recommendation]
) -> None:
    """Store what is recommended for an identity now; the transaction holds the identity."""
    wanted, present = set(after), set(before)
    codes = {each.code for each in wanted}
    gone = [each.code.value for each in present if each.code not in codes]
    s.many(_REMOVE, [{"identity_id": identity.id, "code": code} for code in gone])
    s.many(
        _PUT,
        [
            {
                "account": identity.account,
                "region": identity.region,
                "name": identity.name,
                "code": each.code.value,
                "identity_id": identity.id,
                "status": each.progress.value,
                "created_at": each.created_at,
                "updated_at": each.updated_at,
            }
            for each in sorted(wanted - present, key=lambda each: each.code.value)
        ],
    )


def _recommendation(code: str, status: str, created_at: Instant, updated_at: Instant) -> Recommendation:
    return Recommendation(Code(code), Progress(status), created_at, updated_at)


@dataclass(frozen=True, slots=True)
class Listed:
    """A recommendation as a list shows it: whose it is, and what."""

    name: str
    recommendation: Recommendation


@dataclass(frozen=True, slots=True)
class RecommendationSelection:
    """What a list shows: these codes, and where not None, this progress or this identity only."""

    codes: Sequence[Code]
    progress: Progress | None = None
    name: str | None = None


@cache
def _page_statement(*, progress: bool, name: bool) -> Prepared:
    after_name = sa.bindparam("after_name", type_=sa.Text)
    after_code = sa.bindparam("after_code", type_=sa.Text)
    chosen = (
        sa.select(_r.name, _r.code, _r.status, _r.created_at, _r.updated_at)
        .where(
            _r.account == sa.bindparam("account"),
            _r.region == sa.bindparam("region"),
            _r.name >= after_name,
            sa.or_(_r.name > after_name, _r.code > after_code),
            _r.code.in_(sa.bindparam("codes", expanding=True)),
        )
        .order_by(_r.name, _r.code)
        .limit(sa.bindparam("limit"))
    )
    if progress:
        chosen = chosen.where(_r.status == sa.bindparam("status"))
    if name:
        chosen = chosen.where(_r.name == sa.bindparam("name"))
    return Prepared(chosen)


def page(
    s: Session,
    account: str,
    region: str,
    wanted: RecommendationSelection,
    *,
    after: tuple[str, str],
    limit: int,
) -> list[Listed]:
    """Return the next recommendations in the order of names and codes, behind `after`."""
    if not wanted.codes:
        return []
    filters: dict[str, str] = {}
    if wanted.progress is not None:
        filters["status"] = wanted.progress.value
    if wanted.name is not None:
        filters["name"] = wanted.name
    found = s.all(
        _page_statement(progress=wanted.progress is not None, name=wanted.name is not None),
        account=account,
        region=region,
        after_name=after[0],
        after_code=after[1],
        codes=[code.value for code in wanted.codes],
        limit=limit,
        **filters,
    )
    return [Listed(row[0], _recommendation(*row[1:])) for row in found]
