"""Replication between installations: what a parent's installation hands out.

`GET /indicia/v1/replication/{name}?replica-region=REGION`, signed with an access key of the parent's account
whose policy allows it (`authorization.needs_policy`), for an account and a region that the operator names.
Every answer is in the audit log of the installation that gave it, and which access key had which keys is
remembered: they are rotated when it is revoked (`store.dkim.key_exports`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from indicia.domain.dkim.replication import obstacle
from indicia.domain.dkim.rotation import Stage
from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identities.identity import ErrorType
from indicia.domain.names import fold, shown
from indicia.settings.parsers import parse_region
from indicia.settings.replication_peers import Offered
from indicia.store.accounts import access
from indicia.store.dkim import key_exports, replications
from indicia.store.dkim import rotation as rotations
from indicia.store.dkim.key_exports import KeyExport
from indicia.store.identities import identities
from indicia.vault import transit
from indicia.vault.purposes import PRIVATE_KEY, access_key

if TYPE_CHECKING:
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session

# Only keys that sign, or have signed, leave: one that was replaced before its time never counts anywhere.
_OFFERED: Final = frozenset({Stage.SIGNING, Stage.RETIRED})


class ReplicationRequest(msgspec.Struct, kw_only=True, frozen=True):
    """Whose keys are asked for, and for a replica in which region."""

    name: str
    replica_region: str = ""


class OfferedKey(msgspec.Struct, kw_only=True, frozen=True):
    """A key, its private half sealed for the access key that signed the request. Instants in ms.

    One that is retired signs nothing any more: its private half is empty, and stays here.
    """

    position: int
    bits: int
    public_key: str
    private_key: str
    published_at: int
    retired: bool


class Offer(msgspec.Struct, kw_only=True, frozen=True):
    """A parent's token set. `fresh_for` is how long, in ms, it may be used without asking again."""

    account: str
    tokens: tuple[str, str, str]
    zone: str
    has_key: bool
    key_length: str
    wanted_length: str
    keys: tuple[OfferedKey, ...]
    fresh_for: int

    def __repr__(self) -> str:
        """Nothing of it is for a log."""
        return "<Offer>"


class ReplicationResponse(msgspec.Struct, kw_only=True, frozen=True):
    """What a replica may share, or what keeps it from that (the REPLICATION_* of VerificationInfo)."""

    obstacle: str | None = None
    offer: Offer | None = None


def offer_keys(
    context: OperationContext, call: Call, request: ReplicationRequest, s: Session
) -> ReplicationResponse:
    """The caller has the tokens and keys of an identity of its own, for a replica elsewhere.

    Raises: `Fault` INVALID_PARAMETER without a region; ACCESS_DENIED where the operator does not offer the
    keys of the account to that region, and for an access key that is revoked or whose secret is not known
    here: nothing could be sealed.
    """
    try:
        region = parse_region(request.replica_region)
    except ValueError:
        refuse(FaultKind.INVALID_PARAMETER, "replica-region names the region in which the replica is.")
    if Offered(call.account, region) not in context.rules.offered:
        refuse(
            FaultKind.ACCESS_DENIED,
            f"The keys of account {call.account} are not offered to {shown(region)}: the operator names it"
            " in INDICIA_REPLICATION_OFFERS.",
        )
    parent = identities.get(s, call.account, call.region, fold(request.name))
    found = obstacle(
        parent,
        region=call.region,
        replica_region=region,
        served=(call.region,),
        allowed=True,  # the permission of the call was asked before
    )
    if found is not None or parent is None or parent.token_set_id is None:
        return ReplicationResponse(obstacle=(found or ErrorType.REPLICATION_PRIMARY_NOT_FOUND).value)
    # Held: whoever revokes it afterwards finds what it has fetched.
    key = access.hold_key(s, call.access_key)
    if key is None or key.revoked_at is not None:
        refuse(FaultKind.ACCESS_DENIED, "Keys are replicated to valid access keys of this service only.")
    secret = context.ports.keyring.open(key.secret, access_key(key.id)).decode()
    stored = rotations.read(s, parent.token_set_id)
    assert stored is not None
    replications.hear(s, parent.id, region, call.now)
    token_set = stored.token_set
    length = token_set.key_length or parent.next_key_length
    first, second, third = token_set.tokens
    offered = tuple(
        OfferedKey(
            position=life.position,
            bits=each.bits,
            public_key=each.public_key,
            private_key=""
            if life.stage is Stage.RETIRED
            else transit.seal(
                context.ports.keyring.open(each.private_key, PRIVATE_KEY),
                secret,
                about(token_set.zone, each.token),
            ),
            published_at=each.published_at,
            retired=life.stage is Stage.RETIRED,
        )
        for each, life in zip(stored.keys, stored.life.keys, strict=True)
        if life.stage in _OFFERED
    )
    signing = stored.life.signing
    if signing is not None:
        key_exports.note(s, KeyExport(call.access_key, parent.token_set_id, signing.id, call.now))
    return ReplicationResponse(
        offer=Offer(
            account=parent.account,
            tokens=(first, second, third),
            zone=token_set.zone,
            has_key=token_set.has_key,
            key_length=length.value,
            wanted_length=(token_set.wanted_length or length).value,
            keys=offered,
            fresh_for=context.rules.key_pace.linger // 2,
        )
    )


def about(zone: str, token: str) -> str:
    """Return what a sealed key is bound to: the name it is published under."""
    return f"{token}.{zone}"
