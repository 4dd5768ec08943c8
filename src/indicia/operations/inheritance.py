"""What an identity has from the domains above it (spec 3.6, 3.7).

A verified domain covers every address at it and below it. DKIM attributes of an address are those of the most
specific registered domain; settings are never mixed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from indicia.domain.identity import Identity, IdentityKind
from indicia.domain.names import parents
from indicia.domain.verification import MAY_SEND, own_status
from indicia.store import identities
from indicia.store.identities import IdentityView
from indicia.store.session import Session


def names_above(kind: IdentityKind, name: str) -> tuple[str, ...]:
    """Return the domains that would cover the name, the most specific first. A domain is not above itself."""
    if kind is IdentityKind.EMAIL_ADDRESS:
        return tuple(parents(name.rpartition("@")[2].lower()))
    return tuple(parents(name.partition(".")[2]))


def domains_above(s: Session, identity: Identity) -> tuple[IdentityView, ...]:
    """Return the registered domain identities that cover the identity, the most specific first."""
    names = names_above(identity.kind, identity.name)
    found = identities.view_many(s, identity.account, identity.region, names)
    return tuple(found[name] for name in names if name in found)


def may_send(view: IdentityView) -> bool:
    """Say whether the identity's own proof lets it send, grace period included."""
    return own_status(view.facets) in MAY_SEND


def covered(above: Iterable[IdentityView]) -> bool:
    """Say whether one of the domains is verified, so that what lies below it may send too."""
    return any(map(may_send, above))


def covered_names(s: Session, account: str, region: str, names: Mapping[str, IdentityKind]) -> frozenset[str]:
    """Return those of the names that a verified domain above them covers, in one look at the store."""
    above = {name: names_above(kind, name) for name, kind in names.items()}
    asked = sorted({domain for domains in above.values() for domain in domains})
    verified = {
        name for name, view in identities.view_many(s, account, region, asked).items() if may_send(view)
    }
    return frozenset(name for name, domains in above.items() if not verified.isdisjoint(domains))
