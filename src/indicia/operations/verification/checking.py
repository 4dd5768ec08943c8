"""POST /indicia/v1/identities/{name}/check: look at the identity now, not when its turn comes.

Asking never moves a state: it only makes the identity due (verification.md, Granting).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identities.identity import Facet, Identity, Status, TokenSetKind
from indicia.domain.names import fold, shown
from indicia.store.identities import identities
from indicia.store.verification import checks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from indicia.domain.identities.identity import FacetState
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session


class CheckRequest(Struct, kw_only=True, frozen=True):
    """Whose records are to be looked at."""

    name: str


class CheckResponse(Struct, kw_only=True, frozen=True):
    """What was made due."""

    identity: str


_AWAITED: Final = (Status.PENDING, Status.TEMPORARY_FAILURE)


def check_identity(context: OperationContext, call: Call, request: CheckRequest, s: Session) -> CheckResponse:
    """The identity is due at once, behind a check that is running.

    Raises: `Fault` NOT_FOUND; CONFLICT when looking can change nothing, naming what can.
    """
    view = identities.view(s, call.account, call.region, fold(request.name))
    if view is None:
        refuse(FaultKind.NOT_FOUND, f"Email identity <{shown(request.name)}> does not exist.")
    _refuse_vain(view.identity, view.facets)
    if not checks.due_now(s, view.identity.id, call.now):
        refuse(FaultKind.CONFLICT, f"Nothing of {shown(view.identity.name)} is looked for in the DNS.")
    context.hints.engine()
    return CheckResponse(identity=view.identity.name)


def _refuse_vain(identity: Identity, states: Mapping[Facet, FacetState]) -> None:
    """Refuse a check whose asker waits for something that no check brings.

    A failed facet is passed over while another is awaited: that one is what the check is for.
    """
    looked_for = {facet: state.status for facet, state in states.items() if facet is not Facet.LINK}
    if any(status in _AWAITED for status in looked_for.values()):
        return
    failed = next((facet for facet, status in looked_for.items() if status is Status.FAILED), None)
    if failed is not None:
        refuse(
            FaultKind.CONFLICT,
            f"The {failed.value} verification of {shown(identity.name)} has failed and is not looked for any"
            f" more. {_what_starts(failed, identity)} starts it anew.",
        )
    if not looked_for:
        refuse(
            FaultKind.CONFLICT,
            f"{shown(identity.name)} is proved by the link in its mail, not by the DNS. VerifyEmailIdentity"
            " (API v1) sends a new one.",
        )


def _what_starts(facet: Facet, identity: Identity) -> str:
    """Return the operation that starts a failed facet anew (verification.md, Taking away)."""
    if facet is Facet.OWNERSHIP:
        return "VerifyDomainIdentity (API v1)"
    if facet is Facet.MAIL_FROM:
        return "Setting the MAIL FROM domain again (PutEmailIdentityMailFromAttributes)"
    if identity.origin == TokenSetKind.EXTERNAL.value:
        return "PutEmailIdentityDkimSigningAttributes"
    return "VerifyDomainDkim (API v1) or PutEmailIdentityDkimSigningAttributes"
