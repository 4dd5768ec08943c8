"""The brake on mass demotion, as all processes share it: what it holds, and what it counts.

A zone is counted when a proof of an identity in it is taken away, or would have been: once an hour for each
account. Whoever demotes `hold`s the brake until the commit, so that two cannot both stay just below a limit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from indicia.domain.identities.identity import IdentityKind, Status
from indicia.domain.proofs.transitions import MAY_SEND
from indicia.domain.time import Instant
from indicia.domain.verification.brake import Brake
from indicia.store.engine import meta
from indicia.store.engine import tables as engine_tables
from indicia.store.engine.columns import Word
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Row, Session
from indicia.store.engine.upsert import insert_or_nothing, insert_or_replace
from indicia.store.identities import tables as identities_tables
from indicia.store.proofs import tables as proofs_tables
from indicia.store.verification import tables

PAUSED_AT = "demotions.paused_at"
RELEASED_UNTIL = "demotions.released_until"

_d, _a = tables.demotion.c, tables.account_brake.c
_l, _i, _v = proofs_tables.listed.c, identities_tables.identity.c, tables.verification.c
_BEGIN = insert_or_nothing(engine_tables.meta)
_HOLD = Prepared(
    sa.select(engine_tables.meta.c.value)
    .where(engine_tables.meta.c.key == sa.bindparam("key"))
    .with_for_update()
)


def read(s: Session) -> Brake:
    """Return how the brake stands."""
    return Brake(_instant(meta.get(s, PAUSED_AT)), _instant(meta.get(s, RELEASED_UNTIL)))


def hold(s: Session) -> Brake:
    """Return how the brake stands; nobody demotes anything before this transaction ends."""
    s.run(_BEGIN, key=PAUSED_AT, value="")
    s.one(_HOLD, key=PAUSED_AT)
    return read(s)


def pause(s: Session, now: Instant) -> None:
    """Let nothing be demoted until `resume`."""
    meta.put(s, PAUSED_AT, str(now))
    meta.put(s, RELEASED_UNTIL, "")


def resume(s: Session, until: Instant) -> None:
    """Let everything be demoted that is to be, uncounted until the instant. No account waits any more."""
    meta.put(s, PAUSED_AT, "")
    meta.put(s, RELEASED_UNTIL, str(until))
    s.run(_NOBODY_WAITS)


_NOTE = insert_or_replace(tables.demotion)
_OF_ACCOUNT = Prepared(
    sa.select(sa.func.count()).where(_d.account == sa.bindparam("account"), _d.at > sa.bindparam("after"))
)
_part = (
    sa.select(sa.func.count().label("zones"))
    .where(_d.at > sa.bindparam("after"))
    .group_by(_d.account)
    .subquery()
    .c.zones
)
_OF_ALL = Prepared(
    sa.select(
        sa.func.coalesce(
            sa.func.sum(sa.case((_part > sa.bindparam("each"), sa.bindparam("each")), else_=_part)), 0
        )
    )
)


def note(s: Session, zones: Iterable[tuple[str, str]], now: Instant) -> None:
    """Count these zones, each with its account, as demoted at this moment."""
    s.many(_NOTE, [{"account": account, "zone": zone, "at": now} for account, zone in sorted(zones)])


def of_account(s: Session, account: str, after: Instant) -> int:
    """Return how many zones of the account were counted after the instant."""
    return _number(s.one(_OF_ACCOUNT, account=account, after=after))


def of_all(s: Session, after: Instant, each: int) -> int:
    """Return how many zones were counted after the instant, of no account more than `each`."""
    return _number(s.one(_OF_ALL, after=after, each=each))


def _literal(value: str) -> sa.ColumnElement[str]:
    return sa.literal_column(f"'{value}'", Word)


def _verified(*of: sa.ColumnElement[bool]) -> Prepared:
    zones = (
        sa.select(_l.account, sa.func.coalesce(_v.zone_cut, _l.name))
        .select_from(
            proofs_tables.listed.join(
                identities_tables.identity,
                sa.and_(_i.account == _l.account, _i.region == _l.region, _i.name == _l.name),
            ).join(tables.verification, _v.identity_id == _i.id)
        )
        .where(
            _l.kind == _literal(IdentityKind.DOMAIN.value),
            _l.status.in_([_literal(each.value) for each in sorted(MAY_SEND, key=_by_value)]),
            *of,
        )
        .distinct()
    )
    return Prepared(sa.select(sa.func.count()).select_from(zones.subquery()))


def _by_value(status: Status) -> str:
    return status.value


_VERIFIED = _verified()
_VERIFIED_OF = _verified(_l.account == sa.bindparam("account"))


def verified(s: Session, account: str | None = None) -> int:
    """Return how many zones have a verified domain in them, of the account or, each by itself, of all.

    Reads all of its identities: never within a transaction that writes.
    """
    if account is None:
        return _number(s.one(_VERIFIED))
    return _number(s.one(_VERIFIED_OF, account=account))


@dataclass(frozen=True, slots=True)
class WaitingDemotions:
    """An account whose demotions wait, since when, and until when those wait that came first."""

    account: str
    since: Instant
    until: Instant


_WAIT = insert_or_replace(tables.account_brake)
_WAITS = Prepared(
    sa.select(_a.account).where(_a.account == sa.bindparam("account"), _a.until > sa.bindparam("now"))
)
_WAITING = Prepared(
    sa.select(_a.account, _a.since, _a.until)
    .where(_a.until > sa.bindparam("now"))
    .order_by(_a.since, _a.account)
)
_NOBODY_WAITS = Prepared(sa.delete(tables.account_brake))


def wait(s: Session, account: str, now: Instant, until: Instant) -> bool:
    """Let it be known that demotions of the account wait; False where it is known already."""
    if s.one(_WAITS, account=account, now=now) is not None:
        return False
    s.run(_WAIT, account=account, since=now, until=until)
    return True


def waiting(s: Session, now: Instant) -> list[WaitingDemotions]:
    """Return the accounts whose demotions wait, the longest waiting first."""
    return [WaitingDemotions(*row) for row in s.all(_WAITING, now=now)]


_COUNT_WAITING = Prepared(sa.select(sa.func.count()).where(_a.until > sa.bindparam("now")))


def count_waiting(s: Session, now: Instant) -> int:
    """Return how many accounts' demotions wait."""
    return _number(s.one(_COUNT_WAITING, now=now))


def _number(row: Row | None) -> int:
    return 0 if row is None else int(row[0])


def _instant(text: str | None) -> Instant | None:
    return int(text) if text else None
