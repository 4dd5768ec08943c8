"""Verification links. The token is in the mail only; here is its SHA-256."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum

import sqlalchemy as sa

from indicia.domain.time import Instant
from indicia.store import tables
from indicia.store.prepared import Prepared
from indicia.store.session import Session

_l = tables.verification_link.c


@dataclass(frozen=True, slots=True)
class Link:
    """What a link proves: that the mailbox of this identity is read by who asked for this generation."""

    identity_id: int
    generation: int


class Refusal(Enum):
    """Why a link proves nothing."""

    UNKNOWN = "unknown"
    USED = "used"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"


_CREATE = Prepared(sa.insert(tables.verification_link))
_SUPERSEDE = Prepared(
    sa.update(tables.verification_link)
    .where(_l.identity_id == sa.bindparam("of_identity"), _l.used_at.is_(None), _l.superseded_at.is_(None))
    .values(superseded_at=sa.bindparam("at"))
)
_GET = Prepared(
    sa.select(_l.identity_id, _l.generation, _l.used_at, _l.superseded_at, _l.expires_at).where(
        _l.token_hash == sa.bindparam("token_hash")
    )
)
_USE = Prepared(
    sa.update(tables.verification_link)
    .where(
        _l.token_hash == sa.bindparam("of_hash"),
        _l.used_at.is_(None),
        _l.superseded_at.is_(None),
        _l.expires_at > sa.bindparam("now"),
    )
    .values(used_at=sa.bindparam("now"))
)
_PRUNE = Prepared(sa.delete(tables.verification_link).where(_l.expires_at < sa.bindparam("before")))


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def create(
    s: Session, token: str, *, identity_id: int, generation: int, now: Instant, expires_at: Instant
) -> None:
    """Make the token a link of the identity, good once and until `expires_at`.

    Earlier links of the identity that were not used are superseded (spec 3.1).
    """
    s.run(_SUPERSEDE, of_identity=identity_id, at=now)
    s.run(
        _CREATE,
        token_hash=_hashed(token),
        identity_id=identity_id,
        generation=generation,
        created_at=now,
        expires_at=expires_at,
        used_at=None,
        superseded_at=None,
    )


def look(s: Session, token: str, now: Instant) -> Link | Refusal:
    """Return what using the link now would prove. Changes nothing: mail scanners open links."""
    row = s.one(_GET, token_hash=_hashed(token))
    if row is None:
        return Refusal.UNKNOWN
    identity_id, generation, used_at, superseded_at, expires_at = row
    if used_at is not None:
        return Refusal.USED
    if superseded_at is not None:
        return Refusal.SUPERSEDED
    if expires_at <= now:
        return Refusal.EXPIRED
    return Link(identity_id, generation)


def use(s: Session, token: str, now: Instant) -> Link | Refusal:
    """Use the link up and return what it proves, or why it proves nothing. One caller gets the link, once."""
    found = look(s, token, now)
    if isinstance(found, Refusal):
        return found
    if s.run(_USE, of_hash=_hashed(token), now=now) == 1:
        return found
    again = look(s, token, now)  # another caller was between
    return again if isinstance(again, Refusal) else Refusal.USED


def prune(s: Session, before: Instant) -> int:
    """Forget links that expired before the instant. They are unknown from then on."""
    return s.run(_PRUNE, before=before)
