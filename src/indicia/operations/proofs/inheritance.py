"""What covers an identity, out of the store. The rules are `domain.proofs.inheritance`'s."""

from __future__ import annotations

from collections.abc import Mapping

from indicia.domain.identities.identity import Identity, IdentityKind
from indicia.domain.proofs.inheritance import covering
from indicia.domain.proofs.transitions import MAY_SEND
from indicia.store.engine.session import Session
from indicia.store.identities import identities
from indicia.store.identities.identities import IdentityView
from indicia.store.proofs import listed


def views_above(
    s: Session, account: str, region: str, kind: IdentityKind, name: str
) -> tuple[IdentityView, ...]:
    """Return the registered identities that would cover the name, the most specific first."""
    names = covering(kind, name)
    found = identities.view_many(s, account, region, names)
    return tuple(found[above] for above in names if above in found)


def above(s: Session, identity: Identity) -> tuple[IdentityView, ...]:
    """Return the registered identities that cover the identity, the most specific first."""
    return views_above(s, identity.account, identity.region, identity.kind, identity.name)


def covered_names(s: Session, account: str, region: str, names: Mapping[str, IdentityKind]) -> frozenset[str]:
    """Return those of the names that a verified identity above them covers, in one look at the store."""
    covers = {name: covering(kind, name) for name, kind in names.items()}
    asked = sorted({cover for each in covers.values() for cover in each})
    found = listed.statuses(s, account, region, asked)
    verified = {name for name, status in found.items() if status in MAY_SEND}
    return frozenset(name for name, each in covers.items() if not verified.isdisjoint(each))
