"""Replication between installations: what a replica's installation takes in of what a parent's offers.

The other installation is trusted with the keys of the identities it serves, and with nothing else. So an
offer is examined as an upload is: names, lengths, who it is for, and that each private key is one. What is
wrong with it is evidence of nothing; the replica keeps what it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn

from indicia.domain.dkim.key_record import is_token
from indicia.domain.faults import Fault
from indicia.domain.identities.identity import KeyLength, TokenSet, TokenSetKind
from indicia.domain.names import parse_domain
from indicia.domain.records.publishable import dkim_to_be, unpublishable
from indicia.domain.time import HOUR, Instant, Span
from indicia.operations.dkim.replication_offer import about
from indicia.store.dkim import keys, zones
from indicia.store.dkim import rotation as rotations
from indicia.store.engine.ids import new_id
from indicia.store.identities import identities
from indicia.vault import transit
from indicia.vault.purposes import PRIVATE_KEY
from indicia.vault.rotation import advance
from indicia.vault.rsa import examined

if TYPE_CHECKING:
    from indicia.domain.dkim.rotation import KeyPace
    from indicia.operations.dkim.replication_offer import Offer, OfferedKey
    from indicia.store.dkim.replications import Replication
    from indicia.store.engine.session import Session
    from indicia.vault.keyring import Keyring

# However soon another installation wants to be asked again.
SOONEST: Final[Span] = HOUR
_BITS: Final = {length.bits for length in KeyLength}


class UnacceptableOfferError(Exception):
    """What another installation offers is not to be used. Says why, and holds no secret."""


@dataclass(frozen=True, slots=True)
class OfferSource:
    """How keys of one region come from elsewhere: the secret opens them, our keyring seals them again."""

    region: str
    secret: str = field(repr=False)
    keyring: Keyring = field(repr=False)
    pace: KeyPace


@dataclass(frozen=True, slots=True)
class Examined:
    """An offer that is sound in itself, with the keys that sign by position, sealed for our own store."""

    offer: Offer
    length: KeyLength
    wanted: KeyLength
    sealed: Mapping[int, bytes] = field(repr=False)

    @property
    def again(self) -> Span:
        """In how long it has to be asked for again."""
        return max(self.offer.fresh_for, SOONEST)


def examine(asked: Replication, offer: Offer, abroad: OfferSource) -> Examined:
    """Return the offer as it can be stored. Takes tens of milliseconds a key: call it from a thread.

    Raises: `UnacceptableOfferError`.
    """
    if offer.account != asked.account:
        _refuse("the keys are another account's")
    if len(set(offer.tokens)) != len(offer.tokens) or not all(map(is_token, offer.tokens)):
        _refuse("the tokens are none")
    if not _is_zone(offer.zone) or unpublishable(dkim_to_be(asked.name, offer.zone)):
        _refuse("the zone of the keys is no domain")
    try:
        length, wanted = KeyLength(offer.key_length), KeyLength(offer.wanted_length)
    except ValueError:
        _refuse("the length of the keys is none")
    positions = [key.position for key in offer.keys]
    if len(set(positions)) != len(positions) or not set(positions) <= set(range(len(offer.tokens))):
        _refuse("a key is under no token, or two are under one")
    return Examined(
        offer,
        length,
        wanted,
        {key.position: _sealed(key, offer, abroad) for key in offer.keys if not key.retired},
    )


def _refuse(reason: str) -> NoReturn:
    raise UnacceptableOfferError(reason)


def _is_zone(name: str) -> bool:
    try:
        return parse_domain(name).text == name
    except Fault:
        return False


def _sealed(key: OfferedKey, offer: Offer, abroad: OfferSource) -> bytes:
    """Return the private half under our own keyring; it is sound, and that of the key it came with."""
    try:
        private = transit.open_sealed(
            key.private_key, abroad.secret, about(offer.zone, offer.tokens[key.position])
        )
        pair = examined(private)
    except (transit.TransitError, Fault, ValueError, TypeError):
        raise UnacceptableOfferError("a private key does not open, or is none") from None
    if pair.public_key != key.public_key or key.bits not in _BITS:
        _refuse("a private key is not that of its public half")
    return abroad.keyring.seal(pair.private_key, PRIVATE_KEY)


def accept(s: Session, asked: Replication, offered: Examined, abroad: OfferSource, now: Instant) -> TokenSet:
    """Return the parent's token set as it is stored here now, with the keys that were offered.

    Raises: `UnacceptableOfferError`.
    """
    offer = offered.offer
    if any(_within(offer.zone, own) or _within(own, offer.zone) for own in zones.names(s)):
        _refuse("the zone of the keys is one of this installation's own")
    set_id = rotations.issued_to(s, offer.zone, offer.tokens[0])
    if set_id is None:
        set_id = _issue(s, asked, offered, now)
    stored = rotations.hold(s, set_id)
    if stored is None or stored.home != abroad.region or stored.token_set.tokens != offer.tokens:
        _refuse("the tokens are known here as somebody else's")
    if any(
        (each.account, each.name) != (asked.account, asked.name) for each in identities.sharing(s, set_id)
    ):
        _refuse("the tokens are known here as another identity's")
    rotations.follow(s, set_id, offered.wanted, has_key=offer.has_key)
    _take_keys(s, stored, offered, now)
    advance(s, set_id, now, abroad.pace)
    found = keys.get_token_set(s, set_id)
    assert found is not None
    return found


def _within(name: str, zone: str) -> bool:
    return name == zone or name.endswith(f".{zone}")


def _issue(s: Session, asked: Replication, offered: Examined, now: Instant) -> int:
    token_set = TokenSet(
        id=new_id(),
        kind=TokenSetKind.EASY,
        tokens=offered.offer.tokens,
        zone=offered.offer.zone,
        key_length=offered.length,
        key_made_at=now,
        has_key=False,
        wanted_length=offered.wanted,
        awaited=True,
    )
    keys.insert_token_set(s, token_set, now, domain=asked.name, home=asked.parent_region)
    return token_set.id


def _take_keys(s: Session, stored: rotations.StoredKeys, offered: Examined, now: Instant) -> None:
    """Publish here what is published there: new keys are taken in, those that are gone are erased."""
    offer = offered.offer
    there = {(key.position, key.public_key): key for key in offer.keys}
    known = set()
    signing = stored.life.signing
    for key, life in zip(stored.keys, stored.life.keys, strict=True):
        known.add((life.position, key.public_key))
        if (life.position, key.public_key) not in there:
            keys.withdraw(s, key.id, now)
    for place, fresh in there.items():
        if place in known or fresh.retired:
            continue
        token = offer.tokens[fresh.position]
        sealed = offered.sealed[fresh.position]
        pooled = keys.PooledKey(new_id(), fresh.bits, fresh.public_key, sealed, now)
        # It has been there for longer than we know of it; but not from a time to come, or before time began.
        published_at = min(max(fresh.published_at, 0), now)
        set_id, zone = stored.token_set.id, stored.token_set.zone
        keys.publish(s, set_id, zone, token, pooled, published_at, in_use=signing is None)
