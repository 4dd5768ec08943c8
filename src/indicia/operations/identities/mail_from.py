"""The custom MAIL FROM domain of an identity, v1 and v2: set, cleared and shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from indicia.domain.events.identity_events import removed
from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identities.identity import Facet, FacetState, Identity, MxFailureBehavior
from indicia.domain.identities.mail_from import Step, next_step, parse_mail_from
from indicia.domain.names import IdentityName, fold, is_address, is_domain, shown
from indicia.domain.records.expected import mail_from_records
from indicia.domain.records.publishable import refuse_unpublishable
from indicia.operations.batches import folded
from indicia.operations.dkim.dkim_standing import V1_STATUS
from indicia.operations.proofs.starting import begin, look_anew
from indicia.store.identities import identities
from indicia.store.proofs import facets
from indicia.wire.shapes import ses, sesv2
from indicia.wire.shapes.rules import word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session
    from indicia.store.identities.identities import IdentityView

_V1_BEHAVIOR: Final = {
    MxFailureBehavior.USE_DEFAULT_VALUE: "UseDefaultValue",
    MxFailureBehavior.REJECT_MESSAGE: "RejectMessage",
}
_DEFAULT: Final = MxFailureBehavior.USE_DEFAULT_VALUE
_FROM_V1: Final = {text: behavior for behavior, text in _V1_BEHAVIOR.items()}


@dataclass(frozen=True, slots=True)
class _Wish:
    """What MAIL FROM is to be. `domain` is as the caller wrote it, empty to clear."""

    domain: str
    behavior: MxFailureBehavior


def put_mail_from_attributes(
    context: OperationContext,
    call: Call,
    request: sesv2.PutEmailIdentityMailFromAttributesRequest,
    s: Session,
) -> sesv2.PutEmailIdentityMailFromAttributesResponse:
    """SES v2 PutEmailIdentityMailFromAttributes: set, and searched for; cleared where there is no domain.

    Raises: `Fault` INVALID_PARAMETER, for a missing identity too (not NOT_FOUND: probed);
    CONCURRENT_MODIFICATION.
    """
    given = request.BehaviorOnMxFailure
    behavior = _DEFAULT if given is None else MxFailureBehavior(given)
    _set(context, call, s, request.EmailIdentity, _Wish(request.MailFromDomain or "", behavior))
    return sesv2.PutEmailIdentityMailFromAttributesResponse()


def set_mail_from_domain(
    context: OperationContext, call: Call, request: ses.SetIdentityMailFromDomainRequest, s: Session
) -> ses.SetIdentityMailFromDomainResponse:
    """SES v1 SetIdentityMailFromDomain: as the call of v2, but that clearing needs no identity.

    Stacks that are taken down in any order rely on it (seen in the field, since 2018).

    Raises: `Fault` INVALID_PARAMETER, for what could be no identity too.
    """
    given = request.BehaviorOnMXFailure
    behavior = _DEFAULT if given is None else _FROM_V1[given]
    wish = _Wish(request.MailFromDomain or "", behavior)
    name = fold(request.Identity)
    gone = identities.get(s, call.account, call.region, name) is None
    if wish.domain or not gone or not (is_domain(name) or is_address(name)):
        _set(context, call, s, request.Identity, wish)
    return ses.SetIdentityMailFromDomainResponse()


def _set(context: OperationContext, call: Call, s: Session, asked: str, wish: _Wish) -> None:
    view = identities.view(s, call.account, call.region, fold(asked))
    if view is None:
        refuse(FaultKind.INVALID_PARAMETER, f"Identity <{shown(asked)}> does not exist.")
    identity = view.identity
    name = IdentityName(identity.kind, identity.name)
    wanted = parse_mail_from(wish.domain, name, asked=asked) if wish.domain else ""
    # Without a domain there is nothing to fail: the behaviour is the default one again (spec 2.3).
    behavior = wish.behavior if wanted else _DEFAULT
    state = view.facets.get(Facet.MAIL_FROM)
    step = next_step(identity.mail_from_domain, None if state is None else state.status, wanted)
    changed = replace(identity, mail_from_domain=wanted, mail_from_behavior=behavior)
    if step is not Step.KEEP:
        # What is looked for changes: evidence gathered for what it was lands nowhere.
        changed = replace(changed, generation=identity.generation + 1)
    if wanted:
        refuse_unpublishable(mail_from_records(changed, context.rules.service_domain))
    if changed != identity:
        stored = identities.update(s, changed, identity.version)
        _take(context, call, s, step, stored, known=view.facets)


def _take(
    context: OperationContext,
    call: Call,
    s: Session,
    step: Step,
    identity: Identity,
    *,
    known: Mapping[Facet, FacetState],
) -> None:
    if step is Step.FORGET:
        facets.remove(s, identity.id, Facet.MAIL_FROM)
        context.tell(s, [removed(identity, known.get(Facet.MAIL_FROM), call.now)])
    elif step is Step.BEGIN:
        # What was proved of another domain says nothing about this one: MAIL FROM carries nothing.
        begin(context, call, s, identity, Facet.MAIL_FROM, known=known)
        look_anew(context, call, s, identity)


def get_mail_from_domain_attributes(
    context: OperationContext, call: Call, request: ses.GetIdentityMailFromDomainAttributesRequest, s: Session
) -> ses.GetIdentityMailFromDomainAttributesResponse:
    """SES v1 GetIdentityMailFromDomainAttributes. Unknown identities are left out.

    Raises: `Fault` INVALID_PARAMETER for more than a hundred identities.
    """
    names = folded(request.Identities)
    found = identities.view_many(s, call.account, call.region, list(set(names.values())))
    return ses.GetIdentityMailFromDomainAttributesResponse(
        MailFromDomainAttributes={
            asked: v1_attributes(found[name]) for asked, name in names.items() if name in found
        }
    )


def v1_attributes(view: IdentityView) -> ses.IdentityMailFromDomainAttributes:
    """Return the entry of one identity: the behaviour alone while no domain is set (spec 2.3)."""
    identity = view.identity
    behavior = _V1_BEHAVIOR[identity.mail_from_behavior]
    if not identity.mail_from_domain:
        return ses.IdentityMailFromDomainAttributes(BehaviorOnMXFailure=behavior)
    return ses.IdentityMailFromDomainAttributes(
        MailFromDomain=identity.mail_from_domain,
        MailFromDomainStatus=V1_STATUS[view.facets[Facet.MAIL_FROM].status],
        BehaviorOnMXFailure=behavior,
    )


def v2_attributes(view: IdentityView) -> sesv2.MailFromAttributes:
    """Return `MailFromAttributes`: the behaviour alone while no domain is set (spec 3.5)."""
    identity = view.identity
    if not identity.mail_from_domain:
        return sesv2.MailFromAttributes(BehaviorOnMxFailure=word(identity.mail_from_behavior))
    return sesv2.MailFromAttributes(
        MailFromDomain=identity.mail_from_domain,
        MailFromDomainStatus=word(view.facets[Facet.MAIL_FROM].status),
        BehaviorOnMxFailure=word(identity.mail_from_behavior),
    )
