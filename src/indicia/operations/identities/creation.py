"""SES v2 CreateEmailIdentity: an identity with everything it was asked to have, or nothing at all."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from indicia.domain.dkim.replication import is_replica
from indicia.domain.faults import Fault, FaultKind, refuse
from indicia.domain.identities.identity import IdentityKind, Status, TokenSet, TokenSetKind
from indicia.domain.identities.tags import Tags, check_tags
from indicia.domain.names import IdentityName, parse_identity, refuse_reserved, shown
from indicia.domain.proofs.inheritance import covered, covering
from indicia.domain.records.publishable import dkim_to_be, refuse_unpublishable
from indicia.operations.configuration_sets.default_configuration_set import require_configuration_set
from indicia.operations.dkim.signing_choice import (
    EasyDkim,
    Replica,
    SigningChoice,
    carries_key,
    own_selector,
    parse_choice,
)
from indicia.operations.identities.registration import (
    NewDomain,
    no_room,
    register_address,
    register_domain,
    register_domains,
    room,
)
from indicia.operations.proofs.inheritance import above
from indicia.operations.proofs.starting import link_mail
from indicia.store.identities import identities, tags
from indicia.wire.shapes import sesv2
from indicia.wire.shapes.rules import timestamp

if TYPE_CHECKING:
    from indicia.domain.identities.identity import Identity
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.operations.verification_mail.verification_mail import LinkMail
    from indicia.store.engine.session import Session


@dataclass(frozen=True, slots=True)
class NewIdentity:
    """What is to be created, as far as that can be known without looking at what is there.

    `tags` are as they were given: they are judged after it is known that the name is free (spec 2.2). `mail`
    is that with which an address is proved.
    """

    name: IdentityName
    choice: SigningChoice
    tags: tuple[tuple[str, str], ...]
    configuration_set: str
    mail: LinkMail | None = None


def is_slow(request: sesv2.CreateEmailIdentityRequest) -> bool:
    """Say whether preparing it takes the time that checking an uploaded key takes."""
    return carries_key(request.DkimSigningAttributes)


def is_address(request: sesv2.CreateEmailIdentityRequest) -> bool:
    """Say whether an address is to be created, which is written to."""
    return "@" in request.EmailIdentity


def prepare_create(
    context: OperationContext, call: Call, request: sesv2.CreateEmailIdentityRequest
) -> NewIdentity:
    """Return what is to be created.

    Raises: `Fault` INVALID_PARAMETER for a name, or a way of signing, that no identity can have, and for
    one that takes a record that the DNS cannot hold.
    """
    name = parse_identity(request.EmailIdentity, context.ports.to_ascii)
    refuse_reserved(name, context.rules.service_domain, context.ports.is_public_suffix)
    attributes = request.DkimSigningAttributes
    if name.kind is IdentityKind.EMAIL_ADDRESS and attributes and _brings_own(attributes):
        refuse(FaultKind.INVALID_PARAMETER, "For BYODKIM, the EmailIdentity value must be a domain.")
    origin = attributes.DomainSigningAttributesOrigin if attributes else None
    choice = parse_choice(attributes, origin)
    if name.kind is IdentityKind.EMAIL_ADDRESS and isinstance(choice, Replica):
        refuse(FaultKind.INVALID_PARAMETER, "For a replica, the EmailIdentity value must be a domain.")
    if name.kind is IdentityKind.DOMAIN:
        refuse_unpublishable(dkim_to_be(name.text, context.rules.signing_zone, own_selector(choice)))
    return NewIdentity(
        name=name,
        choice=choice,
        tags=tuple((tag.Key, tag.Value) for tag in request.Tags or ()),
        configuration_set=request.ConfigurationSetName or "",
        mail=link_mail(context, call, name.text) if name.kind is IdentityKind.EMAIL_ADDRESS else None,
    )


def _brings_own(attributes: sesv2.DkimSigningAttributes) -> bool:
    return (
        attributes.DomainSigningSelector is not None
        or attributes.DomainSigningPrivateKey is not None
        or attributes.DomainSigningAttributesOrigin == TokenSetKind.EXTERNAL.value
    )


def create_email_identity(
    context: OperationContext, call: Call, request: NewIdentity, s: Session
) -> sesv2.CreateEmailIdentityResponse:
    """SES v2 CreateEmailIdentity. Order of checks: already there, tags, configuration set (spec 2.2).

    Raises: `Fault` ALREADY_EXISTS, INVALID_PARAMETER, CONFIGURATION_SET_NOT_FOUND, LIMIT_EXCEEDED; for an
    address the last also where its mailbox, its domain or the account had too many mails.
    """
    present = _present(s, [(call, request)])
    checked_tags = _admitted(call, request, s, present)
    identity, token_set = _register(context, call, request, s)
    return _created(context, s, identity, token_set, checked_tags, present)


def create_domains(
    context: OperationContext, wanted: Sequence[tuple[Call, NewIdentity]], s: Session
) -> list[sesv2.CreateEmailIdentityResponse | Fault]:
    """SES v2 CreateEmailIdentity, of many domains with Easy DKIM: for each its answer, or why it is refused.

    As if they came one after the other. The faults are those of `create_email_identity`.
    """
    answers: dict[int, sesv2.CreateEmailIdentityResponse | Fault] = {}
    places: dict[tuple[str, str], list[int]] = {}
    for at, (call, _) in enumerate(wanted):
        places.setdefault((call.account, call.region), []).append(at)
    # In one order: two groups that run side by side wait for each other's counts, and never both.
    for _, of_one in sorted(places.items()):
        answers.update(zip(of_one, _create_domains(context, [wanted[at] for at in of_one], s), strict=True))
    return [answers[at] for at in range(len(wanted))]


def _create_domains(
    context: OperationContext, wanted: Sequence[tuple[Call, NewIdentity]], s: Session
) -> list[sesv2.CreateEmailIdentityResponse | Fault]:
    """As `create_domains`, in one account and region."""
    present = _present(s, wanted)
    left = room(context, wanted[0][0], s)
    taken = set(present)
    outcomes: list[Tags | Fault] = []
    admitted: list[tuple[Call, NewDomain]] = []
    for call, request in wanted:
        try:
            checked_tags = _admitted(call, request, s, taken)
        except Fault as fault:
            outcomes.append(fault)
            continue
        if left is not None and len(admitted) >= left:
            outcomes.append(no_room(context, call))
            continue
        outcomes.append(checked_tags)
        taken.add(request.name.text)
        assert isinstance(request.choice, EasyDkim)
        new = NewDomain(request.name.text, request.choice.key_length, request.configuration_set)
        admitted.append((call, new))
    registered = iter(register_domains(context, s, admitted))
    answers: list[sesv2.CreateEmailIdentityResponse | Fault] = []
    for outcome in outcomes:
        if isinstance(outcome, Fault):
            answers.append(outcome)
            continue
        answers.append(_created(context, s, *next(registered), outcome, present))
    return answers


def is_easy_domain(request: NewIdentity) -> bool:
    """Say whether it is one of those that `create_domains` takes."""
    return request.name.kind is IdentityKind.DOMAIN and isinstance(request.choice, EasyDkim)


def _present(s: Session, wanted: Sequence[tuple[Call, NewIdentity]]) -> frozenset[str]:
    """Return the names of identities that are there, of those wanted and of those that would cover them."""
    names = {name for _, request in wanted for name in (request.name.text, *_covers(request.name))}
    call = wanted[0][0]
    return identities.present(s, call.account, call.region, sorted(names))


def _covers(name: IdentityName) -> tuple[str, ...]:
    return covering(name.kind, name.text)


def _admitted(call: Call, request: NewIdentity, s: Session, present: Collection[str]) -> Tags:
    """Return the tags as they are stored. Raises: `Fault` for what the caller can know to be wrong."""
    name = request.name.text
    if name in present:
        refuse(FaultKind.ALREADY_EXISTS, f"Email identity {shown(name)} already exist.")
    checked_tags = check_tags(request.tags)
    require_configuration_set(call, request.configuration_set, s)
    return checked_tags


def _created(  # noqa: PLR0917 - what was created, and what was there
    context: OperationContext,
    s: Session,
    identity: Identity,
    token_set: TokenSet | None,
    checked_tags: Tags,
    present: frozenset[str],
) -> sesv2.CreateEmailIdentityResponse:
    """Store the tags and return the answer."""
    tags.put(s, identity.account, identity.region, f"identity/{identity.name}", dict(checked_tags))
    covers = not present.isdisjoint(covering(identity.kind, identity.name)) and covered(above(s, identity))
    return sesv2.CreateEmailIdentityResponse(
        IdentityType=identity.kind.value,
        VerifiedForSendingStatus=context.rules.instant or covers,
        DkimAttributes=_dkim(context, identity, token_set),
    )


def _dkim(
    context: OperationContext, identity: Identity, token_set: TokenSet | None
) -> sesv2.DkimAttributes | None:
    """Return the DKIM side of what was created; an address has none."""
    if token_set is not None:
        return _answer(context, identity, token_set)
    if not is_replica(identity):
        return None
    return sesv2.DkimAttributes(
        SigningEnabled=identity.signing_enabled,
        Status=(Status.SUCCESS if context.rules.instant else Status.NOT_STARTED).value,
        Tokens=[],
        SigningAttributesOrigin=identity.origin,
        NextSigningKeyLength=identity.next_key_length.value,
    )


def _register(
    context: OperationContext, call: Call, request: NewIdentity, s: Session
) -> tuple[Identity, TokenSet | None]:
    name, choice = request.name.text, request.choice
    if request.name.kind is IdentityKind.DOMAIN:
        return register_domain(context, call, s, name, choice, configuration_set=request.configuration_set)
    length = choice.key_length if isinstance(choice, EasyDkim) else None
    identity = register_address(
        context,
        call,
        s,
        name,
        next_key_length=length,
        configuration_set=request.configuration_set,
        mail=request.mail,
    )
    return identity, None


def _answer(context: OperationContext, identity: Identity, token_set: TokenSet) -> sesv2.DkimAttributes:
    """Return the DKIM side of a domain just created: NOT_STARTED here, PENDING from the next Get on (2.4)."""
    status = Status.SUCCESS if context.rules.instant else Status.NOT_STARTED
    easy = token_set.kind is TokenSetKind.EASY
    return sesv2.DkimAttributes(
        SigningEnabled=identity.signing_enabled,
        Status=status.value,
        Tokens=list(token_set.tokens),
        SigningHostedZone=token_set.zone if easy else None,
        SigningAttributesOrigin=identity.origin,
        NextSigningKeyLength=identity.next_key_length.value if easy else None,
        CurrentSigningKeyLength=token_set.key_length.value if easy and token_set.key_length else None,
        LastKeyGenerationTimestamp=timestamp(token_set.key_made_at) if easy else None,
    )
