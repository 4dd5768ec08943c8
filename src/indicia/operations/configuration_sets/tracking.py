"""The domain of a configuration set's links: whose it must be, and how v1 sets it by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.names import fold_domain, is_domain, parents, shown
from indicia.domain.proofs.inheritance import may_send
from indicia.store.identities import identities

if TYPE_CHECKING:
    from indicia.operations.call import Call
    from indicia.store.engine.session import Session
    from indicia.wire.shapes import sesv2


def check_tracking(call: Call, options: sesv2.TrackingOptions | None, s: Session) -> None:
    """The redirect domain is verified, or none is given. Order and texts as probed (floci).

    Raises: `Fault` INVALID_PARAMETER.
    """
    if options is not None:
        check_redirect_domain(call, options.CustomRedirectDomain, s, FaultKind.INVALID_PARAMETER)


def check_redirect_domain(call: Call, domain: str, s: Session, kind: FaultKind) -> None:
    """The domain, or one above it, is a verified identity of the account.

    Raises: `Fault` of the kind.
    """
    if not domain.strip():
        refuse(kind, "CustomRedirectDomain must be specified.")
    name = fold_domain(domain)
    names = tuple(parents(name)) if is_domain(name) else ()
    views = identities.view_many(s, call.account, call.region, names)
    if not any(map(may_send, views.values())):
        refuse(kind, f"Domain <{shown(domain)}> is not verified under this account.")
