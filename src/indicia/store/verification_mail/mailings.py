"""The mails we sent of ourselves: how many lately, and to whom none any more.

Anybody can name any mailbox when they create an identity, so mails are capped by mailbox, domain and account,
and who answers "this was not me" gets no more.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import sqlalchemy as sa

from indicia.domain.time import Instant
from indicia.domain.verification_mail.caps import Scope, Sent
from indicia.store.engine.ids import new_id
from indicia.store.engine.prepared import POSTGRESQL, Prepared
from indicia.store.engine.session import Session
from indicia.store.engine.upsert import insert_or_nothing
from indicia.store.verification_mail import tables

_m = tables.mail_sent.c


_RECORD = Prepared(sa.insert(tables.mail_sent))


_MINE = sa.case((_m.account == sa.bindparam("account"), 1), else_=0)
# Whose mails each cap counts: the column, and the index with which counting them reads no row.
_COLUMN: Final = {Scope.MAILBOX: _m.mailbox, Scope.DOMAIN: _m.domain, Scope.ACCOUNT: _m.account}


def _counted(scope: Scope) -> sa.Subquery:
    return (
        sa.select(sa.func.count().label("total"), sa.func.coalesce(sa.func.sum(_MINE), 0).label("own"))
        .select_from(tables.mail_sent)
        .where(_COLUMN[scope] == sa.bindparam(scope.value), _m.at >= sa.bindparam("since"))
        .subquery(f"of_{scope.value}")
    )


_COUNTED: Final = {scope: _counted(scope) for scope in Scope}
_COUNT = Prepared(sa.select(*(cell for each in _COUNTED.values() for cell in (each.c.total, each.c.own))))
_OLDEST: Final = {
    scope: Prepared(
        sa.select(_m.at, _MINE)
        .where(column == sa.bindparam(scope.value), _m.at >= sa.bindparam("since"))
        .order_by(_m.at)
        .limit(sa.bindparam("limit"))
    )
    for scope, column in _COLUMN.items()
}
_ALONE = Prepared(sa.select(sa.func.pg_advisory_xact_lock(sa.bindparam("key", type_=sa.BigInteger))))
_MAILBOX = Prepared(sa.select(_m.mailbox).where(_m.token_hash == sa.bindparam("token_hash")).limit(1))
_STOP = insert_or_nothing(tables.mail_stop)
_STOPPED = Prepared(
    sa.select(tables.mail_stop.c.at).where(tables.mail_stop.c.mailbox == sa.bindparam("mailbox"))
)
_RESUME = Prepared(sa.delete(tables.mail_stop).where(tables.mail_stop.c.mailbox == sa.bindparam("mailbox")))


def record(s: Session, *, mailbox: str, domain: str, account: str, at: Instant, token_hash: bytes) -> None:
    """Note that a mail with a link goes out, in the transaction that queues it."""
    s.run(_RECORD, id=new_id(), mailbox=mailbox, domain=domain, account=account, at=at, token_hash=token_hash)


def mailbox_of(s: Session, token_hash: bytes) -> str | None:
    """Return the mailbox that the link went to, None when no mail with it is noted.

    Known until it is forgotten with age, whatever becomes of the link and its identity: "this was not me"
    needs no more.
    """
    row = s.one(_MAILBOX, token_hash=token_hash)
    return None if row is None else str(row[0])


def counts(s: Session, *, mailbox: str, domain: str, account: str, since: Instant) -> dict[Scope, Sent]:
    """Return how many mails were noted since the instant, by what is counted: of all, and of the account.

    Nobody else counts for the mailbox before this transaction ends: of many callers at once each would find
    room for one.
    """
    if s.dialect == POSTGRESQL:
        s.one(_ALONE, key=int.from_bytes(sha256(mailbox.encode()).digest()[:8], signed=True))
    row = s.one(_COUNT, mailbox=mailbox, domain=domain, account=account, since=since)
    assert row is not None
    return {scope: Sent(row[2 * at], int(row[2 * at + 1])) for at, scope in enumerate(_COUNTED)}


def oldest(
    s: Session, scope: Scope, counted: str, *, account: str, since: Instant, limit: int
) -> list[tuple[Instant, bool]]:
    """Return when the mails were sent that count, the oldest first, and which of them are the account's.

    `counted` is the mailbox, the domain or the account, as the scope says.
    """
    given = {"account": account, scope.value: counted}
    return [(at, mine == 1) for at, mine in s.all(_OLDEST[scope], since=since, limit=limit, **given)]


def stop(s: Session, mailbox: str, at: Instant) -> None:
    """Note that the mailbox wants no mail of ours."""
    s.run(_STOP, mailbox=mailbox, at=at)


def stopped(s: Session, mailbox: str) -> bool:
    """Return whether the mailbox wants no mail of ours."""
    return s.one(_STOPPED, mailbox=mailbox) is not None


def resume(s: Session, mailbox: str) -> None:
    """Forget that the mailbox wanted no mail: its reader, or an operator, has decided so."""
    s.run(_RESUME, mailbox=mailbox)
