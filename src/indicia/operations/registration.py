"""Bringing an identity into the store: its row, its facets, its due time, all in the caller's transaction.

Every proof is begun here and nowhere else, by `begin`. Where verification is instant (for suites that expect
a mock) nothing is asked for: what is begun is proved, no mail is sent, and nothing is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from indicia.domain.dkim import new_verification_token
from indicia.domain.events import Reason, of_change
from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identity import (
    Facet,
    FacetState,
    Identity,
    IdentityKind,
    KeyLength,
    MxFailureBehavior,
    Status,
    TokenSet,
    TokenSetKind,
)
from indicia.domain.replication import origin_of
from indicia.domain.verification import Cause, start, start_anew
from indicia.operations.replication import asked_by, look, of_sharing, wake_replicas
from indicia.operations.signing_choice import Replica
from indicia.operations.token_sets import issue
from indicia.operations.verification_mail import CustomMail, issue_link
from indicia.store import checks, facets, identities, replications
from indicia.store.ids import new_id
from indicia.store.replications import Replication

if TYPE_CHECKING:
    from indicia.operations.call import Call
    from indicia.operations.house import House
    from indicia.operations.signing_choice import SigningChoice
    from indicia.store.session import Session

# Spec 2.4, recorded: the length of the next key differs by the kind of identity.
DEFAULT_LENGTH = {
    IdentityKind.DOMAIN: KeyLength.RSA_2048_BIT,
    IdentityKind.EMAIL_ADDRESS: KeyLength.RSA_1024_BIT,
}


def _insert(house: House, s: Session, identity: Identity) -> None:
    """Store a new identity, if the account may have one more in the region.

    Raises: `Fault` ALREADY_EXISTS, LIMIT_EXCEEDED (spec 6.7; the vendor's text is unknown).
    """
    identities.insert(s, identity)
    most = house.most_identities
    # Counted after the insert, which has locked the counter: two at once cannot both be the last one.
    if most is not None and identities.count(s, identity.account, identity.region) > most:
        refuse(
            FaultKind.LIMIT_EXCEEDED,
            f"You have reached the limit of {most} identities for this account in {identity.region}.",
        )


def register_domain(
    house: House,
    call: Call,
    s: Session,
    name: str,
    choice: SigningChoice | None,
    *,
    configuration_set: str = "",
    legacy_requested: bool = False,
) -> tuple[Identity, TokenSet | None]:
    """Return the new domain identity, its proofs begun and its first check due.

    `choice` is how it is to be signed, None where DKIM was not asked for (v1 VerifyDomainIdentity).

    Raises: `Fault` ALREADY_EXISTS.
    """
    length = DEFAULT_LENGTH[IdentityKind.DOMAIN]
    identity_id = new_id()
    wish = asked_by(call, identity_id, name, choice.region) if isinstance(choice, Replica) else None
    token_set = None
    if wish is not None:
        found = look(s, wish, call, house.regions)
        token_set = found if isinstance(found, TokenSet) else None
    elif choice is not None and not isinstance(choice, Replica):
        token_set = issue(house, call, s, choice, domain=name, default_length=length)
    if token_set is not None:
        length = token_set.wanted_length or token_set.key_length or length
    identity = Identity(
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
        legacy_token=new_verification_token(house.random, house.service_domain),
        legacy_requested=legacy_requested,
        mail_from_domain="",
        mail_from_behavior=MxFailureBehavior.USE_DEFAULT_VALUE,
        feedback_forwarding=True,
        configuration_set=configuration_set,
    )
    _insert(house, s, identity)
    if choice is not None:
        begin(house, call, s, identity, Facet.DKIM)
    if legacy_requested:
        begin(house, call, s, identity, Facet.OWNERSHIP)
    if wish is not None:
        begin_replica(house, call, s, identity, wish)
    look_now(house, call, s, identity)
    wake_replicas(house, s, identity, call.now)
    return identity, token_set


def _origin(token_set: TokenSet | None, wish: Replication | None) -> str:
    if wish is not None:
        return origin_of(wish.parent_region)
    return (token_set.kind if token_set else TokenSetKind.EASY).value


def begin_replica(house: House, call: Call, s: Session, identity: Identity, wish: Replication) -> None:
    """Store whose replica the identity is, and how that stands: shared already, or to be tried again."""
    replications.put(s, wish)
    if identity.token_set_id is None:
        begin(house, call, s, identity, Facet.REPLICATION, known=facets.get_all(s, identity.id))
    else:
        shared = FacetState(Facet.REPLICATION, Status.SUCCESS, identity.generation, since=call.now)
        known = facets.get_all(s, identity.id)
        facets.put(s, identity.id, shared)
        house.tell(s, of_sharing(identity, known, shared, call.now))


def register_address(
    house: House,
    call: Call,
    s: Session,
    name: str,
    *,
    next_key_length: KeyLength | None = None,
    configuration_set: str = "",
    custom: CustomMail | None = None,
) -> Identity:
    """Return the new address identity, its link on the way, in a mail of `custom` words where there are some.

    Raises: `Fault` ALREADY_EXISTS; and as `send_link`.
    """
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
        next_key_length=next_key_length or DEFAULT_LENGTH[IdentityKind.EMAIL_ADDRESS],
        token_set_id=None,
        legacy_token="",
        legacy_requested=False,
        mail_from_domain="",
        mail_from_behavior=MxFailureBehavior.USE_DEFAULT_VALUE,
        feedback_forwarding=True,
        configuration_set=configuration_set,
    )
    _insert(house, s, identity)
    begin(house, call, s, identity, Facet.LINK)
    look_now(house, call, s, identity)
    send_link(house, call, s, identity, custom)
    return identity


def begin(
    house: House,
    call: Call,
    s: Session,
    identity: Identity,
    facet: Facet,
    *,
    previous: FacetState | None = None,
    known: Mapping[Facet, FacetState] = MappingProxyType({}),
) -> FacetState:
    """Return the facet as it is stored now: PENDING, its window ahead, for the identity's present generation.

    It is SUCCESS where verification is instant. `previous` is given where the owner changed what should be
    published: what was proved counts on. `known` are the facets as they were, none of a new identity.
    """
    window = house.windows.link if facet is Facet.LINK else house.windows.records
    if house.instant:
        state = FacetState(facet, Status.SUCCESS, identity.generation, since=call.now)
    elif previous is None:
        state = start(facet, identity.generation, call.now, window)
    else:
        state = start_anew(previous, facet, identity.generation, call.now, window)
    facets.put(s, identity.id, state)
    seen = (
        "Verification is instant here: nothing was looked at." if house.instant else "A caller asked for it."
    )
    house.tell(s, of_change(identity, known, state, Reason(Cause.STARTED, seen, call.now)))
    return state


def send_link(
    house: House, call: Call, s: Session, identity: Identity, custom: CustomMail | None = None
) -> None:
    """Put a mail with a new link into the outbox; earlier links of the address end. None where it is instant.

    Raises: `Fault` LIMIT_EXCEEDED where its mailbox, its domain or the account had too many mails,
    INVALID_PARAMETER where its reader wants none.
    """
    if house.instant:
        return
    issue_link(s, identity, call.now, house.mails, custom)
    house.wakes.outbox()


def look_now(house: House, call: Call, s: Session, identity: Identity) -> None:
    """Make the identity due at this moment, with the shortest interval ahead; never, where it is instant."""
    due_at = None if house.instant else call.now
    checks.schedule(s, identity.id, checks.shard_of(identity.name), due_at, interval=house.first_check)
    if not house.instant:
        house.wakes.engine()
