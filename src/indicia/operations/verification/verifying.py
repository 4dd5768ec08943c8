"""Asking for a proof, v1: VerifyDomainIdentity, VerifyDomainDkim, VerifyEmailIdentity, VerifyEmailAddress.

All four may be repeated (spec 2.3). A repeat changes nothing while the proof is awaited or stands, and begins
anew where it has failed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from indicia.domain.dkim.replication import is_replica
from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identities.identity import Facet, Status, TokenSetKind
from indicia.domain.names import parse_address, parse_domain, refuse_reserved
from indicia.domain.records.publishable import dkim_to_be, ownership_to_be, refuse_unpublishable
from indicia.operations.dkim.signing_choice import EasyDkim
from indicia.operations.dkim.token_sets import issue
from indicia.operations.identities.registration import register_address, register_domain
from indicia.operations.proofs.carrying import carry_on
from indicia.operations.proofs.starting import begin, link_mail, look_anew, send_link
from indicia.store.identities import identities
from indicia.wire.shapes import ses

if TYPE_CHECKING:
    from indicia.domain.identities.identity import Identity
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.operations.verification_mail.verification_mail import LinkMail
    from indicia.store.engine.session import Session
    from indicia.store.identities.identities import IdentityView


def verify_domain_identity(
    context: OperationContext, call: Call, request: ses.VerifyDomainIdentityRequest, s: Session
) -> ses.VerifyDomainIdentityResponse:
    """SES v1 VerifyDomainIdentity: the legacy TXT record is searched for from now on.

    The token is the same at every repeat. Starts anew a search that has failed.

    Raises: `Fault` INVALID_PARAMETER `Invalid domain name X.`, and where the record's name would be too long.
    """
    name = _domain(context, request.Domain)
    refuse_unpublishable(ownership_to_be(name))
    view = identities.view(s, call.account, call.region, name)
    if view is None:
        identity, _ = register_domain(context, call, s, name, None, legacy_requested=True)
        return ses.VerifyDomainIdentityResponse(VerificationToken=identity.legacy_token)
    if not view.identity.legacy_requested or _failed(view, Facet.OWNERSHIP):
        _restart(context, call, s, view, Facet.OWNERSHIP, legacy_requested=True)
    return ses.VerifyDomainIdentityResponse(VerificationToken=view.identity.legacy_token)


def verify_domain_dkim(
    context: OperationContext, call: Call, request: ses.VerifyDomainDkimRequest, s: Session
) -> ses.VerifyDomainDkimResponse:
    """SES v1 VerifyDomainDkim: Easy DKIM is set up, for a new domain too. Tokens do not change at a repeat.

    Raises: `Fault` INVALID_PARAMETER for a malformed domain, for one that leaves no room for tokens before
    it, and for one that brings its own key: v1 knows no way to say which of the two is meant, and taking the
    key away could not be undone.
    """
    name = _domain(context, request.Domain)
    refuse_unpublishable(dkim_to_be(name, context.rules.signing_zone))
    view = identities.view(s, call.account, call.region, name)
    if view is None:
        _, token_set = register_domain(context, call, s, name, EasyDkim())
        assert token_set is not None
        return ses.VerifyDomainDkimResponse(DkimTokens=list(token_set.tokens))
    token_set = view.token_set
    if is_replica(view.identity) and token_set is None:
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"Domain {name} waits for the tokens of its parent, by the origin {view.identity.origin}. Use"
            " PutEmailIdentityDkimSigningAttributes (API v2) with the origin AWS_SES for tokens of its own.",
        )
    if token_set is None:
        token_set = issue(
            context, call, s, EasyDkim(), domain=name, default_length=view.identity.next_key_length
        )
        _restart(context, call, s, view, Facet.DKIM, token_set_id=token_set.id)
    elif token_set.kind is TokenSetKind.EXTERNAL:
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"Domain {name} uses Bring Your Own DKIM. Use PutEmailIdentityDkimSigningAttributes (API v2) with"
            " the origin AWS_SES to change to Easy DKIM.",
        )
    elif _failed(view, Facet.DKIM):
        _restart(context, call, s, view, Facet.DKIM)
    return ses.VerifyDomainDkimResponse(DkimTokens=list(token_set.tokens))


@dataclass(frozen=True, slots=True)
class AddressToProve:
    """An address, and the mail with which it is proved: None where nothing is asked for its proof."""

    name: str
    mail: LinkMail | None


def prepare_address(
    context: OperationContext,
    call: Call,
    request: ses.VerifyEmailIdentityRequest | ses.VerifyEmailAddressRequest,
) -> AddressToProve:
    """Return what is to be proved.

    Raises: `Fault` INVALID_PARAMETER `Email address not specified.`, `Invalid email address<X>.`
    """
    name = parse_address(request.EmailAddress).text
    return AddressToProve(name, link_mail(context, call, name))


def verify_email_identity(
    context: OperationContext, call: Call, request: AddressToProve, s: Session
) -> ses.VerifyEmailIdentityResponse:
    """SES v1 VerifyEmailIdentity: a fresh link is on its way, and the earlier one no longer works.

    A verified address stays verified.

    Raises: `Fault` INVALID_PARAMETER where its reader wants no mail; LIMIT_EXCEEDED where the mailbox, its
    domain or the account had too many mails.
    """
    write_to(context, call, request, s)
    return ses.VerifyEmailIdentityResponse()


def verify_email_address(context: OperationContext, call: Call, request: AddressToProve, s: Session) -> None:
    """SES v1 VerifyEmailAddress (deprecated): as VerifyEmailIdentity."""
    write_to(context, call, request, s)


def write_to(context: OperationContext, call: Call, wanted: AddressToProve, s: Session) -> None:
    """A fresh link is on its way to the address, which is an identity from now on if it was none.

    A proof that stands stays; one that is awaited or has failed begins anew.

    Raises: `Fault` INVALID_PARAMETER where its reader wants no mail, LIMIT_EXCEEDED.
    """
    view = identities.view(s, call.account, call.region, wanted.name)
    if view is None:
        register_address(context, call, s, wanted.name, mail=wanted.mail)
    elif view.facets[Facet.LINK].status is Status.SUCCESS:
        send_link(context, s, view.identity, wanted.mail)
    else:
        send_link(context, s, _restart(context, call, s, view, Facet.LINK), wanted.mail)


def _domain(context: OperationContext, text: str) -> str:
    """Return the folded name of a domain that the caller may verify.

    Raises: `Fault` INVALID_PARAMETER.
    """
    name = parse_domain(text, context.ports.to_ascii)
    refuse_reserved(name, context.rules.service_domain, context.ports.is_public_suffix)
    return name.text


def _failed(view: IdentityView, facet: Facet) -> bool:
    state = view.facets.get(facet)
    return state is None or state.status is Status.FAILED


def _restart(
    context: OperationContext, call: Call, s: Session, view: IdentityView, facet: Facet, **changes: Any
) -> Identity:
    """Return the identity with a facet begun anew. Evidence gathered before is dropped, being of before."""
    identity = view.identity
    changed = replace(identity, generation=identity.generation + 1, **changes)
    stored = identities.update(s, changed, identity.version)
    known = carry_on(s, identity) if facet is Facet.DKIM else view.facets
    begin(context, call, s, stored, facet, known=known)
    look_anew(context, call, s, stored)
    return stored
