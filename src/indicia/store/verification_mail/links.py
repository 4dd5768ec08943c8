"""Verification links. The token is in the mail only; here is its SHA-256.

What state a link is in, and what may be done with it, `domain.verification_mail.links` says.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa

from indicia.domain.time import Instant
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.verification_mail import tables

_l = tables.verification_link.c


@dataclass(frozen=True, slots=True)
class RedirectTargets:
    """Where a browser goes after a visit, in place of our own pages: as the template of the mail has it."""

    success: str
    failure: str


@dataclass(frozen=True, slots=True)
class StoredLink:
    """A link as it was made, and what has happened to it."""

    token_hash: bytes = field(repr=False)
    identity_id: int
    generation: int
    created_at: Instant
    expires_at: Instant
    used_at: Instant | None
    superseded_at: Instant | None
    landing: RedirectTargets | None = None


_CREATE = Prepared(sa.insert(tables.verification_link))
_SUPERSEDE = Prepared(
    sa.update(tables.verification_link)
    .where(_l.identity_id == sa.bindparam("of_identity"), _l.used_at.is_(None), _l.superseded_at.is_(None))
    .values(superseded_at=sa.bindparam("at"))
)
_FIND = Prepared(
    sa.select(
        _l.token_hash,
        _l.identity_id,
        _l.generation,
        _l.created_at,
        _l.expires_at,
        _l.used_at,
        _l.superseded_at,
        _l.success_url,
        _l.failure_url,
    ).where(_l.token_hash == sa.bindparam("token_hash"))
)
_OPEN = (
    _l.token_hash == sa.bindparam("of_hash"),
    _l.used_at.is_(None),
    _l.superseded_at.is_(None),
    _l.expires_at > sa.bindparam("now"),
)
_USE = Prepared(sa.update(tables.verification_link).where(*_OPEN).values(used_at=sa.bindparam("now")))
_END = Prepared(sa.update(tables.verification_link).where(*_OPEN).values(expires_at=sa.bindparam("now")))


def create(
    s: Session,
    token_hash: bytes,
    *,
    identity_id: int,
    generation: int,
    now: Instant,
    expires_at: Instant,
    landing: RedirectTargets | None = None,
) -> None:
    """Make a link of the identity, good once and until `expires_at`; visits to it end at `landing`.

    Earlier links of the identity that were not used are superseded (spec 3.1).
    """
    s.run(_SUPERSEDE, of_identity=identity_id, at=now)
    s.run(
        _CREATE,
        token_hash=token_hash,
        identity_id=identity_id,
        generation=generation,
        created_at=now,
        expires_at=expires_at,
        used_at=None,
        superseded_at=None,
        success_url=landing.success if landing else None,
        failure_url=landing.failure if landing else None,
    )


def find(s: Session, token_hash: bytes) -> StoredLink | None:
    """Return the link, None when it is not known. Changes nothing: mail scanners open links."""
    row = s.one(_FIND, token_hash=token_hash)
    if row is None:
        return None
    digest, identity_id, generation, created_at, expires_at, used_at, superseded_at, success, failure = row
    landing = None if success is None else RedirectTargets(success, failure)
    return StoredLink(
        digest, identity_id, generation, created_at, expires_at, used_at, superseded_at, landing
    )


def use(s: Session, token_hash: bytes, now: Instant) -> bool:
    """Use the link up and return whether this call did: of all callers, one at most gets True."""
    return s.run(_USE, of_hash=token_hash, now=now) == 1


def end(s: Session, token_hash: bytes, now: Instant) -> bool:
    """Let the link expire now, if it could still be used, and return whether it could."""
    return s.run(_END, of_hash=token_hash, now=now) == 1
