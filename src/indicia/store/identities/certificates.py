"""Certificates that people associated with an identity: which ARN for which From address."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from indicia.domain.time import Instant
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.engine.upsert import insert_or_nothing
from indicia.store.identities import tables

_c = tables.identity_certificate.c


@dataclass(frozen=True, slots=True)
class CertificateAssociation:
    """One association. `sender` is the From address under which it is found, `from_address` as written."""

    sender: str
    from_address: str
    arn: str


_OF_IDENTITY = _c.identity_id == sa.bindparam("identity_id")
_ADD = insert_or_nothing(tables.identity_certificate)
_GET = Prepared(
    sa.select(_c.sender, _c.from_address, _c.certificate_arn).where(
        _OF_IDENTITY, _c.sender == sa.bindparam("sender")
    )
)
_PAGE = Prepared(
    sa.select(_c.sender, _c.from_address, _c.certificate_arn)
    .where(_OF_IDENTITY, _c.sender > sa.bindparam("after"))
    .order_by(_c.sender)
    .limit(sa.bindparam("limit"))
)
_REMOVE = Prepared(
    sa.delete(tables.identity_certificate).where(_OF_IDENTITY, _c.sender == sa.bindparam("sender"))
)


def add(s: Session, identity_id: int, certificate: CertificateAssociation, at: Instant) -> bool:
    """Associate a certificate and return True; return False when the From address has one."""
    return (
        s.run(
            _ADD,
            identity_id=identity_id,
            sender=certificate.sender,
            from_address=certificate.from_address,
            certificate_arn=certificate.arn,
            created_at=at,
        )
        == 1
    )


def get(s: Session, identity_id: int, sender: str) -> CertificateAssociation | None:
    """Return the certificate of a From address, None when it has none."""
    row = s.one(_GET, identity_id=identity_id, sender=sender)
    return None if row is None else CertificateAssociation(*row)


def page(s: Session, identity_id: int, *, after: str, limit: int) -> list[CertificateAssociation]:
    """Return the next certificates of the identity in the order of their senders, behind `after`."""
    return [
        CertificateAssociation(*row)
        for row in s.all(_PAGE, identity_id=identity_id, after=after, limit=limit)
    ]


def remove(s: Session, identity_id: int, sender: str) -> None:
    """Take the certificate from the From address; one that has none is no matter."""
    s.run(_REMOVE, identity_id=identity_id, sender=sender)
