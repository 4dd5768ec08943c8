"""The mails we sent of ourselves: how many lately, and to whom none any more.

Anybody can name any mailbox when they create an identity, so mails are capped by mailbox, domain and account,
and who answers "this was not me" gets no more.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from indicia.domain.time import Instant
from indicia.store import tables
from indicia.store.ids import new_id
from indicia.store.prepared import Prepared
from indicia.store.session import Session
from indicia.store.upsert import insert_or_nothing

_m = tables.mail_sent.c


@dataclass(frozen=True, slots=True)
class Counts:
    """How many mails went to the mailbox, to its domain, and for the account."""

    mailbox: int
    domain: int
    account: int


_RECORD = Prepared(sa.insert(tables.mail_sent))


def _counted(column: str) -> sa.ScalarSelect[int]:
    return (
        sa.select(sa.func.count())
        .select_from(tables.mail_sent)
        .where(_m[column] == sa.bindparam(column), _m.at >= sa.bindparam("since"))
        .scalar_subquery()
    )


_COUNT = Prepared(sa.select(_counted("mailbox"), _counted("domain"), _counted("account")))
_MAILBOX = Prepared(sa.select(_m.mailbox).where(_m.token_hash == sa.bindparam("token_hash")).limit(1))
_OLD = sa.select(_m.id).where(_m.at < sa.bindparam("before")).order_by(_m.at, _m.id)
_PRUNE_LINKS = Prepared(
    sa.delete(tables.verification_link).where(
        tables.verification_link.c.token_hash.in_(
            sa.select(_m.token_hash).where(_m.id.in_(_OLD.limit(sa.bindparam("limit"))))
        ),
        tables.verification_link.c.expires_at < sa.bindparam("now"),
    )
)
_PRUNE = Prepared(sa.delete(tables.mail_sent).where(_m.id.in_(_OLD.limit(sa.bindparam("limit")))))
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

    Known until `prune`, whatever becomes of the link and its identity: "this was not me" needs no more.
    """
    row = s.one(_MAILBOX, token_hash=token_hash)
    return None if row is None else str(row[0])


def counts(s: Session, *, mailbox: str, domain: str, account: str, since: Instant) -> Counts:
    """Return how many mails were noted since the instant."""
    row = s.one(_COUNT, mailbox=mailbox, domain=domain, account=account, since=since)
    assert row is not None
    return Counts(*row)


def prune(s: Session, before: Instant, now: Instant, limit: int) -> int:
    """Forget mails noted before an instant, as many as the limit, and return how many those were.

    The links in them go too, where they have expired. They are unknown from then on.
    """
    s.run(_PRUNE_LINKS, before=before, now=now, limit=limit)
    return s.run(_PRUNE, before=before, limit=limit)


def stop(s: Session, mailbox: str, at: Instant) -> None:
    """Note that the mailbox wants no mail of ours."""
    s.run(_STOP, mailbox=mailbox, at=at)


def stopped(s: Session, mailbox: str) -> bool:
    """Return whether the mailbox wants no mail of ours."""
    return s.one(_STOPPED, mailbox=mailbox) is not None


def resume(s: Session, mailbox: str) -> None:
    """Forget that the mailbox wanted no mail: its reader, or an operator, has decided so."""
    s.run(_RESUME, mailbox=mailbox)
