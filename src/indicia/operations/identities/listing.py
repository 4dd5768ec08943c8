"""Lists of identities: v2 ListEmailIdentities, v1 ListIdentities and ListVerifiedEmailAddresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identities.identity import IdentityKind, Status
from indicia.domain.names import shown
from indicia.domain.proofs.transitions import MAY_SEND
from indicia.operations import paging
from indicia.operations.proofs.inheritance import covered_names
from indicia.store.proofs import listed
from indicia.wire.shapes import ses, sesv2

if TYPE_CHECKING:
    from collections.abc import Mapping

    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session
    from indicia.store.proofs.listed import Page

LARGEST_PAGE: Final = 1000  # spec 6.8
V2_PAGE: Final = 25
V1_PAGE: Final = 1000
# Declared by the vendor, never returned by it, and never stored here.
MANAGED_DOMAIN: Final = "MANAGED_DOMAIN"

_V1_KINDS: Final = {"EmailAddress": IdentityKind.EMAIL_ADDRESS, "Domain": IdentityKind.DOMAIN}


def list_email_identities(
    context: OperationContext, call: Call, request: sesv2.ListEmailIdentitiesRequest, s: Session
) -> sesv2.ListEmailIdentitiesResponse:
    """SES v2 ListEmailIdentities, by name. Conditions of the filter are joined by "and".

    Raises: `Fault` INVALID_PARAMETER for a page size out of range, a token that is not one, or a filter value
    outside its enumeration.
    """
    size = _page_size(request.PageSize, V2_PAGE, "PageSize")
    after = paging.place_of(request.NextToken, paging.IDENTITIES, call, context.ports.keyring)
    wanted = request.Filter or {}
    kind, status = _filtered_kind(wanted), _filtered_status(wanted)
    contains = wanted.get("IDENTITY_NAME_CONTAINS")
    if wanted.get("IDENTITY_TYPE") == MANAGED_DOMAIN or (contains and not _may_be_in_a_name(contains)):
        return sesv2.ListEmailIdentitiesResponse(EmailIdentities=[])
    page = listed.page(
        s, call.account, call.region, after=after, size=size, kind=kind, contains=contains, status=status
    )
    covered = _covered(call, s, page)
    return sesv2.ListEmailIdentitiesResponse(
        EmailIdentities=[
            # The texts as `word` has them, without two calls for each of a thousand rows.
            sesv2.IdentityInfo(
                IdentityType=kind._value_,
                IdentityName=name,
                SendingEnabled=status in MAY_SEND or name in covered,
                VerificationStatus=status._value_,
            )
            for name, kind, status in zip(page.names, page.kinds, page.statuses, strict=True)
        ],
        NextToken=_next_token(context, call, page),
    )


def _covered(call: Call, s: Session, page: Page) -> frozenset[str]:
    """Return the names on the page that may send because of what is above them. Most pages need no look."""
    if MAY_SEND.issuperset(page.statuses):
        return frozenset()
    rows = zip(page.names, page.kinds, page.statuses, strict=True)
    unproved = {name: kind for name, kind, status in rows if status not in MAY_SEND}
    return covered_names(s, call.account, call.region, unproved)


def _filtered_kind(wanted: Mapping[str, str]) -> IdentityKind | None:
    kind = wanted.get("IDENTITY_TYPE")
    if kind is None or kind == MANAGED_DOMAIN:
        return None
    if kind not in IdentityKind.__members__:
        _refuse_value("IDENTITY_TYPE", kind, [*IdentityKind.__members__, MANAGED_DOMAIN])
    return IdentityKind(kind)


def _filtered_status(wanted: Mapping[str, str]) -> Status | None:
    status = wanted.get("VERIFICATION_STATUS")
    if status is None:
        return None
    if status not in Status.__members__:
        _refuse_value("VERIFICATION_STATUS", status, list(Status.__members__))
    return Status(status)


def _may_be_in_a_name(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _refuse_value(key: str, value: str, allowed: list[str]) -> None:
    refuse(
        FaultKind.INVALID_PARAMETER,
        f"Value {shown(value)} for filter {key} is invalid. It must be one of {', '.join(sorted(allowed))}.",
    )


def _page_size(asked: int | None, default: int, parameter: str) -> int:
    """Return how many to list. Spec 6.8: 0 is refused, whatever the model says."""
    if asked is None:
        return default
    if not 1 <= asked <= LARGEST_PAGE:
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"Value {asked} for parameter {parameter} is invalid."
            f" {parameter} must be between 1 and {LARGEST_PAGE}.",
        )
    return asked


def _next_token(context: OperationContext, call: Call, page: Page) -> str | None:
    return (
        paging.token_after(page.names[-1], paging.IDENTITIES, call, context.ports.keyring)
        if page.more
        else None
    )


def list_identities(
    context: OperationContext, call: Call, request: ses.ListIdentitiesRequest, s: Session
) -> ses.ListIdentitiesResponse:
    """SES v1 ListIdentities, by name, whatever their status. Tokens are those of v2.

    Raises: `Fault` INVALID_PARAMETER.
    """
    size = _page_size(request.MaxItems, V1_PAGE, "MaxItems")
    after = paging.place_of(request.NextToken, paging.IDENTITIES, call, context.ports.keyring)
    kind = None if request.IdentityType is None else _V1_KINDS[request.IdentityType]
    page = listed.page(s, call.account, call.region, after=after, size=size, kind=kind)
    return ses.ListIdentitiesResponse(Identities=list(page.names), NextToken=_next_token(context, call, page))


def list_verified_email_addresses(
    context: OperationContext, call: Call, request: ses.ListVerifiedEmailAddressesRequest, s: Session
) -> ses.ListVerifiedEmailAddressesResponse:
    """SES v1 ListVerifiedEmailAddresses (deprecated): every address whose own status is Success, by name.

    The operation has no paging; the store is read a page at a time all the same.
    """
    found: list[str] = []
    after = ""
    while True:
        page = listed.page(
            s,
            call.account,
            call.region,
            after=after,
            size=LARGEST_PAGE,
            kind=IdentityKind.EMAIL_ADDRESS,
            status=Status.SUCCESS,
        )
        found += page.names
        if not page.more:
            return ses.ListVerifiedEmailAddressesResponse(VerifiedEmailAddresses=found)
        after = page.names[-1]
