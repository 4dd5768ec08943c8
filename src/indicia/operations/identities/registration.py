"""Making an identity: its row, its place within the limit, its proofs begun, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from indicia.domain.dkim.key_record import new_verification_token
from indicia.domain.dkim.replication import origin_of
from indicia.domain.events.identity_events import Event
from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identities.identity import (
    Facet,
    FacetState,
    Identity,
    IdentityKind,
    KeyLength,
    MxFailureBehavior,
    TokenSet,
    TokenSetKind,
)
from indicia.operations.dkim.replication import begin_replica, seek, wake_replicas
from indicia.operations.dkim.signing_choice import EasyDkim, Replica
from indicia.operations.dkim.token_sets import issue, issue_easy
from indicia.operations.proofs.starting import begin, begun, look_now, send_link
from indicia.operations.verification_mail.verification_mail import (
    LinkMail,
)
from indicia.store.dkim.replications import Replication
from indicia.store.engine.ids import new_id
from indicia.store.identities import identities

if TYPE_CHECKING:
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.operations.dkim.signing_choice import SigningChoice
    from indicia.store.engine.session import Session

# Spec 2.4, recorded: the length of the next key differs by the kind of identity.
_LENGTH_OF_DOMAINS: Final = KeyLength.RSA_2048_BIT
_LENGTH_OF_ADDRESSES: Final = KeyLength.RSA_1024_BIT


@dataclass(frozen=True, slots=True)
class NewDomain:
    """A domain that is to be registered with Easy DKIM. `key_length` is None where that was left to us."""

    name: str
    key_length: KeyLength | None = None
    configuration_set: str = ""


def register_domains(
    context: OperationContext, s: Session, wanted: Sequence[tuple[Call, NewDomain]]
) -> list[tuple[Identity, TokenSet]]:
    """Return for each domain its new identity, its proof begun and its first check due.

    All are of one account and region, where there is `room` for them; no two are of one name, and none of
    these names is taken. What one creation takes to read, many take once.

    Raises: `Fault` LIMIT_EXCEEDED where others have taken the room meanwhile, ALREADY_EXISTS as for the name.
    """
    if not wanted:
        return []
    call = wanted[0][0]
    sets = issue_easy(
        context, s, [(call, new.name, new.key_length or _LENGTH_OF_DOMAINS) for call, new in wanted]
    )
    registered: list[tuple[Identity, TokenSet]] = []
    added: list[tuple[Identity, dict[Facet, FacetState]]] = []
    told: list[Event] = []
    for (call, new), token_set in zip(wanted, sets, strict=True):
        identity = _domain(
            context, call, new_id(), new.name, token_set, configuration_set=new.configuration_set
        )
        state, events = begun(context, call, identity, Facet.DKIM)
        added.append((identity, {Facet.DKIM: state}))
        told += events
        registered.append((identity, token_set))
    identities.add(s, *added)
    for (call, _), (identity, _) in zip(wanted, registered, strict=True):
        look_now(context, call, s, identity)
    _count(context, call, s, len(registered))
    context.tell(s, told)
    wake_replicas(context, s, [identity for identity, _ in registered], call.now)
    return registered


def room(context: OperationContext, call: Call, s: Session) -> int | None:
    """Return how many more identities the account may have in the region; None for any number."""
    return identities.room(s, call.account, call.region, context.rules.most_identities)


def no_room(context: OperationContext, call: Call) -> Fault:
    """Return the fault LIMIT_EXCEEDED (spec 6.7; the vendor's text is unknown)."""
    most = context.rules.most_identities
    message = f"You have reached the limit of {most} identities for this account in {call.region}."
    return Fault(FaultKind.LIMIT_EXCEEDED, message)


def _require_room(context: OperationContext, call: Call, s: Session) -> None:
    if room(context, call, s) == 0:
        raise no_room(context, call)


def _count(context: OperationContext, call: Call, s: Session, more: int = 1) -> None:
    if not identities.count_up(s, call.account, call.region, more, context.rules.most_identities):
        raise no_room(context, call)


def register_domain(
    context: OperationContext,
    call: Call,
    s: Session,
    name: str,
    choice: SigningChoice | None,
    *,
    configuration_set: str = "",
    legacy_requested: bool = False,
) -> tuple[Identity, TokenSet | None]:
    """Return the new domain identity, its proofs begun and its first check due. Its name is not taken.

    `choice` is how it is to be signed, None where DKIM was not asked for (v1 VerifyDomainIdentity).

    Raises: `Fault` LIMIT_EXCEEDED.
    """
    _require_room(context, call, s)
    if isinstance(choice, EasyDkim) and not legacy_requested:
        new = NewDomain(name, choice.key_length, configuration_set)
        return register_domains(context, s, ((call, new),))[0]
    identity_id = new_id()
    wish, token_set = None, None
    if isinstance(choice, Replica):
        wish, token_set = seek(s, call, identity_id, name, choice.region, served=context.rules.regions)
    elif choice is not None:
        token_set = issue(context, call, s, choice, domain=name, default_length=_LENGTH_OF_DOMAINS)
    identity = _domain(
        context,
        call,
        identity_id,
        name,
        token_set,
        wish,
        configuration_set=configuration_set,
        legacy_requested=legacy_requested,
    )
    identities.add(s, (identity, {}))
    _count(context, call, s)
    if choice is not None:
        begin(context, call, s, identity, Facet.DKIM)
    if legacy_requested:
        begin(context, call, s, identity, Facet.OWNERSHIP)
    if wish is not None:
        begin_replica(context, call, s, identity, wish)
    look_now(context, call, s, identity)
    wake_replicas(context, s, (identity,), call.now)
    return identity, token_set


def _domain(  # noqa: PLR0917 - whose, which, with what
    context: OperationContext,
    call: Call,
    identity_id: int,
    name: str,
    token_set: TokenSet | None,
    wish: Replication | None = None,
    *,
    configuration_set: str,
    legacy_requested: bool = False,
) -> Identity:
    length = _LENGTH_OF_DOMAINS
    if token_set is not None:
        length = token_set.wanted_length or token_set.key_length or length
    return Identity(
        id=identity_id,
        account=call.account,
        region=call.region,
        kind=IdentityKind.DOMAIN,
        name=name,
        created_at=call.now,
        version=1,
        generation=1,
        origin=_origin(token_set, wish),
        signing_enabled=True,
        next_key_length=length,
        token_set_id=token_set.id if token_set else None,
        legacy_token=new_verification_token(context.ports.random, context.rules.service_domain),
        legacy_requested=legacy_requested,
        mail_from_domain="",
        mail_from_behavior=MxFailureBehavior.USE_DEFAULT_VALUE,
        feedback_forwarding=True,
        configuration_set=configuration_set,
    )


def _origin(token_set: TokenSet | None, wish: Replication | None) -> str:
    if wish is not None:
        return origin_of(wish.parent_region)
    return (token_set.kind if token_set else TokenSetKind.EASY).value


def register_address(
    context: OperationContext,
    call: Call,
    s: Session,
    name: str,
    *,
    next_key_length: KeyLength | None = None,
    configuration_set: str = "",
    mail: LinkMail | None,
) -> Identity:
    """Return the new address identity, its link on the way in the mail, which `link_mail` made.

    Its name is not taken. Raises: `Fault` LIMIT_EXCEEDED; and as `send_link`.
    """
    _require_room(context, call, s)
    identity = Identity(
        id=new_id(),
        account=call.account,
        region=call.region,
        kind=IdentityKind.EMAIL_ADDRESS,
        name=name,
        created_at=call.now,
        version=1,
        generation=1,
        origin=TokenSetKind.EASY.value,
        signing_enabled=True,
        next_key_length=next_key_length or _LENGTH_OF_ADDRESSES,
        token_set_id=None,
        legacy_token="",
        legacy_requested=False,
        mail_from_domain="",
        mail_from_behavior=MxFailureBehavior.USE_DEFAULT_VALUE,
        feedback_forwarding=True,
        configuration_set=configuration_set,
    )
    identities.add(s, (identity, {}))
    _count(context, call, s)
    begin(context, call, s, identity, Facet.LINK)
    look_now(context, call, s, identity)
    send_link(context, s, identity, mail)
    return identity
