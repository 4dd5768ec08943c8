"""How the destinations of webhooks (host and port) have answered: across all webhooks of an account there.

By account, so that nobody's webhooks wait because another tenant's failed at the same destination.
"""

from __future__ import annotations

import sqlalchemy as sa

from indicia.domain.retry import CLOSED, Circuit
from indicia.domain.time import Instant
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.engine.upsert import insert_or_nothing, insert_or_replace
from indicia.store.events import tables

_d = tables.webhook_destination.c
_PLACE = (_d.account == sa.bindparam("of_account"), _d.destination == sa.bindparam("of_destination"))

_BEGIN = insert_or_nothing(tables.webhook_destination)
_HOLD = Prepared(sa.select(_d.failures, _d.resume_at).where(*_PLACE).with_for_update())
_PUT = insert_or_replace(tables.webhook_destination)
_CLOSE = Prepared(sa.delete(tables.webhook_destination).where(*_PLACE))
_TRY = Prepared(
    sa.update(tables.webhook_destination)
    .where(*_PLACE, _d.resume_at > sa.bindparam("now"))
    .values(resume_at=sa.bindparam("now"))
)
_PAUSED = Prepared(
    sa.select(_d.destination, _d.resume_at).where(
        _d.account == sa.bindparam("account"), _d.resume_at > sa.bindparam("now")
    )
)


def hold(s: Session, account: str, destination: str, now: Instant) -> Circuit:
    """Return how the destination has answered; nobody else changes that before this transaction ends."""
    s.run(_BEGIN, account=account, destination=destination, failures=0, resume_at=None, failed_at=now)
    row = s.one(_HOLD, of_account=account, of_destination=destination)
    return CLOSED if row is None else Circuit(row[0], row[1])


def put(s: Session, account: str, destination: str, circuit: Circuit, now: Instant) -> None:
    """Store how the destination has answered after a failure."""
    s.run(
        _PUT,
        account=account,
        destination=destination,
        failures=circuit.failures,
        resume_at=circuit.resume_at,
        failed_at=now,
    )


def close(s: Session, account: str, destination: str) -> None:
    """Forget the failures of a destination: it has answered."""
    s.run(_CLOSE, of_account=account, of_destination=destination)


def try_now(s: Session, account: str, destination: str, now: Instant) -> None:
    """Let the destination be tried at once, with one message: its failures count on."""
    s.run(_TRY, of_account=account, of_destination=destination, now=now)


def paused(s: Session, account: str, now: Instant) -> dict[str, Instant]:
    """Return where nothing is sent for the account at this instant, each with when it is again."""
    return {row[0]: row[1] for row in s.all(_PAUSED, account=account, now=now)}
