"""Certificates of an identity, v2: Associate..., Disassociate..., ListEmailIdentityCertificates.

There is no certificate authority here and no store of private keys behind the ARNs: an association is kept
and listed, and its status says that it signs nothing. Order of checks and texts are the probed ones (floci):
members, then the From address, then the identity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from indicia.domain.arns import identity_arn
from indicia.domain.faults import FaultKind, refuse
from indicia.domain.names import fold, is_address, shown, under
from indicia.operations import paging
from indicia.store.identities import certificates, identities
from indicia.store.identities.certificates import CertificateAssociation
from indicia.wire.shapes import sesv2

if TYPE_CHECKING:
    from indicia.domain.identities.identity import Identity
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session

LARGEST_PAGE: Final = 1000  # probed, and the default
# SES v2 IdentityCertificateStatus: nothing will ever be provisioned from an ARN alone.
FAILED: Final = "FAILED"


def associate_certificate(
    context: OperationContext, call: Call, request: sesv2.AssociateEmailIdentityCertificateRequest, s: Session
) -> sesv2.AssociateEmailIdentityCertificateResponse:
    """SES v2 AssociateEmailIdentityCertificate. The certificate itself is not looked at.

    Raises: `Fault` INVALID_PARAMETER, NOT_FOUND, ALREADY_EXISTS.
    """
    sender = _sender(request.EmailIdentity, request.FromAddress)
    identity = _identity(call, request.EmailIdentity, s)
    # Against whoever deletes the identity at this moment.
    if not identities.lock(s, identity.id):
        _refuse_missing(request.EmailIdentity)
    certificate = CertificateAssociation(_key(sender), sender, request.CertificateArn)
    if not certificates.add(s, identity.id, certificate, call.now):
        present = certificates.get(s, identity.id, certificate.sender)
        refuse(
            FaultKind.ALREADY_EXISTS,
            f"A certificate is already associated with sender <{(present or certificate).from_address}> on"
            f" identity <{request.EmailIdentity}>.",
        )
    return sesv2.AssociateEmailIdentityCertificateResponse()


def disassociate_certificate(
    context: OperationContext,
    call: Call,
    request: sesv2.DisassociateEmailIdentityCertificateRequest,
    s: Session,
) -> sesv2.DisassociateEmailIdentityCertificateResponse:
    """SES v2 DisassociateEmailIdentityCertificate. A From address without one is no matter.

    Raises: `Fault` INVALID_PARAMETER, NOT_FOUND.
    """
    sender = _sender(request.EmailIdentity, request.FromAddress)
    certificates.remove(s, _identity(call, request.EmailIdentity, s).id, _key(sender))
    return sesv2.DisassociateEmailIdentityCertificateResponse()


def list_certificates(
    context: OperationContext, call: Call, request: sesv2.ListEmailIdentityCertificatesRequest, s: Session
) -> sesv2.ListEmailIdentityCertificatesResponse:
    """SES v2 ListEmailIdentityCertificates, by From address; each FAILED, and without an expiry.

    Raises: `Fault` VALIDATION for a page size out of range, NOT_FOUND, INVALID_PARAMETER for a bad token.
    """
    size = LARGEST_PAGE if request.PageSize is None else request.PageSize
    if not 1 <= size <= LARGEST_PAGE:
        bound = "greater than or equal to 1" if size < 1 else f"less than or equal to {LARGEST_PAGE}"
        refuse(
            FaultKind.VALIDATION,
            f"1 validation error detected: Value '{size}' at 'pageSize' failed to satisfy constraint: Member"
            f" must have value {bound}",
        )
    identity = _identity(call, request.EmailIdentity, s)
    listed = paging.certificates_of(identity.id)
    after = paging.place_of(
        request.NextToken, listed, call, context.ports.keyring, refusal=lambda _: "Invalid NextToken."
    )
    page = certificates.page(s, identity.id, after=after, limit=size + 1)
    more = len(page) > size
    return sesv2.ListEmailIdentityCertificatesResponse(
        Certificates=[
            sesv2.IdentityCertificate(
                FromAddress=certificate.from_address, Status=FAILED, CertificateArn=certificate.arn
            )
            for certificate in page[:size]
        ],
        NextToken=paging.token_after(page[size - 1].sender, listed, call, context.ports.keyring)
        if more
        else None,
    )


def refuse_with_certificates(call: Call, identity: Identity, s: Session) -> None:
    """Refuse to delete an identity that has certificates.

    Raises: `Fault` INVALID_PARAMETER in the probed words.
    """
    if certificates.page(s, identity.id, after="", limit=1):
        arn = identity_arn(call.region, call.account, identity.name)
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"Cannot delete <{arn}> because it has certificates associated with it. Disassociate all"
            " certificates and try again.",
        )


def _sender(identity: str, given: str | None) -> str:
    """Return the From address that a certificate is for: an address identity's own unless it is given."""
    domain = "@" not in identity
    if given is None:
        if domain:
            refuse(FaultKind.INVALID_PARAMETER, "FromAddress is required when EmailIdentity is a domain.")
        return identity
    if not is_address(given):
        refuse(FaultKind.INVALID_PARAMETER, f"FromAddress <{shown(given)}> is not a valid email address.")
    if domain and not under(given.rpartition("@")[2].lower(), identity.lower()):
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"FromAddress <{shown(given)}> does not belong to the domain identity <{shown(identity)}>.",
        )
    if not domain and given != identity:
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"FromAddress <{shown(given)}> does not match the email identity <{shown(identity)}>.",
        )
    return given


def _key(address: str) -> str:
    """Return the address with its domain in lower case: two spellings of one sender are one."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"


def _identity(call: Call, name: str, s: Session) -> Identity:
    identity = identities.get(s, call.account, call.region, fold(name))
    return _refuse_missing(name) if identity is None else identity


def _refuse_missing(name: str) -> Identity:
    refuse(FaultKind.NOT_FOUND, f"Email identity <{shown(name)}> does not exist.")
