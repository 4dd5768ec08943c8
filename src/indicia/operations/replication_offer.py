"""Replication between installations: what a parent's installation hands out, and how a replica's takes it in.

`GET /indicia/v1/replication/{name}?replica-region=REGION`, signed with an access key of the parent's account.
Every answer that holds keys is in the audit log of the installation that gave it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identity import ErrorType, KeyLength, TokenSet, TokenSetKind
from indicia.domain.names import fold
from indicia.domain.replication import obstacle
from indicia.domain.rotation import Stage
from indicia.store import access, identities, key_lives, keys, replications, zones
from indicia.store.ids import new_id
from indicia.vault import transit
from indicia.vault.purposes import PRIVATE_KEY, access_key
from indicia.vault.rotation import advance
from indicia.vault.rsa import public_half

if TYPE_CHECKING:
    from indicia.domain.rotation import KeyPace
    from indicia.domain.time import Instant
    from indicia.operations.call import Call
    from indicia.operations.house import House
    from indicia.store.replications import Replication
    from indicia.store.session import Session
    from indicia.vault.keyring import Keyring

_LONGEST_REGION: Final = 63  # one label (contract, INDICIA_REGIONS)
# Only keys that sign, or have signed, leave: one that was replaced before its time never counts anywhere.
_OFFERED: Final = frozenset({Stage.SIGNING, Stage.RETIRED})


class ReplicationRequest(msgspec.Struct, kw_only=True, frozen=True):
    """Whose keys are asked for, and for a replica in which region."""

    name: str
    replica_region: str


class OfferedKey(msgspec.Struct, kw_only=True, frozen=True):
    """A key, its private half sealed for the access key that signed the request. Instants in ms."""

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


def offer_keys(house: House, call: Call, request: ReplicationRequest, s: Session) -> ReplicationResponse:
    """The caller has the tokens and keys of an identity of its own, for a replica elsewhere.

    Raises: `Fault` INVALID_PARAMETER without a region; ACCESS_DENIED for an access key whose secret is not
    known here: nothing could be sealed.
    """
    if not 0 < len(request.replica_region) <= _LONGEST_REGION:
        refuse(FaultKind.INVALID_PARAMETER, "replica-region names the region in which the replica is.")
    parent = identities.get(s, call.account, call.region, fold(request.name))
    found = obstacle(
        parent,
        region=call.region,
        replica_region=request.replica_region,
        served=(call.region,),
        allowed=True,  # the permission of the call was asked before
    )
    if found is not None or parent is None or parent.token_set_id is None:
        return ReplicationResponse(obstacle=(found or ErrorType.REPLICATION_PRIMARY_NOT_FOUND).value)
    key = access.get_key(s, call.access_key)
    if key is None:
        refuse(FaultKind.ACCESS_DENIED, "Keys are replicated to access keys only that this service has made.")
    secret = house.keyring.open(key.secret, access_key(key.id)).decode()
    stored = key_lives.read(s, parent.token_set_id)
    assert stored is not None
    replications.hear(s, parent.id, request.replica_region, call.now)
    token_set = stored.token_set
    length = token_set.key_length or parent.next_key_length
    first, second, third = token_set.tokens
    offered = tuple(
        OfferedKey(
            position=life.position,
            bits=key.bits,
            public_key=key.public_key,
            private_key=transit.seal(
                house.keyring.open(key.private_key, PRIVATE_KEY), secret, _about(token_set.zone, key.token)
            ),
            published_at=key.published_at,
            retired=life.stage is Stage.RETIRED,
        )
        for key, life in zip(stored.keys, stored.life.keys, strict=True)
        if life.stage in _OFFERED
    )
    return ReplicationResponse(
        offer=Offer(
            account=parent.account,
            tokens=(first, second, third),
            zone=token_set.zone,
            has_key=token_set.has_key,
            key_length=length.value,
            wanted_length=(token_set.wanted_length or length).value,
            keys=offered,
            fresh_for=house.key_pace.linger // 2,
        )
    )


def _about(zone: str, token: str) -> str:
    return f"{token}.{zone}"


class UnacceptableOfferError(Exception):
    """What another installation offers is not to be used. Says why, and holds no secret."""


@dataclass(frozen=True, slots=True)
class Abroad:
    """How keys of one region come from elsewhere: the secret opens them, our keyring seals them again."""

    region: str
    secret: str = field(repr=False)
    keyring: Keyring = field(repr=False)
    pace: KeyPace


def accept(s: Session, asked: Replication, offer: Offer, abroad: Abroad, now: Instant) -> TokenSet:
    """Return the parent's token set as it is stored here now, with the keys that were offered.

    Raises: `UnacceptableOfferError`.
    """
    if offer.account != asked.account:
        raise UnacceptableOfferError("the keys are another account's")
    if offer.zone in zones.names(s):
        raise UnacceptableOfferError("the zone of the keys is one of this installation's own")
    set_id = key_lives.issued_to(s, offer.zone, offer.tokens[0])
    if set_id is None:
        set_id = _issue(s, asked, offer, now)
    stored = key_lives.hold(s, set_id)
    if stored is None or stored.home != abroad.region or stored.token_set.tokens != offer.tokens:
        raise UnacceptableOfferError("the tokens are known here as somebody else's")
    key_lives.follow(s, set_id, KeyLength(offer.wanted_length), has_key=offer.has_key)
    _take_keys(s, stored, offer, abroad, now)
    advance(s, set_id, now, abroad.pace)
    found = keys.get_token_set(s, set_id)
    assert found is not None
    return found


def _issue(s: Session, asked: Replication, offer: Offer, now: Instant) -> int:
    token_set = TokenSet(
        id=new_id(),
        kind=TokenSetKind.EASY,
        tokens=offer.tokens,
        zone=offer.zone,
        key_length=KeyLength(offer.key_length),
        key_made_at=now,
        has_key=False,
        wanted_length=KeyLength(offer.wanted_length),
        awaited=True,
    )
    keys.insert_token_set(s, token_set, now, domain=asked.name, home=asked.parent_region)
    return token_set.id


def _take_keys(s: Session, stored: key_lives.StoredKeys, offer: Offer, abroad: Abroad, now: Instant) -> None:
    """Publish here what is published there: new keys are taken in, those that are gone are erased."""
    offered = {(key.position, key.public_key): key for key in offer.keys}
    known = set()
    signing = stored.life.signing
    for key, life in zip(stored.keys, stored.life.keys, strict=True):
        known.add((life.position, key.public_key))
        if (life.position, key.public_key) not in offered:
            keys.withdraw(s, key.id, now)
    for place, fresh in offered.items():
        if place in known or fresh.retired:
            continue
        if not 0 <= fresh.position < len(offer.tokens):
            raise UnacceptableOfferError("a key is under no token")
        token = offer.tokens[fresh.position]
        private = _opened(fresh, abroad.secret, _about(offer.zone, token))
        sealed = abroad.keyring.seal(private, PRIVATE_KEY)
        pooled = keys.PooledKey(new_id(), fresh.bits, fresh.public_key, sealed, now)
        # It has been there for longer than we know of it; but not from a time to come.
        published_at = min(fresh.published_at, now)
        set_id, zone = stored.token_set.id, stored.token_set.zone
        keys.publish(s, set_id, zone, token, pooled, published_at, in_use=signing is None)


def _opened(fresh: OfferedKey, secret: str, about: str) -> bytes:
    """Return the private half, which is that of the key it came with."""
    try:
        private = transit.open_sealed(fresh.private_key, secret, about)
        pair = public_half(private)
    except (transit.TransitError, ValueError, TypeError):
        raise UnacceptableOfferError("a private key does not open") from None
    if pair != fresh.public_key:
        raise UnacceptableOfferError("a private key is not that of its public half")
    return private
